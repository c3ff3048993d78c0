"""JSON read in steps: one call of ``json.loads`` keeps all other threads waiting, for seconds where a file is large.

A step is an element of the outermost array, or of an array right inside the outermost object: a conversation of an
export. What is read, and what is refused, is what ``json.loads`` reads and refuses.
"""

import json
import re
from typing import Any, Protocol

_decode = json.JSONDecoder().raw_decode
_after_gap = re.compile(r"[ \t\n\r]*").match


class Take(Protocol):
    """Called with each element; what it returns stands in its place."""

    def __call__(self, element: Any, key: str, above: dict[str, Any]) -> Any:
        """``key``: of the array in the outermost object, of which ``above`` has come by now; else both are empty."""


def loads(text: str, take: Take) -> Any:
    """The value of a document. Raises `ValueError`, `RecursionError`, and whatever ``take`` raises."""
    reader = _Reader(text, take)
    value = reader.whole()
    if not reader.is_at_end:
        raise ValueError("there is more behind the value")
    return value


class _Reader:
    """Stands at a place of the text, behind blanks, and reads what begins there."""

    def __init__(self, text: str, take: Take) -> None:
        self._text = text
        self._take_element = take
        self._move(0)

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._text)

    def whole(self) -> Any:
        return self._object() if self._sees("{") else self._value("", {})

    def _object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take("{")
        while not self._sees("}"):
            if found:
                self._take(",")
            name = self._plain()
            if not isinstance(name, str):
                raise ValueError("a name is no text")
            self._take(":")
            found[name] = self._value(name, found)
        self._take("}")
        return found

    def _value(self, key: str, above: dict[str, Any]) -> Any:
        return self._array(key, above) if self._sees("[") else self._plain()

    def _array(self, key: str, above: dict[str, Any]) -> list[Any]:
        found: list[Any] = []
        self._take("[")
        while not self._sees("]"):
            if found:
                self._take(",")
            found.append(self._take_element(self._plain(), key, above))
        self._take("]")
        return found

    def _plain(self) -> Any:
        value, end = _decode(self._text, self._at)
        self._move(end)
        return value

    def _sees(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _take(self, mark: str) -> None:
        if not self._sees(mark):
            raise ValueError(f"{mark} is missing")
        self._move(self._at + 1)

    def _move(self, at: int) -> None:
        found = _after_gap(self._text, at)
        assert found is not None  # it fits anywhere
        self._at = found.end()
