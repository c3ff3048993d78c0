"""Names of special tokens in what people write, kept from becoming those tokens.

Who writes ``<|im_end|>`` in a message speaks of it; only the template writes the token. So while a template is
rendered, each such name in a message is one letter for private use, which stands wherever the template puts it. The
names in what comes back are the template's own: they become words that nobody else knows, the letters become the names
again, and a twin of the tokenizer, which takes those words for the tokens and nothing else for a special one, cuts the
whole at once.
So all is cut as it would be in any text, and without a name in a message nothing of this is done.

Some checkpoints forget to call the marks of a turn special (DeepSeek's ``<｜User｜>``): what has their form counts.

Not here: texts that are no chat; whoever writes a name there means the token. A vocabulary that holds a special
token's name as a word of its own may still make that token of it.
"""

import json
import re
import secrets
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_PRIVATE = range(0xF0000, 0xFFFFE)
_MARK = re.compile(r"<[|｜][^<>]*[|｜]>")


class _Twin(NamedTuple):
    """``words``: by the name of a special token, what stands for it; ``ids``: of the token, by that of its word."""

    tokenizer: "Tokenizer"
    words: dict[str, str]
    ids: dict[int, int]


class Quoting:
    """For one tokenizer, which is not changed. ``cut``: how a tokenizer cuts a text."""

    def __init__(self, backend: "Tokenizer", cut: "Callable[[Tokenizer, str], Encoding]") -> None:
        self._backend, self._cut = backend, cut
        added = backend.get_added_tokens_decoder()
        self._marks = {token.content: (i, token) for i, token in added.items() if _is_mark(token)}
        self._names = _any_of(self._marks) if self._marks else None
        self._made: _Twin | None = None

    def letters(self, texts: Iterable[str]) -> dict[str, str]:
        """The names that stand in some texts, each with a letter that stands in none of them."""
        if self._names is None:
            return {}
        texts = list(texts)
        found = dict.fromkeys(name for text in texts for name in self._names.findall(text))
        free = (letter for letter in map(chr, _PRIVATE) if not any(letter in text for text in texts))
        return dict(zip(found, free, strict=False))

    def quote(self, text: str, letters: Mapping[str, str]) -> str:
        """A text with letters in place of names."""
        return self._names.sub(lambda match: letters[match[0]], text) if self._names and letters else text

    def encode(self, text: str, letters: Mapping[str, str]) -> list[int]:
        """Ids of a rendered text: names are tokens, and letters are names that are none."""
        tokenizer, _, ids = self._twin()
        return [ids.get(i, i) for i in self._cut(tokenizer, self.spelled(text, letters)).ids]

    def spelled(self, text: str, letters: Mapping[str, str]) -> str:
        """A rendered text as the twin cuts it. What the tokenizer itself takes for no token stays a name: some look for
        them behind white space only, or in the middle of a text not at all.
        """
        words, encoding = self._twin().words, self._cut(self._backend, text)
        ids = {i for i, _ in self._marks.values()}
        places = [place for i, place in zip(encoding.ids, encoding.offsets, strict=True) if i in ids]

        def spell(match: re.Match[str]) -> str:
            at = bisect_left(places, (match.end(), 0)) - 1
            return words[match[0]] if at >= 0 and places[at][1] > match.start() else match[0]

        marked = self._names.sub(spell, text) if self._names else text
        return marked.translate({ord(letter): name for name, letter in letters.items()})

    def pieces(self, text: str, letters: Mapping[str, str]) -> list[tuple[int, int, int]]:
        """The ids of a text, spelled where there are letters, each with where it begins and ends."""
        twin = self._twin() if letters else None
        tokenizer, ids = (twin.tokenizer, twin.ids) if twin else (self._backend, {})
        encoding = self._cut(tokenizer, text)
        return [(ids.get(i, i), *place) for i, place in zip(encoding.ids, encoding.offsets, strict=True)]

    def encode_plain(self, text: str) -> list[int]:
        """Ids of a text in which no name is a token."""
        has_none = self._names is None or self._names.search(text) is None
        ids: list[int] = self._cut(self._backend if has_none else self._twin().tokenizer, text).ids
        return ids

    def _twin(self) -> _Twin:
        """Made when it is first needed: a large tokenizer takes a second and as much memory again."""
        if self._made is None:
            from tokenizers import AddedToken, Tokenizer

            described = json.loads(self._backend.to_str())
            for token in described["added_tokens"]:
                token["special"] |= token["content"] in self._marks
            tokenizer = Tokenizer.from_str(json.dumps(described))
            tokenizer.encode_special_tokens = True
            words = {name: f"\ue000{secrets.token_hex(8)}\ue001" for name in self._marks}
            tokenizer.add_tokens(
                [
                    AddedToken(
                        words[name],
                        single_word=token.single_word,
                        lstrip=token.lstrip,
                        rstrip=token.rstrip,
                        normalized=token.normalized,
                    )
                    for name, (_, token) in self._marks.items()
                ]
            )
            made = {name: tokenizer.token_to_id(word) for name, word in words.items()}
            ids = {own: self._marks[name][0] for name, own in made.items() if own is not None}
            self._made = _Twin(tokenizer, words, ids)
        return self._made


def _any_of(names: Iterable[str]) -> re.Pattern[str]:
    """Finds the longest of some names. By their first letters: hundreds begin alike, and a file has megabytes."""
    by_head: dict[str, list[str]] = {}
    for name in sorted(names, key=len, reverse=True):
        by_head.setdefault(name[:3], []).append(re.escape(name[3:]))
    heads = sorted(by_head, key=len, reverse=True)
    return re.compile("|".join(f"{re.escape(head)}(?:{'|'.join(by_head[head])})" for head in heads))


def _is_mark(token: Any) -> bool:
    """Whether an added token steers: it is special, or has the form of those that are."""
    return bool(token.content) and (token.special or _MARK.fullmatch(token.content) is not None)
