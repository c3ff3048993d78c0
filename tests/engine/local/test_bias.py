"""Biases: forbidden and wished-for texts, against transformers' own processor; gaps inside a text."""

import pytest
import torch

from chatdesk.engine.api import BANNED, Bias, Sampling
from chatdesk.engine.local.bias import TokenBias
from chatdesk.engine.local.fill import fill_marks
from chatdesk.engine.local.prompts import Around, PromptMaker
from chatdesk.engine.local.sampling import Sampler
from chatdesk.engine.local.tokens import Tokens
from chatdesk.errors import UserError
from tests.engine.checkpoints import make_tokenizer

WORDS = {"ab": [1, 2], " ab": [3], "Ab": [4, 5, 6], " Ab": [99], "c": [7], " c": [8], "C": [9], " C": [10]}


def test_scores_are_what_transformers_makes_of_them():
    from transformers import SequenceBiasLogitsProcessor

    bias = TokenBias((Bias("ab", 3.5), Bias("c", -2.0)), WORDS.__getitem__, [40, 4], 50)
    plain = {(1, 2): 3.5, (3,): 3.5, (4, 5, 6): 3.5, (7,): -2.0, (8,): -2.0, (9,): -2.0, (10,): -2.0}
    theirs = SequenceBiasLogitsProcessor(plain)
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    written = [[5], [11, 1], [4, 5]]
    for row, ids in enumerate(written):
        expected = theirs(torch.tensor([[40, 4, *ids]]), logits[row : row + 1].clone())
        assert torch.equal(bias.apply(logits, written)[row : row + 1], expected)


def test_what_is_banned_is_never_drawn_and_what_is_wished_for_nearly_always():
    logits = torch.zeros(1, 50)
    banned = TokenBias((Bias("c", BANNED),), WORDS.__getitem__, [0], 50)
    sampling = Sampling(1.0, 1.0, 0, 0.0, 1.0, 10)
    sampler = Sampler(sampling, [0], 5, 1, 0, banned)
    drawn = {sampler.choose(logits, [0])[0].id for _ in range(500)}
    assert len(drawn) > 40
    assert not drawn & {7, 8, 9, 10}
    wished = Sampler(sampling, [0], 5, 1, 0, TokenBias((Bias("c", 50.0),), WORDS.__getitem__, [0], 50))
    assert {wished.choose(logits, [0])[0].id for _ in range(50)} <= {7, 8, 9, 10}


def test_the_probability_that_is_shown_is_the_models_own():
    logits = torch.zeros(1, 50)
    sampling = Sampling(1.0, 1.0, 0, 0.0, 1.0, 10)
    bias = TokenBias((Bias("c", 50.0),), WORDS.__getitem__, [0], 50)
    choice = Sampler(sampling, [0], 5, 1, 0, bias).choose(logits, [0])[0]
    assert choice.logprob == pytest.approx(-torch.tensor(50.0).log().item(), abs=1e-5)


def made_tokens(*marks):
    from transformers import PreTrainedTokenizerFast

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens(list(marks))
    return Tokens(PreTrainedTokenizerFast(tokenizer_object=tokenizer))


def test_a_gap_is_filled_from_both_sides_and_the_nearest_stays():
    tokens = made_tokens("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
    marks = fill_marks(tokens)
    maker = PromptMaker(tokens, 64, frozenset())
    try:
        sampling = Sampling(0.7, 1.0, 0, 0.0, 1.0, 8)
        made = maker.make("before the gap", sampling, around=Around("", " after it"))
        text = tokens.decode(made.ids, skip_special=False)
        assert text.endswith("<|fim_prefix|>before the gap<|fim_suffix|> after it<|fim_middle|>")
        assert made.stop_ids == {marks.prefix, marks.suffix, marks.middle}
        long = maker.make("far " * 200 + "near", sampling, around=Around("lead ", "next" + " far" * 200))
        text = tokens.decode(long.ids, skip_special=False)
        assert "<|fim_prefix|>lead " in text
        assert "near<|fim_suffix|>next" in text
        assert len(long.ids) <= 64 - 8
        assert long.dropped_tokens > 0
    finally:
        maker.close()


def test_a_checkpoint_without_marks_says_so():
    tokens = made_tokens()
    assert fill_marks(tokens) is None
    maker = PromptMaker(tokens, 64, frozenset())
    try:
        with pytest.raises(UserError, match="fills no gaps"):
            maker.make("before", Sampling(max_new_tokens=8), around=Around("", "after"))
    finally:
        maker.close()
