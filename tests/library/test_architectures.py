"""What is read from the source of transformers equals what transformers says of itself."""

import subprocess
import sys
from typing import Any

import pytest

from chatdesk.library import architectures, configs


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from chatdesk.library import architectures as a, catalogue;"
        "assert 'GPT2LMHeadModel' in a.causal_lms()['gpt2'];"
        "assert 'n_embd' in a.known_keys('gpt2');"
        "assert 'LlamaTokenizerFast' in a.tokenizer_classes();"
        "print([m for m in ('torch', 'transformers', 'safetensors', 'accelerate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_keys_that_only_the_modelling_code_reads_are_known() -> None:
    assert "head_dim" in (architectures.known_keys("qwen2") or ())


def test_keys_of_the_loader_are_not_keys_of_a_config() -> None:
    known = architectures.known_keys("gpt2")
    assert known is not None
    assert not known & {
        "get_text_config",
        "to_dict",
        "trust_remote_code",
        "cache_dir",
        "token",
        "revision",
        "gguf_file",
        "auto_map",
    }


@pytest.mark.parametrize("model_type", ["no_such_model", "../gpt2", "", "x" * 1000, "gpt2\0", "auto/../gpt2"])
def test_foreign_types_are_unknown(model_type: str) -> None:
    assert architectures.known_keys(model_type) is None


def test_without_a_config_class_only_dangerous_keys_go() -> None:
    config, dropped = configs.clean({"invented": [1], "auto_map": {}, "a_config": {"x": 1}}, "no_such_model")
    assert config == {"invented": [1], "a_config": {"x": 1}}
    assert dropped == ("auto_map",)


def _survives(model_type: str) -> None:
    """A default config, written by transformers, makes the same config with and without cleaning."""
    from transformers import CONFIG_MAPPING

    kind: Any = CONFIG_MAPPING[model_type]
    try:
        written = kind().to_dict()
        del written["model_type"]
        expected = kind(**written).to_dict()
    except Exception as error:
        pytest.skip(f"has no defaults: {error}")
    cleaned, _ = configs.clean(written, model_type)
    assert {**kind(**cleaned).to_dict(), "_name_or_path": ""} == expected


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "qwen3_moe", "gemma3"])
def test_cleaning_changes_no_good_config(model_type: str) -> None:
    _survives(model_type)


@pytest.mark.soak
@pytest.mark.parametrize("model_type", sorted(architectures.causal_lms()))
def test_cleaning_changes_no_good_config_of_any_architecture(model_type: str) -> None:
    _survives(model_type)


def test_the_list_of_causal_models_is_that_of_transformers() -> None:
    from transformers.models.auto import modeling_auto

    theirs = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    assert {kind: names[0] for kind, names in architectures.causal_lms().items()} == dict(theirs)
