"""Figures of a reply in words, the same under the reply and in the status strip."""

from PySide6.QtCore import QCoreApplication

from chatdesk.tasks.changes import Turn


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


def facts(turn: Turn) -> str:
    """What is known of a message in one short line: pinned, who wrote it, how fast, why it ended."""
    reasons = {
        "cancelled": QCoreApplication.translate("Footer", "stopped"),
        "length": QCoreApplication.translate("Footer", "length reached"),
        "interrupted": QCoreApplication.translate("Footer", "interrupted"),
        "context": QCoreApplication.translate("Footer", "context full"),
        "error": QCoreApplication.translate("Footer", "ended by an error"),
    }
    parts = [QCoreApplication.translate("Footer", "pinned")] if turn.is_pinned else []
    if turn.model:
        parts.append(turn.model)
    if turn.tokens_per_s:
        parts.append(speed(turn.tokens_per_s))
    if turn.ttft_s is not None:
        parts.append(first_token(turn.ttft_s))
    if turn.finish_reason in reasons:
        parts.append(reasons[turn.finish_reason])
    return " · ".join(parts)
