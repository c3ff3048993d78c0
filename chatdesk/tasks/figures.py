"""The figures of the status strip and of the unsent files: speed, how full the context is, how many tokens wait."""

from collections.abc import Callable
from dataclasses import replace

from chatdesk.engine.api import Event
from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import AttachmentsChanged, StatusChanged
from chatdesk.tasks.counting import DraftCounter, FileCounter
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink
from chatdesk.tasks.replies import Reply


class Figures:
    """Says `StatusChanged` and `AttachmentsChanged`. One thread.

    Attributes: ``files``, which counts the tokens of files.
    """

    def __init__(
        self, engine: EngineLink, models: Models, say: Callable[[StatusChanged | AttachmentsChanged], None]
    ) -> None:
        self._models = models
        self._say = say
        self._status = StatusChanged()
        self._words = 0
        self._counter = DraftCounter(engine, models, self._on_counted)
        self.files = FileCounter(engine, models, self._say_files)

    def begin(self, draft: str, files: tuple[Attachment, ...], reply: Reply | None) -> None:
        """Another conversation is shown, with its unsent text and files and the reply being written in it."""
        self._status = StatusChanged(draft_tokens=self._status.draft_tokens)
        self._counter.count(draft)
        self.files.begin(files)
        self._say_files()
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

    def count_files(self, files: tuple[Attachment, ...]) -> None:
        """The unsent files are these now."""
        self.files.count(files)
        self._say_files()

    def count_again(self) -> None:
        """Another model counts otherwise."""
        self._counter.again()
        self.files.again()
        self._say_files()

    def on_event(self, event: Event) -> None:
        """Take an engine event; only counts matter here."""
        self._counter.on_event(event)
        self.files.on_event(event)

    def _on_counted(self, tokens: int) -> None:
        self._words = tokens
        self._sum_up()

    def _say_files(self) -> None:
        self._say(AttachmentsChanged(self.files.files, self.files.tokens()))
        self._sum_up()

    def _sum_up(self) -> None:
        waiting = self._words + sum(tokens or 0 for tokens in self.files.tokens())
        self._status = replace(self._status, draft_tokens=waiting)
        self.show(None)
