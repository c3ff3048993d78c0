"""Somebody who presses everything while children answer whatever they like, files break and folders go."""

import random
import shutil
import time

import pytest
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractButton, QApplication

from chatdesk.tasks.comparing import About, Comparison
from chatdesk.tasks.lab import Commands
from chatdesk.training.errands import Done, Going, Refused
from chatdesk.training.events import Began, Failed, Finished, HeldOut, Paused, Preparing, Sampled, Stepped
from chatdesk.ui.lab.page import LabPage
from tests.ui.lab.test_lab_page import REPORT, Bench, steps

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
NAMES = ["红楼梦" * 20, "x", "a/b", "..", "😀" * 40, " ", "CON", "run\nwith"]
ERRANDS = [
    [Refused("no_text", {"path": "x"})],
    ["exit 1"],
    ["junk", "5", "null", '{"type":"Going"}'],
    [Going("x", 5, 2), "wait"],
    *([Done({"stages": stages})] for stages in ([], [{"tokens_per_s": 1e-9}], [{"tokens_per_s": 0.0}])),
    [Done({"loss": 1e308, "perplexity": None, "diversity": None})],
    [Done({"diversity": {"distinct": [None, 0.1], "self_bleu": None}})],
]
TRAININGS = [
    [Began(1, 10_000, 0), *steps(1, 3), "wait", Paused("text", 3, 3000, "x")],
    ["exit 1"],
    ["junk"],
    [Failed("run_out_of_memory", {"path": "x"})],
    [Failed("future_fault", {})],
    [Began(0, 0, 0), Stepped("text", 1, 0, 0, 0.0, 0.0, 0.0), HeldOut("t", 1, 0.0)],
    [*steps(1, 9), Sampled("t", 1, "", ""), Finished("x", 0, 0.0)],
    [Preparing("tokenising " + "长" * 300), "wait"],
    [Began(5, 10**15, 0), Stepped("t", 1, 1, 5, 1e300, 1e-300, 1e-300), Stepped("t", 1, 1, 6, -1e300, 1e300, 1e300)],
]
HEAD = b'{"a":"1","b":"2","prompts":["p"],"seed":1}\n'
JOURNALS = [b"", b"5\n", HEAD + b"5\n", HEAD + b'{"answer":1}\n', HEAD + b'{"prompt":9,"vote":"a"}\n']


class Person:
    def __init__(self, bench: Bench, seed: int) -> None:
        self._bench, self._random = bench, random.Random(seed)
        lab = bench.lab
        lab._commands = Commands(lab._commands.train, lab._commands.errand, compare=lab._commands.errand)
        bench.prepared()
        self._errands = [*ERRANDS, [Going("reading", 0, 0), Done(REPORT, str(bench.folder / "texts" / "prepared-1"))]]
        deeds = [getattr(self, name) for name in dir(self) if name.startswith("_do_")]
        self._deeds = [*deeds, self._do_press, self._do_press, self._do_press]

    def act(self) -> None:
        self._random.choice(self._deeds)(self._bench.page)
        until = time.monotonic() + self._random.choice([0, 0, 0.03])
        while True:
            QApplication.processEvents()
            while not self._bench._posted.empty():
                self._bench._posted.get()()
            if time.monotonic() >= until:
                break
        self._bench.page.follow()

    def _do_press(self, page: LabPage) -> None:
        opens_dialogs = (
            page.open_button, page.open_folder_button, page.steps["text"].add_files, page.steps["text"].add_folder,
            page.steps["use"].save_button, page.steps["compare"].folder_button,
        )  # fmt: skip
        buttons = [
            button for button in page.findChildren(QAbstractButton)
            if button.isVisibleTo(page) and button.isEnabled() and button not in opens_dialogs
            and getattr(button, "menu", lambda: None)() is None and type(button).__name__ != "ChoiceButton"
        ]  # fmt: skip
        self._random.choice(buttons).click()

    def _do_choose(self, page: LabPage) -> None:
        if runs := self._bench.lab.runs:
            page.choose(self._random.choice(runs).path)

    def _do_look(self, page: LabPage) -> None:
        page.show_step(self._random.choice(list(page.steps)))
        page.grab()

    def _do_name(self, page: LabPage) -> None:
        page.name.setText(self._random.choice(NAMES))
        page.name.editingFinished.emit()

    def _do_change_children(self, page: LabPage) -> None:
        self._bench.script(self._bench.errand, *self._random.choice(self._errands))
        self._bench.script(self._bench.training, *self._random.choice(TRAININGS))

    def _do_drop(self, page: LabPage) -> None:
        page.take([self._bench.folder / self._random.choice(["some.txt", "b.md", "c"])])

    def _do_size(self, page: LabPage) -> None:
        name = self._random.choice(["layers", "heads", "width", "context", "vocabulary"])
        page.steps["model"].rows[name].changed.emit(name, self._random.choice([1, 3, 16, 97, 8192, 100_000]))

    def _do_type(self, page: LabPage) -> None:
        page.steps["compare"].prompts.setPlainText(self._random.choice(["", "one\ntwo", "\n\n", "长" * 500]))

    def _do_overlay(self, page: LabPage) -> None:
        names = [run.name for run in self._bench.lab.runs] or ["x"]
        page.steps["train"].compare(self._random.choice(names), self._random.random() < 0.7)

    def _do_break(self, page: LabPage) -> None:
        if page.path is not None and page.path.is_dir():
            name = self._random.choice(["plan.json", "run.json", "recipe.toml", "events.jsonl", "report.html", "model"])
            if name == "model":
                (page.path / name).mkdir(exist_ok=True)
            elif self._random.random() < 0.3:
                (page.path / name).write_bytes(self._random.choice([b"", b"null", b"{", b"\xff\xfe", b'{"a":1}']))
            elif self._random.random() < 0.1:
                shutil.rmtree(page.path, ignore_errors=True)
            self._bench.lab.refresh()

    def _do_compared(self, page: LabPage) -> None:
        if page.path is None:
            return
        journal = page.path / "compared" / "j.jsonl"
        journal.parent.mkdir(parents=True, exist_ok=True)
        if self._random.random() < 0.5:
            journal.write_bytes(self._random.choice(JOURNALS))
        else:
            journal.unlink(missing_ok=True)
            answered = Comparison(About("a", "b", ("p", "q"), 1), journal)
            for side in ("a", "b"):
                answered.answer(side, 0, "")
        self._bench.lab.compared[page.path] = journal


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 60))])
def test_nothing_goes_wrong(qtbot, tmp_path, monkeypatch, seed):
    """What goes wrong in a slot fails the test."""
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: None)
    bench = Bench(qtbot, tmp_path)
    person = Person(bench, seed)
    for _ in range(80 if seed == 0 else 250):
        person.act()
    bench.lab.close()
    assert bench.page.run is None or bench.page.name.text()
