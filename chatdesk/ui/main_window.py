"""The window: the pages, keys, drops. A shell: what happens on a page is the page's.

The list of keys is built when it is wanted, and so are most pages. Another language builds the page anew.
"""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QRect, QSize, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPaintEvent,
    QResizeEvent,
    QScreen,
)
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QWidget

from chatdesk import paths
from chatdesk.paths import Profile
from chatdesk.settings.store import Settings
from chatdesk.tasks import adapters, changes
from chatdesk.tasks.changes import AttachmentsChanged, Change, ListChanged, ModelChanged, SettingsChanged, StatusChanged
from chatdesk.ui import application, theme
from chatdesk.ui.attaching import Attaching
from chatdesk.ui.chat.page import ChatPage
from chatdesk.ui.commands import Commands
from chatdesk.ui.pages import Pages
from chatdesk.ui.prompting import Prompting
from chatdesk.ui.rail import Rail
from chatdesk.ui.shelving import Shelving
from chatdesk.ui.widgets import dialogs, focus
from chatdesk.ui.widgets.room import fitting, room_on

if TYPE_CHECKING:
    from chatdesk.tasks.all import Tasks
    from chatdesk.ui.models.page import ModelsPage
    from chatdesk.ui.settings.page import SettingsPage
    from chatdesk.ui.widgets.presets import PresetButton

SMALL_PX = 640
_FIRST = QSize(1280, 800)
_TICK_MS = 500
_KEPT = (
    ListChanged,
    SettingsChanged,
    StatusChanged,
    ModelChanged,
    AttachmentsChanged,
    changes.UndoChanged,
)


def _first_place(screen: QScreen) -> QRect:
    """In the middle of a screen."""
    room = room_on(screen)
    place = QRect(room.topLeft(), _FIRST.boundedTo(room.size()))
    place.moveCenter(room.center())
    return place


class MainWindow(QMainWindow):
    """The window of one profile. Signals: ``painted``, once, after the first paint.

    Attributes: ``pages``; ``page``, the chat's; ``rail``; ``commands``; ``shelving``, ``prompting`` and ``attaching``.
    """

    painted = Signal()

    def __init__(
        self,
        tasks: "Tasks",
        settings: Settings,
        profile: Profile,
    ) -> None:
        super().__init__()
        self._tasks, self._chat = tasks, tasks.chat
        self._settings, self._profile = settings, profile
        self._kept: dict[type[Change], Change] = {}
        self._was_painted = self._may_close = False
        self._has_other_keys = False
        self._presets: PresetButton | None = None
        self.shelving = Shelving(self, tasks.chat, tasks.shelf, settings)
        self.shelving.chat_wanted.connect(lambda: self.show_page("chat"))
        self.shelving.document_wanted.connect(self._show_document)
        self.prompting = Prompting(self, tasks)
        self.attaching = Attaching(self, tasks.chat, tasks.shelf)
        self.setWindowTitle("chatdesk")
        self.setAcceptDrops(True)
        self.setMinimumSize(fitting(self, 360, 400))
        if not self.restoreGeometry(QByteArray.fromBase64(settings["geometry"].encode())):
            self.setGeometry(_first_place(self.screen()))
        self._build()
        self.commands = Commands(self, tasks.chat, settings)
        self._mark("chat")
        self._fit()
        self._tick = QTimer(self, interval=_TICK_MS)
        self._tick.timeout.connect(tasks.chat.tick)
        settings.watch(self._on_setting)
        theme.watcher.changed.connect(self._fit)

    def _build(self) -> None:
        self.rail = Rail()
        self.rail.chosen.connect(self.show_page)
        self.page = ChatPage(self._chat, self._tasks.models, self._settings)
        self.shelving.serve(self.page)
        self.prompting.serve(self.page)
        self.attaching.serve(self.page)
        self.pages = Pages(self.page, self._tasks, self._settings, self._profile, self.shelving)
        self.pages.back_wanted.connect(lambda: self.show_page("chat"))
        self.pages.talk_wanted.connect(self._talk_to)
        self.pages.models_wanted.connect(lambda: self.show_page("models"))
        self.pages.exact_wanted.connect(self._show_exact)
        self.pages.focus_wanted.connect(lambda is_focused: self.rail.setVisible(not is_focused))
        centre = QWidget()
        self._row = QHBoxLayout(centre)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._row.addWidget(self.rail)
        self._row.addWidget(self.pages, 1)
        self.setCentralWidget(centre)

    def _mark(self, name: str) -> None:
        self.rail.mark(name)
        self.commands.mark()

    def _show_document(self, document_id: str, words: str) -> None:
        self.show_page("write")
        if (page := self.pages.writing) is not None:
            page.open_at(document_id, words)

    def _show_exact(self) -> None:
        if (page := self.pages.writing) is not None:
            self.prompting.show_for(self._tasks.writing, *page.editor.around(self._tasks.writing.most_seen())[:2])

    def start(self) -> None:
        """After the first paint: complete the page, bring the conversations and begin to keep them."""
        self._complete_page()
        self._chat.start(self._settings["conversation"], self._complaints)
        self._tick.start()
        self.page.composer.focus()
        # Modules and widgets stay: a collector that looked at them again held the window up for 60 ms at a time.
        gc.freeze()
        gc.set_threshold(700, 10, 100)  # nor at all of a long conversation while it opens

    def _complete_page(self) -> None:
        from chatdesk.settings.presets import Presets
        from chatdesk.ui.widgets.presets import PresetButton

        self.page.complete()
        language = application.language(self._settings["language"])
        supplied = paths.resources() / "presets" / "presets.toml"
        presets = Presets(supplied, self._profile.presets, language)
        self._complaints = [*self._settings.complaints, *presets.complaints]
        self._presets = PresetButton(self._chat.set_setting, presets, self._chat.begin_with)
        self.page.panel.set_presets(self._presets)

    def apply(self, change: Change) -> None:
        """Show a change; see `chatdesk.tasks.changes`."""
        if isinstance(change, _KEPT):
            self._kept[type(change)] = change
        if isinstance(change, ListChanged):
            self.shelving.take(change)
        self.pages.apply(change)
        if isinstance(change, changes.Opened) and change.conversation is None and self._presets is not None:
            self._presets.use_default()

    def come_to_front(self) -> None:
        """A second start asks for this window."""
        self.setWindowState(self.windowState() & ~self.windowState().WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    def show_page(self, name: str) -> None:
        """Show a page, by its name on the rail."""
        self.page.close_drawers()
        if name != "settings" and self._has_other_keys:  # menus and hints name them
            self.pages.show_page("chat")
            self._rebuild()
        self.pages.show_page(name)
        self._mark(name)

    @property
    def settings_page(self) -> "SettingsPage | None":
        """The page with the settings, once it was wanted."""
        return self.pages.settings

    @property
    def models_page(self) -> "ModelsPage | None":
        """The page with the models, once it was wanted."""
        return self.pages.models

    def _fit(self) -> None:
        """Where the rail stands and whether the sides of the page float, for this width and text size."""
        small = self.width() < theme.scaled(SMALL_PX)
        self.rail.set_flat(small)
        if small != (self.rail.parentWidget() is self.page.list):
            if small:
                self.page.list.set_footer(self.rail)
            else:
                self._row.insertWidget(0, self.rail)
        self.page.set_window_width(self.width())
        self.pages.fit(small)

    def _on_setting(self, name: str) -> None:
        self.pages.show_setting(name)
        self._has_other_keys = self._has_other_keys or name == "keys"
        if name == "language":
            QTimer.singleShot(0, self._rebuild)  # not inside the menu that chose it

    def _rebuild(self) -> None:
        """The same window in another language, or with other keys in its hints."""
        self._has_other_keys = False
        self._tasks.writing.close()  # keeps the words of an editor that goes away
        self._tasks.writing.on_change = lambda change: None  # what comes before there is another one
        page, pages, shown = self.page, self.pages, self.pages.shown
        self._build()
        self.pages.take_over(pages)
        self._mark("chat")
        self._fit()
        self._complete_page()
        self.page.take_over(page)
        for change in self._kept.values():
            self.apply(change)
        if self._chat.open_id:
            self._chat.open(self._chat.open_id)
        if shown != "chat":
            self.show_page(shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the new width."""
        super().resizeEvent(event)
        self._fit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Say when the first paint is through."""
        super().paintEvent(event)
        if not self._was_painted:
            self._was_painted = True
            QTimer.singleShot(0, self.painted.emit)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """The Tab key goes as one reads, whatever was made first."""
        return focus.step(self, forward) or super().focusNextPrevChild(forward)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files or a checkpoint may be dropped."""
        self.attaching.offer(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They are dropped elsewhere."""
        self.attaching.leave()

    def dropEvent(self, event: QDropEvent) -> None:
        """Attach the files, or load the checkpoint."""
        self.attaching.take(event)

    def end(self) -> None:
        """Close without a question."""
        self._may_close = True
        self.close()

    def _talk_to(self, path: str) -> None:
        """A chat with a model of the lab, or with one and the adapter that was trained for it."""
        base = self._tasks.lab.base_of(Path(path))
        if base:
            adapters.choose(self._settings, base, path)
        self._tasks.models.load(base or path)
        self.show_page("chat")
        self.page.new_chat()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the window's place; the conversation is kept by its task. A training asks first."""
        if self._tasks.lab.is_training and not self._may_close:
            event.ignore()
            question = self.tr("A model is being trained. Close the window?")
            facts = self.tr("The run is saved first. It goes on from there when you open the lab again.")
            dialogs.ask_whether(self, question, facts, self.tr("Save and close"), self.end)
            return
        self._tick.stop()
        self.page.keep("geometry", self.saveGeometry().toBase64().toStdString())
        super().closeEvent(event)
