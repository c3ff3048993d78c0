"""The window: the pages, keys, drops. A shell: what happens on a page is the page's.

The list of keys is built when it is wanted, and so are most pages. Another language builds the page anew.
"""

import gc
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QWidget

from chatdesk import paths
from chatdesk.paths import Profile
from chatdesk.settings.options import APPLICATION
from chatdesk.settings.store import Settings
from chatdesk.tasks import changes
from chatdesk.tasks.changes import AttachmentsChanged, Change, ListChanged, ModelChanged, SettingsChanged, StatusChanged
from chatdesk.ui import application, shortcuts, theme
from chatdesk.ui.attaching import Attaching
from chatdesk.ui.chat.page import ChatPage
from chatdesk.ui.pages import Pages
from chatdesk.ui.prompting import Prompting
from chatdesk.ui.rail import Rail
from chatdesk.ui.shelving import Shelving

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdesk.tasks.all import Tasks
    from chatdesk.ui.chat.presets import PresetButton
    from chatdesk.ui.models.page import ModelsPage
    from chatdesk.ui.settings.page import SettingsPage

SMALL_PX = 640
_TICK_MS = 500
_LOOKED_AT = 2000  # characters of a document
_KEPT = (
    ListChanged,
    SettingsChanged,
    StatusChanged,
    ModelChanged,
    AttachmentsChanged,
    changes.UndoChanged,
)


class MainWindow(QMainWindow):
    """The window of one profile. Signals: ``painted``, once, after the first paint."""

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
        self._was_painted = False
        self._has_other_keys = False
        self._presets: PresetButton | None = None
        self._actions: dict[str, QAction] = {}
        self.shelving = Shelving(self, tasks.chat, tasks.shelf, settings)
        self.prompting = Prompting(self, tasks)
        self.attaching = Attaching(self, tasks.chat, tasks.shelf)
        self.setWindowTitle("chatdesk")
        self.setAcceptDrops(True)
        self.setMinimumSize(theme.scaled(360), theme.scaled(400))
        self.resize(1280, 800)
        self.restoreGeometry(QByteArray.fromBase64(settings["geometry"].encode()))
        self._build()
        self._add_actions()
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
        self._pages = Pages(self.page, self._tasks, self._settings, self._profile, self.shelving)
        self._pages.back_wanted.connect(lambda: self.show_page("chat"))
        self._pages.models_wanted.connect(lambda: self.show_page("models"))
        self._pages.exact_wanted.connect(self._show_exact)
        self._pages.focus_wanted.connect(lambda is_focused: self.rail.setVisible(not is_focused))
        centre = QWidget()
        self._row = QHBoxLayout(centre)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._row.addWidget(self.rail)
        self._row.addWidget(self._pages, 1)
        self.setCentralWidget(centre)
        self._mark("chat")
        self._fit()

    def _add_actions(self) -> None:
        commands: dict[str, Callable[[], object]] = {
            "send_anyway": lambda: self.page.send(),
            "attach": lambda: self._over_chat(self.attaching.choose),
            "stop": self._on_escape,
            "regenerate": lambda: self.page.regenerate(),
            "continue": lambda: self.page.continue_reply(),
            "drafts": lambda: self.page.write_drafts(),
            "clear": self._chat.clear,
            "find": self._find,
            "find_next": lambda: self.page.find_step(1),
            "find_previous": lambda: self.page.find_step(-1),
            "version_before": lambda: self.page.choose_version(-1),
            "version_after": lambda: self.page.choose_version(1),
            "branches": lambda: self._over_chat(self.shelving.show_branches),
            "prompt": lambda: self._over_chat(self.prompting.show),
            "search": lambda: self._over_chat(self.shelving.search),
            "palette": self._show_palette,
            "new_chat": self._new_chat,
            "rename": lambda: self.page.rename(),
            **self.shelving.commands(),
            "models": self._open_models,
            "list": lambda: self.page.toggle_list(),
            "panel": lambda: self.page.toggle_panel(),
            "chat": lambda: self.show_page("chat"),
            "write": lambda: self.show_page("write"),
            **dict.fromkeys(("rework", "keep_version", "history", "focus_mode"), partial(self.show_page, "write")),
            "models_page": lambda: self.show_page("models"),
            "look_inside": self._look_inside,
            "inspect": lambda: self.show_page("inspect"),
            "classify": lambda: self.show_page("classify"),
            "settings": lambda: self.show_page("settings"),
            "larger": lambda: self._resize_text(1),
            "smaller": lambda: self._resize_text(-1),
            "normal_size": lambda: self._resize_text(0),
            "keys": self._show_keys,
            "quit": self.close,
        }
        for name, done in commands.items():
            self._actions[name] = shortcuts.action(self, name, partial(self._do, name, done))

    def _mark(self, name: str) -> None:
        """The page of that name is shown: a key that means nothing there is left to what has the focus."""
        self.rail.mark(name)
        for key, action in self._actions.items():
            action.setEnabled(self._pages.has(key))
        shown = self._pages.currentWidget()
        own = shown.findChildren(shortcuts.KeyedAction) if shown else []  # its lists have some
        for action in self._pages.findChildren(shortcuts.KeyedAction):
            action.setEnabled(action in own)

    def _do(self, name: str, done: "Callable[[], object]") -> None:
        """A key means what it means on the page that is shown."""
        if not self._pages.does(name):
            done()

    def _show_exact(self) -> None:
        if (page := self._pages.writing) is not None:
            self.prompting.show_for(self._tasks.writing, *page.editor.around(self._tasks.writing.most_seen())[:2])

    def _look_inside(self) -> None:
        """From the writing desk with the text before its cursor; from elsewhere, with what was looked at last."""
        page = self._pages.writing if self._pages.shown == "write" else None
        before = page.editor.around(_LOOKED_AT)[0] if page is not None else ""
        self.show_page("inspect")
        if before.strip() and self._pages.inspect is not None:
            self._pages.inspect.show_tokens_of(before)

    def _new_chat(self) -> None:
        self.show_page("chat")
        self.page.new_chat()

    def _find(self) -> None:
        if not self._pages.find_here():
            self.show_page("chat")
            self.page.open_find()

    def _over_chat(self, show_box: "Callable[[], None]") -> None:
        self.show_page("chat")
        show_box()

    def _show_palette(self) -> None:
        from chatdesk.ui.palette import Palette

        Palette(self).open()

    def _open_models(self) -> None:
        self.show_page("chat")
        self.page.open_models()

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
        from chatdesk.ui.chat.presets import PresetButton

        self.page.complete()
        language = application.language(self._settings["language"])
        supplied = paths.resources() / "presets" / "presets.toml"
        presets = Presets(supplied, self._profile.presets, language)
        self._complaints = [*self._settings.complaints, *presets.complaints]
        self._presets = PresetButton(self._chat, presets)
        self.page.panel.set_presets(self._presets)

    def apply(self, change: Change) -> None:
        """Show a change; see `chatdesk.tasks.changes`."""
        if isinstance(change, _KEPT):
            self._kept[type(change)] = change
        if isinstance(change, ListChanged):
            self.shelving.take(change)
        self._pages.apply(change)
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
            self._pages.show_page("chat")
            self._rebuild()
        self._pages.show_page(name)
        self._mark(name)

    @property
    def settings_page(self) -> "SettingsPage | None":
        """The page with the settings, once it was wanted."""
        return self._pages.settings

    @property
    def models_page(self) -> "ModelsPage | None":
        """The page with the models, once it was wanted."""
        return self._pages.models

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
        self._pages.fit(small)

    def _resize_text(self, steps: int) -> None:
        option = APPLICATION["text_size"]
        low, high, step = int(option.low or 0), int(option.high or 0), int(option.step or 1)
        wanted = self._settings["text_size"] + steps * step if steps else option.default
        self._settings["text_size"] = max(low, min(high, wanted))

    def _show_keys(self) -> None:
        dialog = shortcuts.KeysDialog(self, self._settings["enter_sends"])
        dialog.open()

    def _on_escape(self) -> None:
        if self._pages.shown == "chat":
            self.page.stop()
        else:
            self.show_page("chat")

    def _on_setting(self, name: str) -> None:
        self._pages.show_setting(name)
        self._has_other_keys = self._has_other_keys or name == "keys"
        if name == "language":
            QTimer.singleShot(0, self._rebuild)  # not inside the menu that chose it

    def _rebuild(self) -> None:
        """The same window in another language, or with other keys in its hints."""
        self._has_other_keys = False
        self._tasks.writing.close()  # keeps the words of an editor that goes away
        page, shown = self.page, self._pages.shown
        self._build()
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

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files or a checkpoint may be dropped."""
        self.attaching.offer(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They are dropped elsewhere."""
        self.attaching.leave()

    def dropEvent(self, event: QDropEvent) -> None:
        """Attach the files, or load the checkpoint."""
        self.attaching.take(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the window's place; the conversation is kept by its task."""
        self._tick.stop()
        self.page.keep("geometry", self.saveGeometry().toBase64().toStdString())
        super().closeEvent(event)
