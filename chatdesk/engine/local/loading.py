"""Loading a checkpoint folder: checked first, weights by transformers' own key mapping, nothing left to chance.

transformers gets the config as `chatdesk.library.safety` cleaned it and the tensors as objects that read themselves
from the checked files when they are asked for. So no file is opened by a name that the checkpoint chose, the bytes
that were really read are the progress, and a cancel stops at the next tensor.

Not here: checkpoints that are quantised already, adapters (`adapters`), offloading to the disk.
"""

import ctypes
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import torch
import transformers
from msgspec.structs import replace
from safetensors import safe_open

from chatdesk.engine.api import ChatMessage, Load, ModelInfo, Progress
from chatdesk.engine.local.fill import fill_marks
from chatdesk.engine.local.placement import choose_bits, choose_device, choose_dtype, device_map, device_name, memory
from chatdesk.engine.local.quantize import quantise
from chatdesk.engine.local.remarks import end_ids, named_ends, remarks
from chatdesk.engine.local.sampling import checkpoint_defaults
from chatdesk.engine.local.tokens import Tokens
from chatdesk.engine.out_of_memory import is_out_of_memory
from chatdesk.errors import Fault, UserError
from chatdesk.library import safety
from chatdesk.library.catalogue import name_and_source
from chatdesk.library.figures import short_count
from chatdesk.library.fit import UNBOUNDED_CONTEXT, Word, plans_of
from chatdesk.library.footprint import measure
from chatdesk.paths import starter

_LISTED = 3
_NO_READING_AHEAD = "HF_DEACTIVATE_ASYNC_LOAD"
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_FEW_LAYERS = 64
_FEW_NUMBERS = 10**6
_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length", "max_seq_length")


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint. ``eos_ids``: any of these tokens ends a reply."""

    model: Any
    tokens: Tokens
    info: ModelInfo
    eos_ids: frozenset[int]

    @property
    def vocabulary(self) -> int:
        """How many tokens the model has vectors for; its tokenizer may know more."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def require_known(self, ids: Iterable[int]) -> None:
        """``TENSORS_DO_NOT_MATCH`` where the model has no vector for one of these: a GPU would fail for good on it."""
        most = max(ids, default=0)
        if most >= self.vocabulary:
            reason = f"the tokenizer made token {most}, but the model has {self.vocabulary}"
            raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason=reason)

    def with_own_ids(self, messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        """Messages without kept ids that the model has no vectors for: another checkpoint's, so the text counts.

        Raises ``BAD_VALUE`` for one below 0, which is nobody's.
        """
        least = min((min(message.token_ids) for message in messages if message.token_ids), default=0)
        if least < 0:
            raise UserError(Fault.BAD_VALUE, name="token_ids", value=least, allowed="a token's number, from 0 on")
        return tuple(
            replace(message, token_ids=None) if max(message.token_ids or (0,)) >= self.vocabulary else message
            for message in messages
        )


@dataclass(frozen=True)
class _How:
    """Where and how the weights go. With ``bits`` they are read in ``dtype`` and then quantised."""

    device: torch.device
    dtype: torch.dtype
    bits: int | None
    gpu_layers: int | None = None

    def device_map(self, model_class: Any, config: Any) -> dict[str, Any] | None:
        """What accelerate is to place; nothing on the CPU, and nothing where each matrix is moved by itself."""
        if self.device.type == "cpu" or self.bits:
            return None
        if self.gpu_layers is None:
            return {"": self.device}
        with torch.device("meta"):
            return device_map(model_class(config), self.gpu_layers, self.device)


def _planned(request: Load, checked: safety.Checked, name: str) -> tuple[Load, tuple[Word, ...]]:
    """What is left to us is filled in as the best plan has it, whose words are told. Raises ``DOES_NOT_FIT``."""
    if request.dtype != "auto" or request.gpu_layers is not None:
        return request, ()
    devices = memory(None)
    if request.device != "auto":
        wanted = choose_device(request.device).type
        devices = tuple(each for each in devices if each.device == wanted)
    best = plans_of(checked, name, devices, request.draft)[0]
    shorter = best.context if Word.SHORT in best.words else None
    filled = replace(
        request,
        device=best.place.device,
        dtype=best.precision,
        gpu_layers=best.gpu_layers if 0 < best.gpu_layers < best.layers else None,
        context=request.context or shorter,
    )
    return filled, best.words


def _how(request: Load, checked: safety.Checked) -> _How:
    device = choose_device(request.device)
    bits = choose_bits(request.dtype, device)
    if bits is None:
        dtype = choose_dtype(request.dtype, device, checked.dtype, checked.parameters)
        return _How(device, dtype, None, request.gpu_layers)
    return _How(device, getattr(torch, checked.dtype or "float32"), bits)


class _Cancelled(BaseException):
    """Ends a load from inside transformers, which collects ordinary exceptions."""


class _Reading:
    """How far a load is: bytes read, and whether to go on. Called from transformers' reading threads."""

    def __init__(self, total: int, report: Callable[[int], None], is_cancelled: Callable[[], bool]) -> None:
        self._total, self._report, self._is_cancelled = total, report, is_cancelled
        self._lock = threading.Lock()
        self._done = self._reported = 0

    def before_tensor(self) -> None:
        if self._is_cancelled():
            raise _Cancelled

    def one(self, size_bytes: int) -> None:
        """Before and after at once."""
        self.before_tensor()
        self.has_read(size_bytes)

    def has_read(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            if self._done - self._reported >= self._total // 100 or self._done == self._total:
                self._reported = self._done
                self._report(self._done)


class _Tensor:
    """A tensor in a file, read when it is sliced. transformers reads with ``[...]`` and asks for shape and type."""

    def __init__(self, part: Any, reading: _Reading) -> None:
        self._part, self._reading = part, reading

    def get_shape(self) -> list[int]:
        return list(self._part.get_shape())

    def get_dtype(self) -> str:
        return str(self._part.get_dtype())

    def __getitem__(self, index: Any) -> torch.Tensor:
        self._reading.before_tensor()
        tensor: torch.Tensor = self._part[index]
        self._reading.has_read(tensor.nbytes)
        return tensor


class _Report(logging.Handler):
    """Keeps what transformers says about a load, which its exceptions leave out."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + "\n"


def load(request: Load, is_cancelled: Callable[[], bool]) -> Generator[Progress | Checkpoint, None, None]:
    """Load a folder: `Progress` in bytes, at the end the `Checkpoint`.

    Raises `UserError`: what `safety.check` finds, ``BROKEN_CONFIG``, ``NO_DEVICE``, ``NO_TOKENIZER``,
    ``TENSORS_DO_NOT_MATCH``,
    ``CANCELLED``; memory errors as they come.
    """
    started = time.perf_counter()
    checked = safety.check(Path(request.path))
    name = name_and_source(checked, starter())[0]
    request, words = _planned(request, checked, name)
    how = _how(request, checked)
    if is_cancelled():
        raise UserError(Fault.CANCELLED)
    config = _config(checked)
    tokens = Tokens.load(checked)
    model: Any = None
    parameters = 0
    for item in _in_thread(partial(_load_model, checked, config, how), is_cancelled):
        if isinstance(item, int):
            yield Progress(request.id, item, checked.weight_bytes)
        else:
            model, parameters = item
    if is_cancelled():
        raise UserError(Fault.CANCELLED)
    sampling = checkpoint_defaults(checked.generation_config)
    named = named_ends(checked, tokens.eos_id)
    ends = end_ids(named, model.get_input_embeddings().weight.shape[0])
    info = ModelInfo(
        name=name,
        path=str(checked.folder),
        architecture=checked.architecture,
        parameters=parameters,
        device=how.device.type,
        device_name=device_name(how.device),
        dtype=f"int{how.bits}" if how.bits else str(how.dtype).removeprefix("torch."),
        context_length=min(_context_length(model.config.get_text_config(decoder=True)), request.context or sys.maxsize),
        has_chat_template=tokens.chat_template is not None,
        sampling=sampling,
        load_s=time.perf_counter() - started,
        remarks=remarks(checked, sampling, named, ends, words),
        can_fill=fill_marks(tokens) is not None,
        thinks="</think>" in (tokens.chat_template or ""),
    )
    yield Checkpoint(model, tokens, info, ends)


def _in_thread(
    work: Callable[[Callable[[int], None], Callable[[], bool]], Any], is_cancelled: Callable[[], bool]
) -> Iterator[Any]:
    """Run ``work(report, is_cancelled)`` beside: yields what it reports, then its result; raises what it raises.

    Whoever leaves it early, by Ctrl+C, too, cancels it.
    """
    queue: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    is_left = threading.Event()

    def run() -> None:
        try:
            done = work(lambda done: queue.put(("report", done)), lambda: is_left.is_set() or is_cancelled())
            queue.put(("result", done))
        except BaseException as error:
            queue.put(("error", error))

    thread = threading.Thread(target=run, name="loading")
    try:
        thread.start()
        while True:
            kind, value = queue.get()
            if kind == "error":
                raise value
            yield value
            if kind == "result":
                return
    finally:
        is_left.set()
        if thread.is_alive():
            thread.join()


def _config(checked: safety.Checked) -> Any:
    """What transformers makes of config.json, once a model can be made of it.

    Raises ``BROKEN_CONFIG``, and ``TENSORS_DO_NOT_MATCH`` for what could not be weights, or for many more layers or
    numbers than the files hold, which would take minutes and all memory to be made.
    """
    odd = [name for name, tensor in checked.tensors.items() if name.endswith("weight") and "F" not in tensor.dtype]
    if odd:
        raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason=f"no floating-point numbers: {_listed(sorted(odd))}")
    held = measure(checked).blocks
    layers = next((n for key in _LAYERS if isinstance(n := checked.config.get(key), int)), held)
    if layers > 2 * held + _FEW_LAYERS:
        raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason=f"{layers} layers in config.json, {held} in the files")
    model_class = getattr(transformers, checked.architecture)
    try:
        config = model_class.config_class.from_dict(dict(checked.config))
        with torch.device("meta"):
            model = model_class(config)
    except Exception as error:  # a file of a stranger: transformers raises whatever it meets
        if is_out_of_memory(error):
            raise
        raise UserError(Fault.BROKEN_CONFIG, file="config.json", reason=_short(str(error) or repr(error))) from error
    described = sum(parameter.numel() for parameter in model.parameters())
    if described > 2 * checked.parameters + _FEW_NUMBERS:  # twice: a head that is the embedding is in no file
        reason = f"{short_count(described)} numbers by config.json, {short_count(checked.parameters)} in the files"
        raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason=reason)
    return config


def _load_model(
    checked: safety.Checked, config: Any, how: _How, report: Callable[[int], None], is_cancelled: Callable[[], bool]
) -> tuple[Any, int]:
    """The model and the number of its parameters."""
    model_class = getattr(transformers, checked.architecture)
    reading = _Reading(checked.weight_bytes, (lambda _: None) if how.bits else report, is_cancelled)
    quantising = _Reading(checked.weight_bytes, report, is_cancelled)
    try:
        with _transformers_report() as said, _open(checked.weight_files, reading) as tensors, _one_by_one(tensors):
            model, found = model_class.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                dtype=how.dtype,
                device_map=how.device_map(model_class, config),
                attn_implementation="sdpa" if model_class._supports_sdpa else "eager",
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                use_safetensors=True,
                local_files_only=True,
            )
            _refuse_mismatch(found, model)
            parameters = sum(parameter.numel() for parameter in model.parameters())
            if how.bits:
                quantise(model, how.bits, how.device, _each_given_back(quantising))
    except _Cancelled:
        raise UserError(Fault.CANCELLED) from None
    except RuntimeError as error:
        if "memory" in said.text:
            raise MemoryError(said.text[-500:]) from error
        if said.text:
            raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason=_short(said.text)) from error
        raise
    give_back()
    return model.eval().requires_grad_(False), parameters


def _each_given_back(reading: _Reading) -> Callable[[int], None]:
    """Tells of each matrix, and gives back what the one before needed for a moment."""

    def step(size_bytes: int) -> None:
        give_back()
        reading.one(size_bytes)

    return step


def give_back() -> None:
    """What was needed for a moment and the C library keeps for the next time: after a load as much as the model."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has none
            ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def _open(files: tuple[Path, ...], reading: _Reading) -> Iterator[dict[str, _Tensor]]:
    """The tensors of all files by name, unread."""
    opened: list[Any] = [safe_open(file, framework="pt", device="cpu") for file in files]
    try:
        yield {name: _Tensor(file.get_slice(name), reading) for file in opened for name in file.keys()}  # noqa: SIM118
    finally:
        for file in opened:
            file.__exit__(None, None, None)


@contextmanager
def _one_by_one(tensors: Mapping[str, _Tensor]) -> Iterator[None]:
    """Experts, which transformers joins to one tensor, are read when they are joined.

    Its threads read ahead without a bound: all of the experts would lie in memory twice, converted and joined.
    """
    is_joined = any(".experts." in name for name in tensors)
    if is_joined:
        os.environ[_NO_READING_AHEAD] = "1"
    try:
        yield
    finally:
        if is_joined:
            del os.environ[_NO_READING_AHEAD]


@contextmanager
def _transformers_report() -> Iterator[_Report]:
    """Take transformers' report of the load instead of letting it print, and its progress bar away."""
    logger = logging.getLogger("transformers.modeling_utils")
    report, level, propagate = _Report(), logger.level, logger.propagate
    verbosity = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity(logging.ERROR)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logger.addHandler(report)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    try:
        yield report
    finally:
        logger.removeHandler(report)
        logger.setLevel(level)
        logger.propagate = propagate
        transformers.utils.logging.set_verbosity(verbosity)


def _refuse_mismatch(found: dict[str, Any], model: Any) -> None:
    """``TENSORS_DO_NOT_MATCH`` for every way in which a weight would be missing from the model or left out of it.

    A tensor that the model does not know is no harm (the mask buffers of old checkpoints), unless it is one more of a
    kind that the model has: then the config names fewer layers than the file holds.
    """
    missing = sorted(found["missing_keys"])
    shapes = sorted(found["mismatched_keys"])
    kinds = {_kind(name) for name in model.state_dict()}
    left_out = sorted(name for name in found["unexpected_keys"] if _kind(name) in kinds)
    if not (missing or shapes or left_out):
        return
    reasons = [
        f"missing: {_listed(missing)}" if missing else "",
        f"not in the model: {_listed(sorted(found['unexpected_keys']))}" if found["unexpected_keys"] else "",
        f"wrong shape: {_listed([f'{name} {tuple(has)}, not {tuple(wants)}' for name, has, wants in shapes])}"
        if shapes
        else "",
    ]
    raise UserError(Fault.TENSORS_DO_NOT_MATCH, reason="; ".join(filter(None, reasons)))


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _short(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m|\s+", " ", text).strip()[:300]


def _context_length(config: Any) -> int:
    for key in _CONTEXT_KEYS:
        value = getattr(config, key, None)
        if isinstance(value, int) and value > 0:
            return value
    return UNBOUNDED_CONTEXT
