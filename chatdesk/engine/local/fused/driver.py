"""Compiling and launching kernels by the libraries that torch and the device's driver bring: NVRTC and CUDA's driver.

No compiler has to be on the machine. A compilation takes seconds and is done beside, once for a kind of model and a
number of rows; whoever wants the kernels meanwhile goes on without.
"""

import ctypes
import functools
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import torch

_PARTS = {
    "step": ("common", "product", "attend"),
    "persistent": ("common", "instructions", "stream", "multiply", "heads", "persistent"),
    "choose": ("common", "choose"),
}
_NO_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY
_TOGETHER = 2  # CU_LAUNCH_ATTRIBUTE_COOPERATIVE
_EARLY = 6  # CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
_MOST_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_USUAL_SHARED = 40 << 10  # of the 48 KB that need no asking, the rest is for what a kernel declares by itself

_logger = logging.getLogger(__name__)


Options = tuple[str, tuple[str, ...]]
"""The part of the kernels, and what the compiler is told."""


class DriverError(Exception):
    """A library has refused something."""


class _Attribute(ctypes.Structure):
    _fields_ = (("id", ctypes.c_uint), ("pad", ctypes.c_uint), ("value", ctypes.c_int * 16))


class _Config(ctypes.Structure):
    _fields_ = (
        ("sizes", ctypes.c_uint * 6),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)),
        ("count", ctypes.c_uint),
    )


@functools.cache
def _driver() -> Any:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


@functools.cache
def _nvrtc() -> Any:
    """The library that torch's own wheels bring; `OSError` where there is none."""
    version = str(torch.version.cuda).partition(".")[0]
    packages = Path(torch.__file__).parent.parent
    pattern = f"nvrtc64_{version}*_0.dll" if sys.platform == "win32" else f"libnvrtc.so.{version}*"
    found = [path for place in ("nvidia/*/lib", "torch/lib") for path in packages.glob(f"{place}/{pattern}")]
    return ctypes.CDLL(str(found[0]) if found else pattern.replace("*", ""))


def source(part: str) -> str:
    """Of the kernels of a step, or of `choose`."""
    return "\n".join(Path(__file__).with_name(f"{name}.cu").read_text(encoding="utf-8") for name in _PARTS[part])


def compiled(part: str, options: tuple[str, ...]) -> bytes:
    """Machine code of some kernels; `DriverError` with the compiler's words where it makes none."""
    library, program, size = _nvrtc(), ctypes.c_void_p(), ctypes.c_size_t()
    text_bytes = source(part).encode()
    if library.nvrtcCreateProgram(ctypes.byref(program), text_bytes, b"kernels.cu", 0, None, None):
        raise DriverError("NVRTC makes no program")
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        has_failed = library.nvrtcCompileProgram(program, len(options), given)
        wanted = "nvrtcGetProgramLog" if has_failed else "nvrtcGetCUBIN"
        getattr(library, f"{wanted}Size")(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        getattr(library, wanted)(program, text)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
    if has_failed:
        raise DriverError(text.value.decode(errors="replace").strip()[:300])
    return text.raw


class Kernels:
    """The kernels in the memory of the current device, to be launched on its current stream."""

    def __init__(self, code: bytes) -> None:
        self._module = ctypes.c_void_p()
        self._functions: dict[str, tuple[ctypes.c_void_p, int]] = {}
        self._can_be_early = torch.cuda.get_device_capability() >= (9, 0)
        torch.zeros((), device="cuda")  # makes the device's context that of this thread
        _require(_driver().cuModuleLoadData(ctypes.byref(self._module), code))

    def launch(
        self,
        name: str,
        grid: tuple[int, int, int],
        threads: int,
        shared: int,
        argument: ctypes.Structure,
        early: bool = False,
        together: bool = False,
    ) -> None:
        """``shared``: bytes of memory for each block. ``early``: it may begin before the kernel ahead of it ends.
        ``together``: all its blocks have to be on the device at once, or it is refused.
        """
        function = self._function(name, shared)
        attribute = _Attribute(_TOGETHER if together else _EARLY, 0, (ctypes.c_int * 16)(1))
        config = _Config(
            (ctypes.c_uint * 6)(*grid, threads, 1, 1),
            shared,
            torch.cuda.current_stream().cuda_stream,
            ctypes.pointer(attribute),
            int(together or (early and self._can_be_early)),
        )
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(argument))
        _require(_driver().cuLaunchKernelEx(ctypes.byref(config), function, arguments, None))

    def _function(self, name: str, shared: int) -> ctypes.c_void_p:
        function, most = self._functions.get(name, (ctypes.c_void_p(), _USUAL_SHARED))
        if name not in self._functions:
            _require(_driver().cuModuleGetFunction(ctypes.byref(function), self._module, name.encode()))
        if shared > most:
            _require(_driver().cuFuncSetAttribute(function, _MOST_SHARED, shared))
        self._functions[name] = function, max(shared, most)
        return function


def _require(result: int) -> None:
    if result:
        text = ctypes.c_char_p()
        _driver().cuGetErrorString(result, ctypes.byref(text))
        said = f"CUDA error: {(text.value or b'unknown').decode()}"  # as torch says it: see `host.device_failed`
        raise torch.OutOfMemoryError(said) if result == _NO_MEMORY else DriverError(said)


class Compiler:
    """Compiles beside the work, each set of options once for the life of the process."""

    def __init__(self) -> None:
        self._threads: dict[Options, threading.Thread] = {}
        self._codes: dict[Options, bytes | None] = {}
        self._kernels: dict[Options, Kernels] = {}

    def begin(self, options: Options) -> None:
        """Compile with these options; harmless when that has begun."""
        if options not in self._threads:
            self._threads[options] = threading.Thread(target=self._work, args=[options], name="nvrtc", daemon=True)
            self._threads[options].start()

    def is_at(self, options: Options) -> bool:
        """Whether such a compilation is under way."""
        return options in self._threads and options not in self._codes

    def kernels(self, options: Options) -> Kernels | None:
        """Those made with these options, None where they are not there yet or cannot be."""
        code = self._codes.get(options)
        if code is not None and options not in self._kernels:
            try:
                self._kernels[options] = Kernels(code)
            except torch.OutOfMemoryError:
                return None  # there may be enough later
            except DriverError as error:
                self._fail(options, error)
        return self._kernels.get(options)

    def wait(self) -> None:
        """Until nothing is being compiled."""
        for thread in list(self._threads.values()):
            thread.join()

    def _work(self, options: Options) -> None:
        try:
            self._codes[options] = compiled(*options)
        except Exception as error:
            self._fail(options, error)

    def _fail(self, options: Options, error: Exception) -> None:
        """For good: a machine without the library, or with an older driver, keeps the model's own forward."""
        self._codes[options] = None
        _logger.info("no fused decode step: %s: %s", type(error).__name__, str(error))


COMPILER = Compiler()
"""That of this process."""
