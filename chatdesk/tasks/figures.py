"""The figures of the status strip: speed, how full the context is, how many tokens the unsent text has."""

from collections.abc import Callable
from dataclasses import replace

from chatdesk.engine.api import Event
from chatdesk.tasks.changes import StatusChanged
from chatdesk.tasks.counting import DraftCounter
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink
from chatdesk.tasks.replies import Reply


class Figures:
    """Says `StatusChanged`. One thread."""

    def __init__(self, engine: EngineLink, models: Models, say: Callable[[StatusChanged], None]) -> None:
        self._models = models
        self._say = say
        self._status = StatusChanged()
        self._counter = DraftCounter(engine, models, self._on_counted)

    def begin(self, draft: str, reply: Reply | None) -> None:
        """Another conversation is shown, with its unsent text and the reply being written in it."""
        self._status = StatusChanged(draft_tokens=self._status.draft_tokens)
        self._counter.count(draft)
        self.show(reply)

    def show(self, reply: Reply | None) -> None:
        """What is known of ``reply``; without one, of the reply before."""
        if reply is not None and reply.started is not None:
            used = len(reply.started.prompt_token_ids) + len(reply.token_ids)
            ttft = reply.finished.ttft_s if reply.finished else 0.0
            speed = reply.tokens_per_s()
            self._status = replace(self._status, tokens_per_s=speed, ttft_s=ttft, context_used=used)
        length = self._models.info.context_length if self._models.info else 0
        self._status = replace(self._status, context_length=length)
        self._say(self._status)

    def count(self, draft: str) -> None:
        """The unsent text is this now."""
        self._counter.count(draft)

    def count_again(self) -> None:
        """Another model counts otherwise."""
        self._counter.again()

    def on_event(self, event: Event) -> None:
        """Take an engine event; only counts matter here."""
        self._counter.on_event(event)

    def _on_counted(self, tokens: int) -> None:
        self._status = replace(self._status, draft_tokens=tokens)
        self.show(None)
