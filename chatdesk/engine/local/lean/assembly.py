"""Words for kernels that are written in the compiler's own language, with their vectors spelt out."""

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic as _intrinsic

FAST = {"reassoc", "contract", "nsz", "arcp", "nnan"}
FLAGS = tuple(sorted(FAST))
FLOAT, I8, I16, I32, I64 = ir.FloatType(), *(ir.IntType(bits) for bits in (8, 16, 32, 64))

_features: Any = llvmlite.binding.get_host_cpu_features()
HAS_BYTE_PRODUCTS = all(_features.get(name) for name in ("avx512vnni", "avx512vl", "avx512bw"))
"""Whether this processor multiplies and adds bytes and words in one operation, in the way that is written here."""

HAS_BFLOAT16_PRODUCTS = all(_features.get(name) for name in ("avx512bf16", "avx512vl", "avx512bw"))
"""The same for pairs of bfloat16 numbers."""

build: Any = cgutils  # not typed
intrinsic: Any = _intrinsic  # its stub knows no function that is made at run time


class Bfloats(ir.Type):  # type: ignore[misc]
    """Thirty-two bfloat16 numbers, of which llvmlite knows nothing."""

    def _to_string(self) -> str:
        return "<32 x bfloat>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bfloats)

    def __hash__(self) -> int:
        return hash(Bfloats)


def kernel(function: Callable[..., Any]) -> Any:
    """A part of the kernels. A division by zero is no error: a thread that left would let the others wait for it."""
    return njit(function, fastmath=FAST, error_model="numpy")


def vector(of: Any, numbers: int) -> Any:
    """So many of a type."""
    return ir.VectorType(of, numbers)


def all_of(of: Any, value: float) -> Any:
    """A constant vector of one value."""
    return ir.Constant(of, [value] * of.count)


def at(builder: Any, address: Any, offset: int, of: Any) -> Any:
    """A pointer, so many bytes behind an address."""
    return builder.inttoptr(builder.add(address, ir.Constant(I64, offset)), of.as_pointer())


def moved(builder: Any, address: Any, index: Any, size: int) -> Any:
    """The address of the thing at an index, each of ``size`` bytes."""
    return builder.add(address, builder.mul(index, ir.Constant(I64, size)))


def spread(builder: Any, number: Any, of: Any) -> Any:
    """A vector of one number."""
    nothing = ir.Constant(of, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(I32, 0))
    return builder.shuffle_vector(one, nothing, all_of(vector(I32, of.count), 0))


def loop(builder: Any, end: Any, step: int = 1) -> Any:
    """From 0 to ``end``; a context manager that gives the index, and the step."""
    return build.for_range_slice(builder, ir.Constant(I64, 0), end, ir.Constant(I64, step), inc=True)


def external(builder: Any, name: str, result: Any, *parameters: Any) -> Any:
    """A function of the compiler or the processor."""
    return build.get_or_insert_function(builder.module, ir.FunctionType(result, parameters), name)


def fetch(builder: Any, address: Any, offset: int) -> None:
    """Have the processor bring what lies so many bytes behind an address nearer, into its second cache."""
    pointer = I8.as_pointer()
    ask = external(builder, "llvm.prefetch.p0i8", ir.VoidType(), pointer, I32, I32, I32)
    place = builder.inttoptr(builder.add(address, ir.Constant(I64, offset)), pointer)
    builder.call(ask, [place, ir.Constant(I32, 0), ir.Constant(I32, 2), ir.Constant(I32, 1)])


def sum_of(builder: Any, numbers: Any) -> Any:
    """The sum of a vector of float32 numbers."""
    name = f"llvm.vector.reduce.fadd.v{numbers.type.count}f32"
    reduce = external(builder, name, FLOAT, FLOAT, numbers.type)
    return builder.call(reduce, [ir.Constant(FLOAT, 0.0), numbers], fastmath=FLAGS)
