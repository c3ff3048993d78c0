"""On the page of the models: which checkpoint guesses ahead for the one that is looked at."""

from dataclasses import replace

import pytest
from msgspec import structs

from chatdesk.tasks.changes import ModelChanged
from tests.ui.scripted import INFO, READY

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
BOX, SMOL, MINE = "/box/starter", "/cache/smol", "/models/my-gpt2"


@pytest.fixture
def page(desk):
    desk.window.show_page("models")
    return desk.window.models_page.local


def choose(page, path):
    page.view.setCurrentIndex(page.model.index(page.model.row_of(path)))


def ready(path: str) -> ModelChanged:
    return ModelChanged("ready", INFO.name, path, info=structs.replace(INFO, path=path))


def test_one_that_guesses_ahead_is_chosen_and_said(desk, page, qtbot):
    row = page.details.draft
    assert row.isHidden()  # nothing fits, as far as is known
    small = desk.models.checkpoints.entries[0]
    choose(page, SMOL)
    desk.models.asked_drafts([small])
    assert [a.text() for a in row.button.menu().actions()] == ["None", "Starter 7M · 28 MB"]
    assert row.button.accessibleName() == "Guess ahead with: None"
    row.button.setFocus()
    row.button.menu().actions()[1].trigger()
    assert desk.models.calls == [("choose_draft_model", SMOL, BOX)]
    desk.models.drafts[SMOL] = BOX
    desk.chat.say(replace(ready(SMOL), draft_model=BOX))
    assert (row.button.value, row.button.hasFocus()) == (BOX, True)
    assert row.note.text().startswith("It is at work.")
    desk.chat.say(ready(SMOL))
    assert not row.note.text().startswith("It is at work.")
    choose(page, MINE)
    assert row.isHidden()  # until it is known what fits this one


def test_a_choice_that_went_away_can_be_taken_back(desk, page):
    desk.models.drafts[SMOL] = "/gone"
    choose(page, SMOL)
    desk.models.asked_drafts([])
    row = page.details.draft
    assert (row.isVisible(), row.button.value) == (True, "/gone")
    row.button.menu().actions()[0].trigger()
    assert desk.models.calls == [("choose_draft_model", SMOL, "")]
    desk.models.guesses = False
    desk.chat.say(READY)
    assert not row.button.isEnabled()
    assert "off in the settings" in row.note.text()


def test_an_answer_for_another_one_counts_for_nothing(desk, page):
    choose(page, SMOL)
    late = desk.models.asked_drafts
    choose(page, MINE)
    late(desk.models.checkpoints.entries[:1])
    assert page.details.draft.isHidden()
