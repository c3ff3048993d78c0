"""Adapters as files: what is one, what is refused and why, and which checkpoint it fits. No torch."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import adapters, safety
from tests.library.conftest import Folder

ATTENTION, PROJECTION = "transformer.h.{}.attn.c_attn", "transformer.h.{}.attn.c_proj"
CONFIG: dict[str, Any] = {
    "peft_type": "LORA",
    "base_model_name_or_path": "someone/small",
    "r": 2,
    "lora_alpha": 6,
    "target_modules": ["c_attn"],
    "bias": "none",
    "fan_in_fan_out": True,
    "modules_to_save": None,
    "use_dora": False,
    "lora_dropout": 0.1,
    "megatron_core": "megatron.core",
    "qalora_group_size": 16,
    "task_type": "CAUSAL_LM",
}


def pair(module: str, inputs: int, outputs: int, rank: int = 2) -> dict[str, list[int]]:
    return {
        f"base_model.model.{module}.lora_A.weight": [rank, inputs],
        f"base_model.model.{module}.lora_B.weight": [outputs, rank],
    }


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., Folder]:
    """Makes an adapter: its name, its tensors, and what its config says otherwise."""

    def make(tensors: dict[str, list[int]] | None = None, name: str = "pirate", **config: Any) -> Folder:
        folder = Folder(tmp_path / name)
        folder.json(adapters.CONFIG, {**CONFIG, **config})
        width = 4
        shapes = tensors or {
            key: shape for layer in (0, 1) for key, shape in pair(ATTENTION.format(layer), width, 3 * width).items()
        }
        folder.weights(shapes, name=adapters.WEIGHTS)
        return folder

    return make


def refusal(folder: Path) -> UserError:
    with pytest.raises(UserError) as raised:
        adapters.check(folder)
    return raised.value


def test_what_it_says(adapter: Callable[..., Folder]) -> None:
    found = adapters.check(adapter().path)
    assert (found.name, found.base, found.rank, found.parameters) == ("pirate", "someone/small", 2, 2 * 2 * (4 + 12))
    part = found.parts[ATTENTION.format(1)]
    assert (part.rank, part.inputs, part.outputs, part.scale) == (2, 4, 12, 3.0)
    assert found.targets == {"c_attn"}


def test_scales_of_their_own(adapter: Callable[..., Folder]) -> None:
    tensors = {**pair(ATTENTION.format(0), 4, 12), **pair(ATTENTION.format(1), 4, 12, rank=4)}
    folder = adapter(tensors, use_rslora=True, rank_pattern={"h.1.attn.c_attn": 4}, alpha_pattern={"1.attn.c_attn": 10})
    parts = adapters.check(folder.path).parts
    assert parts[ATTENTION.format(0)].scale == pytest.approx(6 / 2**0.5)
    assert parts[ATTENTION.format(1)].scale == pytest.approx(10 / 2)


@pytest.mark.parametrize(
    ("config", "mention"),
    [
        ({"peft_type": "LOHA"}, "of the kind LOHA"),
        ({"peft_type": None}, "of the kind None"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"layer_replication": [[0, 1], [0, 2]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"of_a_later_version": {"x": 1}}, "of_a_later_version"),
        ({"bias": "all"}, "biases"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"init_lora_weights": ["x"]}, "training began"),
        ({"r": 4}, "the rank of transformer.h.0.attn.c_attn is 2 in one place and 4"),
        ({"r": 2.5}, "r is 2.5"),
        ({"r": True}, "r is True"),
        ({"lora_alpha": 10**400}, "lora_alpha is 1000"),
        ({"lora_alpha": "8"}, "lora_alpha is 8"),
        ({"alpha_pattern": {"(a+)+$": 3}}, "alpha_pattern does not name"),
        ({"alpha_pattern": [1]}, "alpha_pattern does not name"),
        ({"rank_pattern": {"c_attn": 0}}, "rank_pattern is 0"),
        ({"target_modules": []}, "no list of names"),
        ({"target_modules": ["(a+)+$"]}, "no list of names"),
        ({"target_modules": [1]}, "no list of names"),
        ({"target_modules": "a" * 501}, "longer than 500"),
        ({"target_modules": ["a"] * 1001}, "no list of names"),
    ],
)
def test_a_config_that_is_refused(adapter: Callable[..., Folder], config: dict[str, Any], mention: str) -> None:
    error = refusal(adapter(**config).path)
    assert error.fault is Fault.NOT_AN_ADAPTER
    assert mention in str(error)


@pytest.mark.parametrize(
    ("tensors", "mention"),
    [
        ({"base_model.model.x.lora_A.weight": [2, 4]}, "x has only one of its two"),
        ({**pair("x", 4, 4), "base_model.model.x.lora_A.default.weight": [2, 4]}, "twice"),
        ({**pair("x", 4, 4), "base_model.model.x.lora_magnitude_vector": [4]}, "lora_magnitude_vector belongs to no"),
        ({**pair("x", 4, 4), "base_model.model.lm_head.weight": [8, 4]}, "lm_head.weight belongs to no"),
        ({**pair("x", 4, 4), "base_model.model.wte.lora_embedding_A": [2, 8]}, "lora_embedding_A belongs to no"),
        ({"base_model.model.x.lora_A.weight": [2, 4, 1], "base_model.model.x.lora_B.weight": [4, 2]}, "no matrix"),
        (
            {"base_model.model.x.lora_A.weight": [2, 4], "base_model.model.x.lora_B.weight": [4, 3]},
            "in one place and 3",
        ),
        ({"base_model.model...x.lora_A.weight": [2, 4]}, "belongs to no"),
        (pair("x.__class__.__init__", 0, 4), "must be from 1"),
        (pair("x", 4, 4, rank=0), "in another"),
    ],
)
def test_tensors_that_are_refused(adapter: Callable[..., Folder], tensors: dict[str, list[int]], mention: str) -> None:
    error = refusal(adapter(tensors).path)
    assert error.fault is Fault.NOT_AN_ADAPTER
    assert mention in str(error)


def test_files_that_are_refused(adapter: Callable[..., Folder], tmp_path: Path) -> None:
    folder = adapter()
    (folder.path / adapters.WEIGHTS).rename(folder.path / "adapter_model.bin")
    assert refusal(folder.path).fault is Fault.ONLY_PICKLE
    (folder.path / "adapter_model.bin").unlink()
    assert "adapter_model.safetensors is missing" in str(refusal(folder.path))
    (folder.path / adapters.WEIGHTS).symlink_to(adapter(name="other").path / adapters.WEIGHTS)
    assert refusal(folder.path).fault is Fault.UNSAFE_PATH
    assert refusal(tmp_path / "nowhere").fault is Fault.FILE_NOT_FOUND
    plain = Folder(tmp_path / "plain")
    plain.text("notes.txt", "")
    assert "adapter_config.json is missing" in str(refusal(plain.path))
    assert not adapters.is_adapter(plain.path)


def test_configs_of_strangers(adapter: Callable[..., Folder]) -> None:
    folder = adapter(auto_mapping={"trust_remote_code": True})
    assert refusal(folder.path).fault is Fault.UNSAFE_CONFIG
    folder.text(adapters.CONFIG, '{"peft_type": "LORA", "peft_type": "LOHA"}')
    assert refusal(folder.path).fault is Fault.BROKEN_CONFIG
    folder.text(adapters.CONFIG, " " * 2**20 + json.dumps(CONFIG))
    assert refusal(folder.path).fault is Fault.LIMIT_EXCEEDED
    folder.json(adapters.CONFIG, {**CONFIG, "base_model_name_or_path": "a\nb" * 1000})
    assert adapters.check(folder.path).base == ("a?b" * 34)[:100] + "…"
    folder.json(adapters.CONFIG, {**CONFIG, "base_model_name_or_path": None})
    assert adapters.check(folder.path).base == "(it does not say)"


def test_a_truncated_file(adapter: Callable[..., Folder]) -> None:
    folder = adapter()
    path = folder.path / adapters.WEIGHTS
    path.write_bytes(path.read_bytes()[:-4])
    assert refusal(folder.path).fault is Fault.BROKEN_SAFETENSORS


def base(folder: Folder, shapes: dict[str, list[int]]) -> safety.Checked:
    """The checkpoint in ``folder`` with these tensors."""
    folder.weights(shapes)
    return safety.check(folder.path)


def gpt2(prefix: str = "transformer.", layers: int = 2, width: int = 4) -> dict[str, list[int]]:
    shapes = {f"{prefix}wte.weight": [10, width]}
    for layer in range(layers):
        shapes[f"{prefix}h.{layer}.attn.c_attn.weight"] = [width, 3 * width]
        shapes[f"{prefix}h.{layer}.attn.c_proj.weight"] = [width, width]
    return shapes


@pytest.mark.parametrize("prefix", ["transformer.", "", "model.language.transformer."])
def test_it_fits(adapter: Callable[..., Folder], make: Any, prefix: str) -> None:
    adapters.require_fit(adapters.check(adapter().path), base(make(), gpt2(prefix)), "Small")


@pytest.mark.parametrize(
    ("shapes", "mention"),
    [
        (gpt2(width=8), "c_attn would be 12 × 4, and this model's is 8 × 24"),
        (gpt2(layers=1), "it changes transformer.h.1.attn.c_attn, which this model does not have"),
        (gpt2(layers=3), "its numbers for transformer.h.2.attn.c_attn are missing"),
        (gpt2("model.layers."), "it changes transformer.h.0.attn.c_attn, which this"),
        ({"model.layers.0.q_proj.weight": [4, 4]}, "which this model does not have"),
    ],
)
def test_it_does_not_fit(adapter: Callable[..., Folder], make: Any, shapes: dict[str, list[int]], mention: str) -> None:
    with pytest.raises(UserError) as raised:
        adapters.require_fit(adapters.check(adapter().path), base(make(), shapes), "Small")
    assert raised.value.fault is Fault.ADAPTER_DOES_NOT_FIT
    for words in ("The adapter pirate does not fit Small", mention, "someone/small"):
        assert words in str(raised.value)


def test_a_whole_kind_that_is_missing(adapter: Callable[..., Folder], make: Any) -> None:
    checked = adapters.check(adapter(target_modules=["c_attn", "c_proj"]).path)
    with pytest.raises(UserError, match=r"its numbers for transformer.h.0.attn.c_proj are missing"):
        adapters.require_fit(checked, base(make(), gpt2()), "Small")


@pytest.mark.parametrize(
    "config", [{"layers_to_transform": [0]}, {"exclude_modules": ["h.1.attn.c_attn"]}, {"target_modules": "x.*"}]
)
def test_some_layers_are_enough_where_it_says_so(
    adapter: Callable[..., Folder], make: Any, config: dict[str, Any]
) -> None:
    checked = adapters.check(adapter(pair(ATTENTION.format(0), 4, 12), **config).path)
    adapters.require_fit(checked, base(make(), gpt2()), "Small")


def test_the_tied_head_is_in_no_file(adapter: Callable[..., Folder], make: Any) -> None:
    checked = adapters.check(adapter(pair("lm_head", 4, 10), target_modules=["lm_head"]).path)
    adapters.require_fit(checked, base(make(), gpt2()), "Small")
