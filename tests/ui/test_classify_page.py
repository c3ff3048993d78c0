"""The page that sorts texts, over a scripted engine: one text, a file with true labels, pauses, bad input."""

import queue
import threading

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFileDialog
from shiboken6 import delete

from chatdesk.tasks import classify_files
from chatdesk.tasks.classify import SETS, Report
from chatdesk.tasks.classifying import Classifier
from chatdesk.ui import theme
from chatdesk.ui.classify.page import ClassifyPage
from chatdesk.ui.widgets.labels import Label
from tests.tasks.looking import Link, LoadedModels, end_what_is_aside

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


class Sorting:
    def __init__(self, qtbot, folder) -> None:
        self.link = Link()
        self.models = LoadedModels(self.link)
        self._posted = queue.SimpleQueue()
        classifier = Classifier(self.link, self.models, folder, self._posted.put)
        self.link.receivers.append(classifier.on_event)
        self.page = ClassifyPage(classifier)
        qtbot.addWidget(self.page)
        self.page.resize(1200, 800)
        self.page.show()
        self.qtbot = qtbot

    def until(self, so) -> None:
        """Take what other threads have posted, until something is so."""

        def is_so() -> bool:
            while not self._posted.empty():
                self._posted.get()()
            return so()

        self.qtbot.waitUntil(is_so)

    def start(self) -> None:
        """Press the button, and let what it begins be read."""
        self.page.start_button.click()
        end_what_is_aside(self._posted)

    def open(self, path) -> None:
        self.page.open_file(path)
        self.until(lambda: self.page.close_button.isVisible())


@pytest.fixture
def sorting(qtbot, tmp_path):
    return Sorting(qtbot, tmp_path / "journals")


def cell(page, row, column):
    return page.model.index(row, column).data()


def heads(page):
    return [page.model.headerData(n, Qt.Orientation.Horizontal) for n in range(page.model.columnCount())]


def test_one_text(sorting, qtbot):
    page = sorting.page
    assert not page.start_button.isEnabled()
    qtbot.keyClicks(page.text, "a fine film")
    assert page.start_button.isEnabled()
    sorting.start()
    sorting.link.settle()
    assert heads(page) == ["Text", "Label", "positive", "negative"]
    assert cell(page, 0, 0) == "a fine film"
    assert cell(page, 0, 1) in ("positive", "negative")
    assert float(cell(page, 0, 2)) + float(cell(page, 0, 3)) == pytest.approx(1, abs=2e-3)
    assert not page.report.isVisible()


def test_a_file_with_true_labels(sorting, tmp_path):
    page = sorting.page
    file = tmp_path / "many.csv"
    file.write_text("text,label\n" + "".join(f"text {n},{'negative' if n % 3 else 'positive'}\n" for n in range(150)))
    sorting.open(file)
    assert "150 texts" in page.note.text()
    assert (page.text_column.value, page.label_column.value) == ("text", "label")
    sorting.start()
    assert page.start_button.text().strip() == "Pause"
    sorting.link.settle(2)
    sorting.start()
    assert page.start_button.text().strip() == "Go on"
    assert page.count.text() == "64 of 150"
    sorting.models.adapter = "another"
    page.enter()
    assert page.start_button.text().strip() == "Sort"
    sorting.models.adapter = ""
    page.enter()
    sorting.start()
    sorting.link.settle()
    assert page.count.text() == "150 of 150"
    assert heads(page) == ["Text", "True label", "Label", "positive", "negative"]
    assert "of 150 texts" in page.report.words.text()
    assert sum(int(each.text()) for each in page.report.cells.values()) == 150
    assert "66.7%" in page.report.words.text()  # of always saying the commonest


def test_the_table_is_saved(sorting, tmp_path, monkeypatch, qtbot):
    page = sorting.page
    page.text.setPlainText("good")
    sorting.start()
    sorting.link.settle()
    monkeypatch.setattr(QFileDialog, "open", lambda self: self.fileSelected.emit(str(tmp_path / "out.csv")))
    page.save_button.click()
    sorting.until(lambda: page.note.text() == "Saved as out.csv.")
    assert (tmp_path / "out.csv").read_text("utf-8-sig").startswith("text,predicted,")


@pytest.mark.parametrize(("name", "words"), [("out.csv", "Saved as out.csv."), ("no/out.csv", "cannot be written")])
def test_how_a_save_ended_is_told_on_the_page_that_is_there_by_then(sorting, tmp_path, monkeypatch, qtbot, name, words):
    """Another language builds the page anew while a disk takes its time."""
    old, may_end, write = sorting.page, threading.Event(), classify_files.written
    old.text.setPlainText("good")
    sorting.start()
    sorting.link.settle()
    monkeypatch.setattr(classify_files, "written", lambda *given: may_end.wait(30) and write(*given))
    monkeypatch.setattr(QFileDialog, "open", lambda self: self.fileSelected.emit(str(tmp_path / name)))
    old.save_button.click()
    page = ClassifyPage(old._classifier)
    qtbot.addWidget(page)
    page.take_over(old)
    delete(old.note)
    may_end.set()
    sorting.until(lambda: words in page.note.text())


def test_labels_are_edited_added_and_removed(sorting, qtbot):
    labels = sorting.page.labels
    assert [name.text() for name in labels.names] == ["positive", "negative"]
    assert not labels._removers[0].isEnabled()  # two have to stay
    labels.add_button.click()
    qtbot.keyClicks(labels.names[2], "mixed")
    qtbot.keyClicks(labels.wordings[2], "both good and bad")
    assert [label.name for label in labels.plan().labels] == ["positive", "negative", "mixed"]
    labels._removers[0].click()
    assert [label.name for label in labels.plan().labels] == ["negative", "mixed"]
    labels.ready.set_value("topic")
    labels.ready.chosen.emit()
    assert labels.plan() == SETS["topic"][1]


def test_other_labels_begin_anew(sorting, tmp_path):
    page = sorting.page
    page.text.setPlainText("good")
    sorting.start()
    sorting.link.settle()
    sent = len(sorting.link.sent)
    page.labels.wordings[0].setText("excellent")
    sorting.start()
    sorting.link.settle()
    assert len(sorting.link.sent) > sent
    assert sorting.link.sent[-1].items[0].continuations[0] == " excellent"


def test_bad_input_is_a_sentence_on_the_page(sorting, tmp_path, qtbot):
    page = sorting.page
    page.text.setPlainText("good")
    page.labels.wordings[1].clear()
    sorting.start()
    assert page.note.text() == "Label 2 is empty. Give it a name and a wording."
    page.labels.wordings[1].setText("bad")
    page.labels.prompt.setPlainText("no mark")
    sorting.start()
    assert "needs {text}" in page.note.text()
    broken = tmp_path / "broken.csv"
    broken.write_text('text\n"open\n')
    page.open_file(broken)
    sorting.until(lambda: "cannot be read from line 2 on" in page.note.text())
    assert page.text.toPlainText() == "good"
    assert sorting.link.sent == []


def test_texts_that_cannot_be_sorted_say_why(sorting, tmp_path):
    page = sorting.page
    file = tmp_path / "odd.jsonl"
    file.write_text('{"text": ""}\n{"text": "' + "word " * 700 + '"}\n{"text": "fine"}\n')
    sorting.open(file)
    sorting.start()
    before = page.view.columnWidth(1)  # there is no such text yet
    sorting.link.settle()
    assert cell(page, 0, 1) == "no text"
    assert "of 600" in cell(page, 1, 1)
    marks = [page.model.index(row, 1).data(Qt.ItemDataRole.ForegroundRole) for row in range(3)]
    assert marks == [QColor(theme.current().warning)] * 2 + [None]
    room = page.view.fontMetrics().horizontalAdvance("too long: at least 88888 of 88888 tokens")
    assert page.view.columnWidth(1) > room > before
    assert cell(page, 2, 1) in ("positive", "negative")
    page.close_button.click()
    assert page.model.rowCount() == 0
    assert page.text.isVisible()


@pytest.mark.parametrize("size", [(1200, 750), (600, 400)])
def test_every_word_of_a_report_on_many_labels_can_be_read(sorting, qtbot, size):
    """Beside the side and below it: names of labels are not cut, the table has some rows, both are scrolled to."""
    page = sorting.page
    page.resize(*size)
    names = [f"a label with the number {number}" for number in range(14)]
    page.report.show_report(Report(tuple(names), ((1,) * 14,) * 14, 196, 0))
    shown = page.report.findChildren(Label)[1:]
    assert len(shown) > 14 * 14

    def cut() -> list[str]:
        return [each.text() for each in shown if each.width() < each.sizeHint().width() or each.height() < 10]

    qtbot.waitUntil(lambda: not cut())
    assert page.view.height() >= 100
    assert page.minimumSizeHint().width() < 600


def table_of(path, name, count):
    path.write_text("text\n" + "\n".join(f"{name}{number}" for number in range(count)), "utf-8")
    return path


def test_another_file_takes_the_place_of_one_that_is_being_sorted(sorting, tmp_path):
    first, second = table_of(tmp_path / "a.csv", "a", 200), table_of(tmp_path / "b.csv", "b", 5)
    sorting.open(first)
    sorting.start()
    sorting.link.settle(1)
    sorting.page.open_file(second)
    sorting.until(lambda: sorting.page.file_name.words() == "b.csv")
    sorting.link.settle()
    assert sorting.page.model.rowCount() == 0
    assert not sorting.page.save_button.isEnabled()
    sorting.start()
    sorting.link.settle()
    assert [cell(sorting.page, row, 0) for row in range(sorting.page.model.rowCount())] == [f"b{n}" for n in range(5)]


def test_of_two_files_the_one_that_was_chosen_last_is_shown(sorting, tmp_path, monkeypatch):
    first, second = table_of(tmp_path / "a.csv", "a", 2), table_of(tmp_path / "b.csv", "b", 3)
    asked = []
    monkeypatch.setattr(sorting.page._classifier, "read", lambda path, then, failed: asked.append((path, then, failed)))
    sorting.page.open_file(first)
    sorting.page.open_file(second)
    for path, then, _ in reversed(asked):  # the first one takes longer
        then(classify_files.read(path))
    assert sorting.page.file_name.words() == "b.csv"
    sorting.page.open_file(first)
    sorting.page.close_button.click()
    asked[-1][1](classify_files.read(first))
    assert sorting.page.text.isVisible()
    assert not sorting.page.close_button.isVisible()


def test_another_page_takes_over_what_runs(sorting, qtbot, tmp_path):
    old = sorting.page
    file = tmp_path / "many.csv"
    file.write_text("said,label\n" + "".join(f"text {n},positive\n" for n in range(150)))
    old.text.setPlainText("half a thought")
    sorting.open(file)
    old.labels.add_button.click()
    qtbot.keyClicks(old.labels.names[2], "mixed")
    qtbot.keyClicks(old.labels.wordings[2], "both")
    sorting.start()
    sorting.link.settle(1)
    old.open_file(file)  # is not read any more
    page = ClassifyPage(old._classifier)
    qtbot.addWidget(page)
    page.take_over(old)
    old.hide()
    assert page.labels.plan() == old.labels.plan()
    assert page.start_button.text().strip() == "Pause"
    assert (page.file_name.words(), page.text_column.value, page.label_column.value) == ("many.csv", "said", "label")
    sorting.link.settle()
    assert page.count.text() == "150 of 150"
    assert not page.report.isHidden()
    assert old.count.text() != page.count.text()
    page.close_button.click()
    assert page.text.toPlainText() == "half a thought"


def test_a_set_says_its_name_and_labels_that_it_replaces_can_be_brought_back(sorting, qtbot):
    labels = sorting.page.labels
    assert labels.ready.text().strip() == "Sentiment"
    labels.ready._on_chosen("topic")
    assert labels.back_button.isHidden()  # nothing typed was replaced
    labels.names[0].setText("planet")
    assert labels.ready.text().strip() == "My own labels"
    mine = labels.plan()
    labels.ready._on_chosen("sentiment_zh")
    assert (labels.plan(), labels.ready.value) == (SETS["sentiment_zh"][1], "sentiment_zh")
    labels.prompt.setPlainText("{text} 怎么样？")
    other = labels.plan()
    labels.back_button.click()
    assert labels.plan() == mine
    labels.back_button.click()
    assert labels.plan() == other
    labels.ready._on_chosen("topic")
    labels.back_button.click()
    assert labels.plan() == other
    assert labels.back_button.isHidden()  # a set comes back from its list


def test_what_is_typed_is_kept_for_the_next_start(sorting, qtbot, tmp_path):
    page = sorting.page
    page.text.setPlainText("half a thought")
    page.labels.names[0].setText("planet")
    kept = page.labels.plan()
    sorting.until(lambda: (tmp_path / "journals" / "typed.json").is_file())
    again = Sorting(qtbot, tmp_path / "journals").page
    assert (again.text.toPlainText(), again.labels.plan()) == ("half a thought", kept)
    assert again.labels.ready.text().strip() == "My own labels"
    page.text.setPlainText("more")
    (tmp_path / "journals" / "typed.json").unlink()
    (tmp_path / "journals" / "typed.json").mkdir()
    sorting.until(lambda: "cannot be written" in page.note.text())


def test_a_column_without_a_name_is_one_of_its_own(sorting, tmp_path):
    """As pandas writes its index."""
    long = "a very long name of a column that says everything"
    file = tmp_path / "pandas.csv"
    file.write_text(f",review,{long}\n0,a fine film,x\n1,a dull film,y\n")
    sorting.open(file)
    page = sorting.page
    assert (page.text_column.value, page.label_column.value) == ("review", "")
    assert page.label_column.text().strip() == "No true labels"
    page.label_column.set_value("column 1")
    assert page.label_column.text().strip() == "True label: column 1"
    page.text_column.set_value(long)
    assert page.text_column.text().strip() == "Text: a very long name of a c…"


def test_true_labels_in_capitals_are_the_same_and_others_count_nothing(sorting, tmp_path):
    page = sorting.page
    file = tmp_path / "loud.csv"
    file.write_text("text,label,other\nfine,POSITIVE,1\ndull,Positive,0\n")
    sorting.open(file)
    sorting.start()
    sorting.link.settle()
    wrong = QColor(theme.current().danger)
    marks = [page.model.index(row, 2).data(Qt.ItemDataRole.ForegroundRole) for row in range(2)]
    assert marks == [wrong if cell(page, row, 2) == "negative" else None for row in range(2)]
    assert "of 2 texts" in page.report.words.text()
    page.label_column.set_value("other")
    sorting.start()
    sorting.link.settle()
    assert page.report.words.text().startswith("None of the true labels")
    assert page.report.cells == {}


def test_the_focus_stays_where_a_person_works(sorting, qtbot, tmp_path):
    page = sorting.page
    page.activateWindow()
    sorting.open(table_of(tmp_path / "a.csv", "a", 2))
    page.enter()
    assert page.start_button.hasFocus()  # the text is not shown
    page.close_button.setFocus()
    page.close_button.click()
    assert page.text.hasFocus()
    page.labels.add_button.click()
    page.labels.add_button.click()
    qtbot.waitUntil(page.labels.names[3].hasFocus)  # it is shown with the next events
    for place, heir in ((1, 1), (2, 1)):  # the next label's, else the last one's
        page.labels._removers[place].setFocus()
        page.labels._removers[place].click()
        assert page.labels.names[heir].hasFocus()
