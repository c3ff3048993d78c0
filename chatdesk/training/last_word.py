"""Whether a model guesses the last word of a passage, in the manner of LAMBADA (Paperno et al. 2016).

A file of JSON lines has a passage in each document, a text file one in each line. The last word is what follows the
last white space, with the space itself. It is right when each of its tokens is the likeliest one at its place
(https://arxiv.org/abs/1606.06031 asks for the word; greedy tokens are how language models are measured on it). The
perplexity is of whole words: the exponential of the mean negative log-probability of a last word.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from msgspec import Struct
from torch.nn import functional

from chatdesk.engine.local.branches import common_prefix
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.runner import last_places
from chatdesk.errors import Fault, UserError
from chatdesk.training.cleaning import texts
from chatdesk.training.corpus import read_documents
from chatdesk.training.evaluate import exponential

_MOST_TOKENS = 8192
_MOST_LOGITS = 1 << 25


class LastWords(Struct, frozen=True):
    """``accuracy`` from 0 to 1, ``perplexity`` of a word. ``left_out``: passages of fewer than two words."""

    passages: int
    accuracy: float
    perplexity: float
    left_out: int = 0


class _Passage(Struct, frozen=True):
    """``ids`` of the whole, the last ``size`` of which are the last word's."""

    ids: list[int]
    size: int


def passages(file: Path) -> Iterator[str]:
    """The passages of a file. Raises what `read_documents` raises."""
    for document in read_documents(file):
        if file.name.removesuffix(".xz").endswith(".jsonl"):
            yield "\n".join(texts(document))
        else:
            assert isinstance(document, str), "a text file is prose"
            yield from document.splitlines()


def last_words(file: Path, checkpoint: Checkpoint, report: Callable[[int, int], None] = lambda *_: None) -> LastWords:
    """Measure a checkpoint on a file. ``report``: passages done, and of how many.

    Raises ``NO_TEXT`` where no passage has two words, ``NOT_FINITE``, and what `read_documents` raises.
    """
    found = [line.strip() for line in passages(file)]
    cut = [_cut(line, checkpoint) for line in found if line]
    ready = sorted((each for each in cut if each is not None), key=lambda each: len(each.ids))
    if not ready:
        raise UserError(Fault.NO_TEXT, path=file)
    right, nats, done = 0, 0.0, 0
    for group in _groups(ready, checkpoint):
        for loss, is_right in _score(group, checkpoint):
            right, nats = right + is_right, nats + loss
        done += len(group)
        report(done, len(ready))
    if not math.isfinite(nats):
        raise UserError(Fault.NOT_FINITE)
    return LastWords(len(ready), right / len(ready), exponential(nats / len(ready)), len(cut) - len(ready))


def _cut(line: str, checkpoint: Checkpoint) -> _Passage | None:
    """None where nothing stands before the last word."""
    start = max((place for place, sign in enumerate(line) if sign.isspace()), default=0)
    if not start:
        return None
    leading, encode = checkpoint.tokens.leading, checkpoint.tokens.quoting.encode_plain
    whole = [*leading, *encode(line)]
    checkpoint.require_known(whole)
    seam = common_prefix([*leading, *encode(line[:start].rstrip())], whole)
    if not 0 < seam < len(whole):
        return None
    ids = whole[-checkpoint.info.context_length :]
    size = len(whole) - seam
    return _Passage(ids, size) if size < len(ids) else None


def _groups(ready: Sequence[_Passage], checkpoint: Checkpoint) -> Iterator[list[_Passage]]:
    """Batches in order of length. Shorter ones are padded behind, where padding has no effect on what is before it."""
    vocabulary = checkpoint.vocabulary
    group: list[_Passage] = []
    for each in ready:
        rows, longest = len(group) + 1, len(each.ids)
        if group and (rows * longest > _MOST_TOKENS or rows * _kept([*group, each]) * vocabulary > _MOST_LOGITS):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _kept(group: Sequence[_Passage]) -> int:
    """How many of the last places of a batch hold the logits of all last words."""
    longest = max(len(each.ids) for each in group)
    return max(longest - len(each.ids) + each.size for each in group) + 1


def _score(group: Sequence[_Passage], checkpoint: Checkpoint) -> Iterator[tuple[float, bool]]:
    """Of each passage the loss of its last word in nats, and whether it is right."""
    device = next(checkpoint.model.parameters()).device
    longest, kept = max(len(each.ids) for each in group), _kept(group)
    rows = torch.tensor([[*each.ids, *[0] * (longest - len(each.ids))] for each in group], device=device)
    with torch.inference_mode():
        places = last_places(rows, kept)
        logits = checkpoint.model(rows, logits_to_keep=places, use_cache=False).logits[:, -kept:].float()
        for row, each in enumerate(group):
            end = len(each.ids) - (longest - kept)
            targets = rows[row, len(each.ids) - each.size : len(each.ids)]
            said = logits[row, end - each.size - 1 : end - 1]
            loss = functional.cross_entropy(said, targets, reduction="sum")
            yield float(loss), bool((said.argmax(-1) == targets).all())
