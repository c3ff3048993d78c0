"""The forms in which a base model reads a chat: offered above it, kept in the menu."""

from dataclasses import replace

import pytest
from msgspec import structs

from chatdesk.library.dialogues import DIALOGUES
from chatdesk.remarks import REMARKS, Remark
from tests.ui.scripted import READY

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

BASE = replace(READY, info=structs.replace(READY.info, has_chat_template=False))


def test_a_base_model_has_a_bar_until_a_form_is_chosen(desk) -> None:
    bar = desk.page.dialogue_bar
    assert not bar.isVisible()
    desk.chat.say(BASE)
    assert bar.isVisible()
    assert bar.button.text().strip() == "Plain dialogue"
    assert bar.button.accessibleName() == "Form of the messages: Plain dialogue"
    desk.chat.say(replace(BASE, dialogue="alpaca"))
    assert not bar.isVisible()


@pytest.mark.parametrize("name", DIALOGUES)
def test_each_form_can_be_chosen_in_the_bar(desk, name) -> None:
    desk.chat.say(BASE)
    action = list(DIALOGUES).index(name)
    desk.page.dialogue_bar.menu.actions()[action].trigger()
    assert desk.models.calls[-1] == ("choose_dialogue", name)


def test_closing_the_bar_keeps_the_plain_form(desk) -> None:
    desk.chat.say(BASE)
    desk.page.dialogue_bar.close_button.click()
    assert desk.models.calls[-1] == ("choose_dialogue", "plain")


def test_the_menu_offers_another_form_for_any_model(desk) -> None:
    menu = desk.page.model_menu
    menu._fill()
    forms = menu.dialogues.actions()
    assert forms[0].text() == "Its own template"
    assert [action.isChecked() for action in forms] == [True] + [False] * len(DIALOGUES)
    forms[2].trigger()
    assert desk.models.calls[-1] == ("choose_dialogue", "chatml")
    desk.chat.say(replace(READY, dialogue="chatml"))
    menu._fill()
    assert menu.dialogues.title() == "Messages: ChatML"


def test_the_bar_shows_what_the_model_sees(desk, qtbot) -> None:
    desk.chat.say(BASE)
    desk.page.dialogue_bar.prompt.click()
    dialog = next(child for child in desk.window.children() if type(child).__name__ == "ExactPromptDialog")
    assert dialog.isVisible()
    dialog.close()


def test_what_a_checkpoint_leaves_open_stands_in_the_tip_of_its_button(desk) -> None:
    button = desk.page.header.model_button
    desk.chat.say(READY)
    assert "\n" not in button.toolTip()
    desk.chat.say(replace(READY, info=structs.replace(READY.info, remarks=("no_end_token", "swaps"))))
    assert button.toolTip().splitlines()[1:] == [REMARKS[Remark.NO_END_TOKEN], REMARKS[Remark.SWAPS]]
