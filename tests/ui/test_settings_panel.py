import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from chatdesk.settings.options import APPLICATION, CHAT
from chatdesk.tasks.changes import SettingsChanged
from chatdesk.ui.widgets.option_rows import NumberRow, row_for


@pytest.fixture
def panel(desk):
    return desk.page.panel


def test_every_option_of_a_chat_has_a_row(panel):
    assert list(panel.rows) == list(CHAT)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("temperature", "0.7"),
        ("max_new_tokens", "512"),
        ("top_p", "0.95"),
        ("top_k", "Off"),
        ("min_p", "0.05"),
        ("repetition_penalty", "1.1"),
        ("seed", ""),
    ],
)
def test_defaults_are_shown(panel, name, shown):
    assert panel.rows[name].field.text() == shown
    assert panel.rows[name].reset.isHidden()


@pytest.mark.parametrize(
    ("name", "neutral"), [("top_p", 1.0), ("top_k", 0), ("min_p", 0.0), ("repetition_penalty", 1.0)]
)
def test_a_value_that_does_nothing_is_off(panel, name, neutral):
    panel.rows[name].show_value(neutral, CHAT[name].default)
    assert panel.rows[name].field.text() == "Off"


def test_temperature_one_is_a_number_like_any_other(panel):
    panel.rows["temperature"].show_value(1.0, 0.7)
    assert panel.rows["temperature"].field.text() == "1.0"


def test_the_slider_sets_the_value(desk, panel):
    row = panel.rows["temperature"]
    row.slider.setValue(18)
    assert row.field.text() == "0.9"
    assert desk.chat.said("set_setting") == [("temperature", 0.9)]


def test_the_slider_of_the_length_stops_at_round_numbers(desk, panel):
    row = panel.rows["max_new_tokens"]
    row.slider.setValue(0)
    row.slider.setValue(4)
    assert desk.chat.said("set_setting") == [("max_new_tokens", 1), ("max_new_tokens", 64)]


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("temperature", "1.35", 1.35),
        ("temperature", "0", 0.0),
        ("max_new_tokens", "100000", 100_000),
        ("top_k", "off", 0),
        ("seed", "42", 42),
    ],
)
def test_typing_sets_the_value(desk, panel, name, typed, value):
    panel.rows[name].show_value(1, 1)
    field = panel.rows[name].field
    field.textEdited.emit(typed)
    assert desk.chat.said("set_setting")[-1] == (name, value)


def test_a_value_beyond_the_slider_stays(desk, panel, defaults):
    desk.chat.say(SettingsChanged({"max_new_tokens": 100_000}, defaults))
    row = panel.rows["max_new_tokens"]
    assert row.slider.value() == row.slider.maximum()
    assert row.field.text() == "100000"
    assert desk.chat.said("set_setting") == []


@pytest.mark.parametrize("typed", ["eleven", "11", "-1", "nan", "1e400", "0x10", ""])
def test_a_wrong_value_is_marked_and_goes_back(desk, panel, qtbot, typed):
    row = panel.rows["temperature"]
    row.field.setText(typed)
    row.field.textEdited.emit(typed)
    assert row.field.property("wrong")
    assert row.field.toolTip() == "A number from 0 to 10."
    row.field.editingFinished.emit()
    assert (row.field.text(), row.field.property("wrong")) == ("0.7", False)
    assert desk.chat.said("set_setting") == []


def test_an_empty_seed_is_random(desk, panel, defaults):
    desk.chat.say(SettingsChanged({"seed": 7}, defaults))
    row = panel.rows["seed"]
    assert (row.field.text(), row.reset.isHidden()) == ("7", True)
    row.field.setText("")
    row.field.textEdited.emit("")
    assert desk.chat.said("set_setting") == [("seed", None)]
    assert row.field.placeholderText() == "random"


def test_a_changed_value_has_a_way_back(desk, panel, defaults):
    desk.chat.say(SettingsChanged({"temperature": 1.2, "top_p": 0.95}, defaults))
    row = panel.rows["temperature"]
    assert row.reset.isVisible()
    assert row.reset.text() == "Default 0.7"
    assert panel.rows["top_p"].reset.isHidden()
    row.reset.click()
    assert desk.chat.said("set_setting") == [("temperature", None)]


def test_defaults_of_another_checkpoint_are_shown(desk, panel, defaults):
    desk.chat.say(SettingsChanged({}, defaults | {"temperature": 0.6, "top_k": 20}))
    assert (panel.rows["temperature"].field.text(), panel.rows["top_k"].field.text()) == ("0.6", "20")


def test_the_echo_of_what_is_typed_does_not_disturb(desk, panel, defaults):
    field = panel.rows["temperature"].field
    desk.window.activateWindow()
    field.setFocus()
    field.setText("1.")
    field.textEdited.emit("1.")
    desk.chat.say(SettingsChanged({"temperature": 1.0}, defaults))
    assert field.text() == "1."


def test_the_system_prompt(desk, panel, defaults):
    row = panel.rows["system_prompt"]
    row.field.setPlainText("Be brief.")
    row.field.setPlainText("")
    assert desk.chat.said("set_setting") == [("system_prompt", "Be brief."), ("system_prompt", None)]
    desk.chat.say(SettingsChanged({"system_prompt": "Other"}, defaults))
    assert row.field.toPlainText() == "Other"
    assert len(desk.chat.said("set_setting")) == 2


def test_the_wheel_changes_nothing_in_passing(desk, panel):
    slider = panel.rows["temperature"].slider
    event = QWheelEvent(
        QPointF(5, 5), slider.mapToGlobal(QPointF(5, 5)), QPoint(0, 0), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(slider, event)
    assert desk.chat.said("set_setting") == []


def test_every_number_and_slider_moves_in_its_bounds(panel):
    for row in panel.rows.values():
        if isinstance(row, NumberRow) and row.slider is not None:
            for place in (row.slider.minimum(), row.slider.maximum()):
                row._on_slider_moved(place)
                assert row.option.check(row._value) == row._value


def test_nothing_of_the_panel_is_cut_off(desk, panel, defaults):
    desk.chat.say(SettingsChanged(dict.fromkeys(("temperature", "top_p", "min_p"), 0.33), defaults))
    QApplication.processEvents()
    room = panel.width()
    for row in panel.rows.values():
        assert row.minimumSizeHint().width() <= room
        right = row.mapTo(panel, QPoint(row.width(), 0)).x()
        assert right <= room


def test_a_text_of_one_line_is_said_when_it_is_whole(qtbot):
    row = row_for(APPLICATION["hub"])
    qtbot.addWidget(row)
    said = []
    row.changed.connect(lambda name, value: said.append((name, value)))
    row.show_value("https://a.example", "")
    assert row.field.text() == "https://a.example"
    row.field.selectAll()
    qtbot.keyClicks(row.field, " https://b.example ")
    assert said == []
    qtbot.keyClick(row.field, Qt.Key.Key_Return)
    assert said == [("hub", "https://b.example")]
