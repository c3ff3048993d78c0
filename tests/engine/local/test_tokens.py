"""What the length of a text says about its tokens."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from chatdesk.engine.local.tokens import Tokens, longest_token
from chatdesk.paths import starter

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("a", "a"), ("aa", "aa"), ("aaaa", "aaaa"), ("Ġ", "Ġ")]
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False)


def of_bytes(
    cuts: pre_tokenizers.PreTokenizer = BYTES,
    letters: list[str] = LETTERS,
    merges: list[tuple[str, str]] = MERGES,
    **more: str,
) -> Tokenizer:
    """A tokenizer whose longest token is eight letters."""
    vocabulary = {word: i for i, word in enumerate([*letters, "aa", "aaaa", "a" * 8, "ĠĠ"])}
    made = Tokenizer(models.BPE(vocabulary, merges, **more))
    made.pre_tokenizer = cuts
    return made


def with_added(token: AddedToken) -> Tokenizer:
    made = of_bytes()
    made.add_tokens([token])
    return made


SPLIT = pre_tokenizers.Split(Regex(" ?a+"), "isolated")
KNOWN: dict[str, Callable[[], Tokenizer]] = {
    "bytes": of_bytes,
    "split": lambda: of_bytes(pre_tokenizers.Sequence([SPLIT, pre_tokenizers.Digits(), BYTES])),
    "added": lambda: with_added(AddedToken("aaaaaaaaaaaa")),
    "model in the box": lambda: Tokenizer.from_file(str(starter() / "tokenizer.json")),
}
UNKNOWN: dict[str, Callable[[], Tokenizer]] = {
    "words": lambda: Tokenizer(models.WordLevel({"a": 0, "?": 1}, "?")),
    "no bytes": lambda: of_bytes(pre_tokenizers.Whitespace()),
    "nothing cut": lambda: Tokenizer(models.BPE(dict(zip(LETTERS, range(256), strict=True)), [])),
    "a byte that is lost": lambda: of_bytes(letters=LETTERS[1:]),
    "blanks that are lost": lambda: of_bytes(
        pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), BYTES]),
    ),
    "blanks that a token eats": lambda: with_added(AddedToken("<x>", lstrip=True)),
    "letters that are lost inside a word": lambda: of_bytes(merges=[], continuing_subword_prefix="##"),
}


class _Short(Tokens):
    """The tokenizer alone, without a checkpoint."""

    def __init__(self, backend: Tokenizer) -> None:
        self.backend = backend


@pytest.mark.parametrize("name", KNOWN)
@settings(max_examples=50, deadline=None)
@given(text=st.text(st.sampled_from("aaaab \n1é天e\u0301\0") | st.characters(codec="utf-8")))
def test_a_text_has_at_least_as_many_tokens_as_are_told(name: str, text: str) -> None:
    plain, composed = _Short(KNOWN[name]()), _Short(KNOWN[name]())
    composed.backend.normalizer = normalizers.NFC()
    for tokens in (plain, composed):
        for each in (text, 40 * text):
            assert tokens.fewest(each) <= len(tokens.encode(each))


def test_they_are_many_for_a_long_text() -> None:
    tokens = _Short(of_bytes())
    assert tokens.fewest("a" * 80) == len(tokens.encode("a" * 80)) == 10
    assert tokens.fewest("天" * 80) == 30


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_tokenizer_that_may_lose_something_tells_nothing(name: str) -> None:
    assert longest_token(UNKNOWN[name]()) == 0
    assert _Short(UNKNOWN[name]()).fewest("a" * 10_000) == 0
