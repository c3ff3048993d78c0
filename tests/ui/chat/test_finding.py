"""Finding in a conversation: counts, going from match to match, marks."""

import pytest
from PySide6.QtCore import Qt

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.finding import FindBar, Search, occurrences


def turns(*texts: str) -> list[Turn]:
    roles = ("user", "assistant")
    return [Turn(str(number), roles[number % 2], text) for number, text in enumerate(texts)]


@pytest.fixture
def bar(transcript) -> FindBar:
    return FindBar(transcript, transcript)


def marked(transcript) -> list[str]:
    """The text of every mark on screen, the one that is gone to in brackets."""
    found = []
    for row in transcript._live:
        for surface in row.view.surfaces():
            raw = surface.document.toRawText().encode("utf-16-le")
            for number, (begin, end) in enumerate(surface._marks):
                words = raw[2 * begin : 2 * end].decode("utf-16-le")
                found.append(f"[{words}]" if number == surface._mark_shown else words)
    return found


@pytest.mark.parametrize(
    ("text", "needle", "found"),
    [
        ("Word word WORD", "word", ["Word", "word", "WORD"]),
        ("Straße und STRASSE", "strasse", ["Straße", "STRASSE"]),
        ("天气很好，天气", "天气", ["天气", "天气"]),
        ("aaaa", "aa", ["aa", "aa"]),
        ("İstanbul", "stan", ["stan"]),
        ("text", "", []),
    ],
)
def test_occurrences(text, needle, found) -> None:
    assert [text[begin:end] for begin, end in occurrences(text, needle)] == found


def test_matches_are_seen_in_high_contrast_where_all_grounds_are_one(transcript, bar, qapp, monkeypatch) -> None:
    monkeypatch.setattr(theme, "_is_high_contrast", lambda: True)
    theme.apply(qapp, "system", 100)
    try:
        transcript.show_turns(turns("a word", "another word"))
        surfaces = [surface for row in transcript.live() for surface in row.view.surfaces()]
        before = [surface.grab().toImage() for surface in surfaces]
        bar.open_bar("word")
        assert sorted(marked(transcript)) == ["[word]", "word"]
        assert all(surface.grab().toImage() != image for surface, image in zip(surfaces, before, strict=True))
    finally:
        theme.apply(qapp, "light", 100)


def test_far_matches_are_found_and_those_below_the_reader_come_first(transcript, bar) -> None:
    texts = ["word\n" * 5 for _ in range(100)]
    for far in (3, 61, 97):
        texts[far] = "a needle\nin"
    transcript.show_turns(turns(*texts))
    transcript.go_to("50")
    bar.open_bar("needle in")
    assert bar.count.text() == "2 of 3"
    assert marked(transcript) == ["[needle in]"]
    bar.step(-1)
    assert bar.count.text() == "1 of 3"
    assert sum(entry.is_cut for entry in transcript.entries()) < 50


def test_matches_are_counted_marked_and_gone_through(transcript, bar) -> None:
    transcript.show_turns(turns("A cat 👩‍👩‍👧 cat", "The **C**at\n\n- cat"))
    bar.open_bar("cat")
    assert bar.count.text() == "1 of 4"
    assert marked(transcript) == ["[cat]", "cat", "Cat", "cat"]
    bar.step(1)
    bar.step(1)
    assert bar.count.text() == "3 of 4"
    assert marked(transcript) == ["cat", "cat", "[Cat]", "cat"]
    bar.step(1)
    bar.step(1)
    assert bar.count.text() == "1 of 4"
    bar.step(-1)
    assert bar.count.text() == "4 of 4"
    assert bar.close_bar()
    assert marked(transcript) == []
    assert not bar.close_bar()


def test_keys_of_the_field(transcript, bar, qtbot) -> None:
    transcript.show_turns(turns("one one one", "x"))
    bar.open_bar("")
    qtbot.keyClicks(bar.field, "one")
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.count.text() == "2 of 3"
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert bar.count.text() == "1 of 3"
    bar.field.setText("nothing")
    assert bar.count.text() == "Not found"
    bar.field.clear()
    assert bar.count.text() == ""


def test_what_is_far_away_is_found_and_brought_into_view(transcript, bar) -> None:
    texts = ["Filler words.\n\n" * 20] * 80
    texts[11] = "Filler.\n\n" * 60 + "A needle here."
    transcript.show_turns(turns(*texts))
    bar.open_bar("NEEDLE")
    assert bar.count.text() == "1 of 1"
    assert marked(transcript) == ["[needle]"]
    row = next(r for r in transcript._live if any(s._marks for s in r.view.surfaces()))
    surface = next(s for s in row.view.surfaces() if s._marks)
    place = surface.mapTo(transcript.viewport(), surface.show_position(surface._marks[0][0]).topLeft())
    assert 0 < place.y() < transcript.viewport().height()


def test_signs_of_markdown_are_searched_only_where_nothing_is_laid_out(transcript, bar) -> None:
    transcript.show_turns(turns("q", "[words](https://needle.org)", *["Filler.\n\n" * 200] * 4, "a", "the needle"))
    bar.open_bar("needle")
    for _ in range(3):
        bar.step(1)
    assert bar.count.text() == "1 of 1"


def test_folded_thoughts_are_unfolded_for_a_match(transcript, bar) -> None:
    transcript.show_turns(turns("q", "<think>deep needle</think>An answer."))
    assert not transcript._entries["1"].is_open
    bar.open_bar("needle")
    assert transcript._entries["1"].is_open
    assert marked(transcript) == ["[needle]"]


def test_text_that_streams_in_is_counted(transcript, bar, qtbot) -> None:
    transcript.show_turns(turns("word"))
    bar.open_bar("word")
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    transcript.grow("s", "word and word")
    transcript.flush()
    qtbot.waitUntil(lambda: bar.count.text() == "1 of 3")
    assert marked(transcript) == ["[word]", "word", "word"]


def test_another_conversation_is_searched_anew(transcript, bar, qtbot) -> None:
    transcript.show_turns(turns("word"))
    bar.open_bar("word")
    transcript.show_turns(turns("no match", "word, word"))
    qtbot.waitUntil(lambda: bar.count.text() == "0 of 2")
    bar.step(1)
    assert bar.count.text() == "1 of 2"


def test_a_message_that_is_edited_does_not_stop_the_search(transcript, bar) -> None:
    transcript.show_turns(turns("word", "word"))
    transcript.edit("0")
    bar.open_bar("word")
    bar.step(1)
    assert bar.count.text() == "2 of 2"
    bar.step(1)
    assert bar.count.text() == "1 of 2"


def test_marks_go_with_the_search(transcript) -> None:
    transcript.show_turns(turns("word"))
    search = Search(transcript)
    search.look_for("word")
    search.look_for("")
    assert marked(transcript) == []


def test_the_first_match_is_looked_for_from_the_readers_place_on(transcript, bar) -> None:
    transcript.show_turns(turns(*["A word.\n\n" * 30] * 10))
    bar.open_bar("word")
    assert bar.count.text().endswith(" of 300")
    assert not bar.count.text().startswith("1 of")
    transcript.verticalScrollBar().setValue(0)
    bar.open_bar("")
    assert bar.count.text() == "1 of 300"
