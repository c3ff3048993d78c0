"""A transcript on screen, and turns to show in it."""

import pytest

from chatdesk.ui.chat.transcript import Transcript


@pytest.fixture
def transcript(qtbot) -> Transcript:
    found = Transcript()
    qtbot.addWidget(found)
    found.resize(700, 500)
    with qtbot.waitExposed(found):
        found.show()
    return found
