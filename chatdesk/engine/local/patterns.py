"""Patterns in a tokenizer that take ever longer with the length of a text, found by trying them.

The search for a pattern goes back and tries again; how often, its form does not always tell. So what a tokenizer does
with a text before it cuts words into tokens is done here once with texts of a few letters repeated, each twice as long
as the one before, and the first that takes far too long ends it. What doubles with each letter ends by the library's
own bound. The forms that are known to be bad are refused before (`chatdesk.library.tokenizer_json`).

Not here: bounds for the texts themselves; a pattern may still be slow with a text that nobody
tried, and the time of many published ones grows with the square of a run of digits or blanks.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from chatdesk.errors import Fault, UserError

_UNITS = ("a", "A", " ", "\n", "\t ", "0", "!", "_", "é", "中")
_LENGTHS = tuple(2**power for power in range(4, 13))
_MOST_S = 0.25  # of the processor, for 4,096 letters; published tokenizers take less than a tenth of it
_MOST_OWN = 16
_LEAST_S = 0.02
_TRIES = 3  # the first may have to wait for memory, and any beside a program that takes the processor's caches
_END = "\x01"  # in hardly any class of letters: what ran up to it has to go back


def require_quick(backend: Any) -> None:
    """LIMIT_EXCEEDED where a pattern of the Rust tokenizer ``backend`` takes far too long."""
    parts = [p for name in ("normalizer", "pre_tokenizer", "decoder") if (p := getattr(backend, name)) is not None]
    told = [part.__getstate__().decode() for part in parts]
    if not any('"Regex"' in text for text in told):
        return
    units = dict.fromkeys([*_UNITS, *_own_units("".join(told))])
    end = _END + " ".join(units)  # all that may be asked for: nothing is searched for that is not there
    for part in parts:
        work = _work(part)
        if any(_is_slow(work, unit, end) for unit in units):
            raise slow_pattern()


def slow_pattern() -> UserError:
    """The error that says so."""
    reason = "a pattern in it takes ever longer with the length of a text"
    return UserError(Fault.LIMIT_EXCEEDED, file="tokenizer.json", reason=reason)


def is_panic(error: BaseException) -> bool:
    """Whether the Rust library gave up in the middle, as it does for a search without an end."""
    return type(error).__name__ == "PanicException"


def _work(part: Any) -> Callable[[str], object]:
    if hasattr(part, "normalize_str"):
        return lambda text: part.normalize_str(text)
    if hasattr(part, "pre_tokenize_str"):
        return lambda text: part.pre_tokenize_str(text)
    return lambda text: part.decode([text])


def _own_units(told: str) -> Iterator[str]:
    """Letters and short words that stand in the patterns themselves."""
    patterns = re.findall(r'"Regex":("(?:[^"\\]|\\.)*")', told)
    words = (word for pattern in patterns for word in re.findall(r"[^\W_]{1,8}", json.loads(pattern)))
    yield from list(dict.fromkeys(words))[:_MOST_OWN]


def _is_slow(work: Callable[[str], object], unit: str, end: str) -> bool:
    for length in _LENGTHS:
        text = unit * (length // len(unit)) + end
        most_s = max(_LEAST_S, _MOST_S * (length / _LENGTHS[-1]) ** 2)  # what grows faster is found early
        if all(_takes_longer(work, text, most_s) for _ in range(_TRIES)):
            return True
    return False


def _takes_longer(work: Callable[[str], object], text: str, most_s: float) -> bool:
    began = time.thread_time()
    try:
        work(text)
    except BaseException as error:
        if not is_panic(error):
            raise
        return True
    return time.thread_time() - began > most_s
