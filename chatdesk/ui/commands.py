"""What the keys of the window do, and where: a key means what it means on the page that is shown."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from chatdesk.settings.options import APPLICATION
from chatdesk.ui import shortcuts

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QAction

    from chatdesk.settings.store import Settings
    from chatdesk.tasks.chat import Chat
    from chatdesk.ui.main_window import MainWindow

_PAGES = {
    "chat": "chat",
    "write": "write",
    "inspect": "inspect",
    "classify": "classify",
    "lab": "lab",
    "models_page": "models",
    "settings": "settings",
}
"""The page each of these keys shows."""

_OF_THE_DESK = ("rework", "keep_version", "history", "focus_mode")


class Commands(QObject):
    """Belongs to a window, and gives it its actions; `mark` says which of them mean something now."""

    def __init__(self, window: "MainWindow", chat: "Chat", settings: "Settings") -> None:
        super().__init__(window)
        self._window, self._chat, self._settings = window, chat, settings
        self._actions: dict[str, QAction] = {}
        for name, done in {**self._of_the_chat(), **self._of_the_window(), **window.shelving.commands()}.items():
            self._actions[name] = shortcuts.action(window, name, partial(self._do, name, done))

    def _of_the_chat(self) -> "dict[str, Callable[[], object]]":
        window = self._window  # its page is another one after it was built anew
        return {
            "send_anyway": lambda: window.page.send(),
            "attach": lambda: self._over_chat(window.attaching.choose),
            "regenerate": lambda: window.page.regenerate(),
            "continue": lambda: window.page.continue_reply(),
            "drafts": lambda: window.page.write_drafts(),
            "clear": self._chat.clear,
            "find_next": lambda: window.page.find_step(1),
            "find_previous": lambda: window.page.find_step(-1),
            "version_before": lambda: window.page.choose_version(-1),
            "version_after": lambda: window.page.choose_version(1),
            "branches": lambda: self._over_chat(window.shelving.show_branches),
            "prompt": lambda: self._over_chat(window.prompting.show),
            "new_chat": lambda: self._over_chat(lambda: window.page.new_chat()),
            "rename": lambda: window.page.rename(),
            "models": lambda: self._over_chat(lambda: window.page.open_models()),
            "list": lambda: window.page.toggle_list(),
            "panel": lambda: window.page.toggle_panel(),
        }

    def _of_the_window(self) -> "dict[str, Callable[[], object]]":
        show = self._window.show_page
        return {
            **{name: partial(show, page) for name, page in _PAGES.items()},
            **dict.fromkeys(_OF_THE_DESK, partial(show, "write")),
            "stop": self._on_escape,
            "find": self._find,
            "search": self._window.shelving.search,
            "palette": self._show_palette,
            "look_inside": self.look_inside,
            "larger": lambda: self._resize_text(1),
            "smaller": lambda: self._resize_text(-1),
            "normal_size": lambda: self._resize_text(0),
            "keys": lambda: shortcuts.KeysDialog(self._window, self._settings["enter_sends"]).open(),
            "quit": self._window.close,
        }

    def mark(self) -> None:
        """Another page is shown: a key that means nothing there is left to what has the focus."""
        pages = self._window.pages
        for key, action in self._actions.items():
            action.setEnabled(pages.has(key))
        shown = pages.currentWidget()
        own = shown.findChildren(shortcuts.KeyedAction) if shown else []  # its lists have some
        for found in pages.findChildren(shortcuts.KeyedAction):
            found.setEnabled(found in own)

    def _do(self, name: str, done: "Callable[[], object]") -> None:
        if not self._window.pages.does(name):
            done()

    def _over_chat(self, do: "Callable[[], object]") -> None:
        self._window.show_page("chat")
        do()

    def look_inside(self) -> None:
        """On the writing desk at the text before its cursor; elsewhere at what was looked at last."""
        desk = self._window.pages.writing if self._window.pages.shown == "write" else None
        if desk is not None and desk.editor.around(1)[0]:
            self._window.prompting.show_tokens_of(desk, self._show_inside)
        else:
            self._window.show_page("inspect")

    def _show_inside(self, text: str) -> None:
        self._window.show_page("inspect")
        if (page := self._window.pages.inspect) is not None:
            page.set_text(text)

    def _find(self) -> None:
        if not self._window.pages.find_here():
            self._over_chat(lambda: self._window.page.open_find())

    def _show_palette(self) -> None:
        from chatdesk.ui.palette import Palette

        Palette(self._window).open()

    def _resize_text(self, steps: int) -> None:
        option = APPLICATION["text_size"]
        low, high, step = int(option.low or 0), int(option.high or 0), int(option.step or 1)
        wanted = self._settings["text_size"] + steps * step if steps else option.default
        self._settings.keep("text_size", max(low, min(high, wanted)))

    def _on_escape(self) -> None:
        if self._window.pages.shown == "chat":
            self._window.page.stop()
        else:
            self._window.show_page("chat")
