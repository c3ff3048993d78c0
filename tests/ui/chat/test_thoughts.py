"""Thoughts: found at the beginning of a reply, folded, unfolded, shown while they come."""

import pytest
from PySide6.QtCore import Qt

from chatdesk.tasks.changes import Turn
from chatdesk.ui.chat import pieces
from chatdesk.ui.chat.plain import plain_text
from chatdesk.ui.chat.thoughts import ThoughtHeading


def kinds(text: str) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text) for piece in pieces.cut(text, markdown=True) if piece.text]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<think>a\nb</think>\n\nc", [("thought", "a\nb"), ("markdown", "\n\nc")]),
        ("\n <think>\na</think>c", [("thought", "\na"), ("markdown", "c")]),
        ("<think>never closed", [("thought", "never closed")]),
        ("<think>a</thin", [("thought", "a</thin")]),
        ("<thin", [("markdown", "<thin")]),
        ("words <think>a</think>", [("markdown", "words <think>a</think>")]),
        ("<think>a</think>b <think>c</think>", [("thought", "a"), ("markdown", "b <think>c</think>")]),
    ],
)
def test_thoughts_stand_at_the_beginning(text, found) -> None:
    assert kinds(text) == found
    for step in (1, 3):
        cutter = pieces.Cutter(markdown=True)
        for at in range(0, len(text), step):
            cutter.feed(text[at : at + step])
        cutter.finish()
        assert [(piece.kind, piece.text) for piece in cutter.pieces if piece.text] == found


def test_own_words_have_no_thoughts() -> None:
    assert [piece.kind for piece in pieces.cut("<think>a</think>", markdown=False)] == ["plain"]


def test_the_answer_is_copied_without_thoughts() -> None:
    assert pieces.answer("<think>a</think>\n\nb") == "b"
    assert pieces.answer("<think>a") == "<think>a"
    assert pieces.answer("b") == "b"
    assert plain_text("<think>a</think>\n\n**b**") == "b"


def heading(transcript) -> ThoughtHeading:
    (found,) = [each for each in transcript.findChildren(ThoughtHeading) if each.isVisible()]
    return found


def shown(transcript) -> str:
    return "\n".join(s.document.toPlainText() for row in transcript._live for s in row.view.surfaces())


LONG = "".join(f"Thought number {number} goes on and on.\n" for number in range(400))


@pytest.mark.parametrize("thought", ["A short thought", LONG])
def test_thoughts_unfold_under_the_pointer(transcript, qtbot, thought) -> None:
    transcript.show_turns(
        [Turn("u", "user", "q"), Turn("r", "assistant", f"<think>\n{thought}</think>\n\nThe answer.")]
    )
    assert shown(transcript) == "q\nThe answer."
    assert heading(transcript).text() == "Thoughts"
    y = heading(transcript).mapTo(transcript, heading(transcript).pos()).y()
    qtbot.mouseClick(heading(transcript), Qt.MouseButton.LeftButton)
    assert thought.splitlines()[0] in shown(transcript)
    assert heading(transcript).mapTo(transcript, heading(transcript).pos()).y() == y
    assert len(transcript._live) < 40
    qtbot.keyClick(heading(transcript), Qt.Key.Key_Return)
    assert shown(transcript) == "q\nThe answer."
    assert heading(transcript).hasFocus()


def test_while_it_thinks_the_last_line_is_shown(transcript, monkeypatch) -> None:
    clock = iter(range(1, 1000))
    monkeypatch.setattr("chatdesk.ui.chat.rows.time.monotonic", lambda: float(next(clock)))
    transcript.show_turns([Turn("u", "user", "q")])
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    for text in ("<thi", "nk>", "First line\n", "Second", " line"):
        transcript.grow("s", text)
        transcript.flush()
    assert (heading(transcript).text(), heading(transcript)._line) == ("Thinking…", "Second line")
    assert shown(transcript) == "q"
    transcript.grow("s", "</think>\n\nThe answer")
    transcript.flush()
    words = heading(transcript).text()
    assert words.startswith("Thought for ")
    assert words.endswith(" s")
    assert shown(transcript) == "q\nThe answer"
    transcript.grow("s", " goes on")
    transcript.replace("s", Turn("r", "assistant", "<think>First line\nSecond line</think>\n\nThe answer goes on"))
    assert heading(transcript).text() == words
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece", "piece", "footer"]


def test_open_thoughts_grow(transcript) -> None:
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    transcript.grow("s", "<think>One")
    transcript.flush()
    heading(transcript).click()
    for line in LONG.splitlines(keepends=True)[:200]:
        transcript.grow("s", line)
        transcript.flush()
    transcript.verticalScrollBar().setValue(transcript.verticalScrollBar().maximum())
    assert "Thought number 199" in shown(transcript)


@pytest.mark.parametrize("text", ["<think></think>Answer", "<think>\n\n</think>\n\nAnswer"])
def test_empty_thoughts_are_not_shown(transcript, text) -> None:
    transcript.show_turns([Turn("u", "user", "q"), Turn("r", "assistant", text)])
    assert not [each for each in transcript.findChildren(ThoughtHeading) if each.isVisible()]
    transcript.show_turns([Turn("u", "user", "q")])
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    for character in text:
        transcript.grow("s", character)
        transcript.flush()
    transcript.replace("s", Turn("r", "assistant", text))
    assert not [each for each in transcript.findChildren(ThoughtHeading) if each.isVisible()]
    assert shown(transcript) == "q\nAnswer"


def test_a_reply_stopped_in_its_thoughts(transcript) -> None:
    transcript.show_turns([Turn("u", "user", "q"), Turn("r", "assistant", "<think>half", finish_reason="cancelled")])
    assert heading(transcript).text() == "Thoughts"
    heading(transcript).click()
    assert shown(transcript) == "q\nhalf"
