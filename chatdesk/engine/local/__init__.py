"""The local engine: a checkpoint in this process, on its GPU or CPU. See ARCHITECTURE.md.

Making a `LocalEngine` is cheap; torch and transformers are imported by the first load, or ahead by `warm_up`.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chatdesk.engine.api import (
    Attend,
    Cancel,
    Capability,
    Count,
    Counted,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    MakePrompt,
    Measure,
    Ping,
    Pong,
    Read,
    Request,
    Score,
    Survey,
    Surveyed,
)
from chatdesk.engine.out_of_memory import is_out_of_memory
from chatdesk.errors import Fault, UserError
from chatdesk.library import safety
from chatdesk.library.headers import shown

if TYPE_CHECKING:
    from chatdesk.engine.local.generation import Generator
    from chatdesk.engine.local.loading import Checkpoint


class LocalEngine:
    """Runs one checkpoint. `run` from one thread at a time, but `Count` and `Ping` from any, at any time."""

    capabilities = tuple(Capability)

    def __init__(self) -> None:
        self._generator: Generator | None = None
        self._cancelled: set[int] = set()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Import what a load needs, ahead of it: seconds."""
        import transformers.generation.utils
        import transformers.modeling_utils  # noqa: F401
        from transformers import AutoTokenizer  # noqa: F401 - imported for its time

        import chatdesk.engine.local.generation  # noqa: F401

    def run(self, request: Request) -> Iterator[Event]:
        """The events of one request, the last of them ending it. Closing the iterator cancels.

        User errors and lack of memory are events; any other exception is a mistake of ours and is raised.
        """
        try:
            _require_unicode(request)
            yield from self._events(request)
        except UserError as error:
            yield Failed(request.id, error.fault, error.fields)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            device = self._device_name()
            error.__traceback__ = None  # its frames hold the tensors
            gc.collect()
            _empty_device_cache()
            yield Failed(request.id, Fault.OUT_OF_MEMORY, {"device": device})
        finally:
            with self._lock:
                self._cancelled.discard(request.id)

    def cancel(self, request: int) -> None:
        """Make a running or waiting request end early; harmless when it is over."""
        with self._lock:
            self._cancelled.add(request)

    def count(self, text: str) -> int:
        """Tokens of a text; from any thread. ``NO_MODEL`` where nothing is loaded."""
        return len(self._loaded().checkpoint.tokens.encode(text))

    def close(self) -> None:
        """Free the model; nothing can be run after this."""
        generator, self._generator = self._generator, None
        if generator is not None:
            generator.close()
            del generator  # the last reference to the model
            _empty_device_cache()

    def _events(self, request: Request) -> Iterator[Event]:
        match request:
            case Load():
                yield from self._load(request)
            case Generate():
                yield from self._loaded().run(request, lambda: request.id in self._cancelled)
            case MakePrompt():
                yield self._loaded().make_prompt(request, lambda: request.id in self._cancelled)
            case Score() | Read() | Attend():
                yield from self._loaded().inspect(request, lambda: request.id in self._cancelled)
            case Measure():
                yield from self._measure(request)
            case Count():
                yield Counted(request.id, self.count(request.text))
            case Survey():
                yield self._survey(request)
            case Ping():
                yield Pong(request.id)
            case Cancel():
                self.cancel(request.request)

    def _load(self, request: Load) -> Iterator[Event]:
        from chatdesk.engine.local.generation import Generator
        from chatdesk.engine.local.loading import Checkpoint, load

        if self._generator is not None:
            try:
                safety.check(Path(request.path))
            except UserError as error:  # a slip of the hand: what is loaded stays
                yield Failed(request.id, error.fault, error.fields, keeps_model=True)
                return
        self.close()
        with closing(load(request, lambda: request.id in self._cancelled)) as items:
            try:
                for item in items:
                    if isinstance(item, Checkpoint):
                        self._generator = generator = Generator(item, request.branch_memory, request.guesses)
                        if request.draft:
                            generator.take_draft(self._draft(request))
                        yield Loaded(request.id, generator.checkpoint.info)
                    else:
                        yield item
            except GeneratorExit:
                self.cancel(request.id)
                raise

    def _draft(self, request: Load) -> "Checkpoint | None":
        """The checkpoint that is to guess, None where it cannot be loaded."""
        from chatdesk.engine.local.loading import Checkpoint, load

        wanted = Load(request.id, request.draft, request.device)
        try:
            with closing(load(wanted, lambda: request.id in self._cancelled)) as items:
                return next(item for item in items if isinstance(item, Checkpoint))
        except UserError as error:
            if error.fault == Fault.CANCELLED:
                self.close()
                raise
            return None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None  # its frames hold what was loaded
            gc.collect()
            _empty_device_cache()
            return None

    def _measure(self, request: Measure) -> Iterator[Event]:
        generator = self._loaded()
        from chatdesk.engine.local.bench import Bench

        yield from Bench(generator, request, lambda: request.id in self._cancelled).run()

    def _survey(self, request: Survey) -> Surveyed:
        from chatdesk.engine.local.placement import memory

        generator = self._generator
        return Surveyed(request.id, memory(generator.checkpoint.model if generator else None))

    def _loaded(self) -> "Generator":
        generator = self._generator
        if generator is None:
            raise UserError(Fault.NO_MODEL)
        return generator

    def _device_name(self) -> str:
        generator = self._generator
        return generator.checkpoint.info.device_name if generator else "The computer"


def _require_unicode(request: Request) -> None:
    """``BAD_VALUE`` for text with bytes that are none, as an argument of the command line may hold them."""
    try:
        with suppress(OverflowError):  # of a number: whoever reads that knows its bounds
            msgspec.msgpack.encode(request)
    except UnicodeEncodeError as error:
        part = error.object[max(0, error.start - 10) : error.start + 10]
        raise UserError(Fault.BAD_VALUE, name="the text", value=shown(part), allowed="Unicode text") from None


def _empty_device_cache() -> None:
    """Give the GPU's freed memory back to the system, and what cuBLAS keeps: 32 MB for each stream."""
    import torch

    if torch.cuda.is_available():
        torch._C._cuda_clearCublasWorkspaces()
        torch.cuda.empty_cache()
