"""A writing desk for the tests of tasks: a real store, an engine that says what the test lets it say, no window."""

import time

from chatdesk.paths import resources
from chatdesk.storage.records import DocumentText
from chatdesk.tasks import writing_changes as w
from chatdesk.tasks.writing import Writing
from chatdesk.tasks.writing_prompts import WritingPrompts
from tests.tasks.desk import Desk


class WritingDesk(Desk):
    """The desk with what the page would hold: ``text`` and ``spans``."""

    def __init__(self, folder):
        super().__init__(folder)
        self.text, self.spans = "", ()
        self.seen = []
        self.start_writing()

    def start_writing(self, document_id=""):
        prompts = lambda: WritingPrompts(resources() / "prompts", self.folder / "prompts.toml")  # noqa: E731
        self.writing = Writing(self.store, self.engine, self.models, prompts, self._posted.put)
        self.writing.words = lambda: DocumentText(self.text, self.spans)
        self.writing.on_change = self.take
        self.writing.start(document_id)
        self.settle()

    def take(self, change):
        self.seen.append(change)
        if isinstance(change, w.DocumentOpened):
            self.text, self.spans = change.words.text, change.words.spans

    def say(self, *events):
        for event in events:
            self.models.on_event(event)
            self.writing.on_event(event)
        self.settle()

    def type(self, text, spans=()):
        self.text, self.spans = text, spans
        self.writing.touch()

    def until(self, is_so):
        """What threads have done comes in, until something is so."""
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.01)
            self.settle()

    def tick(self):
        self.writing.tick()
        self.settle()

    def newest(self, kind):
        return next(change for change in reversed(self.seen) if isinstance(change, kind))

    def stored(self, id=""):
        return self.store.submit(lambda c: c.documents.text(id or self.writing.document.id)).result()

    def close(self):
        self.writing.close()
        super().close()
