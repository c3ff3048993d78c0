"""The yardsticks of a measurement: they measure what they say, and leave the model as it was."""

import itertools
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from chatdesk.engine.api import Finished, Load, Loaded, Measure, Measured
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.bench import Bench, _Sizes
from chatdesk.engine.local.yardsticks import bandwidth, bytes_per_token, generate_times, weight_bytes
from chatdesk.errors import Fault, UserError
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import GREEDY, generate

CPU = torch.device("cpu")


def model_of(model_type: str, **values: object) -> torch.nn.Module:
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(model_type, **values), dtype=torch.float32)


def test_a_token_reads_all_weights_but_other_rows_of_the_embedding() -> None:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 100, "n_positions": 64}
    tied = model_of("gpt2", **sizes, tie_word_embeddings=True)
    apart = model_of("gpt2", **sizes, tie_word_embeddings=False)
    assert bytes_per_token(tied, CPU) == weight_bytes(tied)
    assert bytes_per_token(apart, CPU) == weight_bytes(apart) - 100 * 32 * 4 == bytes_per_token(tied, CPU)


def test_a_token_reads_the_experts_that_it_asks() -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "intermediate_size": 64}
    model = model_of("qwen3_moe", **sizes, **experts, vocab_size=100, tie_word_embeddings=True, decoder_sparse_step=1)
    all_experts = 8 * 3 * 64 * 32 * 4
    assert bytes_per_token(model, CPU) == weight_bytes(model) - all_experts * 3 // 4


def test_weights_in_two_places_have_no_one_limit() -> None:
    model = model_of("gpt2", n_embd=32, n_layer=2, n_head=2, vocab_size=100, n_positions=64)
    model.transformer.h[1].to("meta")
    assert bytes_per_token(model, CPU) is None


def test_generate_has_as_many_times_as_tokens_and_stops_when_told() -> None:
    model = model_of("gpt2", n_embd=32, n_layer=2, n_head=2, vocab_size=100, n_positions=64)
    times = generate_times(model, [1, 2, 3], 12)
    assert len(times) == 12
    assert times == sorted(times)
    asked = itertools.count(1)
    assert len(generate_times(model, [1, 2, 3], 12, lambda: next(asked) == 4)) == 4


def test_a_memory_has_a_speed() -> None:
    assert bandwidth(CPU, 8 << 20) > 1e6


def test_a_measurement_stops_inside_a_token_and_between_reads(tmp_path: Path) -> None:
    """Wherever it is cancelled: no further layer of the plain way is computed, and nothing more is read or copied."""
    engine = LocalEngine()
    assert isinstance(list(engine.run(Load(1, str(make_checkpoint(tmp_path, "llama")), context=128)))[-1], Loaded)
    generator, layers = engine._loaded(), list[int]()
    bench = Bench(generator, Measure(3), lambda: len(layers) > 8)
    sizes = _Sizes(8, 16, 8, 8)
    hook = next(iter(generator.checkpoint.model.model.layers)).register_forward_hook(lambda *_: layers.append(1))
    with pytest.raises(UserError) as caught:
        bench._measure_decode(sizes, is_own_first=False)
    hook.remove()
    assert caught.value.fault is Fault.CANCELLED
    assert len(layers) == 9
    asked = itertools.count(1)
    with pytest.raises(UserError):
        bandwidth(CPU, 256 << 20, lambda: bench._check_cancelled() if next(asked) > 3 else None)
    assert next(asked) == 5
    engine.close()


def test_measuring_changes_nothing_that_is_said(tmp_path: Path) -> None:
    """A model that reads its prompt again each turn can be measured, too; an end token ends replies afterwards."""
    folder = str(make_checkpoint(tmp_path / "mamba", "mamba"))
    engine = LocalEngine()
    assert isinstance(list(engine.run(Load(1, folder, context=128)))[-1], Loaded)
    before, ends = generate(engine, "once upon a time", GREEDY, seed=1), engine._loaded().checkpoint.eos_ids
    assert ends
    found = list(engine.run(Measure(3)))[-1]
    assert isinstance(found, Measured), found
    assert found.speeds.reused_tokens == 0
    assert engine._loaded().checkpoint.eos_ids == ends
    after = generate(engine, "once upon a time", GREEDY, seed=1)
    kept = [[event for event in events if not isinstance(event, Finished)] for events in (before, after)]
    assert kept[0] == kept[1]
    engine.close()
