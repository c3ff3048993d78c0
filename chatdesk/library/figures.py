"""Numbers of parameters and bytes the way people write them."""


def short_count(number: int) -> str:
    """A number of parameters: 7M, 7.6B, 124M."""
    return _short(number, (("B", 1e9), ("M", 1e6), ("K", 1e3))).replace(".0", "")


def short_bytes(number: float) -> str:
    """A number of bytes: 40 kB, 820 MB, 1.4 GB, 14 GB."""
    return _short(number, ((" GB", 1e9), (" MB", 1e6), (" kB", 1e3))) if number >= 999.5 else f"{number:.0f} B"


def _short(number: float, units: tuple[tuple[str, float], ...]) -> str:
    """Two or three figures in the largest unit that leaves none in front of the point a nought."""
    for word, unit in units:
        count = number / unit
        if count >= 0.9995:
            return f"{count:.1f}{word}" if count < 9.95 else f"{count:.0f}{word}"
    return f"{number:.0f}"
