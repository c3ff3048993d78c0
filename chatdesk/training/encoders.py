"""How a run's documents become tokens: in its own form of a dialogue, or as a checkpoint's chat template has it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from chatdesk.engine.local.templates import TemplateError, TemplateRenderer
from chatdesk.engine.local.tokens import Tokens
from chatdesk.library.dialogues import DIALOGUES
from chatdesk.training.corpus import (
    END_OF_TEXT,
    END_OF_TURN,
    Document,
    Turn,
    encode_documents,
    encode_prompt,
    token_id,
)

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Marked = tuple[list[int], list[int]]


class OwnEncoder:
    """For a tokenizer with our special tokens. ``ends``: tokens that end a reply; the first fills up."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self.tokenizer = tokenizer
        self.ends = (token_id(tokenizer, END_OF_TEXT), token_id(tokenizer, END_OF_TURN))

    def digest(self) -> str:
        """Of all that says how a text becomes tokens."""
        return _digest("own", self.tokenizer.to_str())

    def encode(self, documents: Iterable[Document], _tokenizer: "Tokenizer") -> Iterator[Marked]:
        """As `encode_documents`."""
        return encode_documents(documents, self.tokenizer)

    def prompt(self, document: Document) -> list[int]:
        """As `encode_prompt`."""
        return encode_prompt(document, self.tokenizer)

    def close(self) -> None:
        """Nothing is held."""


class TemplateEncoder:
    """For a checkpoint: its tokenizer, and its chat template, or a plain dialogue where it has none.

    What a reply adds to the prompt in front of it counts, up to the token that ends it. A name of a special token in
    a text is text, as in a chat (`chatdesk.engine.local.quoting`). ``ends``: as of `OwnEncoder`.
    """

    def __init__(self, tokens: Tokens, ends: Iterable[int]) -> None:
        self.tokenizer = tokens.backend
        self.ends = tuple(sorted(ends, key=lambda end: end != tokens.eos_id))
        self._tokens = tokens
        self._template = tokens.chat_template or DIALOGUES["plain"].template
        self._renderer = TemplateRenderer(tokens.special)

    def digest(self) -> str:
        """Of all that says how a text becomes tokens."""
        tokens = self._tokens
        parts = (self._template, repr(sorted(tokens.special.items())), repr((tuple(tokens.leading), self.ends)))
        return _digest("template 2", self.tokenizer.to_str(), *parts)

    def close(self) -> None:
        """End the process that renders."""
        self._renderer.close()

    def encode(self, documents: Iterable[Document], _tokenizer: "Tokenizer") -> Iterator[Marked]:
        """Ids and marks (1 where a token counts under ``loss = "replies"``) of each document."""
        for document in documents:
            yield self._prose(document) if isinstance(document, str) else self._dialogue(document)

    def prompt(self, document: Document) -> list[int]:
        """The beginning of a document that the model is to go on with."""
        return self._whole(document, True)

    def text(self, document: Document) -> list[int]:
        """A document as it is, with nothing behind it."""
        return self._whole(document, False)

    def _whole(self, document: Document, is_prompt: bool) -> list[int]:
        quoting = self._tokens.quoting
        if isinstance(document, str):
            return self._led(quoting.encode_plain(document))
        turns, letters = self._quoted(document)
        text = self._spelled(self._render(turns, is_prompt), letters)
        return self._led([token for token, _, _ in quoting.pieces(text, letters)])

    def _prose(self, text: str) -> Marked:
        ids = [*self.text(text), *self.ends[:1]]
        return ids, [1] * len(ids)

    def _quoted(self, turns: Sequence[Turn]) -> tuple[Sequence[Turn], dict[str, str]]:
        """The turns with letters in place of names of special tokens, and which letters."""
        quoting = self._tokens.quoting
        letters = quoting.letters(turn.text for turn in turns)
        return [Turn(turn.role, quoting.quote(turn.text, letters)) for turn in turns] if letters else turns, letters

    def _dialogue(self, turns: Sequence[Turn]) -> Marked:
        turns, letters = self._quoted(turns)
        rendered = self._render(turns, False)
        text = self._spelled(rendered, letters)
        spans = [  # in the spelled text
            (len(self._spelled(rendered[:begin], letters)), len(self._spelled(rendered[:end], letters)))
            for begin, end in self._spans(turns, rendered)
        ]
        pieces = self._pieces(text, [begin for begin, _ in spans], letters)
        ids = [token for token, _, _ in pieces]
        marks = [0] * len(ids)
        for begin, end in spans:
            within = [i for i, (_, first, last) in enumerate(pieces) if last > begin and first < end]
            ended = max((i for i in within if ids[i] in self.ends), default=len(ids))
            for i in within:
                marks[i] = int(i <= ended)
        led = self._led(ids)
        marks = [0] * (len(led) - len(ids)) + marks
        if self.ends and not set(led[-2:]) & set(self.ends):  # a newline may follow
            led, marks = [*led, self.ends[0]], [*marks, int(turns[-1].role == "assistant")]
        return led, marks

    def _spelled(self, rendered: str, letters: dict[str, str]) -> str:
        """A rendered text, or the beginning of one, as it is cut into tokens."""
        return self._tokens.quoting.spelled(rendered, letters) if letters else rendered

    def _pieces(self, text: str, begins: Sequence[int], letters: dict[str, str]) -> list[tuple[int, int, int]]:
        """Each token with where it begins and ends in the text.

        The text is cut where a reply begins, as a prompt ends there when the model answers; unless the tokenizer puts
        something of its own in front of a piece.
        """
        pieces, cut = self._tokens.quoting.pieces, list[tuple[int, int, int]]()
        for begin, end in pairwise([0, *begins, len(text)]):
            cut += [(token, begin + first, begin + last) for token, first, last in pieces(text[begin:end], letters)]
        whole = pieces(text, letters)
        said, expected = (
            self._tokens.decode([token for token, _, _ in each], skip_special=False) for each in (cut, whole)
        )
        return cut if said == expected else whole

    def _spans(self, turns: Sequence[Turn], text: str) -> Iterator[tuple[int, int]]:
        """Where the replies stand in the text. A template may fold earlier ones; those do not count."""
        for number, turn in enumerate(turns):
            if turn.role != "assistant" or not number:
                continue
            before, after = self._render(turns[:number], True), self._render(turns[: number + 1], False)
            if text.startswith(before) and text.startswith(after):
                yield len(before), len(after)

    def _render(self, turns: Sequence[Turn], is_prompt: bool) -> str:
        try:
            return self._rendered(turns, is_prompt)
        except TemplateError:
            if len(turns) < 2 or turns[0].role != "system":
                raise
            first = Turn(turns[1].role, f"{turns[0].text}\n\n{turns[1].text}")  # it takes no system message
            return self._rendered([first, *turns[2:]], is_prompt)

    def _rendered(self, turns: Sequence[Turn], is_prompt: bool) -> str:
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        return self._renderer.render(self._template, messages, add_generation_prompt=is_prompt)

    def _led(self, ids: list[int]) -> list[int]:
        leading = list(self._tokens.leading)
        return ids if ids[: len(leading)] == leading else leading + ids


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


Encoder = OwnEncoder | TemplateEncoder
