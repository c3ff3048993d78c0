"""Greedy output equals that of transformers' own `generate`, token for token, in float32."""

import pytest

from tests.engine.checkpoints import CORE, SIZES
from tests.engine.local.greedy import compare


@pytest.mark.parametrize("model_type", CORE)
def test_greedy_equals_generate(checkpoint, model_type):
    """Short, and longer than one chunk of the prefill and than the sliding window."""
    assert compare(checkpoint(model_type), [1, 130], 8) <= 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("model_type", list(SIZES))
@pytest.mark.parametrize("prompts", [40])
def test_greedy_equals_generate_widely(checkpoint, model_type, prompts):
    """Prompts of 1 to 300 tokens on every architecture there is a checkpoint for."""
    lengths = [1, 2, 3, 300, *(1 + 299 * i // prompts for i in range(prompts))]
    assert compare(checkpoint(model_type), lengths, 32) <= len(lengths) // 10
