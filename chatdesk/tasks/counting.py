"""How many tokens the unsent text has: counted in the engine, one question at a time, the newest text next."""

from collections.abc import Callable

from chatdesk.engine.api import Count, Counted, Event, Failed
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
