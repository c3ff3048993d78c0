"""The section of the settings that measures: what it shows in each state, and that the keyboard is enough."""

from typing import Any

import pytest
from PySide6.QtCore import Qt

from chatdesk.errors import Fault
from chatdesk.tasks.changes import BenchChanged, Notice
from chatdesk.tasks.speed import Report
from chatdesk.ui import application
from tests.tasks.test_bench import speeds
from tests.ui.scripted import INFO


def say(desk: Any, change: BenchChanged) -> None:
    desk.bench.state = change
    desk.window.apply(change)


@pytest.fixture
def section(desk: Any) -> Any:
    desk.window.show_page("settings")
    return desk.window.settings_page.speed


def cells(section: Any) -> list[str]:
    layout = section.table.layout()
    return [words for at in range(layout.count()) if (words := layout.itemAt(at).widget().text())]


def test_it_says_what_it_is_for_before_anything_was_measured(section: Any) -> None:
    assert section.words.text().startswith("How fast the loaded model reads and writes")
    assert section.button.text() == "Measure"
    assert not any(part.isVisible() for part in (section.bar, section.table, section.limit))


def test_the_keyboard_starts_and_stops_it(desk: Any, section: Any, qtbot: Any) -> None:
    section.button.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(section.button, Qt.Key.Key_Space)
    assert desk.bench.calls[-1] == ("start",)
    say(desk, BenchChanged("running", 6, 24))
    assert section.bar.isVisible()
    assert (section.bar.value(), section.bar.maximum()) == (6, 24)
    assert section.button.accessibleName() == "Stop measuring"
    assert section.button.hasFocus()
    qtbot.keyClick(section.button, Qt.Key.Key_Space)
    assert desk.bench.calls[-1] == ("cancel",)
    say(desk, BenchChanged("none"))
    assert not section.bar.isVisible()


def test_a_report_has_figures_baselines_and_the_limit_in_words(desk: Any, section: Any) -> None:
    for _ in range(2):  # a second one takes the place of the first
        say(desk, BenchChanged("done", report=Report(INFO, speeds())))
        shown = cells(section)
        assert shown[:6] == ["chatdesk", "transformers", "Writing, tokens a second", "100", "25", "4.0 ×"]
        assert shown[-4:] == ["First word of a next reply, seconds", "0.02", "0.08", "4.0 ×"]
        assert "The engine takes 400 MB of memory, of which 100 MB are the weights." in section.limit.text()
        assert section.words.text() == "Starter 7M · float32 · CPU, 2 threads · medians of 5 rounds"
        assert "at most 125 tokens a second, of which chatdesk reaches 80 %" in section.limit.text()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (BenchChanged("busy"), "A reply is being written. Measure when it has ended."),
        (BenchChanged("gave_way"), "Stopped, for a reply or another model was wanted."),
        (BenchChanged("failed", notice=Notice(Fault.NO_MODEL, {})), "No model is loaded. Choose one from"),
    ],
)
def test_what_keeps_it_from_measuring_is_said(desk: Any, section: Any, change: BenchChanged, says: str) -> None:
    say(desk, change)
    assert section.words.text().startswith(says)
    assert section.button.text() == "Measure"


def test_what_was_measured_before_the_page_was_made_is_shown_in_its_language(desk: Any) -> None:
    desk.bench.state = BenchChanged("done", report=Report(INFO, speeds()))
    application.speak("zh_CN")
    desk.window.show_page("settings")
    section = desk.window.settings_page.speed
    assert "chatdesk 达到了其中的 80%" in section.limit.text()
    assert "每秒词元数" in " ".join(cells(section))
