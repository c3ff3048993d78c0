"""The exact prompt of the open conversation as it would go out now, for a person to look at."""

from collections.abc import Callable
from dataclasses import dataclass

from chatdesk.engine.api import ChatMessage, Event, Failed, MakePrompt, PromptMade
from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.store import Store
from chatdesk.tasks import turns
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.chat import Chat
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, Post, StoreLink
from chatdesk.tasks.replies import notice


@dataclass(frozen=True)
class ExactPrompt:
    """What the model sees. ``has_unsent``: the unsent words are its end; else the last reply is an answer to it."""

    made: PromptMade
    has_unsent: bool


Answer = Callable[[ExactPrompt | Notice], None]


class Prompts:
    """Asks for one prompt at a time; a new question and `forget` drop the one before. One thread; never blocks.

    While a model loads or a reply is written, the answer waits for the end of that.
    """

    def __init__(self, store: Store, engine: EngineLink, models: Models, chat: Chat, post: Post) -> None:
        self._store = StoreLink(store, post, lambda error: self._answer(notice(error)))
        self._engine = engine
        self._models = models
        self._chat = chat
        self._request = 0
        self._has_unsent = False
        self._callback: Answer | None = None

    def ask(self, unsent: str, callback: Answer) -> None:
        """Make the prompt with the unsent words as the next message, else the one of the last reply."""
        self.forget()
        self._callback = callback
        end, words, values = self._chat.next_prompt(unsent)  # files stand in the words by now
        self._has_unsent = bool(words.strip())
        self._models.wake()
        state = self._models.state
        if state.state in ("none", "failed"):
            self._answer(state.notice or Notice(Fault.NO_MODEL, {}))
            return
        request = self._request = self._engine.next_id()

        def work(c: Conversations) -> tuple[ChatMessage, ...]:
            said = turns.prompt(c, end, state.path) if end else ()
            return (*said, ChatMessage("user", words)) if words.strip() else said

        def then(messages: tuple[ChatMessage, ...]) -> None:
            if request == self._request:  # not forgotten meanwhile
                self._models.claim()
                prompt, sampling, overflow, _ = turns.outgoing(messages, values)
                self._engine.send(MakePrompt(request, prompt, sampling, overflow, self._models.dialogue))

        self._store.call(work, then)

    def forget(self) -> None:
        """Nobody waits for the answer any more."""
        if self._request:
            self._engine.cancel(self._request)
        self._request, self._callback = 0, None

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        if event.request != self._request:
            return
        if isinstance(event, PromptMade):
            self._answer(ExactPrompt(event, self._has_unsent))
        elif isinstance(event, Failed):
            self._answer(notice(UserError(Fault(event.fault), **event.fields)))

    def _answer(self, answer: ExactPrompt | Notice) -> None:
        callback, self._callback, self._request = self._callback, None, 0
        if callback is not None:
            callback(answer)
