"""Sampling from logits on a CUDA device: what the CPU chooses, with one wait for the device."""

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import Sampling
from chatdesk.engine.local.fused.ahead import Ahead
from chatdesk.engine.local.fused.driver import COMPILER
from chatdesk.engine.local.sampling import Sampler
from chatdesk.errors import Fault, UserError
from tests.engine.local.driving import NEUTRAL

pytestmark = pytest.mark.gpu

SAMPLINGS = {
    "default": Sampling(0.7, 0.95, 0, 0.05, 1.1),
    "greedy": Sampling(0.0, 1.0, 0, 0.0, 1.2),
    "neutral": NEUTRAL,
    "wide": structs.replace(NEUTRAL, top_p=0.999),  # keeps more than the first look
    "top-k": structs.replace(NEUTRAL, top_k=40),
}


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_the_device_makes_no_difference(sampling):
    """Same tokens and probabilities over 30 steps of four drafts that end one after the other."""
    source = torch.Generator().manual_seed(1)
    here, there = (Sampler(sampling, [5, 6, 7, 70_000], 3, 4, 5) for _ in range(2))
    for step in range(30):
        drafts = list(range(4))[: 4 - step // 10]
        logits = 2 * torch.randn(len(drafts), 50_000, generator=source)
        ours, theirs = here.choose(logits, drafts), there.choose(logits.cuda(), drafts)
        assert [choice.id for choice in ours] == [choice.id for choice in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert other.logprob == pytest.approx(one.logprob, abs=1e-4)
            assert other.sampled_logprob == pytest.approx(one.sampled_logprob, abs=1e-4)
            assert [i for i, _, _ in one.top] == [i for i, _, _ in other.top]
            assert [p for _, _, p in other.top] == pytest.approx([p for _, _, p in one.top], abs=1e-4)


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_said(sampling, value):
    """In one row of two."""
    logits = torch.zeros(2, 1000, device="cuda")
    logits[1, 500] = value
    with pytest.raises(UserError) as raised:
        Sampler(sampling, [5], 3, 2, 0).choose(logits, [0, 1])
    assert raised.value.fault == Fault.NOT_FINITE


class Given:
    """As a step, with logits that were made before."""

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits, self.rows, self.asked = logits, logits.shape[1], 0
        self.inputs = torch.zeros(self.rows + 1, dtype=torch.long, device="cuda")

    def again(self) -> torch.Tensor:
        self.asked += 1
        return self._logits[self.asked - 1]


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("vocabulary", [49_152, 151_936])
def test_what_is_chosen_ahead(sampling, vocabulary):
    """By the kernel: the tokens and probabilities of the CPU, over 30 steps of four drafts."""
    major, minor = torch.cuda.get_device_capability()
    options = ("choose", (f"--gpu-architecture=sm_{major}{minor}", "-DFLOAT=0", "-DROWS=1"))
    COMPILER.begin(options)
    COMPILER.wait()
    kernels = COMPILER.kernels(options)
    assert kernels is not None
    logits = 2 * torch.randn(30, 4, vocabulary, generator=torch.Generator().manual_seed(1))
    here, there = (Sampler(sampling, [5, 6, 7, 200_000], 3, 4, 0) for _ in range(2))
    ahead = Ahead(Given(logits.cuda()), kernels, there, {place: (place, 1) for place in range(4)}, 240, 30)
    for step in range(30):
        ours, theirs = here.choose(logits[step], range(4)), there.took(range(4), ahead.take(range(4)))
        assert [choice.id for choice in ours] == [choice.id for choice in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert other.logprob == pytest.approx(one.logprob, abs=1e-4)
            assert other.sampled_logprob == pytest.approx(one.sampled_logprob, abs=1e-4)
    assert not ahead.has_next
