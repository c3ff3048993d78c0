"""Adapters in the local engine: on they compute what peft computes, off there is the base again, bit for bit."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from chatdesk.engine.api import ChatMessage, Failed, Finished, Generate, Started
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.runner import Runner
from chatdesk.errors import Fault
from tests.engine.adapters import TARGETS, change_config, change_tensors, make_adapter, model_of, with_adapter
from tests.engine.local.driving import GREEDY, generate, ids_of, load, only
from tests.engine.local.greedy import is_near_tie, prompt_of, reference

PROMPT = "The quick brown fox jumps over the lazy dog"


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = LocalEngine()
    yield made
    made.close()


@pytest.fixture
def adapter(checkpoint: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Makes an adapter of a model type."""

    def make(model_type: str, name: str = "adapter", **more: Any) -> Path:
        return make_adapter(tmp_path / name, checkpoint(model_type), model_type, **more)

    return make


def logits(engine: LocalEngine, prompt: tuple[int, ...]) -> torch.Tensor:
    model = engine._loaded().checkpoint.model
    with torch.inference_mode():
        return model(torch.tensor([prompt])).logits[0]


@pytest.mark.parametrize("model_type", TARGETS)
def test_on_is_peft_and_off_is_the_base(
    model_type: str, engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    folder, base = adapter(model_type), model_of(checkpoint(model_type))
    load(engine, checkpoint(model_type))
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    for seed, length in enumerate([3, 40]):
        text = prompt_of(engine, length, seed)
        before, on, after = (generate(engine, text, adapter=path) for path in ("", str(folder), ""))
        prompt = only(on, Started).prompt_token_ids
        theirs = with_adapter(checkpoint(model_type), folder)
        assert ids_of(before) == ids_of(after)
        expected = reference(theirs, prompt, 16)
        assert ids_of(on) == expected or is_near_tie(theirs, prompt, ids_of(on), expected)
        assert ids_of(on) != ids_of(before)
        own = reference(base, prompt, 16)
        assert ids_of(after) == own or is_near_tie(base, prompt, ids_of(after), own)
        with torch.inference_mode():
            bare = base(torch.tensor([prompt])).logits[0]
        assert torch.equal(logits(engine, prompt), bare)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"layers.1.self_attn.q_proj": 32, "down_proj": 3}},
        {"layers_to_transform": [1], "target_modules": ["q_proj", "up_proj"]},
        {"target_modules": r".*\.(0|1)\.self_attn\.(q|o)_proj"},
        {"target_modules": "all-linear"},
        {"target_modules": ["lm_head", "q_proj"]},
    ],
    ids=["plain", "rslora", "patterns", "some layers", "a regex", "all", "the head"],
)
def test_it_is_the_merged_computation(
    config: dict[str, Any], engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    folder = adapter("llama", **config)
    load(engine, checkpoint("llama"))
    prompt = only(generate(engine, PROMPT, adapter=str(folder)), Started).prompt_token_ids
    merged = with_adapter(checkpoint("llama"), folder).merge_and_unload()
    with torch.inference_mode():
        expected = merged(torch.tensor([prompt])).logits[0]
    torch.testing.assert_close(logits(engine, prompt), expected, rtol=1e-4, atol=1e-4)


def test_a_head_that_came_with_the_adapter_must_be_the_models(
    engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    """peft saves a copy of the head with an adapter for it, and puts it in the place of the model's."""
    folder = adapter("llama", target_modules=["lm_head", "q_proj"])
    key = "base_model.model.lm_head.base_layer.weight"
    load(engine, checkpoint("llama"))
    change_tensors(folder, lambda tensors: tensors.update({key: tensors[key].bfloat16().float()}))
    assert only(generate(engine, PROMPT, adapter=str(folder)), Started)
    change_tensors(folder, lambda tensors: tensors.update({key: tensors[key] + 0.1}))
    failed = only(generate(engine, PROMPT, adapter=str(folder)), Failed)
    assert failed.fault == Fault.ADAPTER_DOES_NOT_FIT
    assert failed.fields["reason"] == "it was trained on another lm_head than this model's"


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "int4"])
@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_behind_layers_of_less_precision(
    model_type: str, dtype: str, engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    folder = adapter(model_type)
    load(engine, checkpoint(model_type), dtype)
    plain = generate(engine, PROMPT)
    prompt = only(plain, Started).prompt_token_ids
    without = logits(engine, prompt)
    layer, inputs = _first_layer(engine, folder), []
    hook = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].clone()))
    generate(engine, PROMPT, adapter=str(folder))
    hook.remove()
    x, name = inputs[0], _first_name(folder)
    tensors = load_file(folder / "adapter_model.safetensors")
    a, b = (tensors[f"base_model.model.{name}.lora_{letter}.weight"] for letter in "AB")
    added = layer(x).float() - layer.forward(x).float()
    expected = x.float() @ a.T @ b.T * 2
    assert (added - expected).square().mean().sqrt() < 0.03 * expected.square().mean().sqrt()
    assert not torch.equal(logits(engine, prompt), without)
    assert ids_of(generate(engine, PROMPT)) == ids_of(plain)
    assert torch.equal(logits(engine, prompt), without)


def _first_name(folder: Path) -> str:
    key = min(load_file(folder / "adapter_model.safetensors"))
    return key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")


def _first_layer(engine: LocalEngine, folder: Path) -> Any:
    return engine._loaded().checkpoint.model.get_submodule(_first_name(folder))


def test_no_keys_and_values_of_another_adapter_are_used(
    engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    one, two = adapter("llama", "one"), adapter("llama", "two", seed=5)
    load(engine, checkpoint("llama"))
    fresh = {}
    for path in ("", str(one), str(two)):
        other = LocalEngine()
        load(other, checkpoint("llama"))
        fresh[path] = ids_of(generate(other, PROMPT, adapter=path))
        other.close()
    assert len({tuple(ids) for ids in fresh.values()}) == 3
    reused = []
    for path in ("", str(one), str(one), "", "", str(two), str(one)):
        events = generate(engine, PROMPT, adapter=path)
        assert ids_of(events) == fresh[path]
        reused.append(only(events, Finished).reused_tokens > 0)
    assert reused == [False, False, True, False, True, False, False]


def test_steps_over_buffers_that_stay_are_made_anew(
    engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that a GPU has captured computes with what was on then."""
    folder = str(adapter("llama"))
    found = []
    for devices in ((), ("cpu",)):
        monkeypatch.setattr(Runner, "STEP_DEVICES", devices)
        load(engine, checkpoint("llama"))
        found.append([ids_of(generate(engine, PROMPT, adapter=path)) for path in ("", folder, "", folder)])
    plain, steps = found
    assert plain == steps
    assert plain[0] != plain[1]
    maker = engine._loaded()._cache.runner.steps
    assert (maker.is_on, maker.made) == (True, 4)


def test_drafts_all_have_it(engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]) -> None:
    folder = str(adapter("gpt2"))
    load(engine, checkpoint("gpt2"))
    alone = ids_of(generate(engine, PROMPT, adapter=folder))
    events = generate(engine, PROMPT, adapter=folder, drafts=3)
    assert [ids_of(events, draft) for draft in range(3)] == [alone] * 3


def test_the_same_conversation_with_and_without(
    engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    folder = str(adapter("qwen2"))
    load(engine, checkpoint("qwen2"))
    first = generate(engine, (ChatMessage("user", "hello"),), adapter=folder)
    said = ChatMessage("assistant", "x", tuple(ids_of(first)))
    turns = (ChatMessage("user", "hello"), said, ChatMessage("user", "and the dog?"))
    with_it, without = (generate(engine, turns, adapter=path) for path in (folder, ""))
    assert only(with_it, Started).prompt_token_ids == only(without, Started).prompt_token_ids
    assert ids_of(with_it) != ids_of(without)


def test_a_file_that_has_changed_is_read_again(
    engine: LocalEngine, checkpoint: Callable[..., Path], adapter: Callable[..., Path]
) -> None:
    folder = adapter("gpt2")
    load(engine, checkpoint("gpt2"))
    first = ids_of(generate(engine, PROMPT, adapter=str(folder)))
    plain = ids_of(generate(engine, PROMPT))
    change_tensors(folder, lambda tensors: [tensor.zero_() for name, tensor in tensors.items() if "lora_B" in name])
    assert ids_of(generate(engine, PROMPT, adapter=str(folder))) == plain != first


def broken(fault: Fault, mention: str, damage: Callable[[Path], Any]) -> Any:
    return pytest.param(fault, mention, damage, id=mention)


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors[max(tensors)][0, 0] = float("nan")


def _wider(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if "lora_B" in name)
    tensors[name] = torch.zeros(tensors[name].shape[0] + 1, 4)


def _elsewhere(tensors: dict[str, torch.Tensor]) -> None:
    for name in list(tensors):
        tensors[name.replace("c_fc", "ln_9")] = tensors.pop(name)


@pytest.mark.parametrize(
    ("fault", "mention", "damage"),
    [
        broken(Fault.BROKEN_SAFETENSORS, "no number (NaN", lambda folder: change_tensors(folder, _nan)),
        broken(Fault.ADAPTER_DOES_NOT_FIT, "this model's is", lambda folder: change_tensors(folder, _wider)),
        broken(Fault.ADAPTER_DOES_NOT_FIT, "no matrix of this", lambda folder: change_tensors(folder, _elsewhere)),
        broken(Fault.NOT_AN_ADAPTER, "use_dora", lambda folder: change_config(folder, use_dora=True)),
        broken(Fault.NOT_AN_ADAPTER, "is missing", lambda folder: (folder / "adapter_model.safetensors").unlink()),
        broken(Fault.FILE_NOT_FOUND, "does not exist", lambda folder: folder.rename(folder.with_name("away"))),
    ],
)
def test_a_broken_one_is_refused_and_the_base_goes_on(
    fault: Fault,
    mention: str,
    damage: Callable[[Path], Any],
    engine: LocalEngine,
    checkpoint: Callable[..., Path],
    adapter: Callable[..., Path],
) -> None:
    good, bad = adapter("gpt2", "good"), adapter("gpt2", "bad")
    damage(bad)
    load(engine, checkpoint("gpt2"))
    plain, on = (ids_of(generate(engine, PROMPT, adapter=path)) for path in ("", str(good)))
    failed = list(engine.run(Generate(3, PROMPT, GREEDY, adapter=str(bad))))[-1]
    assert isinstance(failed, Failed)
    assert failed.fault == fault
    assert mention in str(_error(failed))
    assert ids_of(generate(engine, PROMPT)) == plain
    assert ids_of(generate(engine, PROMPT, adapter=str(good))) == on


def _error(failed: Failed) -> Exception:
    from chatdesk.errors import UserError

    return UserError(Fault(failed.fault), **failed.fields)
