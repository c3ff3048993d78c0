"""How many tokens the unsent text and files have: counted in the engine, one question at a time of each kind."""

from collections.abc import Callable
from itertools import chain

from chatdesk.engine.api import Count, Counted, Event, Failed
from chatdesk.storage.records import Attachment
from chatdesk.tasks import turns
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink


class DraftCounter:
    """Counts while a person types. ``say`` is called with each new count; without a model there is none."""

    def __init__(self, engine: EngineLink, models: Models, say: Callable[[int], None]) -> None:
        self._engine = engine
        self._models = models
        self._say = say
        self._request = 0
        self._asked = ""
        self._wanted = ""

    def count(self, text: str) -> None:
        """The text is this now."""
        self._wanted = text
        if not text:
            self._say(0)
        self._ask()

    def again(self) -> None:
        """Another model counts otherwise."""
        self._request, self._asked = 0, ""
        self._ask()

    def on_event(self, event: Event) -> None:
        """Take the answer; if the text has changed meanwhile, ask again."""
        if event.request != self._request or not isinstance(event, Counted | Failed):
            return
        self._request = 0
        if isinstance(event, Counted) and self._wanted:
            self._say(event.tokens)
        self._ask()

    def _ask(self) -> None:
        if self._request or self._wanted == self._asked or not self._wanted or self._models.info is None:
            return
        self._asked = self._wanted
        self._request = self._engine.next_id()
        self._engine.send(Count(self._request, self._asked))


class FileCounter:
    """Counts files as a model reads them, each once. ``say`` is called after each count of the unsent ones.

    Attributes: ``files``, the unsent ones.
    """

    def __init__(self, engine: EngineLink, models: Models, say: Callable[[], None]) -> None:
        self._engine = engine
        self._models = models
        self._say = say
        self._request = 0
        self._asked: Attachment | None = None
        self._known: dict[Attachment, int | None] = {}  # None: the engine could not count it
        self._looked_at: dict[Attachment, list[Callable[[int], None]]] = {}
        self.files: tuple[Attachment, ...] = ()

    def begin(self, files: tuple[Attachment, ...]) -> None:
        """Another conversation is shown, with these unsent files: what belonged to the one before is forgotten."""
        self._known = {file: self._known[file] for file in files if file in self._known}
        self._looked_at.clear()
        self.count(files)

    def count(self, files: tuple[Attachment, ...]) -> None:
        """The unsent files are these now."""
        self.files = files
        self._ask()

    def look_at(self, file: Attachment, then: Callable[[int], None]) -> None:
        """Hand the count of any file to ``then``, at once or later; of a file that cannot be counted, never."""
        if (tokens := self._known.get(file)) is not None:
            then(tokens)
        elif then not in (waiting := self._looked_at.setdefault(file, [])):
            waiting.append(then)
            self._ask()

    def tokens(self) -> tuple[int | None, ...]:
        """Of each unsent file; None where it is not known."""
        return tuple(map(self._known.get, self.files))

    def again(self) -> None:
        """Another model counts otherwise."""
        self._request, self._asked, self._known = 0, None, {}
        self._ask()

    def on_event(self, event: Event) -> None:
        """Take the answer, and ask for the next one."""
        if event.request != self._request or not isinstance(event, Counted | Failed) or self._asked is None:
            return
        file, tokens = self._asked, event.tokens if isinstance(event, Counted) else None
        self._request, self._asked, self._known[file] = 0, None, tokens
        for then in self._looked_at.pop(file, ()):
            if tokens is not None:
                then(tokens)
        if file in self.files:
            self._say()
        self._ask()

    def _ask(self) -> None:
        if self._request or self._models.info is None:
            return
        self._asked = next((file for file in chain(self.files, self._looked_at) if file not in self._known), None)
        if self._asked is not None:
            self._request = self._engine.next_id()
            self._engine.send(Count(self._request, turns.framed("", (self._asked,))))
