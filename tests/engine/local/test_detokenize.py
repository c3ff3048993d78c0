"""Streamed text equals the text of all ids at once, wherever a character is split; stop strings across tokens."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from chatdesk.engine.local.detokenize import Detokenizer, StopStrings, pieces
from chatdesk.engine.local.tokens import Tokens
from tests.engine.checkpoints import make_tokenizer


def tokens_of(backend: Tokenizer) -> Tokens:
    """`Tokens` around a bare tokenizer."""
    return Tokens(
        SimpleNamespace(backend_tokenizer=backend, special_tokens_map={}, eos_token_id=None, chat_template=None)
    )


def bytes_only() -> Tokens:
    """Byte-level, without merges: every byte is a token."""
    return tokens_of(make_tokenizer(258))


def byte_fallback() -> Tokens:
    """As Llama 2 has it: words with "▁", other characters as bytes."""
    vocabulary = [("<unk>", 0.0), *((f"<0x{i:02X}>", -9.0) for i in range(256)), ("▁", -2.0)]
    vocabulary += [(f"▁{word}", -1.0) for word in ("hello", "world", "a")] + [(c, -3.0) for c in "abcdehlorw"]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1, right=0),
        ]
    )
    return tokens_of(backend)


KINDS = {"bytes": bytes_only(), "merges": tokens_of(make_tokenizer()), "fallback": byte_fallback()}
TEXTS = [
    "plain words",
    "añü ß — “quoted”",
    "日本語 and 天气",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag 🇩🇪",
    "עברית العربية",
    "e\u0301\u200b\u200dz",
    "a\ufffdb",
    "\x00\x01\n\r\n\t end ",
]


def streamed(tokens: Tokens, ids: list[int], before: tuple[int, ...] = ()) -> list[str]:
    """The increments, the last of them the flush."""
    detokenizer = Detokenizer(tokens, before)
    return [*(detokenizer.feed(i) for i in ids), detokenizer.flush()]


def says_the_same(shown: str, whole: str, kind: str) -> bool:
    """Equal; with byte fallback, an invalid run may keep the characters that ``whole`` gave up."""
    if kind != "fallback" or "\ufffd" not in whole:
        return shown == whole
    rest = iter(shown.replace("\ufffd", ""))
    return all(character in rest for character in whole.replace("\ufffd", ""))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_cut_at_every_token(kind, text):
    """However many tokens came, the increments joined are the decode of them; no half character is among them."""
    tokens = KINDS[kind]
    ids = tokens.encode(text)
    for end in range(len(ids) + 1):
        pieces = streamed(tokens, ids[:end])
        assert says_the_same("".join(pieces), tokens.decode(ids[:end]), kind)
        assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces[:-1])


@pytest.mark.parametrize("kind", ["bytes", "fallback"])
@pytest.mark.parametrize("text", [*TEXTS, "天地玄黄宇宙洪荒", "é天é天é天 abc"])
def test_split_at_every_byte(text, kind):
    """A prompt that ends and a reply that begins at any byte: together they are the text."""
    tokens = KINDS[kind]
    ids = tokens.encode(text)
    for cut in range(len(ids) + 1):
        whole = "".join(streamed(tokens, ids[cut:], tuple(ids[:cut])))
        before = tokens.decode(ids[:cut])
        if not before.endswith("\ufffd"):
            assert before + whole == text


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32), st.integers(0, 60))
def test_any_tokens(kind, seed, length):
    """Ids in an order no text has: invalid bytes in the middle, at the end, special tokens between."""
    tokens = KINDS[kind]
    source = random.Random(seed)
    ids = [source.randrange(tokens.backend.get_vocab_size()) for _ in range(length)]
    assert says_the_same("".join(streamed(tokens, ids)), tokens.decode(ids), kind)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**32), st.integers(0, 60))
def test_pieces_of_any_tokens(kind, seed, length):
    """One for each token; joined they are the text with its special tokens."""
    tokens = KINDS[kind]
    source = random.Random(seed)
    ids = [source.randrange(tokens.backend.get_vocab_size()) for _ in range(length)]
    found = pieces(tokens, ids)
    assert len(found) == len(ids)
    assert says_the_same("".join(found), tokens.decode(ids, skip_special=False), kind)


def test_a_continued_text_keeps_its_space():
    """A token with a leading space keeps it after a prompt, and loses it at the beginning of a text."""
    tokens = KINDS["fallback"]
    ids = tokens.encode("hello world")
    assert "".join(streamed(tokens, ids[1:], (ids[0],))) == " world"
    assert "".join(streamed(tokens, ids[1:])) == "world"


STOP_TEXT = "one two\nUser: three</s>four"


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("stops", "shown"),
    [
        (["\nUser:"], "one two"),
        (["</s>"], "one two\nUser: three"),
        (["</s>", "\nUser:"], "one two"),
        (["two", "e t"], "on"),
        (["xyz", "fourth"], STOP_TEXT),
        ([], STOP_TEXT),
    ],
)
def test_stop_strings(pieces, stops, shown):
    """Cut at the first stop string, however the text arrives; what only looked like one comes out at the end."""
    size = max(1, len(STOP_TEXT) // pieces)
    stopper = StopStrings(stops)
    text = ""
    for start in range(0, len(STOP_TEXT), size):
        text += stopper.feed(STOP_TEXT[start : start + size])
        assert shown.startswith(text)  # nothing is shown that has to be taken back
    assert text + stopper.flush() == shown
    assert stopper.found == (shown != STOP_TEXT)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text("ab", max_size=4), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
)
def test_stop_strings_overlap(pieces, stops):
    """Two letters only, so that beginnings of stop strings overlap all the time."""
    stopper = StopStrings(stops)
    shown, seen = "", ""
    for piece in pieces:
        shown += stopper.feed(piece)
        seen += piece
        if stopper.found:
            break
    shown += stopper.flush()
    ends = [seen.find(stop) for stop in stops if stop in seen]
    assert shown == (seen[: min(ends)] if ends else seen)
    assert stopper.found == bool(ends)
