"""Driving a local engine in a test: load, generate, and look at the events."""

from pathlib import Path
from typing import Any

from chatdesk.engine.api import DraftFinished, Event, Finished, Generate, Load, Loaded, Sampling, TokenEvent
from chatdesk.engine.local import LocalEngine

GREEDY = Sampling(temperature=0, repetition_penalty=1, max_new_tokens=16)
NEUTRAL = Sampling(1.0, 1.0, 0, 0.0, 1.0, 16)


def load(engine: LocalEngine, folder: Path, dtype: Any = "float32", device: Any = "cpu") -> Loaded:
    """Load a folder; its last event."""
    event = list(engine.run(Load(1, str(folder), device, dtype)))[-1]
    assert isinstance(event, Loaded), event
    return event


def generate(engine: LocalEngine, prompt: Any, sampling: Sampling = GREEDY, **more: Any) -> list[Event]:
    """All events of a generation."""
    return list(engine.run(Generate(2, prompt, sampling, **more)))


def ids_of(events: list[Event], draft: int = 0) -> list[int]:
    """The tokens of one draft."""
    return [event.id for event in events if isinstance(event, TokenEvent) and event.draft == draft]


def text_of(events: list[Event], draft: int = 0) -> str:
    """The text of one draft: all its increments joined."""
    return "".join(
        event.text for event in events if isinstance(event, TokenEvent | DraftFinished) and event.draft == draft
    )


def only(events: list[Event], kind: Any) -> Any:
    """The only event of a kind."""
    (found,) = (event for event in events if isinstance(event, kind))
    return found


def converse(engine: LocalEngine, prompt: str, turns: int) -> None:
    """Turn after turn, then back to the turn before: what is kept is used, and the words are as with nothing kept."""
    text, branch = prompt, ""
    for turn in range(turns):
        cached = generate(engine, text)
        assert (only(cached, Finished).reused_tokens > 0) == (turn > 0)
        branch, text = text, text + text_of(cached) + " and then "
    back = generate(engine, branch + "?")
    assert only(back, Finished).reused_tokens > 14 * turns - 14
    engine._loaded()._cache.forget()
    assert ids_of(generate(engine, branch)) == ids_of(cached)
    engine._loaded()._cache.forget()
    assert ids_of(generate(engine, branch + "?")) == ids_of(back)
