"""Names of special tokens in texts: what is cut around them is cut as ever, by tokenizers of many kinds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Encoding, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from chatdesk.engine.local.quoting import Quoting

END, START = "<|end|>", "<|start|>"
TEXT = [
    "the small dog sleeps <|end|> on the house",
    "user\nassistant <|start|> hello, the <s> end </s>",
    "天气 很好 🙂",
]


def encoded(tokenizer: Tokenizer, text: str) -> Encoding:
    return tokenizer.encode(text, add_special_tokens=False)


def cut(tokenizer: Tokenizer, text: str) -> list[int]:
    return encoded(tokenizer, text).ids


def byte_level(**more) -> Tokenizer:
    """As GPT-2, Llama 3 and Qwen have it; with ``rstrip`` as Phi-3."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(TEXT * 3, trainer)
    made.add_special_tokens([AddedToken(name, special=True, **more) for name in (END, START)])
    made.add_tokens([AddedToken("<think>")])
    return made


def sentence_pieces(scheme: str | None, **more) -> Tokenizer:
    """As Mistral has it (a space in front of the beginning alone), or Llama 2 (a normalizer, before each part)."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if scheme:
        made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    else:
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Replace("▁", " ")
    bytes_ = [f"<0x{n:02X}>" for n in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", END, START, *bytes_], show_progress=False)
    made.train_from_iterator(TEXT * 3, trainer)
    if more:
        made.add_special_tokens([AddedToken(name, special=True, **more) for name in (END, START)])
    return made


OVERLOOKS = {
    "behind a word": byte_level(single_word=True),
    "but in front": sentence_pieces(None, normalized=True),  # the first Llama: "▁<s>" is looked for
}
KINDS = {
    "byte level": byte_level,
    "space behind": lambda: byte_level(rstrip=True),
    "space before": lambda: byte_level(lstrip=True),
    "normalized": lambda: byte_level(normalized=True),
    "first": lambda: sentence_pieces("first"),
    "always": lambda: sentence_pieces("always"),
    "prepend": lambda: sentence_pieces(None),
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request) -> Tokenizer:
    return KINDS[request.param]()


PIECES = st.lists(
    st.sampled_from([START, END, " ", "\n", "the", " dog", "天气", "🙂", "<", "|>", "<think>"]), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(PIECES)
def test_the_twin_cuts_what_the_template_wrote_as_the_tokenizer_does(tokenizer: Tokenizer, pieces: list[str]) -> None:
    text = "".join(pieces)
    assert Quoting(tokenizer, encoded).encode(text, {}) == cut(tokenizer, text)


@pytest.mark.parametrize("kind", OVERLOOKS)
@settings(deadline=None, max_examples=60)
@given(pieces=PIECES)
def test_names_that_the_tokenizer_overlooks_are_text(kind: str, pieces: list[str]) -> None:
    """For the model too: not what stands for them while a text is cut."""
    tokenizer, text = OVERLOOKS[kind], "".join(pieces)
    assert Quoting(tokenizer, encoded).encode(text, {}) == cut(tokenizer, text)


def test_names_are_told_from_tokens(tokenizer: Tokenizer) -> None:
    """The same text with a name that is none of the tokenizer's gives the same tokens around it."""
    quoting = Quoting(tokenizer, encoded)
    message = f"the {END} dog{START}"
    letters = quoting.letters([message])
    rendered = f"{START}user\n{quoting.quote(message, letters)}{END}\n"
    ids = quoting.encode(rendered, letters)
    specials = [tokenizer.token_to_id(name) for name in (START, END)]
    assert [i for i in ids if i in specials] == specials
    inside = ids[ids.index(specials[0]) + 1 : ids.index(specials[1])]
    assert inside[-3:] == quoting.encode_plain(f"user\n{message}")[-3:]
    text = tokenizer.decode(ids, skip_special_tokens=True)  # white space beside a token may belong to it
    assert "".join(text.split()) == "".join(f"user{message}".split())
    assert not set(specials) & set(quoting.encode_plain(message))
    assert quoting.encode_plain("the dog") == cut(tokenizer, "the dog")


def test_marks_that_are_not_called_special() -> None:
    """By their form; other added words are words in any text."""
    made = byte_level()
    made.add_tokens([AddedToken("<｜User｜>"), AddedToken("<table>")])
    quoting = Quoting(made, encoded)
    message = "a <｜User｜> in a <table>"
    letters = quoting.letters([message])
    ids = quoting.encode("<｜User｜>" + quoting.quote(message, letters), letters)
    mark, word = (made.token_to_id(name) for name in ("<｜User｜>", "<table>"))
    assert (ids.index(mark), ids.count(mark), ids.count(word)) == (0, 1, 1)
    assert made.decode(ids) == f"<｜User｜>{message}"
    assert quoting.encode("<｜User｜> the <table>", {}) == cut(made, "<｜User｜> the <table>")


def test_letters_stand_in_no_message() -> None:
    """Also where somebody writes letters for private use."""
    quoting = Quoting(byte_level(), encoded)
    message = f"\U000f0000{END}\U000f0001{START}\ue000"
    letters = quoting.letters([message, "\U000f0002"])
    assert set(letters) == {END, START}
    assert not set(letters.values()) & {"\U000f0000", "\U000f0001", "\U000f0002"}
    ids = quoting.encode(quoting.quote(message, letters), letters)
    assert quoting._backend.decode(ids, skip_special_tokens=False) == message
    assert ids == quoting.encode_plain(message)


def test_the_longest_name_is_found() -> None:
    """As the tokenizer finds it, whichever way names begin alike."""
    made = byte_level()
    made.add_special_tokens(["<s", "<s>", "<s>a", "<|end|>ing", "<|x", "ab"])
    quoting = Quoting(made, encoded)
    for text in ("<s>ab<s<s>a <|end|>ing<|end|>in<|x|>", "<|<|x<|end", "aab<s>"):
        assert quoting.encode(text, {}) == cut(made, text)
        assert quoting.quote(text, dict.fromkeys(quoting.letters([text]), "")) == made.decode(cut(made, text))


def test_without_special_tokens() -> None:
    """There is nothing to be told apart."""
    plain = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    quoting = Quoting(plain, encoded)
    assert quoting.letters([END]) == {}
    assert quoting.quote(END, {}) == END
    assert quoting.encode_plain("a") == [0]
