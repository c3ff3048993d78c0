"""LoRA adapters for the tiny checkpoints, made by peft as a person would make them, but with numbers drawn widely."""

import json
import warnings
from pathlib import Path
from typing import Any

TARGETS: dict[str, list[str]] = {
    "gpt2": ["c_attn", "c_proj", "c_fc"],
    "llama": ["q_proj", "v_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "o_proj", "gate_proj"],
    "falcon": ["query_key_value", "dense_4h_to_h"],
    "gpt_neox": ["query_key_value", "dense"],
    "phi3": ["qkv_proj", "gate_up_proj"],
    "mamba": ["in_proj", "x_proj"],
}
"""What to change by model type: GPT-2's transposed matrices, single and fused ones, a recurrent model's."""


def model_of(base: Path) -> Any:
    """transformers' own model of a checkpoint, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def with_adapter(base: Path, folder: Path) -> Any:
    """peft's own model of a checkpoint and an adapter."""
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft calls what transformers has renamed
        return PeftModel.from_pretrained(model_of(base), folder).eval()


def make_adapter(folder: Path, base: Path, model_type: str, *, seed: int = 0, **config: Any) -> Path:
    """Write an adapter for the checkpoint ``base`` and return its folder; ``config`` overrides peft's LoraConfig."""
    import torch
    from peft import LoraConfig, get_peft_model

    values = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": TARGETS[model_type],
        "fan_in_fan_out": model_type == "gpt2",
        "task_type": "CAUSAL_LM",
        **config,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(model_of(base), LoraConfig(**values))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[1] ** -0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without a net it cannot ask about the vocabulary of the base
        model.save_pretrained(folder)
    return folder


def change_config(folder: Path, **entries: Any) -> None:
    """Put other values into an adapter's config."""
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **entries}))


def change_tensors(folder: Path, change: Any) -> None:
    """Write the dict of an adapter's tensors anew as ``change`` leaves it."""
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
