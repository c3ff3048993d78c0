"""Telling that memory was not enough from all else that goes wrong: half of what says so says it in words only."""

import errno

_SIGNS = (
    "can't allocate memory",  # torch on Linux and macOS
    "not enough memory",  # torch on Windows
    "Cannot allocate memory",  # a file that cannot be mapped
    "(os error 1455)",  # the same on Windows, where the words are in the language of the system
    "backend out of memory",  # torch on Apple's GPUs
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the computer has no more memory."""
    names = {cls.__name__ for cls in type(error).__mro__}
    if names & {"MemoryError", "OutOfMemoryError"}:
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError | OSError) and any(sign in str(error) for sign in _SIGNS)
