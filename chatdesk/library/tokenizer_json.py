"""What a tokenizer.json could do to whoever reads it, found before anything builds a tokenizer of it.

Three things in it grow beyond the file: replacements in a row, each of which makes every letter several; patterns that
repeat what repeats by itself, for which the time doubles with each letter of a text; and entries, of which each takes
many times its length in memory. Published tokenizers stay far below the caps: the largest has 262,000 words, 6,000
added ones, and no replacement that makes a text longer than thrice itself.

Not here: whether a tokenizer can be made of it; that is found when it is made. A pattern that is slow in other ways
is not noticed.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from chatdesk.errors import Fault, UserError

MAX_ADDED = 20_000
"""Words that may be added to the vocabulary."""

_MAX_COLONS = 1_500_000  # one for each word of the vocabulary
_MAX_COMMAS = 5_000_000  # two or three for each merge
_MAX_GROWTH = 1_000
_REPEATED = re.compile(r"[+*]|\{\d*,\d*\}")


class _File(msgspec.Struct):
    """The parts that change a text; all others are passed over unread."""

    normalizer: Any = None
    pre_tokenizer: Any = None
    decoder: Any = None
    added_tokens: list[msgspec.Raw] = []


def check(path: Path) -> None:
    """Raises BROKEN_CONFIG or LIMIT_EXCEEDED for a tokenizer.json that cannot be read or should not be."""
    try:
        raw = path.read_bytes()
        if raw.count(b":") > _MAX_COLONS or raw.count(b",") > _MAX_COMMAS:
            raise _too_much(path, "it has millions of entries")
        file = msgspec.json.decode(raw, type=_File)
    except OSError as error:
        raise UserError(Fault.BROKEN_CONFIG, file=path.name, reason=error.strerror or type(error).__name__) from error
    except RecursionError as error:
        raise _too_much(path, "its JSON is nested too deep") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UserError(Fault.BROKEN_CONFIG, file=path.name, reason="it is no tokenizer in JSON") from error
    if len(file.added_tokens) > MAX_ADDED:
        raise _too_much(path, f"it adds more than {MAX_ADDED:,} words")
    for part in (file.normalizer, file.pre_tokenizer, file.decoder):
        steps = list(_steps(part))
        growth = 1.0
        for step in steps:
            growth = min(growth * _growth(step), 2.0 * _MAX_GROWTH)
        if growth > _MAX_GROWTH:
            raise _too_much(path, f"its replacements make a text more than {_MAX_GROWTH:,} times as long")
        if any(_may_take_forever(pattern) for step in steps if (pattern := _pattern(step, "Regex"))):
            raise _too_much(path, "a pattern in it repeats what repeats by itself, which can take for ever")


def _steps(part: object) -> Iterator[dict[str, Any]]:
    """Every object in a part, the part itself and those in its lists."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from _steps(item)


def _pattern(step: dict[str, Any], kind: str) -> str:
    pattern = step.get("pattern")
    found = pattern.get(kind) if isinstance(pattern, dict) else None
    return found if isinstance(found, str) else ""


def _growth(step: dict[str, Any]) -> float:
    """How many times as long a replacement makes a text at most."""
    content = step.get("content")
    if step.get("type") != "Replace" or not isinstance(content, str):
        return 1.0
    replaced = _pattern(step, "String")
    return max(1.0, len(content) / len(replaced)) if replaced else len(content) + 1.0


def _may_take_forever(pattern: str) -> bool:
    """Whether a group that holds a repetition is repeated itself."""
    bare = re.sub(r"\[\^?\]?[^\]]*\]", "x", re.sub(r"\\.", "x", pattern))
    while group := re.search(r"\(([^()]*)\)", bare):
        repeats = _REPEATED.search(group[1])
        if repeats and _REPEATED.match(bare, group.end()):
            return True
        bare = f"{bare[: group.start()]}{'x+' if repeats else 'x'}{bare[group.end() :]}"
    return False


def _too_much(path: Path, reason: str) -> UserError:
    return UserError(Fault.LIMIT_EXCEEDED, file=path.name, reason=reason)
