"""What a chat model thinks before it answers, between ``<think>`` and ``</think>``: no part of the text it writes."""

from typing import Literal

_OPEN, _CLOSE = "<think>", "</think>"


class Answer:
    """Takes the thoughts, and the blanks behind them, out of an answer that comes in increments.

    Thoughts stand at the beginning; without the closing tag all of it is. Attributes: ``state``.
    """

    def __init__(self) -> None:
        self.state: Literal["begins", "thinks", "waits", "says"] = "begins"  # waits: for words after the thoughts
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next increment; returns what the answer says more."""
        held = self._held + text
        if self.state == "begins":
            head = held.lstrip()
            if len(head) < len(_OPEN) and _OPEN.startswith(head):
                self._held = held
                return ""
            self.state = "thinks" if head.startswith(_OPEN) else "says"
        if self.state == "thinks":
            _, closed, rest = held.partition(_CLOSE)
            if not closed:
                self._held = held[1 - len(_CLOSE) :]
                return ""
            self.state, held = "waits", rest
        if self.state == "waits":
            held = held.lstrip()
            self.state = "says" if held else "waits"
        self._held = ""
        return held

    def finish(self) -> str:
        """Nothing more comes: what looked like the beginning of the tag is none."""
        return self._held if self.state == "begins" else ""
