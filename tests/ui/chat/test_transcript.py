"""The transcript: streaming, what exists as widgets, the reader's place, buttons, copying."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QPushButton, QWidget

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.marginalia import EmptyState, Waiting
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.chat.transcript import Transcript
from chatdesk.ui.chat.views import CodeFrame, RowView

REPLY = """# Title

A paragraph with **bold** words and `code`.

- one
- two

```python
def f(x):
    return x
```

|a|b|
|-|-|
|1|2|

The end."""


def user(number: int, text: str = "A question") -> Turn:
    return Turn(f"u{number}", "user", text)


def reply(number: int, text: str = REPLY, **fields) -> Turn:
    return Turn(f"r{number}", "assistant", text, finish_reason=fields.pop("finish_reason", "stop"), **fields)


def conversation(pairs: int) -> list[Turn]:
    return [turn for number in range(pairs) for turn in (user(number, f"Question {number}"), reply(number))]


def shown_text(transcript: Transcript) -> str:
    """All text that has a widget, from top to bottom."""
    views = sorted((row.view for row in transcript._live if row.view), key=lambda view: view.y())
    return "\n".join(surface.document.toPlainText() for view in views for surface in view.surfaces())


def button(transcript: Transcript, name: str) -> QAbstractButton:
    """The lowest visible button of that name."""
    found = [each for each in transcript.findChildren(QAbstractButton) if each.accessibleName() == name]
    visible = [each for each in found if each.isVisible()]
    return max(visible, key=lambda each: each.mapTo(transcript, QPoint(0, 0)).y())


def stream(transcript: Transcript, text: str, step: int) -> None:
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    for at in range(0, len(text), step):
        transcript.grow("s", text[at : at + step])
        transcript.flush()


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    "text", [REPLY, REPLY * 6, "word " * 2000, "```py\n" + "x = 'é你👩‍👩‍👧'\n" * 40 + "```\nafter", "سلام عليكم **نص**"]
)
def test_streamed_looks_like_the_whole(transcript: Transcript, text: str, step: int) -> None:
    if step < 7 and len(text) > 1000:
        step = 41
    transcript.resize(700, 20_000)
    transcript.show_turns([user(0), reply(0, text)])
    whole = shown_text(transcript), transcript.rows.top(len(transcript.rows))
    transcript.show_turns([user(0)])
    stream(transcript, text, step)
    transcript.replace("s", reply(0, text))
    assert (shown_text(transcript), transcript.rows.top(len(transcript.rows))) == whole
    assert transcript.text_of("r0") == text


def test_finished_blocks_are_not_rendered_again(transcript: Transcript) -> None:
    transcript.show_turns([user(0)])
    stream(transcript, "First paragraph.\n\nSecond", 5)
    first = transcript._live[-1].view.surfaces()[0]
    transcript.grow("s", " paragraph goes on.\n\nThird")
    transcript.flush()
    surfaces = transcript._live[-1].view.surfaces()
    assert len(surfaces) == 3
    assert surfaces[0] is first


def test_growing_is_painted_by_a_timer(transcript: Transcript, qtbot) -> None:
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    for _ in range(200):
        transcript.grow("s", "x")
    assert "x" not in shown_text(transcript)
    qtbot.waitUntil(lambda: "x" * 200 in shown_text(transcript))


def test_the_window_rests_after_a_slow_paint(transcript: Transcript, monkeypatch) -> None:
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    clock = iter((0.0, 1.0, 2.0, 2.001))
    monkeypatch.setattr("chatdesk.ui.chat.transcript.time.perf_counter", lambda: next(clock))
    rests = []
    for _ in range(3):
        transcript.grow("s", "x ")
        rests.append(transcript._paint.interval())
        transcript._paint.stop()
        if len(rests) < 3:
            transcript.flush()
    assert rests == [33, 4000, 33]


def test_only_what_is_near_has_widgets(transcript: Transcript, qtbot) -> None:
    transcript.show_turns(conversation(100))
    for step in range(30):
        transcript.verticalScrollBar().setValue(step * transcript.verticalScrollBar().maximum() // 30)
        qtbot.wait(1)
        assert 0 < len(transcript.viewport().findChildren(RowView, options=Qt.FindDirectChildrenOnly)) < 40
    assert len(transcript.rows) > 400


def test_what_nobody_came_near_to_is_not_even_cut(transcript: Transcript) -> None:
    transcript.show_turns(conversation(100))
    cut = [entry.turn.id for entry in transcript.entries() if entry.is_cut]
    assert len(cut) < 10
    assert cut[-1] == "r99"
    transcript.go_to("r50")
    assert "Question 50" in shown_text(transcript)
    assert sum(entry.is_cut for entry in transcript.entries()) < 20
    transcript.verticalScrollBar().setValue(0)
    assert "Question 0" in shown_text(transcript)


@pytest.mark.parametrize("texts", [["", "words", ""], ["<think></think>", "<think>\n\n</think>"], ["x\n" * 3_000]])
def test_turns_of_any_text_come_on_screen_from_far_away(transcript: Transcript, texts: list[str]) -> None:
    replies = [reply(number, text) for number, text in enumerate(texts)]
    transcript.show_turns([*replies, *(user(number) for number in range(100))])
    transcript.go_to("r0")
    transcript.verticalScrollBar().setValue(0)
    assert transcript._live[0].entry.turn.id == "r0"
    assert not [row for row in transcript._live if row.kind == "unseen"]
    assert [entry.text for entry in transcript.entries()[: len(texts)]] == texts


def test_scrolling_makes_a_little_at_a_time_and_all_in_the_end(transcript: Transcript, qtbot, monkeypatch) -> None:
    monkeypatch.setattr("chatdesk.ui.chat.arranging._STEP_S", 0.0)
    transcript.show_turns(conversation(100))
    made: list[object] = []
    transcript.view_made.connect(made.append)
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 3)
    assert len(made) > 2  # a jump shows what it comes to
    made.clear()
    bar.setValue(bar.maximum() // 2)
    assert len(made) == 1
    place = bar.value()
    qtbot.waitUntil(lambda: not transcript._catch_up.isActive())
    views = [row.view.geometry() for row in transcript._live]
    assert views[0].top() <= 0
    assert views[-1].bottom() >= transcript.viewport().height()
    assert abs(bar.value() - place) < transcript.viewport().height()  # only estimates have been corrected


def test_a_conversation_opens_at_its_end(transcript: Transcript) -> None:
    transcript.show_turns([*conversation(100), user(100, "The very last words")])
    bar = transcript.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    assert "The very last words" in shown_text(transcript)


def place_of(transcript: Transcript) -> tuple[object, int]:
    """What stands at the upper edge, and how far down."""
    first = next(row for row in transcript._live if row.view and row.view.geometry().bottom() > 0)
    return first, first.view.y()


def test_nothing_moves_while_the_reader_is_up(transcript: Transcript) -> None:
    transcript.show_turns(conversation(30))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    before = place_of(transcript)
    stream(transcript, REPLY * 5, 100)
    assert place_of(transcript) == before
    transcript.replace("s", reply(99, REPLY * 5))
    transcript.set_notice("Something failed.", "Try again")
    transcript.set_dropped(3)
    transcript.add(Turn("later", "assistant", "late"))
    assert place_of(transcript) == before


def test_scrolling_up_moves_by_what_was_asked(transcript: Transcript) -> None:
    transcript.show_turns(conversation(60))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() - 300)
    for _ in range(40):
        row, y = place_of(transcript)
        bar.setValue(bar.value() - 50)
        if row.view is not None:  # heights above were estimates, yet this row moved by 50 and no more
            assert row.view.y() == y + 50


def test_turns_that_come_above_move_nothing(transcript: Transcript) -> None:
    turns = conversation(60)
    transcript.show_turns(turns[80:], is_whole=False)
    bar = transcript.verticalScrollBar()
    transcript.add_above(turns[50:80], is_whole=False)
    assert bar.value() == bar.maximum()
    bar.setValue(bar.maximum() // 2)
    before = place_of(transcript)
    transcript.set_dropped(3)
    assert "dropped" not in [row.kind for row in (transcript.rows[index] for index in range(len(transcript.rows)))]
    transcript.add_above(turns[:50], is_whole=True)
    assert place_of(transcript) == before
    assert [entry.turn for entry in transcript.entries()] == turns
    index = transcript.rows.index(transcript._dropped_row)
    assert transcript.rows[index + 1].entry.turn is turns[3]
    bar.setValue(0)
    assert "Question 0" in shown_text(transcript)


def test_a_turn_that_is_still_to_come_is_gone_to_when_it_has(transcript: Transcript) -> None:
    turns = conversation(60)
    transcript.show_turns(turns[100:], is_whole=False)
    transcript.go_to("r3")
    transcript.add_above(turns[50:100], is_whole=False)
    assert "Question 59" in shown_text(transcript)
    transcript.add_above(turns[:50], is_whole=True)
    assert transcript._entries["r3"].rows[0].view is not None
    transcript.go_to("nowhere")
    transcript.clear()
    transcript.show_turns([*turns[:6], user(99)], is_whole=False)
    transcript.add_above([reply(100), Turn("nowhere", "user", "x")], is_whole=True)
    assert transcript.verticalScrollBar().value() == transcript.verticalScrollBar().maximum()


def test_the_end_is_followed_and_can_be_returned_to(transcript: Transcript, qtbot) -> None:
    transcript.show_turns(conversation(10))
    bar = transcript.verticalScrollBar()
    stream(transcript, REPLY * 3, 50)
    assert bar.value() == bar.maximum()
    assert not transcript._to_end.isVisible()
    bar.setValue(0)
    assert transcript._to_end.isVisible()
    qtbot.mouseClick(transcript._to_end, Qt.MouseButton.LeftButton)
    assert bar.value() == bar.maximum()
    assert not transcript._to_end.isVisible()


def test_own_words_take_the_reader_to_the_end(transcript: Transcript) -> None:
    transcript.show_turns(conversation(10))
    transcript.verticalScrollBar().setValue(0)
    transcript.add(user(99, "New words"))
    assert transcript.verticalScrollBar().value() == transcript.verticalScrollBar().maximum()


def test_keys_scroll(transcript: Transcript, qtbot) -> None:
    transcript.show_turns(conversation(20))
    bar = transcript.verticalScrollBar()
    qtbot.keyClick(transcript, Qt.Key.Key_Home)
    assert bar.value() == 0
    qtbot.keyClick(transcript, Qt.Key.Key_PageDown)
    assert 300 < bar.value() < 500
    qtbot.keyClick(transcript, Qt.Key.Key_PageUp)
    assert bar.value() == 0
    qtbot.keyClick(transcript, Qt.Key.Key_End)
    assert bar.value() == bar.maximum()


def test_notice_has_one_button_that_works(transcript: Transcript, qtbot) -> None:
    transcript.show_turns([user(0)])
    transcript.set_notice("The engine stopped. <b>not bold</b>", "Try again")
    found = [each for each in transcript.findChildren(QPushButton) if each.isVisible()]
    assert [each.text() for each in found] == ["Try again"]
    with qtbot.waitSignal(transcript.notice_clicked):
        qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)
    transcript.set_notice(None, None)
    assert not [each for each in transcript.findChildren(QPushButton) if each.isVisible()]


def test_footer_says_speed_reason_and_versions(transcript: Transcript, qtbot) -> None:
    turn = reply(0, version=2, versions=3, tokens_per_s=142.4, ttft_s=0.21, finish_reason="cancelled", model="M")
    transcript.show_turns([user(0), turn])
    footer = transcript._live[-1].view
    assert footer._figures.words() == "M · 142 tok/s · first token 210 ms · stopped"
    assert footer._version.text() == "2 / 3"
    with qtbot.waitSignal(transcript.version_requested) as asked:
        button(transcript, "Previous version").click()
    assert asked.args == ["r0", -1]
    with qtbot.waitSignal(transcript.version_requested) as asked:
        button(transcript, "Next version").click()
    assert asked.args == ["r0", 1]
    with qtbot.waitSignal(transcript.regenerate_requested) as asked:
        button(transcript, "Regenerate").click()
    assert asked.args == ["r0"]


def test_only_the_last_reply_can_be_made_again(transcript: Transcript) -> None:
    transcript.resize(700, 3_000)
    transcript.show_turns(conversation(2))
    names = [each.accessibleName() for each in transcript.findChildren(QAbstractButton) if each.isVisible()]
    assert names.count("Regenerate") == 1
    assert names.count("Copy the reply") == 2
    assert "Next version" not in names
    transcript.add(user(5))
    names = [each.accessibleName() for each in transcript.findChildren(QAbstractButton) if each.isVisible()]
    assert "Regenerate" not in names


def test_tab_goes_from_top_to_bottom(transcript: Transcript, qtbot) -> None:
    transcript.resize(700, 1_500)
    transcript.show_turns(conversation(2))
    transcript.setFocus()
    seen = []
    for _ in range(14):
        qtbot.keyClick(transcript.focusWidget() or transcript, Qt.Key.Key_Tab)
        seen.append(transcript.focusWidget())
    places = [each.mapTo(transcript, QPoint(0, 0)).y() for each in seen]
    assert [each.accessibleName() for each in seen] == [
        "Edit the message", "Copy the message", "More", "Copy the code", "Edit the reply", "Copy the reply", "More",
        "Edit the message", "Copy the message", "More", "Copy the code", "Regenerate", "Edit the reply",
        "Copy the reply",
    ]  # fmt: skip
    assert places == sorted(places)


def test_copy_gives_the_source(transcript: Transcript) -> None:
    transcript.show_turns([user(0), reply(0)])
    button(transcript, "Copy the reply").click()
    assert QGuiApplication.clipboard().text() == REPLY


def test_code_is_copied_alone_and_whole(transcript: Transcript) -> None:
    code = "".join(f"value_{number} = {number}\n" for number in range(2_000))
    transcript.show_turns([user(0), reply(0, f"Before\n\n```python\n{code}```\nAfter")])
    transcript.verticalScrollBar().setValue(0)
    frame = next(row.view for row in transcript._live if isinstance(row.view, CodeFrame))
    frame.stops()[0].click()
    assert QGuiApplication.clipboard().text() == code


def test_select_all_and_drag_copy(transcript: Transcript, qtbot) -> None:
    transcript.show_turns([user(0, "typed  as\nit is"), reply(0, "First words.\n\nSecond words.")])
    surfaces = sorted(transcript.findChildren(Surface), key=lambda each: each.mapTo(transcript, QPoint(0, 0)).y())
    port = transcript.viewport()
    start = surfaces[1].mapTo(port, QPoint(0, 5))
    end = surfaces[2].mapTo(port, QPoint(surfaces[2].width() - 1, 15))
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(port, end)
    transcript._extend(end)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end)
    qtbot.keyClick(transcript, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "First words.\nSecond words."
    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, pos=surfaces[0].mapTo(port, QPoint(5, 5)))
    qtbot.keyClick(transcript, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(transcript, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "typed  as\nit is"


def test_links_only_by_a_click(transcript: Transcript, qtbot) -> None:
    transcript.show_turns([user(0), reply(0, "[address](https://example.org/) then [bad](javascript:alert)")])
    surface = transcript._live[2].view.surfaces()[0]
    with qtbot.waitSignal(transcript.link_clicked) as clicked:
        qtbot.mouseClick(
            transcript.viewport(), Qt.MouseButton.LeftButton, pos=surface.mapTo(transcript.viewport(), QPoint(12, 12))
        )
    assert clicked.args == ["https://example.org/"]


def test_waiting_dots_give_way_to_words(transcript: Transcript) -> None:
    transcript.show_turns([user(0)])
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    assert [row.kind for row in transcript._live] == ["piece", "footer", "waiting"]
    transcript.grow("s", "Hello")
    transcript.flush()
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece"]
    transcript.remove("s")
    assert [row.kind for row in transcript._live] == ["piece", "footer"]


def test_dropped_line_stands_above_the_first_seen_turn(transcript: Transcript) -> None:
    transcript.show_turns([user(0), reply(0, "a"), user(1), reply(1, "b")])
    transcript.set_dropped(2)
    pair = ["piece", "footer", "piece", "footer"]
    assert [row.kind for row in transcript._live] == [*pair, "dropped", *pair]
    transcript.set_dropped(0)
    assert "dropped" not in [row.kind for row in transcript._live]


def test_empty_conversation_offers_examples(transcript: Transcript, qtbot) -> None:
    examples = [each for each in transcript.findChildren(QPushButton) if each.isVisible()]
    assert len(examples) == 3
    with qtbot.waitSignal(transcript.example_chosen) as chosen:
        examples[0].click()
    assert chosen.args == ["Hello, who are you?"]
    transcript.add(user(0))
    assert not [each for each in transcript.findChildren(QPushButton) if each.isVisible()]
    transcript.clear()
    assert len([each for each in transcript.findChildren(QPushButton) if each.isVisible()]) == 3


GIANTS = {
    "1 MB line": "a" * 1_000_000,
    "combining": "e" + "\u0301" * 100_000,
    "NUL": "\x00" * 50_000,
    "emoji": "👩‍👩‍👧‍👦" * 20_000,
    "RTL": "سلام " * 50_000,
    "brackets": "[" * 200_000,
    "quotes": "> " * 100_000,
    "table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 20_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", GIANTS.values(), ids=GIANTS.keys())
def test_giant_texts_do_not_hang(transcript: Transcript, text: str) -> None:
    for turn in (user(0, text), reply(0, text)):
        transcript.show_turns([turn])
        assert len(transcript._live) < 40
        assert transcript.text_of(turn.id) == text
        transcript.verticalScrollBar().setValue(0)
        assert transcript._live[0].height > 0


def test_theme_change_keeps_the_place(transcript: Transcript) -> None:
    from chatdesk.ui import theme

    transcript.show_turns(conversation(30))
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    row, y = place_of(transcript)
    theme.watcher.changed.emit()
    assert place_of(transcript) == (row, y)


def test_another_version_leaves_its_buttons_where_they_are(transcript: Transcript, qtbot) -> None:
    transcript.show_turns([*conversation(3), reply(9, REPLY * 3, version=1, versions=2), *conversation(3)])
    bar = transcript.verticalScrollBar()
    bar.setValue(bar.maximum() // 2)
    footer = next(row for row in transcript._entries["r9"].rows if row.kind == "footer")
    bar.setValue(transcript.rows.top(transcript.rows.index(footer)) - 200)
    qtbot.waitUntil(lambda: footer.view is not None and not transcript._catch_up.isActive())
    y = footer.view.y()
    transcript.replace("r9", Turn("other", "assistant", "Short.", version=2, versions=2))
    assert transcript._entries["other"].rows[-1].view.y() == y


def test_the_dots_say_how_much_of_a_long_prompt_is_read(transcript: Transcript) -> None:
    """Until the first word; a turn that is not there is no matter."""
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    transcript.grab()
    transcript.show_read("s", 0.256)
    transcript.show_read("gone", 0.5)
    (dots,) = transcript.findChildren(Waiting)
    assert dots.words == "read 25 %"
    assert "25 %" in dots.accessibleName()
    transcript.grow("s", "Now")
    transcript.flush()
    transcript.show_read("s", 0.9)
    assert transcript.text_of("s") == "Now"


@pytest.mark.parametrize("width", [270, 700])
def test_an_example_is_shown_as_far_as_there_is_room_and_sent_whole(qtbot, qapp, width):
    theme.apply(qapp, "light", 100)
    room = QWidget()
    qtbot.addWidget(room)
    state = EmptyState(room)
    state.resize(width, 400)
    room.resize(width, 400)
    room.show()
    buttons = state.findChildren(QPushButton)
    assert len(buttons) == 3
    for button in buttons:
        assert button.width() >= button.sizeHint().width()
    long = max(buttons, key=lambda button: len(button.text()))
    assert long.text().endswith("…") == (width == 270)
    with qtbot.waitSignal(state.example_chosen) as chosen:
        long.click()
    assert chosen.args == ["Tell me a short story about a lighthouse."]
