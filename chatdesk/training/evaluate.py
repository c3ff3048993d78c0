"""How well a model tells a text: perplexity and bits per UTF-8 byte, over a sliding window.

The first window scores all its tokens, each later one starts ``stride`` tokens further and scores those that the one
before has not seen: a token has at least ``window - stride`` tokens before it. The first token of a document is not
scored where nothing precedes it, and its bytes do not count then. The documents of a file of JSON lines are scored one
by one; a dialogue goes through the checkpoint's chat template, whose marks count as tokens and not as bytes.

Perplexities of two models compare only if they share a tokenizer; bits per byte compare always.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct
from torch.nn import functional

from chatdesk.engine.api import Device, Dtype, Load
from chatdesk.engine.local.adapters import Adapters
from chatdesk.engine.local.loading import Checkpoint, load
from chatdesk.engine.local.runner import last_places
from chatdesk.errors import Fault, UserError
from chatdesk.library.adapters import name_of
from chatdesk.training.corpus import Document, read_documents, size_bytes
from chatdesk.training.encoders import TemplateEncoder

ReportTokens = Callable[[int, int], None]
"""Called with the tokens that are done and those there are."""


class Evaluation(Struct, frozen=True):
    """``tokens`` scored, the ``bytes`` of their text, ``loss`` in nats a token; ``window`` and ``stride`` in tokens.

    ``perplexity``: infinite beyond what a float holds.
    """

    tokens: int
    bytes: int
    loss: float
    perplexity: float
    bits_per_byte: float
    window: int
    stride: int

    def to_builtins(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return msgspec.structs.asdict(self)

    def table(self) -> str:
        """The figures as lines for a terminal."""
        rows = [
            ("bits per byte", f"{self.bits_per_byte:.4f}"),
            ("perplexity", f"{self.perplexity:.3f}"),
            ("loss", f"{self.loss:.4f} nats a token"),
            ("tokens", f"{self.tokens:,}"),
            ("bytes", f"{self.bytes:,}"),
            ("window", f"{self.window} tokens, stride {self.stride}"),
        ]
        return "\n".join(f"{name:<14} {value}" for name, value in rows)


def evaluate_text(
    file: Path,
    model: Path,
    stride: int | None = None,
    window: int | None = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    report: ReportTokens | None = None,
) -> Evaluation:
    """Measure the checkpoint folder ``model`` on ``file`` (.txt, .md or .jsonl, also .xz).

    ``window`` defaults to the model's context, ``stride`` to half the window. Raises ``FILE_NOT_FOUND``,
    ``BROKEN_TEXT``, ``NO_TEXT``, ``BAD_VALUE``, ``NOT_FINITE`` and what loading a checkpoint raises.
    """
    documents = list(read_documents(file))
    evaluation = evaluate_documents(documents, open_checkpoint(model, device, dtype), stride, window, report)
    if evaluation is None:
        raise UserError(Fault.NO_TEXT, path=file)
    return evaluation


def open_checkpoint(
    model: Path, device: Device = "auto", dtype: Dtype = "float32", adapter: Path | None = None
) -> Checkpoint:
    """A checkpoint folder, loaded, with an adapter on it where one is named; it is called by both then.

    Raises what loading and attaching raise.
    """
    loading = load(Load(0, str(model), device, dtype), lambda: False)
    found = next(item for item in loading if isinstance(item, Checkpoint))
    if adapter is None:
        return found
    weights = next(found.model.parameters())
    Adapters(found.model, found.info, weights.device).put_on(str(adapter))
    return replace(found, info=msgspec.structs.replace(found.info, name=f"{found.info.name} + {name_of(adapter)}"))


def evaluate_documents(
    documents: Sequence[Document],
    checkpoint: Checkpoint,
    stride: int | None = None,
    window: int | None = None,
    report: ReportTokens | None = None,
) -> Evaluation | None:
    """As `evaluate_text`; None where there is nothing to score.

    Raises ``BAD_VALUE``, ``NOT_FINITE`` and ``TENSORS_DO_NOT_MATCH``.
    """
    most = checkpoint.info.context_length
    window = _checked("window", most if window is None else window, 2, most)
    stride = _checked("stride", max(1, window // 2) if stride is None else stride, 1, window - 1)
    encoded, size = _encode(documents, checkpoint)
    checkpoint.require_known(chain.from_iterable(encoded))
    total = sum(max(0, len(ids) - 1) for ids in encoded)
    if not total:
        return None
    nats, done = 0.0, 0
    for ids in encoded:
        for loss, count in _score(ids, checkpoint, window, stride):
            nats, done = nats + loss, done + count
            if report:
                report(done, total)
    if not math.isfinite(nats):
        raise UserError(Fault.NOT_FINITE)
    loss = nats / total
    return Evaluation(total, size, loss, exponential(loss), nats / math.log(2) / max(1, size), window, stride)


def exponential(nats: float) -> float:
    """A perplexity; infinite beyond what a float holds."""
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def _checked(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise UserError(Fault.BAD_VALUE, name=name, value=value, allowed=f"from {least} to {most}")
    return value


def _encode(documents: Sequence[Document], checkpoint: Checkpoint) -> tuple[list[list[int]], int]:
    """The ids of each document, behind those that the tokenizer puts in front of every text, and the bytes of all that
    is scored.
    """
    tokens = checkpoint.tokens
    encoder = TemplateEncoder(tokens, ())
    try:
        encoded = [encoder.text(document) for document in documents]
    finally:
        encoder.close()
    size = sum(map(size_bytes, documents))
    if not tokens.leading:
        said = (tokens.decode(ids[:1]) for ids, text in zip(encoded, documents, strict=True) if isinstance(text, str))
        size -= sum(1 if "\ufffd" in text else len(text.encode()) for text in said)  # or a part of a character
    return encoded, size


def _score(ids: list[int], checkpoint: Checkpoint, window: int, stride: int) -> Iterator[tuple[float, int]]:
    """Summed loss in nats and number of tokens, window by window."""
    device = next(checkpoint.model.parameters()).device
    row = torch.tensor([ids], device=device)
    starts = range(0, max(1, len(ids) - window + stride), stride)
    ends = [1, *(min(start + window, len(ids)) for start in starts)]
    for start, (seen, end) in zip(starts, pairwise(ends), strict=True):
        count = end - seen
        if count <= 0:
            continue
        with torch.inference_mode():
            places = last_places(row[:, start:end], count + 1)
            output = checkpoint.model(row[:, start:end], logits_to_keep=places, use_cache=False)
            logits = output.logits[0, -count - 1 : -1].float()
            loss = functional.cross_entropy(logits, row[0, seen:end], reduction="sum")
        yield float(loss), count
