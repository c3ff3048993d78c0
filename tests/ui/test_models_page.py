"""The page of the models, over scripted tasks; and once over the real catalogue with tiny checkpoints."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDropEvent
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QLineEdit, QMessageBox

from chatdesk.engine.api import DeviceMemory, Surveyed
from chatdesk.errors import Fault, UserError
from chatdesk.library import catalogue
from chatdesk.library.catalogue import Entry
from chatdesk.library.fit import Place, Plan, Word
from chatdesk.library.removing import Removal
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.tasks import changes
from chatdesk.tasks.changes import ModelChanged, Notice
from chatdesk.tasks.models import Models
from chatdesk.ui import application, theme
from chatdesk.ui.models.rows import ROW_ROLE
from chatdesk.ui.models.words import fault_in_short
from tests.engine.checkpoints import make_checkpoint
from tests.tasks.desk import Engine
from tests.ui.scripted import INFO, READY, ScriptedDownloads, ScriptedHub

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

GPU = Place("cuda", "Big GPU", 24 * 10**9, 22 * 10**9, "bfloat16")
CPU = Place("cpu", "CPU", 64 * 10**9, 48 * 10**9, "float32")
BOX, SMOL, MINE = "/box/starter", "/cache/smol", "/models/my-gpt2"


def plan(place: Place = GPU, words: tuple[Word, ...] = (), **fields: Any) -> Plan:
    shape = {"precision": place.precision, "context": 8192, "gpu_layers": 0 if place is CPU else 32, "layers": 32}
    sizes = {"weight_bytes": 14 * 10**9, "cache_bytes": 10**9, "work_bytes": 0}
    return Plan(place, words=words, **(shape | sizes | fields))


@pytest.fixture
def page(desk):
    desk.window.show_page("models")
    return desk.window.models_page.local


def answer(desk, **found):
    """Say how checkpoints could be loaded; the others as good as can be."""
    paths, callback = desk.models.asked
    for path in paths:
        callback(path, found.get(Path(path).name, [plan()]))


def choose(page, path):
    page.view.setCurrentIndex(page.model.index(page.model.row_of(path)))


def row(page, path):
    return page.model.index(page.model.row_of(path)).data(ROW_ROLE)


def texts(page):
    return [page.model.index(i).data() for i in range(page.model.rowCount())]


def key(qtbot, widget, which):
    widget.window().activateWindow()
    qtbot.keyClick(widget, which)


# -- the list ----------------------------------------------------------------------------------------------------------


def test_the_page_has_a_key_and_a_place_in_the_rail(desk, qtbot):
    desk.window.activateWindow()
    qtbot.keyClick(desk.window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert desk.window.models_page.isVisible()
    assert desk.window.rail.buttons["models"].isChecked()
    assert desk.window.rail.buttons["models"].toolTip() == "Models (Ctrl+2)"
    key(qtbot, desk.window, Qt.Key.Key_Escape)
    assert desk.page.isVisible()


def test_remarks_on_the_loaded_model_are_seen(desk, page):
    desk.chat.say(READY)
    assert (row(page, "/box/starter").remarks, page.details.remarks.isHidden()) == ("", True)
    desk.chat.say(replace(READY, info=structs.replace(READY.info, remarks=("no_end_token", "swaps"))))
    first, second = page.details.remarks.text().splitlines()
    assert page.details.remarks.isVisible()
    assert page.details.remarks.property("kind") == "warning"
    assert row(page, "/box/starter").remarks == f"{first}\n{second}"
    assert first in page.model.index(page.model.row_of("/box/starter")).data(Qt.ItemDataRole.AccessibleTextRole)
    assert row(page, "/models/my-gpt2").remarks == ""


def test_groups_and_facts(page):
    assert texts(page) == [
        "In the box", "Starter 7M", "Your folders", "my-gpt2", "On this machine", "SmolLM2-135M-Instruct",
    ]  # fmt: skip
    assert row(page, SMOL).facts == "Llama · 135M · 269 MB · bf16 · context 8k · base model"
    assert row(page, BOX).state == "loaded"
    assert row(page, SMOL).outcome == ("Looking whether it fits…", "faint")


def test_all_facts_of_a_checkpoint(desk, page):
    full = Entry(
        "Big", Path("/models/big"), "folder", "GPT2LMHeadModel", 10**9, 2 * 10**9, "float16", 2000, True,
        3 * 10**9, "mit", time.time(),
    )  # fmt: skip
    desk.models.checkpoints.entries = [full]
    page.refresh()
    assert row(page, "/models/big").facts == "GPT2 · 1B · 3.0 GB · fp16 · context 2000 · chat template · mit"
    assert row(page, "/models/big").aside.startswith("used ")
    shown = [label.words() for label in page.details.facts.values]
    for fact in ("GPT2LMHeadModel", "1B", "3.0 GB", "fp16", "2,000 tokens", "chat template", "mit", "/models/big"):
        assert fact in shown


def test_one_survey_for_all_rows_and_the_chosen_one_first(desk, page):
    paths, _ = desk.models.asked
    assert paths[0] == BOX
    assert set(paths) == {BOX, SMOL, MINE}


@pytest.mark.parametrize(
    ("found", "words", "loudness"),
    [
        ([plan()], "fits on the GPU in bf16 · 15 GB of 22 GB · context 8k", "soft"),
        ([plan(CPU)], "fits on the CPU in fp32 · 15 GB of 48 GB · context 8k", "soft"),
        (
            [plan(words=(Word.SHORT,), precision="int4")],
            "short context · fits on the GPU in 4 bit · 15 GB of 22 GB · context 8k",
            "warning",
        ),
        (
            [plan(words=(Word.ON_CPU,), gpu_layers=20)],
            "slow · 20 of 32 layers on the GPU, the others on the CPU, in bf16 · 15 GB of 22 GB · context 8k",
            "warning",
        ),
        (
            [plan(CPU, (Word.ON_CPU, Word.SWAPS))],
            "very slow · does not fit into the free memory, in fp32 · 15 GB of 48 GB · context 8k",
            "danger",
        ),
        (
            UserError(Fault.DOES_NOT_FIT, name="Smol", needed="90 GB", total="64 GB (CPU)"),
            "does not fit: 90 GB of 64 GB (CPU)",
            "danger",
        ),
    ],
)
def test_the_plan_in_plain_words(desk, page, found, words, loudness):
    answer(desk, smol=found)
    assert row(page, SMOL).outcome == (words, loudness)
    assert words in row(page, SMOL).spoken()


def test_answers_of_an_earlier_look_count_for_nothing(desk, page):
    _, earlier = desk.models.asked
    page.refresh()
    earlier(SMOL, [plan()])
    assert row(page, SMOL).outcome[1] == "faint"


def test_a_broken_one_says_why(desk, page):
    fault = UserError(Fault.NO_TOKENIZER, path="/models/broken")
    desk.models.checkpoints.entries.append(Entry("broken", Path("/models/broken"), "folder", fault=fault))
    page.refresh()
    assert "/models/broken" not in desk.models.asked[0]
    assert "tokenizer" in row(page, "/models/broken").outcome[0]
    choose(page, "/models/broken")
    assert "tokenizer" in page.details.plan.text()
    assert page.details.load.isHidden()
    page.load()
    assert desk.models.calls == []


def test_typing_narrows_the_list(desk, page, qtbot):
    qtbot.keyClick(desk.window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.focusWidget() is page.filter
    qtbot.keyClicks(page.filter, "135m BF16")
    assert texts(page) == ["On this machine", "SmolLM2-135M-Instruct"]
    page.filter.setText("zebra")
    assert texts(page) == []
    assert page.empty.text() == "No model here has “zebra” in its name or facts."
    page.filter.clear()
    assert len(texts(page)) == 6
    assert page.empty.isHidden()


def test_nothing_there(desk, page):
    desk.models.checkpoints.entries = []
    page.refresh()
    assert page.empty.text() == "Add a folder, or drop one here."
    assert not page.details.name.isVisible()


# -- the chosen one ----------------------------------------------------------------------------------------------------


def test_arrows_choose_and_enter_loads_the_best_way(desk, page, qtbot):
    best = plan()
    answer(desk, **{"my-gpt2": [best, plan(CPU)]})
    key(qtbot, page.view, Qt.Key.Key_Down)
    assert page.details.name.text() == "my-gpt2"
    key(qtbot, page.view, Qt.Key.Key_Return)
    assert desk.models.calls == [("load_plan", MINE, best)]


def test_before_the_plan_is_known_it_is_loaded_as_the_engine_likes(desk, page, qtbot):
    choose(page, MINE)
    page.details.load.click()
    assert desk.models.calls == [("load", MINE)]


def test_what_cannot_fit_is_not_loaded(desk, page):
    answer(desk, smol=UserError(Fault.DOES_NOT_FIT, name="Smol", needed="90 GB", total="64 GB"))
    choose(page, SMOL)
    assert page.details.load.isHidden()
    assert (
        page.details.plan.text() == "Smol needs at least 90 GB of memory, and there are 64 GB. Choose a smaller model."
    )
    page.load()
    assert desk.models.calls == []


def test_the_other_ways_have_a_button_each(desk, page):
    slow = plan(CPU, (Word.ON_CPU,))
    answer(desk, smol=[plan(), slow])
    choose(page, SMOL)
    first, second = page.details.ways.buttons
    assert first.accessibleName() == "Load on GPU in bf16, context 8k"
    assert second.accessibleName() == "Load on CPU in fp32, context 8k\nSlow: on the CPU, not on the GPU."
    second.click()
    assert desk.models.calls == [("load_plan", SMOL, slow)]


def test_the_card_is_inert_text(desk, page, qtbot):
    choose(page, SMOL)
    (show,) = desk.models.checkpoints.callbacks["card"]
    show("<img src=file:///etc/hostname> **bold** \x1b[31m")
    qtbot.waitUntil(page.details.card.is_whole)
    assert page.details.card.toPlainText() == "<img src=file:///etc/hostname> **bold** ^[[31m"
    choose(page, MINE)
    assert page.details.card.isHidden()
    show("too late")
    assert page.details.card.isHidden()


def test_loading_with_bytes_and_a_way_out(desk, page):
    choose(page, SMOL)
    desk.chat.say(ModelChanged("loading", "smol", SMOL, 3_100_000_000, 14_500_000_000))
    assert row(page, SMOL).state == "loading 21 %"
    assert page.details.status.text() == "Loading 3.1 GB of 14 GB"
    assert page.details.progress.isVisible()
    assert page.details.load.isHidden()
    page.details.cancel.click()
    assert desk.models.calls == [("cancel_load",)]


def test_what_failed_says_why_and_offers_what_helps(desk, page):
    choose(page, SMOL)
    notice = Notice(Fault.OUT_OF_MEMORY, {"device": "Big GPU"}, "use_less")
    desk.chat.say(ModelChanged("failed", "smol", SMOL, notice=notice))
    assert page.details.status.text().startswith("Big GPU ran out of memory")
    assert page.details.help.text() == "Load it smaller"
    page.details.help.click()
    assert desk.models.calls == [("load_smaller",)]


def test_a_model_that_sleeps_is_shown_as_such(desk, page):
    desk.chat.say(ModelChanged("asleep", INFO.name, BOX))
    assert row(page, BOX).state == "asleep"
    assert page.details.status.text().startswith("It was not used for a while")
    button = desk.page.header.model_button
    assert button.text().strip() == "Starter 7M · asleep"
    assert button.toolTip() == page.details.status.text()
    page.details.wake.click()
    page.details.unload.click()
    assert desk.models.calls == [("wake",), ("unload",)]


def test_another_model_leaves_another_memory(desk, page):
    answer(desk)
    desk.models.asked = ((), None)
    desk.chat.say(ModelChanged("none"))
    assert set(desk.models.asked[0]) == {BOX, SMOL, MINE}
    assert page.details.load.isVisible()


def test_show_in_folder(desk, page, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    desk.models.checkpoints.entries = [structs.replace(desk.models.checkpoints.entries[2], path=tmp_path)]
    page.refresh()
    page.details.folder.click()
    assert opened == [QUrl.fromLocalFile(str(tmp_path))]


# -- adding and removing -----------------------------------------------------------------------------------------------


def test_a_folder_is_added_by_choosing_or_dropping(desk, page, tmp_path, qtbot):
    checkpoints = desk.models.checkpoints
    page.add.click()
    dialog = page.findChild(QFileDialog)
    dialog.fileSelected.emit(str(tmp_path))
    dialog.close()
    assert checkpoints.calls[-1] == ("add", str(tmp_path))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    left = Qt.MouseButton.LeftButton
    page.dropEvent(QDropEvent(QPointF(), Qt.DropAction.CopyAction, data, left, Qt.KeyboardModifier.NoModifier))
    assert checkpoints.calls[-1] == ("add", str(tmp_path))
    added, failed = checkpoints.callbacks["add"]
    failed(UserError(Fault.NO_TOKENIZER, path=tmp_path))
    assert "tokenizer" in page.complaint.text()
    assert page.complaint.isVisible()
    mine = structs.replace(checkpoints.entries[2], path=tmp_path, name="new")
    checkpoints.entries.append(mine)
    added(mine)
    assert page.details.name.text() == "new"
    assert page.complaint.isHidden()
    assert desk.models.calls == []  # it is not loaded unasked


def removable(desk, page, tmp_path):
    folder = tmp_path / "models--owner--smol" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    desk.models.checkpoints.entries[1] = structs.replace(desk.models.checkpoints.entries[1], path=folder)
    page.refresh()
    choose(page, str(folder))
    return folder


def test_removing_says_what_goes_and_asks(desk, page, qtbot, tmp_path):
    folder = removable(desk, page, tmp_path)
    place = folder.parent.parent
    key(qtbot, page.view, Qt.Key.Key_Delete)
    assert desk.models.checkpoints.calls[-1] == ("removal", str(folder))
    confirm, _ = desk.models.checkpoints.callbacks["removal"]
    confirm(Removal(place, 12, 3_400_000_000, 2))
    box = page.findChild(QMessageBox)
    assert box.text() == "Move “SmolLM2-135M-Instruct” to the trash?"
    assert f"{place}, with 12 files, 3.4 GB.\nThese are 2 versions of the model.\n" in box.informativeText()
    assert box.defaultButton() is box.button(QMessageBox.StandardButton.Cancel)
    box.defaultButton().click()
    assert desk.models.calls == []
    confirm(Removal(place, 12, 3_400_000_000, 2))
    next(b for b in page.findChildren(QMessageBox)[-1].buttons() if b.text() == "Move to the trash").click()
    name, what, removed, failed = desk.models.calls[-1]
    assert (name, what.place) == ("remove", place)
    failed(UserError(Fault.CANNOT_REMOVE, path=place, reason="No space left"))
    assert page.complaint.text() == f"{place} was not moved to the trash: No space left. " + (
        "Remove it with the system's file manager."
    )
    del desk.models.checkpoints.entries[1]
    removed()
    assert page.model.row_of(str(folder)) == -1
    assert page.complaint.isHidden()


def test_the_model_in_the_box_and_a_loaded_one_stay(desk, page, qtbot, tmp_path):
    assert page.details.remove.isHidden()
    key(qtbot, page.view, Qt.Key.Key_Delete)
    folder = removable(desk, page, tmp_path)
    desk.chat.say(structs_ready(str(folder)))
    assert not page.details.remove.isEnabled()
    assert page.details.remove.toolTip() == "Unload it first."
    key(qtbot, page.view, Qt.Key.Key_Delete)
    assert "removal" not in desk.models.checkpoints.callbacks


def structs_ready(path: str) -> ModelChanged:
    return changes.ModelChanged("ready", INFO.name, path, info=structs.replace(INFO, path=path))


def test_a_folder_is_taken_off_the_list(desk, page):
    choose(page, MINE)
    assert page.details.forget.isVisible()
    page.details.forget.click()
    assert desk.models.checkpoints.calls[-1] == ("forget", MINE)
    choose(page, SMOL)
    assert page.details.forget.isHidden()


# -- form --------------------------------------------------------------------------------------------------------------


def test_below_the_list_in_a_narrow_window(desk, page, qtbot):
    place = page.details.mapTo(desk.window, QPoint())
    assert place.x() > page.view.width()
    desk.window.resize(600, 700)
    qtbot.waitUntil(lambda: page.details.mapTo(page, QPoint()).x() == 0)
    assert page.details.mapTo(page, QPoint()).y() >= page.view.height()
    assert desk.window.models_page.back_button.isVisible()
    desk.window.models_page.back_button.click()
    assert desk.page.isVisible()


def test_a_further_line_over_a_low_list_leaves_the_filter_its_height(desk, page, qtbot):
    answer(desk, smol=[plan()])
    desk.settings["text_size"] = 200
    desk.window.resize(1000, 550)
    qtbot.waitUntil(lambda: page.details.mapTo(page, QPoint()).x() == 0)
    qtbot.wait(50)
    desk.window.resize(1000, 560)  # what the line above needs is known by now
    qtbot.wait(50)
    page.filter.setText("nothing has that")
    qtbot.wait(50)
    assert page.filter.height() >= page.filter.minimumSizeHint().height()
    assert page.filter.geometry().bottom() < page.empty.geometry().top()


def test_every_control_has_a_name(desk, page):
    answer(desk, smol=[plan(), plan(CPU)])
    choose(page, SMOL)
    controls = desk.window.models_page.findChildren(QAbstractButton) + page.findChildren(QLineEdit) + [page.view]
    nameless = [c for c in controls if c.isVisible() and not (c.accessibleName() or c.text())]
    # Qt's own button in the filter has no name of its own.
    assert [c for c in nameless if type(c).__name__ != "QToolButton" or c.parent() is not page.filter] == []


def test_another_language_and_another_size(desk, page, qtbot):
    answer(desk, smol=[plan(CPU, (Word.ON_CPU,))])
    desk.settings["text_size"] = 150
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.window.models_page is not None and desk.window.models_page.local is not page)
    again = desk.window.models_page.local
    qtbot.waitUntil(again.isVisible)
    assert again.add.text().strip() == "添加文件夹…"


def test_answers_after_the_page_is_gone_do_no_harm(desk, page, qtbot):
    callback = desk.models.asked[1]
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.window.models_page.local is not page)
    qtbot.wait(50)
    callback(SMOL, [plan()])
    assert row(desk.window.models_page.local, SMOL).outcome[1] == "faint"


# -- the real catalogue ------------------------------------------------------------------------------------------------


def test_real_checkpoints(qtbot, tmp_path, monkeypatch):
    """Tasks and catalogue are real; the engine's word on the devices is scripted."""
    from chatdesk.ui.models.page import ModelsPage

    theme.apply(QApplication.instance(), "light", 100)
    application.speak("en")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    mine = make_checkpoint(tmp_path / "mine", "llama")
    engine, posted = Engine(), []
    settings = Settings(tmp_path / "settings.toml")
    find = lambda folders: catalogue.find(starter(), map(Path, folders))  # noqa: E731
    models = Models(engine, find, settings, posted.append)
    page = ModelsPage(models, ScriptedHub(), ScriptedDownloads())
    qtbot.addWidget(page)
    models.on_change = page.apply

    def settled(done):
        def look():
            while posted:
                posted.pop(0)()
            return done()

        qtbot.waitUntil(look, timeout=20_000)

    page.resize(1000, 700)
    page.show()
    page.enter()
    settled(lambda: page.local.model.row_of(str(starter())) >= 0)
    page.local.add_folder(str(mine))
    settled(lambda: page.local.details.name.text() == mine.name)
    memory = DeviceMemory("cpu", "CPU", 32 * 10**9, 24 * 10**9, False)
    models.on_event(Surveyed(engine.requests[-1].id, (memory,)))
    settled(lambda: row(page.local, str(mine)).outcome[1] == "soft")
    assert row(page.local, str(mine)).outcome[0].startswith("fits on the CPU in fp32")
    page.local.load()
    assert (engine.requests[-1].path, engine.requests[-1].device) == (str(mine), "cpu")


def test_the_reason_is_in_sight_however_long_the_folder_is_called(qapp):
    path = "/models/" + "a very long name " * 20
    fault = UserError(Fault.NOT_A_CHECKPOINT, path=path, reason="config.json is missing")
    assert fault_in_short(fault, path).startswith("… is not a checkpoint: config.json is missing.")
    other = UserError(Fault.BROKEN_CONFIG, file="config.json", reason="it is not valid JSON")
    assert fault_in_short(other, path) == str(other)
