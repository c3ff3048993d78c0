"""A part of a prompt over a cache in two calls of torch's kernel: as one masked call, and used where it should be."""

import pytest
import torch
from transformers.masking_utils import causal_mask_function, sliding_window_causal_mask_function

from chatdesk.engine.local import LocalEngine, chunk_attention
from chatdesk.engine.local.cache import Batch
from tests.engine.checkpoints import SIZES, make_checkpoint
from tests.engine.local.driving import load

IDS = [2 + 7 * i % 150 for i in range(90)]
PLAIN = {"gpt2", "gpt_neox", "granite", "llama", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3"}
NEVER = {"bloom", "gemma2", "gpt_neo", "mamba", "mistral", "mpt", "openai-gpt", "starcoder2"}


@pytest.fixture
def calls(monkeypatch):
    """New and kept tokens of each call, however few are kept."""
    found, attend = [], chunk_attention.attend

    def noted(query, key, value, scale):
        found.append((query.shape[2], key.shape[2] - query.shape[2]))
        return attend(query, key, value, scale)

    monkeypatch.setattr(chunk_attention, "attend", noted)
    monkeypatch.setattr(chunk_attention, "LEAST_KEPT", 1)
    return found


@pytest.fixture
def engine():
    """An engine of this process."""
    engine = LocalEngine()
    yield engine
    engine.close()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("heads", "shared"), [(4, 4), (6, 2), (5, 1)])
def test_it_is_attention(dtype, heads, shared):
    """Beside softmax(QKᵀs + mask)V in float64; two rows, keys with room behind them, a scale of its own."""
    torch.manual_seed(1)
    new, kept, size = 33, 70, 16
    query = torch.randn(2, new, heads, size).to(dtype).transpose(1, 2)
    key, value = (torch.randn(2, shared, 128, size).to(dtype)[:, :, : new + kept] for _ in range(2))
    mask = torch.ones(new, new + kept, dtype=torch.bool).tril(kept)
    wide = [part.double().repeat_interleave(heads // shared, 1) for part in (key, value)]
    scores = (query.double() @ wide[0].transpose(-1, -2) * 0.3).masked_fill(~mask, float("-inf"))
    plain = scores.softmax(-1) @ wide[1]
    found = chunk_attention.attend(query, key, value, 0.3)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), plain, rtol=0, atol=2e-6 if dtype == torch.float32 else 0.02)


@pytest.mark.parametrize("model_type", sorted(SIZES))
def test_a_prompt_in_parts(tmp_path, engine, calls, model_type):
    """The logits of a prompt at one go; in two calls exactly where a layer hides nothing but what comes later."""
    load(engine, make_checkpoint(tmp_path, model_type))
    runner = engine._loaded()._cache.runner
    whole = Batch(runner).extend([IDS])
    assert not calls
    parts = Batch(runner)
    if not parts.can_continue and runner.cache_name:
        return  # recurrent: it is never read in parts
    for first, end in ((0, 37), (37, 50), (50, 90)):
        logits = parts.extend([IDS[first:end]])
    torch.testing.assert_close(logits, whole, rtol=1e-4, atol=2e-4)
    assert {(13, 37), (40, 50)} >= set(calls)
    if model_type in PLAIN:
        assert len(calls) == 4  # two layers, two parts
    if model_type in NEVER:
        assert not calls


def test_not_where_little_is_kept(tmp_path, engine, calls, monkeypatch):
    """Nor for a single token."""
    monkeypatch.setattr(chunk_attention, "LEAST_KEPT", 38)
    load(engine, make_checkpoint(tmp_path, "llama"))
    batch = Batch(engine._loaded()._cache.runner)
    for first, end in ((0, 37), (37, 50), (50, 51)):
        batch.extend([IDS[first:end]])
    assert not calls
    batch.extend([IDS[51:60]])
    assert calls == [(9, 51), (9, 51)]


@pytest.mark.parametrize("change", ["padding", "window", "slice", "room", "tensor"])
def test_other_masks_stay(change):
    """What hides more, or was made of a mask, carries no mark."""
    given = {"batch_size": 1, "q_length": 4, "kv_length": 9, "q_offset": 5, "kv_offset": 0, "attention_mask": None}
    given["mask_function"] = causal_mask_function
    assert getattr(chunk_attention._mask(**given), chunk_attention._MARK)
    if change == "padding":
        given["attention_mask"] = torch.tensor([[False] + [True] * 8])
    if change == "window":
        given["mask_function"] = sliding_window_causal_mask_function(3)
    if change == "room":
        given["kv_length"] = 12
    if change == "tensor":
        given["q_offset"] = torch.tensor(5)
    mask = chunk_attention._mask(**given)
    if change == "slice":
        mask = mask[:, :, :, :8]
    assert not getattr(mask, chunk_attention._MARK, False)
