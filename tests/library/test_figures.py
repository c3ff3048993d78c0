"""Numbers of parameters and bytes in words."""

import pytest

from chatdesk.library.figures import short_bytes, short_count


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (560_000, "560K"),
        (7_100_000, "7.1M"),
        (7_000_000, "7M"),
        (124_439_808, "124M"),
        (999_700_000, "1B"),
        (1_240_000_000, "1.2B"),
        (7 * 10**9, "7B"),
        (70_600_000_000, "71B"),
    ],
)
def test_parameters(number: int, text: str) -> None:
    assert short_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (700, "700 B"),
        (999.7, "1.0 kB"),
        (40_000, "40 kB"),
        (6.7e6, "6.7 MB"),
        (820e6, "820 MB"),
        (999.6e6, "1.0 GB"),
        (1.44e9, "1.4 GB"),
        (14.2e9, "14 GB"),
    ],
)
def test_bytes(number: float, text: str) -> None:
    assert short_bytes(number) == text
