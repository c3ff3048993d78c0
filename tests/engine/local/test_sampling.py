"""The samplers mean what transformers' processors mean, and a draw follows the probabilities."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from chatdesk.engine.api import DEFAULT_SAMPLING, Sampling
from chatdesk.engine.local import draws
from chatdesk.engine.local.lean.compiler import COMPILER
from chatdesk.engine.local.lean.rows import PART, Row
from chatdesk.engine.local.sampling import FLOOR, Sampler, best, candidates, checkpoint_defaults, draw, resolve
from chatdesk.errors import Fault, UserError
from tests.engine.local.driving import NEUTRAL


@pytest.fixture(scope="module", params=["compiled", "plain"], autouse=True)
def passes(request):
    """Every test here is done with the compiled passes over a row, and with numpy's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHATDESK_CACHE", str(Path(__file__).parents[3] / ".pytest_cache"))
        assert COMPILER.wait()
        if request.param == "plain":
            patch.setattr(COMPILER, "passes", None)
        yield


def theirs(logits: torch.Tensor, seen: list[int], sampling: Sampling) -> torch.Tensor:
    """Log-probabilities by transformers' processors, in the order in which its `generate` applies them."""
    ids = torch.tensor([seen] * len(logits), dtype=torch.long)
    scores = logits
    if sampling.repetition_penalty != 1 and seen:
        scores = RepetitionPenaltyLogitsProcessor(float(sampling.repetition_penalty))(ids, scores)
    scores = TemperatureLogitsWarper(float(sampling.temperature))(ids, scores)
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(ids, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(ids, scores)
    if sampling.min_p > 0:
        scores = MinPLogitsWarper(sampling.min_p)(ids, scores)
    return scores.log_softmax(-1)


def ours(logits: torch.Tensor, seen: list[int], sampling: Sampling) -> torch.Tensor:
    """The same by `candidates`, over the whole vocabulary, and by `draws` row by row, which has to agree."""
    sampler = Sampler(sampling, seen, 0, len(logits), 0)
    scores = sampler._penalised(logits, range(len(logits))) / sampling.temperature
    ids, logprobs, own = candidates(scores, logits, sampling)
    assert torch.equal(own, logits.gather(1, ids))
    found = torch.full_like(logits, -math.inf).scatter(1, ids, logprobs)
    by_row = torch.stack([row_by_row(row, sampling) for row in scores])
    differ = torch.isinf(by_row) != torch.isinf(found)
    assert differ.sum(-1).max() <= 1  # a token at an edge
    for row in (~differ.any(-1)).nonzero()[:, 0]:
        torch.testing.assert_close(by_row[row], found[row], atol=1e-4, rtol=1e-4)
    return by_row if differ.any() else found


def row_by_row(scores: torch.Tensor, sampling: Sampling, number: float = 0.5) -> torch.Tensor:
    """A row's log-probabilities as `draws` has them."""
    numbers = Row.of(scores.numpy())
    drawn = draws.draw(numbers, number, sampling.top_k, sampling.top_p, sampling.min_p)
    found = [drawn.logprob(numbers, token) for token in range(len(numbers))]
    assert math.isfinite(found[drawn.id])
    return torch.tensor(found)


SAMPLINGS = st.builds(
    Sampling,
    temperature=st.floats(0.1, 3),
    top_p=st.one_of(st.just(1.0), st.floats(0.05, 0.99)),
    top_k=st.one_of(st.just(0), st.integers(1, 400)),
    min_p=st.one_of(st.just(0.0), st.floats(0.001, 0.9)),
    repetition_penalty=st.one_of(st.just(1.0), st.floats(0.5, 2)),
)


@settings(max_examples=40, deadline=None)
@given(
    SAMPLINGS,
    st.integers(0, 2**32),
    st.integers(2, 1500),
    st.floats(0.01, 8),
    st.lists(st.integers(0, 5000), max_size=20),
)
def test_filters_equal_transformers(sampling, seed, vocabulary, spread, seen):
    """Any settings, small and large vocabularies, flat and peaked: the same tokens stay, equally probable."""
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, vocabulary, generator=random, dtype=torch.float32) * spread
    seen = [token % vocabulary for token in seen]
    expected, found = theirs(logits, seen, sampling), ours(logits, seen, sampling)
    differ = torch.isinf(expected) != torch.isinf(found)
    # A token at the very edge of top-p or min-p may fall to either side by rounding: then it is one, and alone.
    assert differ.sum(-1).max() <= 1
    for row in range(2):
        if not differ[row].any():
            torch.testing.assert_close(found[row], expected[row], atol=2e-4, rtol=1e-4)
    assert differ.any(-1).sum() == 0 or is_at_the_edge(logits, seen, sampling, differ)


def is_at_the_edge(logits, seen, sampling, differ) -> bool:
    """Whether settings a hair apart give transformers itself the other answer."""
    hairs = [
        structs.replace(sampling, top_p=min(1.0, sampling.top_p * hair), min_p=sampling.min_p / hair)
        for hair in (1 - 1e-5, 1 + 1e-5)
    ]
    low, high = (torch.isinf(theirs(logits, seen, hair)) for hair in hairs)
    return bool(((low != high) | ~differ).all())


def test_ties_with_the_kth_stay():
    """As with transformers: top-k keeps all tokens that are as good as the k-th."""
    logits = torch.tensor([[3.0, 1.0, 1.0, 1.0, 0.0]])
    sampling = structs.replace(NEUTRAL, top_k=2)
    assert torch.isfinite(ours(logits, [], sampling)).sum() == torch.isfinite(theirs(logits, [], sampling)).sum() == 4


def test_flat_distribution_needs_more_than_the_first_look():
    """Top-p over a flat distribution of 5000 tokens keeps thousands."""
    logits = torch.randn(1, 5000, generator=torch.Generator().manual_seed(1)) * 0.01
    sampling = structs.replace(NEUTRAL, top_p=0.9)
    expected, found = theirs(logits, [], sampling), ours(logits, [], sampling)
    assert (torch.isinf(expected) != torch.isinf(found)).sum() <= 2
    assert torch.isfinite(found).sum() > 4000


def chi_square(counts: torch.Tensor, probabilities: torch.Tensor) -> float:
    """The statistic over cells that can occur; -1 where an impossible token was drawn."""
    possible = probabilities > 0
    if counts[~possible].any():
        return -1.0
    expected = probabilities[possible] * counts.sum()
    return float((((counts[possible] - expected) ** 2) / expected).sum())


@pytest.mark.parametrize(
    "sampling",
    [
        NEUTRAL,
        structs.replace(NEUTRAL, temperature=0.5),
        structs.replace(NEUTRAL, top_k=5),
        structs.replace(NEUTRAL, top_p=0.8),
        structs.replace(NEUTRAL, min_p=0.1, temperature=1.5, top_p=0.95),
    ],
)
def test_draws_follow_the_probabilities(sampling):
    """Chi-square of 20,000 draws over 12 tokens; 40 has a probability below 1e-4 with at most 11 degrees."""
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(3))
    probabilities = theirs(logits, [], sampling).exp()[0]
    ids, logprobs, _ = candidates(logits / sampling.temperature, logits, sampling)
    random = torch.Generator().manual_seed(4)
    numbers = torch.rand(20_000, generator=random, dtype=torch.float64)
    index = draw(logprobs.expand(20_000, -1), numbers)
    counts = torch.bincount(ids[0][index[:, 0]], minlength=12)
    assert 0 <= chi_square(counts, probabilities) < 40


DRAWN = {
    "neutral": NEUTRAL,
    "top-k": structs.replace(NEUTRAL, top_k=40),
    "few": structs.replace(NEUTRAL, top_p=0.9, min_p=0.2),
    "top-p of many": structs.replace(NEUTRAL, top_p=0.9),
    "min-p of some": structs.replace(NEUTRAL, min_p=0.01, top_p=0.999),
    "min-p of many": structs.replace(NEUTRAL, min_p=0.2, top_p=0.99),
}


@pytest.mark.parametrize("spread", [0.05, 1.0, 4.0])
@pytest.mark.parametrize("sampling", DRAWN.values(), ids=DRAWN)
def test_a_row_draws_what_many_rows_draw(sampling, spread):
    """On the CPU the same number falls on the same token as by `candidates` and `draw`, unless it hits a bound."""
    scores = spread * torch.randn(1, 6000, generator=torch.Generator().manual_seed(2))
    numbers = torch.rand(300, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    ids, logprobs, _ = candidates(scores, scores, sampling)
    index = draw(logprobs.expand(len(numbers), -1), numbers)[:, 0]
    row = Row.of(scores[0].numpy())
    found = [draws.draw(row, number, sampling.top_k, sampling.top_p, sampling.min_p) for number in numbers.tolist()]
    assert sum(one.id != ids[0, i] for one, i in zip(found, index, strict=True)) <= 1
    for one in found:
        assert one.logprob(row, one.id) == pytest.approx(float(logprobs[0, ids[0] == one.id]), abs=1e-4)


@pytest.mark.parametrize("sampling", DRAWN.values(), ids=DRAWN)
def test_draws_of_a_row_follow_the_probabilities(sampling):
    """Chi-square of 5,000 draws, of 600 nearly equal tokens and one likely one, 30 groups; 60 is below 1e-3."""
    scores = 0.1 * torch.randn(1, 600, generator=torch.Generator().manual_seed(3))
    scores[0, 77] = 4.0
    probabilities = theirs(scores, [], sampling).exp()[0]
    row = Row.of(scores[0].numpy())
    numbers = torch.rand(5000, generator=torch.Generator().manual_seed(4), dtype=torch.float64).tolist()
    chosen = [draws.draw(row, number, sampling.top_k, sampling.top_p, sampling.min_p).id for number in numbers]
    counts = torch.bincount(torch.tensor(chosen), minlength=600)
    assert not counts[probabilities == 0].any()
    assert 0 <= chi_square(counts.view(30, 20).sum(0), probabilities.view(30, 20).sum(0)) < 60


def test_of_equal_scores_the_first_are_kept():
    """A flat row, as of a model that knows nothing: top-p takes half of it, and every token of that half is drawn."""
    row = Row.of(np.zeros(1000, np.float32))
    found = {draws.draw(row, i / 1000 + 1e-4, 0, 0.5, 0.0).id for i in range(1000)}
    assert found == set(range(500))


def test_a_sampler_draws_from_the_whole_distribution():
    """The same through `Sampler.choose`, one token at a time."""
    logits = torch.tensor([[1.0, 0.0, -1.0, 0.5]])
    sampler = Sampler(NEUTRAL, [], 7, 1, 0)
    counts = torch.bincount(torch.tensor([sampler.choose(logits, [0])[0].id for _ in range(2000)]), minlength=4)
    assert 0 <= chi_square(counts, logits.softmax(-1)[0]) < 25


def test_draws_reach_neither_end_wrongly():
    """0 draws the first possible token, a number just below 1 the last possible one."""
    logprobs = torch.tensor([[-math.inf, math.log(0.5), math.log(0.5), -math.inf]])
    numbers = torch.tensor([0.0, math.nextafter(1, 0)], dtype=torch.float64)
    assert draw(logprobs.expand(2, -1), numbers)[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize("vocabulary", [50, 64, 9000, 20_011])
def test_the_best_are_found_without_looking_at_all(vocabulary, count):
    """As by selecting from the whole row, best first; the best may stand in the last, shorter part."""
    scores = torch.randn(2, vocabulary, generator=torch.Generator().manual_seed(count))
    scores[0, -1] = 9.0
    expected = scores.topk(count, dim=-1)
    values, places = best(scores, count)
    assert torch.equal(values, expected.values)
    assert torch.equal(places, expected.indices)


@pytest.mark.parametrize("vocabulary", [64, 130, 5000])
def test_a_draw_among_many_inverts_the_cumulated_probabilities(vocabulary):
    """Some candidates are impossible; where a point is nearer to a bound than rounding, either side is right."""
    source = torch.Generator().manual_seed(vocabulary)
    logprobs = (3 * torch.randn(1, vocabulary, generator=source)).log_softmax(-1)
    logprobs[0, ::3] = -math.inf
    numbers = torch.rand(4000, generator=source, dtype=torch.float64)
    found = draw(logprobs.expand(4000, -1), numbers)[:, 0]
    cumulated = logprobs[0].double().exp().cumsum(-1)
    points = numbers * cumulated[-1]
    assert bool((logprobs[0, found] > -math.inf).all())
    assert bool((points < cumulated[found] + 1e-6).all())
    assert bool((points > cumulated[found] - logprobs[0, found].double().exp() - 1e-6).all())


def test_a_draft_does_not_depend_on_the_others():
    """Draft 2 of 3 draws what a single draft draws with seed + 2."""
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(1))
    three, one = Sampler(NEUTRAL, [], 10, 3, 0), Sampler(NEUTRAL, [], 12, 1, 0)
    for _ in range(20):
        assert three.choose(logits, [0, 1, 2])[2].id == one.choose(logits[2:], [0])[0].id


def test_greedy_probabilities_are_valid_json():
    """Temperature 0: the chosen token has probability 1 after the samplers, the others the floor."""
    sampler = Sampler(structs.replace(NEUTRAL, temperature=0), [], 0, 1, 3)
    (choice,) = sampler.choose(torch.tensor([[0.0, 2.0, 1.0, -math.inf]]), [0])
    assert (choice.id, choice.sampled_logprob) == (1, 0.0)
    assert [sampled for _, _, sampled in choice.top] == [0.0, FLOOR, FLOOR]
    assert json.loads(json.dumps(choice.top, allow_nan=False))


@pytest.mark.parametrize("place", [0, 70, 199])
@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf])
def test_not_finite(bad, place):
    """One bad logit, anywhere, is an error with a name; so is a row of nothing."""
    row = torch.zeros(1, 200)
    row[0, place] = bad
    for logits in (row, torch.full((1, 200), -math.inf)):
        with pytest.raises(UserError) as caught:
            Sampler(NEUTRAL, [], 0, 1, 0).choose(logits, [0])
        assert caught.value.fault is Fault.NOT_FINITE


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**32), st.floats(0.01, 50), st.floats(0.05, 3))
def test_passes_over_a_row_are_numpys(length, seed, spread, temperature):
    """Of any length, with impossible tokens and equal ones: peaks, masses, places and bins of each way."""
    source = np.random.default_rng(seed)
    numbers = (spread * source.standard_normal(length)).astype(np.float32).round(1)
    numbers[source.random(length) < 0.1] = -np.inf
    numbers[source.integers(length)] = 1.0
    row = Row.of(numbers).at(temperature)
    scores = (numbers - numbers.max()) / np.float32(temperature)
    weights = np.exp(scores.astype(np.float64))
    starts = np.arange(0, length, PART)
    assert np.array_equal(row.peaks, np.maximum.reduceat(numbers, starts))
    assert (row.least, row.most) == (numbers.min(), numbers.max())
    np.testing.assert_allclose(row.masses, np.add.reduceat(weights, starts), rtol=3e-5, atol=1e-30)
    least = float(np.float32(np.quantile(scores[np.isfinite(scores)], 0.7)))
    above = row.above(least, length)
    assert above is not None
    assert above.tolist() == sorted(np.flatnonzero(scores >= least), key=lambda i: (-scores[i], i))
    assert row.above(least, len(above) - 1) is None
    assert row.best(5)[:5].tolist() == np.argsort(-scores, kind="stable")[:5].tolist()
    which, sums = row.bins(64, 30.0)
    assert (np.diff(which[np.argsort(-scores)]) >= 0).all()
    np.testing.assert_allclose(sums, np.bincount(which, weights, minlength=64), rtol=3e-5, atol=1e-30)


def test_the_coldest_temperature_is_greedy():
    """Colder than single precision can say."""
    sampler = Sampler(structs.replace(NEUTRAL, temperature=1e-45), [], 0, 1, 0)
    (choice,) = sampler.choose(torch.tensor([[0.0, 2.0, 1.0, -math.inf]]), [0])
    assert (choice.id, choice.sampled_logprob) == (1, 0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("min_p", 1.5),
        ("repetition_penalty", 0.0),
        ("max_new_tokens", 0),
        ("max_length", 0),
    ],
)
def test_bad_values_are_named(name, value):
    """The fault says which value is wrong and what it may be."""
    with pytest.raises(UserError) as caught:
        resolve(Sampling(**{name: value}), DEFAULT_SAMPLING)
    assert (caught.value.fault, caught.value.fields["name"]) == (Fault.BAD_VALUE, name)
    assert str(caught.value)


def test_both_lengths_are_refused():
    """Give one of them."""
    with pytest.raises(UserError) as caught:
        resolve(Sampling(max_new_tokens=5, max_length=9), DEFAULT_SAMPLING)
    assert caught.value.fault is Fault.BOTH_LENGTHS


def test_defaults_come_from_the_checkpoint():
    """Only what its file says; a request goes first."""
    named = checkpoint_defaults({"temperature": 0.6, "top_p": 0.9, "max_length": 20, "min_p": None, "top_k": -3})
    assert named == structs.replace(DEFAULT_SAMPLING, temperature=0.6, top_p=0.9)
    assert checkpoint_defaults({"do_sample": False}).temperature == 0
    asked = resolve(Sampling(top_p=0.5, max_length=99), named)
    assert asked == Sampling(0.6, 0.5, 0, 0.05, 1.1, None, 99)
