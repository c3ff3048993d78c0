"""What a model is told beside the words of a document: memory, facts, a note near the end, stops, banned and wished-for
words.

Pure: from a document's words and settings to the parts of a request.
"""

import re
from typing import Any, NamedTuple

from chatdesk.engine.api import BANNED, Bias, Sampling
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import WRITING
from chatdesk.storage.words import holds_all, query
from chatdesk.tasks.turns import SAMPLING_NAMES, lines

CHARACTERS_A_TOKEN = 12  # more than any usual text has: what is cut here, the context could not hold
_NEAR = 4_000  # characters before the cursor in which names of facts are looked for
_COLON, _COMMA = re.compile("[:：]"), re.compile("[,，、]")
_BIAS = re.compile(r"(.+?)\s*=\s*([+\-−]?\d+(?:\.\d+)?)")


class Asked(NamedTuple):
    """The parts of a `Generate` that are not its sampling; ``unseen``: characters at the beginning left out already."""

    lead: str
    prompt: str
    suffix: str
    stop: tuple[str, ...]
    bias: tuple[Bias, ...]
    unseen: int = 0


def asked(before: str, after: str, values: dict[str, Any], context: int, can_fill: bool) -> Asked:
    """The request to go on between ``before`` and ``after``.

    Raises `UserError` for a fact without names and for a bias that says no number.
    """
    most = context * CHARACTERS_A_TOKEN
    seen = before[-most:]
    told = [str(values.get("memory", "")).strip(), "\n".join(facts(values.get("world", ""), seen))]
    return Asked(
        "".join(f"{part}\n\n" for part in told if part),
        with_note(seen, str(values.get("note", "")), int(values.get("note_depth", WRITING["note_depth"].default))),
        after[:most] if can_fill and after.strip() and values.get("fill", True) else "",
        lines(values.get("stop", "")),
        biases(values),
        len(before) - len(seen),
    )


def facts(world: Any, seen: str) -> tuple[str, ...]:
    """The facts of ``world`` of which a name stands among the last words that are seen; see `chatdesk.storage.words`.

    A line is names with commas between them, a colon, and what is to be told: "Ada, keeper: She is old."
    """
    near = seen[-_NEAR:]
    found = []
    for line in map(str.strip, str(world).splitlines()):
        names, _, fact = _COLON.sub(":", line, count=1).partition(":")
        patterns = [query(f'"{name}"').patterns for name in _COMMA.split(names)]
        if line and not (fact.strip() and any(patterns)):
            raise UserError(Fault.BAD_VALUE, name="world", value=line, allowed="names, a colon, and what is to be told")
        if any(each and holds_all(near, each) for each in patterns):
            found.append(fact.strip())
    return tuple(dict.fromkeys(found))


def with_note(text: str, note: str, depth: int) -> str:
    """The text with the note in brackets before its last ``depth`` paragraphs (0: at the end, before the last line)."""
    if not note.strip():
        return text
    starts = [0, *(found.end() for found in re.finditer(r"\n+", text))]
    place = starts[max(0, len(starts) - max(1, depth))]
    return f"{text[:place]}[{' '.join(note.split())}]\n{text[place:]}"


def biases(values: dict[str, Any]) -> tuple[Bias, ...]:
    """Banned words, one a line, and lines like ``word = 2.5``."""
    banned = [Bias(line.strip(), BANNED) for line in lines(values.get("banned", ""))]
    return (*banned, *map(_bias, lines(values.get("bias", ""))))


def sampling(values: dict[str, Any]) -> Sampling:
    """How words are chosen; what is not said is as the checkpoint says."""
    return Sampling(**{name: values[name] for name in SAMPLING_NAMES if name in values})


def _bias(line: str) -> Bias:
    found = _BIAS.fullmatch(line.strip())
    value = float(found[2].replace("−", "-")) if found else 0.0
    if found is None or not BANNED <= value <= -BANNED:
        allowed = "a word, =, and a number from -100 to 100"
        raise UserError(Fault.BAD_VALUE, name="bias", value=line.strip(), allowed=allowed)
    return Bias(found[1], value)
