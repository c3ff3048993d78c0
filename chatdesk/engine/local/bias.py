"""Texts that a request makes more or less likely, or forbids, as what is added to the scores of tokens.

A text of several tokens is changed at its last one, where the ones before it have just been written, as transformers'
``SequenceBiasLogitsProcessor`` does. A word is looked for with and without a space before it, and with a capital.
"""

from collections.abc import Callable, Sequence

import torch

from chatdesk.engine.api import BANNED, Bias
from chatdesk.errors import Fault, UserError

MAX_BIASES = 1000


class TokenBias:
    """The biases of one request. ``encode``: a text to its ids; ``prompt``: ids that stand before what is written."""

    def __init__(
        self, wanted: Sequence[Bias], encode: Callable[[str], list[int]], prompt: Sequence[int], vocabulary: int
    ) -> None:
        found: dict[tuple[int, ...], float] = {}
        for each in wanted:
            for form in _forms(each.text):
                ids = tuple(encode(form))
                if ids and max(ids) < vocabulary:
                    found[ids] = max(found.get(ids, -torch.inf), each.value) if each.value > 0 else each.value
        self._single = {ids[0]: value for ids, value in found.items() if len(ids) == 1}
        self._long = {ids: value for ids, value in found.items() if len(ids) > 1}
        self._before = list(prompt[-max(map(len, found), default=1) :])
        self._always: torch.Tensor | None = None  # [vocabulary], made on the device of the first scores

    def __bool__(self) -> bool:
        return bool(self._single or self._long)

    def apply(self, logits: torch.Tensor, written: Sequence[Sequence[int]]) -> torch.Tensor:
        """Other scores ``[rows, vocabulary]``; ``written``: of each row the ids since the prompt."""
        if self._always is None:
            self._always = torch.zeros(logits.shape[-1], dtype=logits.dtype, device=logits.device)
            for token, value in self._single.items():
                self._always[token] = _score(value)
        changed = logits + self._always
        for row, ids in enumerate(written):
            tail = [*self._before, *ids]
            for sequence, value in self._long.items():
                if tuple(tail[-len(sequence) + 1 :]) == sequence[:-1]:
                    changed[row, sequence[-1]] += _score(value)
        return changed


def check_biases(wanted: Sequence[Bias]) -> None:
    """``BAD_VALUE`` for what cannot be a bias."""
    if len(wanted) > MAX_BIASES:
        raise UserError(Fault.BAD_VALUE, name="bias", value=len(wanted), allowed=f"at most {MAX_BIASES} texts")
    for each in wanted:
        if not each.text.strip():
            raise UserError(Fault.BAD_VALUE, name="bias", value="empty", allowed="at least one character")
        if not BANNED <= each.value <= -BANNED:  # false for NaN, too
            raise UserError(Fault.BAD_VALUE, name="bias", value=each.value, allowed="a number from -100 to 100")


def _score(value: float) -> float:
    return -torch.inf if value <= BANNED else value


def _forms(text: str) -> list[str]:
    """How a word may stand in a text: with a space before it or not, small or with a capital."""
    word = text.strip()
    spelled = dict.fromkeys((word, word[:1].upper() + word[1:]))
    return [form for each in spelled for form in (each, f" {each}")]
