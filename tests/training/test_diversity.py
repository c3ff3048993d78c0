"""Diversity measures equal plain references that are written from their definitions."""

import json
import math
import random
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.training.diversity import Copies, distinct, diversity, repetition, self_bleu, words_of


def _texts(seed: int, count: int = 12) -> list[list[str]]:
    draw = random.Random(seed)
    return [[draw.choice("abcde") for _ in range(draw.randint(0, 30))] for _ in range(count)]


def _grams(words: list[str], order: int) -> list[str]:
    return ["\0".join(words[i : i + order]) for i in range(max(0, len(words) - order + 1))]


def _bleu(hypothesis: list[str], references: list[list[str]]) -> float:
    """Sentence BLEU-4 as in Papineni et al. 2002, with an order without a match counted 0.1."""
    product = 1.0
    for order in (1, 2, 3, 4):
        mine = _grams(hypothesis, order)
        hit = 0
        for gram in set(mine):
            hit += min(mine.count(gram), max(_grams(reference, order).count(gram) for reference in references))
        if order == 1 and hit == 0:
            return 0.0
        product *= ((hit or 0.1) / max(1, len(mine))) ** 0.25
    nearest = sorted((abs(len(reference) - len(hypothesis)), len(reference)) for reference in references)[0][1]
    return product * (1.0 if len(hypothesis) > nearest else math.exp(1 - nearest / len(hypothesis)))


@pytest.mark.parametrize("seed", range(20))
def test_measures_equal_plain_references(seed: int) -> None:
    texts = _texts(seed)
    for order in (1, 2, 3):
        grams = [gram for text in texts for gram in _grams(text, order)]
        assert distinct(texts, order) == pytest.approx(len(set(grams)) / len(grams), abs=1e-12)
    shares = [1 - len(set(_grams(text, 4))) / len(_grams(text, 4)) for text in texts if len(text) >= 4]
    assert repetition(texts) == pytest.approx(sum(shares) / len(shares), abs=1e-12)
    filled = [text for text in texts if text]
    scores = [_bleu(text, filled[:i] + filled[i + 1 :]) for i, text in enumerate(filled)]
    assert self_bleu(texts) == pytest.approx(sum(scores) / len(scores), abs=1e-12)


def test_the_ends_of_the_scale() -> None:
    same = ["the", "cat", "sat", "on", "the", "mat"]
    assert self_bleu([same, same, same]) == pytest.approx(1)
    assert self_bleu([["a", "b", "c", "d"], ["e", "f", "g", "h"]]) == 0
    assert repetition([["a"] * 100]) == pytest.approx(1 - 1 / 97)
    assert repetition([same]) == 0
    found = diversity([[], ["one"]])
    assert (found.distinct, found.self_bleu, found.repetition) == ((1.0, None, None), None, None)


def test_words_of_several_languages() -> None:
    assert words_of("Don't stop: 3 été!") == ["Don't", "stop", ":", "3", "été", "!"]
    assert words_of("今天天气 很好。ok") == ["今", "天", "天", "气", "很", "好", "。", "ok"]


@pytest.mark.parametrize("seed", range(5))
def test_copies_equal_a_plain_search(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    corpus = [[draw.choice("ab") for _ in range(60)] for _ in range(3)]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps({"text": " ".join(text)}) for text in corpus))
    groups = [[[draw.choice("ab") for _ in range(40)] for _ in range(3)], [["a", "b"]]]
    copies = Copies(groups)
    copies.look_through([tmp_path / "x.jsonl"])
    known = {gram for text in corpus for gram in _grams(text, 8)}
    mine = [gram for text in groups[0] for gram in _grams(text, 8)]
    assert 0 < sum(gram in known for gram in mine) < len(mine)
    assert copies.shares() == [pytest.approx(sum(gram in known for gram in mine) / len(mine)), None]


def test_a_copy_ends_with_its_document() -> None:
    words = list("abcdefgh")
    copies = Copies([[words]])
    copies.take([words[:4], words[4:], [*words[:7], "x"]])
    assert copies.shares() == [0.0]
    copies.take([["x", *words]])
    assert copies.shares() == [1.0]


def test_a_missing_training_text(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        Copies([[list("abcdefgh")]]).look_through([tmp_path / "none.txt"])
    assert caught.value.fault == Fault.FILE_NOT_FOUND
