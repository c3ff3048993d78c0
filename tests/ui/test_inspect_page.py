"""The page that looks inside, over a scripted engine: by keys and by pointer."""

import csv
import io

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog

from chatdesk.tasks.changes import ModelChanged
from chatdesk.tasks.inspect import Inspect
from chatdesk.ui import theme
from chatdesk.ui.inspect.bars import percent
from chatdesk.ui.inspect.page import EXAMPLE, InspectPage
from chatdesk.ui.inspect.tokens_part import strength
from chatdesk.ui.widgets.raw_text import raw_text
from tests.tasks.looking import Link, LoadedModels

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


class Looking:
    def __init__(self, qtbot) -> None:
        self.link = Link()
        self.models = LoadedModels(self.link)
        inspect = Inspect(self.link, self.models)
        self.link.receivers.append(inspect.on_event)
        self.page = InspectPage(inspect)
        qtbot.addWidget(self.page)
        self.page.resize(1200, 800)
        self.page.show()
        self.qtbot = qtbot

    def look(self) -> None:
        """What is typed is asked at once, and answered."""
        self.page.look()
        self.link.settle()


@pytest.fixture
def looking(qtbot):
    return Looking(qtbot)


def test_typing_shows_the_next_words_and_the_chain(looking, qtbot):
    page = looking.page
    page.enter()
    assert "Type a text" in page.next_word.note.text()
    qtbot.keyClicks(page.text, "once upon a time")
    qtbot.waitUntil(lambda: len(looking.link.sent) == 2)  # a moment after the last key
    looking.link.settle()
    assert len(page.next_word.bars.tokens) == 30
    assert "over 3 tokens" in page.next_word.sums.text()
    assert page.next_word.chain_text.toPlainText().count("\n") == 3


def test_an_empty_text_forgets_what_was_asked(looking):
    page = looking.page
    for name in page.tabs:
        page.tabs[name].click()
        page.set_text("once upon a time")
        page.look()
        page.set_text("")
        page.look()
        looking.link.settle()
        assert page.next_word.bars.tokens == (), name
        assert page.tokens.readings == (), name
    assert not page.attention.csv.isEnabled()


def test_samplers_ask_again_and_can_go_back(looking, qtbot):
    page = looking.page
    page.set_text("once upon")
    looking.look()
    page.next_word.rows["temperature"].slider.setValue(10)
    looking.link.settle()
    assert looking.link.sent[-1].sampling.temperature == 0.5
    page.next_word.rows["temperature"].reset.click()
    assert page.next_word.sampling.temperature == 1.0
    assert page.next_word.rows["temperature"].field.text() == "1.0"


def test_a_bar_adds_its_token_by_click_and_by_keys(looking, qtbot):
    page = looking.page
    page.set_text("once upon")
    looking.look()
    bars = page.next_word.bars
    second = bars.tokens[1].text
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=bars.row_rect(1).center())
    assert page.text.toPlainText() == "once upon" + second
    looking.look()
    bars.setFocus()
    bars.current = 0
    qtbot.keyClick(bars, Qt.Key.Key_Down)
    qtbot.keyClick(bars, Qt.Key.Key_Return)
    assert page.text.toPlainText() == "once upon" + second + bars.tokens[1].text
    page.text.undo()
    assert page.text.toPlainText() == "once upon" + second


def test_tokens_are_coloured_and_an_alternative_goes_on_from_there(looking, qtbot):
    page = looking.page
    page.set_text("once upon a time")
    page.tabs["tokens"].click()
    looking.link.settle()
    part = page.tokens
    assert [reading.text for reading in part.readings] == ["once", " upon", " a", " time"]
    for by in ("probability", "rank", "entropy"):
        assert all(0 <= strength(reading, by) <= 1 for reading in part.readings)
    part.view.setFocus()
    assert part.view.current == 1  # the first one that something precedes
    qtbot.keyClick(part.view, Qt.Key.Key_Right)
    assert part.view.current == 2
    assert part.words(2) in part.status.words()
    assert part.bars.tokens == part.readings[2].top
    other = part.bars.tokens[3].text
    part.bars.chosen.emit(3)
    assert page.text.toPlainText() == "once upon" + other


def test_tokens_are_exported(looking, monkeypatch, tmp_path):
    page = looking.page
    page.set_text("once upon a time")
    page.tabs["tokens"].click()
    looking.link.settle()
    for button, name in ((page.tokens.csv, "t.csv"), (page.tokens.json, "t.json")):
        monkeypatch.setattr(QFileDialog, "open", lambda self, n=name: self.fileSelected.emit(str(tmp_path / n)))
        button.click()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text("utf-8-sig"), newline="")))
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfposition,")  # Excel knows UTF-8 by that alone
    assert [row["text"] for row in rows] == ["once", " upon", " a", " time"]
    assert (tmp_path / "t.json").stat().st_size > 100


def test_attention_shows_heads_layers_and_what_a_token_looks_at(looking, qtbot):
    page = looking.page
    page.set_text("once upon a time there was")
    page.tabs["attention"].click()
    looking.link.settle()
    part = page.attention
    assert part.values().shape == (6, 6)
    assert part.where.text() == "layer 1, head 1"
    part.overview.setFocus()
    qtbot.keyClick(part.overview, Qt.Key.Key_Down)
    looking.link.settle()
    assert looking.link.sent[-1].layer == 1
    assert part.where.text() == "layer 2, head 1"
    qtbot.mouseClick(part.overview, Qt.MouseButton.LeftButton, pos=part.overview.rect_of(1, 1).center())
    assert part.where.text() == "layer 2, head 2"
    part.view.setFocus()
    qtbot.keyClick(part.view, Qt.Key.Key_Left)
    assert part.heat.row == 4
    assert "looks most at" in part.status.words()
    for what in ("layer", "all", "rollout"):
        part.what.set_value(what)
        part.what.chosen.emit()
        assert np.allclose(part.values().sum(axis=1), 1)
    square = part.heat.square()
    qtbot.mouseMove(part.heat, QPoint(5, square.height() - 5))
    assert part.heat.place_at(QPoint(5, square.height() - 5)) == (5, 0)


def test_attention_is_exported(looking, monkeypatch, tmp_path):
    page = looking.page
    page.set_text("once upon a time")
    page.tabs["attention"].click()
    looking.link.settle()
    for button, name in ((page.attention.csv, "a.csv"), (page.attention.png, "a.png")):
        monkeypatch.setattr(QFileDialog, "open", lambda self, n=name: self.fileSelected.emit(str(tmp_path / n)))
        button.click()
    rows = list(csv.reader(io.StringIO((tmp_path / "a.csv").read_text("utf-8-sig"), newline="")))
    assert rows[0] == ["", "once", " upon", " a", " time"]
    assert [float(value) for value in rows[2][1:]] == [0.5, 0.5, 0, 0]
    picture = QImage(str(tmp_path / "a.png"))
    assert picture.width() == picture.height() >= 512


def test_faults_are_sentences_and_nothing_stays_from_before(looking):
    page = looking.page
    page.set_text("word " * 550)
    page.tabs["attention"].click()
    looking.link.settle()
    assert "at most 512" in page.attention.note.text()
    assert not page.attention.csv.isEnabled()
    page.set_text("word " * 700)
    page.tabs["tokens"].click()
    looking.link.settle()
    assert "701 tokens" in page.tokens.note.text()
    assert page.tokens.readings == ()
    looking.models.state = ModelChanged("none")
    page.tabs["next_word"].click()
    assert "No model is loaded" in page.next_word.note.text()


def test_another_model_is_asked_again(looking):
    page = looking.page
    page.set_text("once upon")
    looking.look()
    before = len(looking.link.sent)
    page.apply(looking.models.state)
    assert len(looking.link.sent) > before
    count = len(looking.link.sent)
    page.apply(looking.models.state)
    assert len(looking.link.sent) == count


def test_the_example_and_every_theme(looking):
    page = looking.page
    page.example.click()
    assert page.text.toPlainText() == EXAMPLE
    from PySide6.QtWidgets import QApplication

    for name in ("dark", "light"):
        theme.apply(QApplication.instance(), name, 150 if name == "dark" else 100)
        for tab in page.tabs.values():
            tab.click()
            looking.link.settle()
            assert not page.grab().isNull()


def test_percentages_say_something():
    assert [percent(logprob) for logprob in (0.0, -4.0, -9999.0)] == ["100.0 %", "1.8 %", "0 %"]
    assert percent(-8.0) == "0.034 %"


def test_the_window_has_the_page(desk, qtbot):
    desk.window.show_page("inspect")
    assert desk.window.pages.inspect is not None
    assert desk.window.rail.buttons["inspect"].isChecked()
    desk.window.show_page("classify")
    assert desk.window.pages.classify is not None


def test_a_narrow_page_cuts_nothing_in_its_header(looking):
    page = looking.page
    assert page._title.isVisible()
    narrow = page._header.sizeHint().width() - 8
    page.resize(narrow, 700)
    assert not page._title.isVisible()
    shown = (*page.tabs.values(), page.example)
    looking.qtbot.waitUntil(lambda: all(each.width() >= each.sizeHint().width() for each in shown))
    page.resize(1200, 700)
    assert page._title.isVisible()


def test_the_arrows_keep_the_marked_bar_in_sight(looking, qtbot):
    looking.page.set_text("once upon")
    looking.look()
    bars = looking.page.next_word.bars
    qtbot.waitUntil(lambda: bars.height() >= bars.row_rect(29).bottom())
    for _ in range(29):
        qtbot.keyClick(bars, Qt.Key.Key_Down)
    assert bars.visibleRegion().boundingRect().contains(bars.row_rect(29).center())


def test_the_arrows_keep_the_marked_head_in_sight(looking, qtbot):
    page = looking.page
    page.set_text("once upon a time")
    page.tabs["attention"].click()
    looking.link.settle()
    overview = page.attention.overview
    overview.set_maps([4] * 20, 8, bytes(20 * 4 * 64))
    qtbot.wait(20)
    last = overview.rect_of(19, 0)
    assert not overview.visibleRegion().contains(last)
    for _ in range(19):
        qtbot.keyClick(overview, Qt.Key.Key_Down)
    assert overview.current == (19, 0)
    assert overview.visibleRegion().contains(last.center())


@pytest.mark.parametrize("name", ["next_word", "tokens", "attention"])
def test_a_part_of_two_columns_is_as_high_as_the_page(looking, qtbot, name):
    """In a window of the first size nothing has to be scrolled to."""
    page = looking.page
    page.resize(1216, 752)
    page.set_text("once upon a time")
    page.tabs[name].click()
    looking.link.settle()
    qtbot.wait(20)
    assert page._parts.currentWidget().verticalScrollBar().maximum() == 0


def test_another_page_takes_over_what_is_looked_at(looking, qtbot):
    old = looking.page
    old.text.setPlainText("once upon\u00a0a time")
    old.tabs["tokens"].click()
    old.next_word._on_changed("top_k", 5)
    page = InspectPage(old._inspect)
    qtbot.addWidget(page)
    page.take_over(old)
    looking.link.settle()
    assert old.tokens.readings == ()  # what was asked there is not answered any more
    assert page.tabs["tokens"].isChecked()
    page.show()
    page.enter()
    looking.link.settle()
    assert page.tokens.readings
    assert raw_text(page.text.document()) == "once upon\u00a0a time"
    assert (page.next_word.sampling.top_k, page.tokens._sampling.top_k) == (5, 5)
    assert page.next_word.rows["top_k"].field.text() == "5"


def test_the_next_word_of_an_older_text_is_not_added(looking):
    page = looking.page
    page.text.setPlainText("once upon")
    looking.look()
    page.text.setPlainText("something else")
    page.next_word.bars.chosen.emit(0)
    page.look()
    page.next_word.bars.chosen.emit(0)
    assert page.text.toPlainText() == "something else"
    looking.link.settle()
    word = page.next_word.bars.tokens[0].text
    page.next_word.bars.chosen.emit(0)
    page.next_word.bars.chosen.emit(0)  # twice in a hurry: what comes after that word is not known yet
    assert page.text.toPlainText() == "something else" + word


def test_an_alternative_of_an_older_text_replaces_nothing(looking):
    page = looking.page
    page.tabs["tokens"].click()
    page.text.setPlainText("once upon a time")
    looking.look()
    page.text.setPlainText("what was typed while the model was busy")
    page.tokens.bars.chosen.emit(0)
    assert page.text.toPlainText() == "what was typed while the model was busy"
    page.look()
    page.tokens.bars.chosen.emit(0)
    assert page.text.toPlainText() == "what was typed while the model was busy"
    looking.link.settle()
    page.tokens.bars.chosen.emit(0)
    assert page.text.toPlainText() != "what was typed while the model was busy"
