"""The fused step's kernels on the CPU: their source compiled by g++, each thread a fiber, all blocks alive at once."""

import ctypes
import functools
import random
import re
import subprocess
import tempfile
from pathlib import Path

import torch

from chatdesk.engine.local.fused import driver

_STEPS = (0, 8, 16, 24, 1, 9, 17, 25)  # the columns of a word, from the lowest four bits to the highest
_HEADER = Path(__file__).with_name("emulator.hpp")
_HERE = {
    "extern __shared__ uint4 shared[];": "uint4* shared = emulated_shared;",
    'asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));': "y = float_of(x);",
    'asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to) : "f"(x));': "to = half(x);",
}
"""What is said otherwise here."""
_ORDERS = random.Random(0)


@functools.cache
def _library(part: str, options: tuple[str, ...]) -> ctypes.CDLL:
    source = driver.source(part)
    for ours, here in _HERE.items():
        source = source.replace(ours, here)
    least = {"": 16, "_INT8": 8, "_INT4": 4}
    bits = next((int(option[7:]) for option in options if "BITS" in option), 16)
    products = re.findall(r"^PRODUCT\w*\((product(_int\d)?\w*)", source, re.MULTILINE)
    names = [(name, "Product") for name, kind in products if bits <= least[kind.upper()]]
    kernel = r'^extern "C" __global__ void (?:__launch_bounds__\([^)]*\) )?(\w+)\((\w+) p\)'
    names += re.findall(kernel, source, re.MULTILINE)
    calls = [
        f'extern "C" const char* run_{name}(int* grid, int threads, int bytes, int together, long seed, {kind}* p)'
        f" {{ return emulated::run_blocks(grid, threads, bytes, together, seed, [=] {{ {name}(*p); }}); }}"
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
    """As `driver.Kernels`, each launch done when it returns. ``is_random``: blocks, threads, copies in any order."""

    is_random = False

    def __init__(self, options: driver.Options) -> None:
        self._library = _library(*options)

    def launch(self, name, grid, threads, shared, argument, early=False, together=False):
        run = getattr(self._library, f"run_{name}")
        run.restype = ctypes.c_char_p
        seed = ctypes.c_long(_ORDERS.randrange(1, 1 << 62) if Kernels.is_random else 0)
        failure = run((ctypes.c_int * 3)(*grid), threads, shared, together, seed, ctypes.byref(argument))
        if failure:
            raise RuntimeError(failure.decode())


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


def packed(whole: torch.Tensor, tiles: int) -> torch.Tensor:
    """Numbers 0 to 15 ``[out, in]`` as PyTorch packs them on CUDA: the columns of a word as `product.cu` says."""
    rows, columns = whole.shape
    words = torch.zeros(rows // 8, columns // (16 * tiles), 32, tiles // 2, dtype=torch.int64)
    for lane in range(32):
        for word in range(tiles // 2):
            for shift, step in enumerate(_STEPS):
                first = word * 32 + lane % 4 * 2 + step
                words[:, :, lane, word] |= whole[lane // 4 :: 8, first :: 16 * tiles].long() << (4 * shift)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).int()


def unpacked(words: torch.Tensor, columns: int) -> torch.Tensor:
    """The numbers that `packed` has packed, ``[out, in]``."""
    tiles = 2 * words.shape[-1]
    whole = torch.zeros(8 * len(words), columns)
    for lane in range(32):
        for word in range(tiles // 2):
            for shift, step in enumerate(_STEPS):
                first = word * 32 + lane % 4 * 2 + step
                whole[lane // 4 :: 8, first :: 16 * tiles] = words[:, :, lane, word].long() >> (4 * shift) & 15
    return whole
