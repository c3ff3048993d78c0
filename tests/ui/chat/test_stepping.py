"""From version to version: the buttons stay where they are, and so do the keys."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from chatdesk.tasks.changes import Turn
from chatdesk.ui.chat.transcript import Transcript

LONG = "A paragraph of an answer.\n\n" * 20


def _talk(version: int, text: str, after: int) -> list[Turn]:
    above = [Turn(f"{n}", "user", f"Question {n}") for n in range(6)]
    below = [Turn(f"{version}{n}", "user", f"Question {n} of version {version}") for n in range(after)]
    return [*above, Turn(f"v{version}", "assistant", text, version=version, versions=3), *below]


@pytest.mark.parametrize("is_by_key", [True, False])
def test_versions_are_stepped_through_in_place(transcript: Transcript, qtbot, is_by_key: bool) -> None:
    """The buttons stay under the pointer, and under the keys, also where another branch is much longer."""
    transcript.window().activateWindow()
    transcript.show_turns(_talk(1, LONG, 20))
    footer = transcript._entries["v1"].rows[-1]
    transcript.verticalScrollBar().setValue(transcript.rows.top(transcript.rows.index(footer)) - 200)
    qtbot.waitUntil(lambda: footer.view is not None and not transcript._catch_up.isActive())
    y = footer.view.y()
    for version, text, after in ((2, "Short.", 60), (3, LONG * 3, 0)):
        if is_by_key:
            footer.view._forward.setFocus(Qt.FocusReason.TabFocusReason)
            qtbot.keyClick(footer.view._forward, Qt.Key.Key_Space)
        else:
            footer.view._forward.click()
        transcript.setFocus()  # the page may take it
        transcript.show_turns(_talk(version, text, after))
        footer = transcript._entries[f"v{version}"].rows[-1]
        assert footer.view is not None
        at = footer.view.y()
        assert at == y if after else at > y  # nothing follows: the end is at the lower edge
        assert transcript._following == (not after)
        focus = QApplication.focusWidget()
        assert (focus in (footer.view._forward, footer.view._back)) == is_by_key
    assert not footer.view._forward.isEnabled()


def test_a_step_to_a_version_whose_place_is_still_to_come(transcript: Transcript) -> None:
    transcript.show_turns(_talk(1, "One", 0))
    transcript._entries["v1"].rows[-1].view._forward.click()
    turns = _talk(2, "Two", 60)
    transcript.show_turns(turns[20:], is_whole=False)
    transcript.add_above(turns[:20], is_whole=True)
    assert transcript._entries["v2"].rows[-1].view.y() > 0
    transcript.show_turns(_talk(3, "Three", 60))
    assert transcript._following
