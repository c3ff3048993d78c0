"""Prompts in two bytes are read in few lengths, and nothing comes out otherwise for it."""

from types import SimpleNamespace

import pytest
import torch

from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.padding import Padding
from tests.engine.checkpoints import CORE, make_checkpoint
from tests.engine.local.driving import load

IDS = [2 + 7 * i % 150 for i in range(90)]


def of_model(dtype: torch.dtype = torch.bfloat16, positions: int | None = 10_000, rope: str = "default") -> Padding:
    """That of a model of which only this is known."""
    config = SimpleNamespace(max_position_embeddings=positions)
    config.get_text_config = lambda: config
    modules = [SimpleNamespace(), SimpleNamespace(rope_type=rope)]
    return Padding(SimpleNamespace(device=torch.device("cpu"), dtype=dtype, config=config, modules=lambda: modules))


@pytest.fixture
def loaded():
    """Loads a checkpoint; gives the way it is run."""
    engine = LocalEngine()

    def run(folder, dtype: str):
        load(engine, folder, dtype)
        return engine._loaded()._cache.runner

    yield run
    engine.close()


def test_lengths_are_few():
    """Sixty up to 4,096 tokens, and an eighth is added at most."""
    padding = of_model()
    spare = {tokens: padding.of(tokens, 0) for tokens in range(1, 4097)}
    assert len({tokens + more for tokens, more in spare.items()}) <= 64
    assert all(0 <= more <= max(7, tokens / 8) for tokens, more in spare.items())


def test_who_is_not_read_so():
    """Four bytes; positions that end or are not known, or depend on the length."""
    assert of_model().of(70, 0) == 2
    assert of_model(dtype=torch.float32).of(70, 0) == 0
    assert of_model(rope="dynamic").of(70, 0) == 0
    assert of_model(positions=None).of(70, 0) == 0
    assert of_model(positions=100).of(70, 28) == 2
    assert of_model(positions=100).of(70, 29) == 0


@pytest.mark.parametrize("model_type", CORE)
def test_nothing_comes_out_otherwise(tmp_path, loaded, model_type, monkeypatch):
    """A prompt in two parts, a token, a turn: as without spare tokens, logits and cache, but for rounding."""
    runner = loaded(make_checkpoint(tmp_path, model_type), "bfloat16")
    found = []
    for padding in (runner.padding, SimpleNamespace(of=lambda *_: 0)):
        monkeypatch.setattr(runner, "padding", padding)
        batch, logits = Batch(runner), []
        for first, end in ((0, 37), (37, 50), (50, 51), (51, 90)):
            logits.append(batch.extend([IDS[first:end]]))
            assert batch.length == end
        parts = batch.tail(0) if batch.can_part else []
        assert all(keys.shape[2] == values.shape[2] == 90 for keys, values in parts)
        found.append([*logits, *(tensor for pair in parts for tensor in pair)])
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours.float(), plain.float(), atol=0.03, rtol=0.03)


def test_a_stop_while_spare_tokens_are_read(tmp_path, loaded):
    """The batch is as it was before."""
    runner = loaded(make_checkpoint(tmp_path, "llama"), "bfloat16")
    assert runner.padding.of(37, 10)
    batch, again = Batch(runner), Batch(runner)
    batch.extend([IDS[:10]])
    answers = iter([False, True])
    runner.brake.should_stop = lambda: next(answers)
    with pytest.raises(Stopped):
        batch.extend([IDS[10:47]])
    runner.brake.should_stop = lambda: False
    again.extend([IDS[:10]])
    assert torch.equal(batch.extend([IDS[10:47]]), again.extend([IDS[10:47]]))
    assert batch.length == batch._cache.layers[0].get_seq_length() == 47
