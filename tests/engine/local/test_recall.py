"""Texts that go on with others are cut as if they were new."""

import random
from functools import cache
from itertools import product

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from chatdesk.engine.local.recall import Recall
from chatdesk.engine.local.tokens import is_local
from tests.engine.checkpoints import make_tokenizer

WORDS = ["hello", " world", " the", "\n\n", "    ", " 1234567", "8" * 40, " aaaa", "a" * 30, "é", "😀", "今天天气"]
WORDS += [",", ". ", " x=", "\t", "don't", "🇩🇪", "<|start|>", "<|end|>"]
LINES = [" ".join(random.Random(i).choices(WORDS, k=40)) for i in range(40)]


@cache
def tokenizer(kind: str) -> Tokenizer:
    """One of the kinds that checkpoints have."""
    if kind == "bytes":
        return make_tokenizer(600)
    if kind == "without words":  # as that of Llama 2: the whole text is one
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="?"))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["?", "<|end|>"], show_progress=False)
    else:
        made = Tokenizer(models.BPE())
        digits = pre_tokenizers.Digits(individual_digits=True)
        made.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=True)])
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
    made.train_from_iterator(LINES, trainer)
    return made


class Counted:
    """A tokenizer that counts letters."""

    def __init__(self, made: Tokenizer) -> None:
        self.made, self.letters = made, 0

    def __call__(self, text: str) -> list[int]:
        self.letters += len(text)
        return self.made.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", ["bytes", "without words", "single digits"])
def test_a_text_is_cut_as_if_it_were_new(kind: str) -> None:
    """While it grows, shrinks and is changed in its middle."""
    encode, chance = Counted(tokenizer(kind)), random.Random(kind)
    recall, plain, text, met = Recall(encode), Counted(tokenizer(kind)), "", 0
    for _ in range(150):
        added = "".join(chance.choices(WORDS, k=chance.choice([1, 3, 60])))
        at = max(0, len(text) - chance.choice([0, 0, 1, 5, 200, 700]))
        text = text[:at] + added + text[at + chance.choice([0, 0, 3, 1000]) :]
        assert recall.encode(text) == plain(text)
        met += len(text)
    assert encode.letters < 0.75 * met


def test_the_likeliest_pieces_are_those_of_the_whole() -> None:
    """What is near does not tell them."""
    chance = random.Random(2)
    words = ("".join(word) for size in range(1, 5) for word in product("ab", repeat=size))
    likely = [(word, float(-len(word) - chance.choice([1, 2, 3, 4]))) for word in words]
    made = Tokenizer(models.Unigram([("?", 0.0), *likely], 0))
    plain = Counted(made)
    for _ in range(40):
        text = "".join(chance.choices("ab", k=2000)) + 300 * "".join(chance.choices("ab", k=chance.randrange(1, 9)))
        recall = Recall(plain, is_local(made))
        for each in (text, text + "".join(chance.choices("ab", k=500))):
            assert recall.encode(each) == plain(each)


def test_what_was_met_is_not_cut_again() -> None:
    """Neither a file that every turn holds nor the turns before."""
    encode = Counted(tokenizer("bytes"))
    recall, file = Recall(encode), " ".join(LINES)
    whole = recall.encode(file)
    assert encode.letters == len(file)
    assert recall.encode(file) == whole
    grown = recall.encode(file + "\nAnd what is this?")
    assert grown == encode.made.encode(file + "\nAnd what is this?", add_special_tokens=False).ids
    assert encode.letters < len(file) + 1100
    assert recall.encode(file) == whole


@pytest.mark.parametrize("run", ["8", "a", " ", "ab", "é", "今"])
def test_a_run_that_is_cut_from_its_beginning(run: str) -> None:
    """Digits by three, as Llama 3 has them, must not be begun in the middle."""
    made = make_tokenizer()
    by_three = pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated")
    made.pre_tokenizer = pre_tokenizers.Sequence([by_three, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    recall, plain = Recall(Counted(made)), Counted(made)
    for length in (3000, 3001, 3002, 3004, 3103, 2999, 4100):
        text = "begin " + run * length
        assert recall.encode(text) == plain(text)


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used last stays."""
    monkeypatch.setattr("chatdesk.engine.local.recall._LONG_LETTERS", 10_000)
    encode = Counted(tokenizer("bytes"))
    recall = Recall(encode)
    texts = [letter * 4000 for letter in "abc"]
    for text in (*texts[:2], texts[0], texts[2]):
        recall.encode(text)
    before = encode.letters
    recall.encode(texts[0])
    assert encode.letters == before
    recall.encode(texts[1])
    assert encode.letters == before + 4000
