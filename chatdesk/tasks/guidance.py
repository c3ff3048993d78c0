"""What a model is told beside the words of a document: memory, a note near the end, stops, banned and wished-for words.

Pure: from a document's words and settings to the parts of a request.
"""

import re
from typing import Any, NamedTuple

from chatdesk.engine.api import BANNED, Bias, Sampling
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import WRITING
from chatdesk.tasks.turns import SAMPLING_NAMES

CHARACTERS_A_TOKEN = 12  # more than any usual text has: what is cut here, the context could not hold
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
    """The request to go on between ``before`` and ``after``. Raises `UserError` for a bias that says no number."""
    most = context * CHARACTERS_A_TOKEN
    seen = before[-most:]
    memory = str(values.get("memory", "")).strip()
    return Asked(
        f"{memory}\n\n" if memory else "",
        with_note(seen, str(values.get("note", "")), int(values.get("note_depth", WRITING["note_depth"].default))),
        after[:most] if can_fill and after.strip() and values.get("fill", True) else "",
        lines(values.get("stop", "")),
        biases(values),
        len(before) - len(seen),
    )


def with_note(text: str, note: str, depth: int) -> str:
    """The text with the note in brackets before its last ``depth`` paragraphs (0: at the end, before the last line)."""
    if not note.strip():
        return text
    starts = [0, *(found.end() for found in re.finditer(r"\n+", text))]
    place = starts[max(0, len(starts) - max(1, depth))]
    return f"{text[:place]}[{' '.join(note.split())}]\n{text[place:]}"


def lines(text: Any) -> tuple[str, ...]:
    r"""One text a line; ``\n`` in it is a line's end."""
    return tuple(line.replace("\\n", "\n") for line in str(text).splitlines() if line.strip())


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
