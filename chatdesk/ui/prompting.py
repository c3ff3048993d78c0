"""The window's hands for the exact prompt and for tokens: dialogs that are imported when wanted."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdesk.tasks.all import Tasks
    from chatdesk.tasks.writing import Writing
    from chatdesk.ui.chat.exact_prompt import ExactPromptDialog
    from chatdesk.ui.chat.page import ChatPage
    from chatdesk.ui.inspect.tokens_dialog import TokensDialog
    from chatdesk.ui.writing.page import WritingPage

_LOOKED_AT = 2000  # characters of a document


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
        writing.generating.exact_prompt(before, after, writing.in_force(), _while_open(dialog))
        dialog.open()

    def show_tokens(self, message_id: str) -> None:
        """Open the tokens of a reply; they come when the engine has read it."""
        from chatdesk.ui.inspect.tokens_dialog import beginning

        words = self.tr("Choose an alternative, and another version of the reply goes on from there.")
        dialog = self._open_tokens(words)

        def go_on(place: int, number: int) -> None:
            self._tasks.chat.go_on_from(message_id, beginning(dialog.part.readings, place, number))

        dialog.replaced.connect(go_on)
        self._tasks.inspect.reply(message_id, self._tasks.chat.next_prompt("")[2], _while_open(dialog))

    def show_tokens_of(self, page: "WritingPage", show_more: "Callable[[str], None]") -> None:
        """The same for the text before the cursor of the desk; ``show_more`` shows it on the page that looks inside."""
        from chatdesk.ui.inspect.tokens_dialog import tail

        text = page.editor.around(_LOOKED_AT)[0]
        words = self.tr("Choose an alternative, and the text goes on from there; what stood there is kept in History.")
        dialog = self._open_tokens(words)
        dialog.more.show()
        dialog.page_wanted.connect(lambda: show_more(text))

        def go_on(place: int, number: int) -> None:
            readings = dialog.part.readings
            page.go_on_from(tail(readings, place), readings[place].top[number].text)

        dialog.replaced.connect(go_on)
        self._tasks.inspect.tokens(text, self._tasks.writing.sampling(), _while_open(dialog))

    def _open_tokens(self, words: str) -> "TokensDialog":
        from chatdesk.ui.inspect.tokens_dialog import TokensDialog

        dialog = TokensDialog(self._window, self._tasks.inspect, words)
        dialog.open()
        return dialog


def _while_open(dialog: "TokensDialog | ExactPromptDialog") -> "Callable[[Any], None]":
    def take(found: Any) -> None:
        if isValid(dialog):
            dialog.take(found)

    return take
