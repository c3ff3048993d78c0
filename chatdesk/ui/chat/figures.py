"""Figures of a reply in words, the same under the reply and in the status strip."""

from PySide6.QtCore import QCoreApplication


def first_token(seconds: float) -> str:
    """How long the first token took: in milliseconds below one second."""
    if seconds < 0.9995:
        words = QCoreApplication.translate("figures", "first token {milliseconds} ms")
        return words.format(milliseconds=max(1, round(seconds * 1000)))
    return QCoreApplication.translate("figures", "first token {seconds} s").format(seconds=f"{seconds:.1f}")


def speed(tokens_per_s: float) -> str:
    """Tokens a second; with a decimal below ten."""
    digits = 0 if tokens_per_s >= 10 else 1
    return QCoreApplication.translate("figures", "{speed} tok/s").format(speed=f"{tokens_per_s:.{digits}f}")
