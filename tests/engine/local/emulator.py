"""The fused step's kernels on the CPU: their source compiled by g++, each thread a fiber, all blocks alive at once."""

import ctypes
import functools
import re
import subprocess
import tempfile
from pathlib import Path

from chatdesk.engine.local.fused import driver

_HEADER = Path(__file__).with_name("emulator.hpp")


@functools.cache
def _library(part: str, options: tuple[str, ...]) -> ctypes.CDLL:
    source = driver.source(part).replace("extern __shared__ uint4 shared[];", "uint4* shared = emulated_shared;")
    least = {"": 16, "_INT8": 8, "_INT4": 4}
    bits = next((int(option[7:]) for option in options if "BITS" in option), 16)
    products = re.findall(r"^PRODUCT\w*\((product(_int\d)?\w*)", source, re.MULTILINE)
    names = [(name, "Product") for name, kind in products if bits <= least[kind.upper()]]
    kernel = r'^extern "C" __global__ void (?:__launch_bounds__\(\w+\) )?(\w+)\((\w+) p\)'
    names += re.findall(kernel, source, re.MULTILINE)
    calls = [
        f'extern "C" void run_{name}(int* grid, int threads, int bytes, {kind}* p)'
        f" {{ emulated::run_blocks(grid, threads, bytes, [=] {{ {name}(*p); }}); }}"
        for name, kind in names
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernels.cpp"
        path.write_text("\n".join([f'#include "{_HEADER}"', source, *calls]))
        library = path.with_suffix(".so")
        flags = ("-O1", "-w", "-fPIC", "-shared", "-fno-gnu-unique")  # or libraries would share what templates declare
        command = ["g++", *flags, *options, "-o", str(library), str(path)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library))


class Kernels:
    """As `driver.Kernels`, each launch done when it returns."""

    multiprocessors = 3

    def __init__(self, options: driver.Options) -> None:
        self._library = _library(*options)

    def launch(self, name, grid, threads, shared, argument, early):
        getattr(self._library, f"run_{name}")((ctypes.c_int * 3)(*grid), threads, shared, ctypes.byref(argument))


class Compiler:
    """As `driver.Compiler`, without a thread. ``asked``: the options of all kernels that were wanted."""

    def __init__(self) -> None:
        self.asked: list[driver.Options] = []

    def begin(self, options):
        """Nothing is done ahead."""

    def is_at(self, options):
        return False

    def kernels(self, options):
        self.asked.append(options)
        return Kernels(options)
