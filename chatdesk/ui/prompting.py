"""The window's hands for the exact prompt and for the tokens of a reply: dialogs that are imported when wanted."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

if TYPE_CHECKING:
    from chatdesk.engine.api import ChatMessage, TokenReading
    from chatdesk.tasks.all import Tasks
    from chatdesk.tasks.changes import Notice
    from chatdesk.tasks.writing import Writing
    from chatdesk.ui.chat.page import ChatPage


class Prompting(QObject):
    """Belongs to a window; `serve` connects a page each time one is made."""

    _page: "ChatPage"

    def __init__(self, window: QWidget, tasks: "Tasks") -> None:
        super().__init__(window)
        self._window, self._tasks, self._prompts = window, tasks, tasks.prompts

    def serve(self, page: "ChatPage") -> None:
        """Show what the composer and the conversation of ``page`` make."""
        self._page = page
        page.header.prompt_wanted.connect(self.show)
        page.dialogue_bar.prompt_wanted.connect(self.show)
        page.tokens_wanted.connect(self.show_tokens)

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

    def show_tokens(self, message_id: str) -> None:
        """Open the tokens of a reply; they come when the engine has read it."""
        from chatdesk.ui.inspect.reply_dialog import ReplyTokensDialog

        dialog = ReplyTokensDialog(self._window, self._tasks.inspect)

        def take(found: "tuple[TokenReading, ...] | Notice") -> None:
            if isValid(dialog):
                dialog.take(found)

        def go_on(beginning: "ChatMessage") -> None:
            self._tasks.chat.go_on_from(message_id, beginning)

        dialog.finished.connect(lambda: self._tasks.inspect.forget())
        dialog.go_on_wanted.connect(go_on)
        self._tasks.inspect.reply(message_id, self._tasks.chat.next_prompt("")[2], take)
        dialog.open()
