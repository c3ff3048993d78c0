"""The column of text in the middle of the page; transcript and composer stand in the same one."""

from PySide6.QtGui import QFontMetricsF

from chatdesk.ui import theme

_CHARACTERS = 76
MARGIN = 24
_SAMPLE = "0123456789abcdefghijklmnopqrstuvwxyz"  # the font's own average counts Chinese, too, where it has it


def column(available: int, margin: int = MARGIN) -> tuple[int, int]:
    """Left edge and width of the column, in pixels, on a page of ``available`` pixels; ``margin`` at 100 %."""
    wanted = round(QFontMetricsF(theme.font("text")).horizontalAdvance(_SAMPLE) / len(_SAMPLE) * _CHARACTERS)
    width = max(theme.scaled(96), min(wanted, available - 2 * theme.scaled(margin)))
    return (available - width) // 2, width
