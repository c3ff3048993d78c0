"""Choosing the model: the button in the header, its menu, and the strip that shows a load."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QProgressBar, QVBoxLayout

from chatdesk.engine.api import Device, Dtype
from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.tasks.adapters import called
from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.adapter_menu import AdapterMenu
from chatdesk.ui.chat.dialogue_bar import DialogueMenu
from chatdesk.ui.errors import remark, sentence_of
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import ElidedLabel, tip
from chatdesk.ui.wording import GROUPS, asleep, device

if TYPE_CHECKING:
    from chatdesk.library.catalogue import Entry

_Value = TypeVar("_Value", Device, Dtype)

_DEVICES: dict[Device, str] = {
    "auto": QT_TRANSLATE_NOOP("ModelMenu", "Automatic"),
    "cpu": QT_TRANSLATE_NOOP("ModelMenu", "CPU"),
    "cuda": QT_TRANSLATE_NOOP("ModelMenu", "NVIDIA or AMD GPU"),
    "mps": QT_TRANSLATE_NOOP("ModelMenu", "Apple GPU"),
    "xpu": QT_TRANSLATE_NOOP("ModelMenu", "Intel GPU"),
}


class ModelMenu(QMenu):
    """The checkpoints on this machine, and what can be done with them.

    Signals: ``load_wanted(path)``, ``folder_wanted``, ``unload_wanted``, ``placement_changed`` (`device`, `dtype`),
    ``dialogue_chosen(name)``, ``adapter_chosen(path)``, ``adapter_folder_wanted``.
    ``refresh`` looks for checkpoints in the background each time the menu opens; the last list is shown until then.
    """

    load_wanted = Signal(str)
    folder_wanted = Signal()
    unload_wanted = Signal()
    placement_changed = Signal()
    dialogue_chosen = Signal(str)
    adapter_chosen = Signal(str)
    adapter_folder_wanted = Signal()

    def __init__(self, refresh: Callable[[Callable[[list["Entry"]], None]], None]) -> None:
        super().__init__()
        self.device: Device = "auto"
        self.dtype: Dtype = "auto"
        self.setToolTipsVisible(True)
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # not that of the button it hangs on
        self._refresh = refresh
        self._entries: list[Entry] | None = None
        self._state = ModelChanged("none")
        self._choices: list[QMenu] = []
        self.dialogues = DialogueMenu()
        self.dialogues.chosen.connect(self.dialogue_chosen)
        self.adapters = AdapterMenu()
        self.adapters.chosen.connect(self.adapter_chosen)
        self.adapters.folder_wanted.connect(self.adapter_folder_wanted)
        self.aboutToShow.connect(self._on_opened)

    def show_state(self, state: ModelChanged) -> None:
        """Mark what is loaded now; how far a load is, is not shown here."""
        is_other = replace(state, done=0, total=0) != replace(self._state, done=0, total=0)
        self._state = state
        if is_other and self.isVisible():
            self._fill()

    def _on_opened(self) -> None:
        self._refresh(self._on_found)
        self._fill()

    def _on_found(self, entries: list["Entry"]) -> None:
        if entries != self._entries:
            self._entries = entries
            if self.isVisible():
                self._fill()

    def _fill(self) -> None:
        self.clear()
        for menu in self._choices:  # Qt leaves menus in a menu where they are
            menu.deleteLater()
        self._choices.clear()
        if self._entries is None:
            self.addAction(self.tr("Looking for models…")).setEnabled(False)
        for source, heading in GROUPS.items():
            if group := [entry for entry in self._entries or () if entry.source == source]:
                self.addAction(QCoreApplication.translate("ModelMenu", heading)).setEnabled(False)
                for entry in group:
                    self._add_entry(entry)
                self.addSeparator()
        if self._entries == []:
            self.addAction(self.tr("No model was found on this machine")).setEnabled(False)
        self.addAction(theme.icon("folder", size=16), self.tr("Open a checkpoint folder…"), self.folder_wanted.emit)
        if self._state.state == "ready":
            self.addAction(theme.icon("close", size=16), self.tr("Unload"), self.unload_wanted.emit)
        self.addSeparator()
        devices = {name: QCoreApplication.translate("ModelMenu", text) for name, text in _DEVICES.items()}
        self._add_choices(self.tr("Device"), devices, self.device, self._on_device_chosen)
        dtypes: dict[Dtype, str] = {name: name for name in get_args(Dtype)}
        dtypes |= {"auto": devices["auto"], "int8": self.tr("8 bit (int8)"), "int4": self.tr("4 bit (int4)")}
        self._add_choices(self.tr("Precision"), dtypes, self.dtype, self._on_dtype_chosen)
        if self._state.state == "ready":
            self.dialogues.setTitle(self.tr("Messages: {form}").format(form=self.dialogues.show_state(self._state)))
            self.addMenu(self.dialogues)
            name = self.adapters.show_state(self._state).replace("&", "&&")
            self.adapters.setTitle(self.tr("Adapter: {name}").format(name=name))
            self.addMenu(self.adapters)

    def _add_entry(self, entry: "Entry") -> None:
        facts = [short_count(entry.parameters), entry.dtype or "", short_bytes(entry.size_bytes)]
        name = entry.name.replace("&", "&&")
        if entry.fault is not None:
            action = self.addAction(theme.icon("warning", "danger", 16), name)
            action.setToolTip(tip(sentence_of(entry.fault)))
            action.setEnabled(False)
            return
        action = self.addAction(theme.icon("cube", size=16), name + "\t" + " · ".join(fact for fact in facts if fact))
        action.setToolTip(tip(str(entry.path)))
        if self._state.state == "ready" and self._state.path and Path(self._state.path) == entry.path:
            action.setIcon(theme.icon("check", "accent", 16))
        action.triggered.connect(lambda: self.load_wanted.emit(str(entry.path)))

    def _add_choices(
        self, title: str, names: dict[_Value, str], chosen: _Value, done: Callable[[_Value, bool], None]
    ) -> None:
        menu = self.addMenu(self.tr("{what}: {choice}").format(what=title, choice=names[chosen]))
        self._choices.append(menu)
        group = QActionGroup(menu)
        for value, name in names.items():
            action = menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(value == chosen)
            action.triggered.connect(partial(done, value))
            group.addAction(action)

    def _on_device_chosen(self, value: Device, _checked: bool = True) -> None:
        self.device = value
        self.placement_changed.emit()

    def _on_dtype_chosen(self, value: Dtype, _checked: bool = True) -> None:
        self.dtype = value
        self.placement_changed.emit()


class ModelButton(TextButton):
    """Which model answers: "Starter 7M · float32 · CPU"."""

    def __init__(self, menu: ModelMenu) -> None:
        super().__init__("", icon="chevron-down", icon_behind=True)
        self._name = self._whole = ""
        self.setMenu(menu)
        self.show_state(ModelChanged("none"))

    def show_state(self, state: ModelChanged) -> None:
        """Name the model, or say that there is none."""
        if state.state == "ready" and (info := state.info) is not None:
            self._name = called(info.name, state.adapter)
            self._whole = f"{self._name} · {info.dtype} · {device(info)}"
            facts = self.tr("{architecture}, {parameters} parameters, {context} tokens of context, on {device}").format(
                architecture=info.architecture,
                parameters=short_count(info.parameters),
                context=info.context_length,
                device=info.device_name,
            )
            self.setToolTip(tip("\n".join([facts, *map(remark, info.remarks)])))
        else:
            is_named = state.state in ("loading", "asleep")
            self._name = self._whole = state.name if is_named else self.tr("Choose a model")
            self.setToolTip(shortcuts.hint("models"))
        if state.state == "asleep":
            self._whole = self.tr("{name} · asleep").format(name=state.name)
            self.setToolTip(asleep())
        self.fit(theme.scaled(320))

    def fit(self, width: int) -> None:
        """Cut the words to ``width`` pixels in all: the name goes before how and where the model runs."""
        room, metrics = width - theme.scaled(60), self.fontMetrics()
        fits = metrics.horizontalAdvance(self._whole) <= room
        self.set_words(self._whole if fits else metrics.elidedText(self._name, Qt.TextElideMode.ElideRight, room))
        self.setAccessibleName(self.tr("Model: {name}").format(name=self._whole))


class LoadingStrip(QFrame):
    """A load under the header: what, how far, and a way out. Signals: ``cancel_wanted``."""

    cancel_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = ElidedLabel(kind="small")
        self.cancel = TextButton(self.tr("Cancel"), kind="link")
        self.cancel.setAccessibleName(self.tr("Cancel loading"))
        self.cancel.clicked.connect(self.cancel_wanted)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Loading the model"))
        self._row = QHBoxLayout()
        self._row.setContentsMargins(theme.scaled(24), theme.scaled(6), theme.scaled(20), theme.scaled(6))
        self._row.addWidget(self.words, 1)
        self._row.addWidget(self.cancel)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addLayout(self._row)
        self.hide()

    def show_state(self, state: ModelChanged) -> None:
        """Show how far the load is; hide when there is none."""
        self.setVisible(state.state == "loading")
        if state.state != "loading":
            return
        self.bar.setRange(0, 1000 if state.total else 0)
        if state.total:
            self.bar.setValue(state.done * 1000 // state.total)
            percent = state.done * 100 // state.total
            words = self.tr("Loading {name} · {percent} %").format(name=state.name, percent=percent)
        else:
            words = self.tr("Loading {name}").format(name=state.name)
        self.words.set_words(words)
