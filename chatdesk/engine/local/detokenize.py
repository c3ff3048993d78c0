"""Text from tokens as they come: whole characters only, stop strings found across tokens.

`DecodeStream` decodes a token at a constant price and keeps the bytes of an unfinished character to itself. What it
still holds at the end comes out as the replacement character, just as in a decode of all ids at once.

One case differs: tokenizers with single bytes as a fallback (Llama 2) decode a run of bytes that is no valid UTF-8 as
nothing but replacement characters. Here the whole characters at its beginning are out by then, and stay.
"""

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream

from chatdesk.engine.local.tokens import Tokens

_CONTEXT = 8
"""Tokens in front that are decoded along, so that the first one keeps its leading space."""

_LONGEST_CHARACTER = 4  # bytes, and so tokens


class Detokenizer:
    """Text of a growing list of ids; special tokens are left out, unless it is told otherwise.

    ``before``: ids that the text continues (their text is not repeated); none for a text that stands by itself.
    """

    def __init__(self, tokens: Tokens, before: Sequence[int] = (), *, skip_special: bool = True) -> None:
        self._tokens, self._skip_special = tokens, skip_special
        self._said = self._end_of(before)  # the last ids whose text is out
        self._held: list[int] = []  # ids after them whose text is not
        self._stream = DecodeStream(ids=self._said, skip_special_tokens=skip_special)

    def feed(self, token_id: int) -> str:
        """The text that this token completes; empty inside a character."""
        self._held.append(token_id)
        try:
            text = self._stream.step(self._tokens.backend, token_id)
        except Exception:  # its only way to say that the text before has changed: the case above
            text = self._decode(self._held)
            self._stream = DecodeStream(ids=[token_id], skip_special_tokens=self._skip_special)
            self._said = []
        if not text:
            return ""
        self._said, self._held = [*self._said, *self._held][-_CONTEXT:], []
        return str(text)

    def flush(self) -> str:
        """What is left at the end: the beginning of a character that was never finished."""
        if not self._held:
            return ""
        before, text = self._decode(self._said), self._decode([*self._said, *self._held])
        return text[len(before) :] if text.startswith(before) else self._decode(self._held)

    def _end_of(self, before: Sequence[int]) -> list[int]:
        """The last ids of a text, from the beginning of a character on: where single bytes are a fallback, half a one
        in front makes half ones of all that follow.
        """
        ends = [list(before[-size:]) for size in range(_CONTEXT, _CONTEXT + _LONGEST_CHARACTER)]
        return next((end for end in ends if not self._decode(end).startswith("\ufffd")), ends[0])

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokens.decode(ids, skip_special=self._skip_special)


def pieces(tokens: Tokens, ids: Sequence[int]) -> list[str]:
    """The text of each id, special tokens too; joined they are the text of all (empty inside a character)."""
    detokenizer = Detokenizer(tokens, skip_special=False)
    found = [detokenizer.feed(token_id) for token_id in ids]
    if found:
        found[-1] += detokenizer.flush()
    return found


class StopStrings:
    """Cuts a streamed text at the first of some strings. Text that may be the beginning of one is held back."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """What may be shown of the held and the new text; after a stop string, ``found`` is true and all is said."""
        if self.found or not self._stops:
            return "" if self.found else text
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.found = True
            shown, self._held = self._held[: min(places)], ""
            return shown
        keep = max(self._beginning_at_end(stop) for stop in self._stops)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def flush(self) -> str:
        """What was held back and is no stop string after all."""
        held, self._held = self._held, ""
        return held

    def _beginning_at_end(self, stop: str) -> int:
        """Length of the longest beginning of ``stop`` that the held text ends with."""
        longest = min(len(stop) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(stop[:n])), 0)
