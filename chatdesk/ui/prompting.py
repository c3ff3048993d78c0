"""The window's hands for `tasks.prompts.Prompts`: the exact prompt in a dialog, which is imported when it is wanted."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from chatdesk.tasks.prompts import Prompts
    from chatdesk.tasks.writing import Writing
    from chatdesk.ui.chat.page import ChatPage


class Prompting(QObject):
    """Belongs to a window; `serve` connects a page each time one is made."""

    _page: "ChatPage"

    def __init__(self, window: QWidget, prompts: "Prompts") -> None:
        super().__init__(window)
        self._window, self._prompts = window, prompts

    def serve(self, page: "ChatPage") -> None:
        """Show what the composer and the conversation of ``page`` make."""
        self._page = page
        page.header.prompt_wanted.connect(self.show)
        page.dialogue_bar.prompt_wanted.connect(self.show)

    def show(self) -> None:
        """Open the dialog; the prompt comes when the engine has made it."""
        from chatdesk.ui.chat.exact_prompt import ExactPromptDialog

        dialog = ExactPromptDialog(self._window)
        dialog.finished.connect(lambda: self._prompts.forget())
        self._prompts.ask(self._page.composer.text(), dialog.take)
        dialog.open()

    def show_for(self, writing: "Writing", before: str, after: str) -> None:
        """The same for the writing desk: what the model would go on from."""
        from chatdesk.ui.chat.exact_prompt import ExactPromptDialog

        dialog = ExactPromptDialog(self._window)
        writing.generating.exact_prompt(before, after, writing.in_force(), dialog.take)
        dialog.open()
