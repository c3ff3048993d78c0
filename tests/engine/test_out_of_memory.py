"""Which errors say that memory was not enough."""

import errno

import pytest

from chatdesk.engine.out_of_memory import is_out_of_memory

WITHOUT_MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:98] data. DefaultCPUAllocator: not enough memory: you tried to allocate"
    ),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.99 GiB, other allocations: 1 MiB)."),
    RuntimeError("unable to mmap 380700864 bytes from file </m/model.safetensors>: Cannot allocate memory (12)"),
    OSError("页面文件太小，无法完成操作。 (os error 1455)"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]


@pytest.mark.parametrize("error", WITHOUT_MEMORY, ids=str)
def test_what_says_so(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("not enough memory of the past"),
        OSError(errno.ENOENT, "No such file or directory"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=str,
)
def test_what_does_not(error: Exception) -> None:
    assert not is_out_of_memory(error)
