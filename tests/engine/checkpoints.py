"""Tiny random checkpoints of many architectures, with a real byte-level tokenizer, made at test time.

The weights are drawn widely, so that two logits are hardly ever close: greedy output then depends on all of the
computation, and two ways of computing it agree or plainly differ.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TEXT = [
    "The quick brown fox jumps over the lazy dog, and the dog sleeps on.",
    "user assistant system hello world, how are you today? I am fine.",
    "Once upon a time there was a small model that learned to write.",
    "def add(a, b):\n    return a + b\n",
]

END = "<|end|>"
START = "<|start|>"
SPECIAL = (END, START)

_SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
}
_GROUPED = {**_SMALL, "num_key_value_heads": 2}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}

SIZES: dict[str, dict[str, Any]] = {
    "bamba": {**_GROUPED, "attn_layer_indices": [1], "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "codegen": {**_GPT2, "rotary_dim": 4, "n_head": 4, "n_ctx": 512},
    "cohere": _GROUPED,
    "falcon": {**_SMALL, "num_attention_heads": 4, "alibi": False},
    "gemma": {**_GROUPED, "head_dim": 8},
    "gemma2": {**_GROUPED, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64},
    "gemma3_text": {**_GROUPED, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 64},
    "gpt2": _GPT2,
    "gpt_bigcode": _GPT2,
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "max_position_embeddings": 512,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 64,
    },
    "gpt_neox": _SMALL,
    "gptj": {**_GPT2, "rotary_dim": 4},
    "granite": _GROUPED,
    "llama": _GROUPED,
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "mistral": {**_GROUPED, "sliding_window": 64},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 512},
    "olmo": _GROUPED,
    "olmo2": _GROUPED,
    "openai-gpt": _GPT2,
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
        "word_embed_proj_dim": 32,
    },
    "phi": _SMALL,
    "phi3": _GROUPED,
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "qwen3_moe": {**_GROUPED, "head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "smollm3": _GROUPED,
    "stablelm": _GROUPED,
    "starcoder2": {**_GROUPED, "sliding_window": 64},
}
"""Config values by model type: small, with a context of 512 tokens, sliding windows of 64."""

RARE: dict[str, dict[str, Any]] = {
    "phimoe": {**_GROUPED, "num_local_experts": 4},
    "recurrent_gemma": {
        **_GROUPED,
        "head_dim": 8,
        "lru_width": 32,
        "block_types": ["recurrent", "attention"],
        "attention_window_size": 64,
    },
}
"""The same for those that a few tests ask for."""

CORE = (
    "gpt2",
    "gpt_neox",
    "gptj",
    "opt",
    "bloom",
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "phi",
    "falcon",
)
"""The architectures that every promise about "all architectures" is shown for."""

WIDE = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 64,
}
"""Config of a model whose rows are as long as the kernels of real ones want them."""


def make_tokenizer(vocabulary: int = 400) -> Any:
    """A byte-level BPE tokenizer (`tokenizers.Tokenizer`) with at most so many tokens; ids 0 and 1 are `SPECIAL`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    return tokenizer


def make_checkpoint(
    folder: Path,
    model_type: str = "gpt2",
    *,
    seed: int = 0,
    vocabulary: int = 400,
    chat_template: str | None = None,
    dtype: str = "float32",
    shard_size: str = "50GB",
    original_gpt2_names: bool = False,
    adds_start: bool = False,
    config: dict[str, Any] | None = None,
    generation_config: dict[str, Any] | None = None,
) -> Path:
    """Write a checkpoint of random weights to ``folder`` and return it.

    ``original_gpt2_names``: without the "transformer." prefix, and with the mask buffers of the first release.
    ``adds_start``: the tokenizer puts `START` in front of a text. ``config`` overrides these values. The model has no
    end token of its own, so that it does not stop at random.
    """
    import torch
    from safetensors.torch import load_file, save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_tokenizer(vocabulary)
    values = {
        **(SIZES | RARE)[model_type],
        "vocab_size": tokenizer.get_vocab_size(),
        "bos_token_id": 1,
        "eos_token_id": 0,
        "pad_token_id": 0,
        **(config or {}),
    }
    made = AutoConfig.for_model(model_type, **values)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(made, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            _widen(name, parameter)
    with _quiet():
        model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard_size)
    if original_gpt2_names:
        weights = load_file(folder / "model.safetensors")
        old = {name.removeprefix("transformer."): tensor for name, tensor in weights.items()}
        old["h.0.attn.bias"] = torch.ones(1, 1, 4, 4)
        save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(folder, tokenizer, chat_template, adds_start)
    (folder / "generation_config.json").write_text(json.dumps(generation_config or {}))
    return folder


@contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _widen(name: str, parameter: Any) -> None:
    """Draw a matrix so that its output is as wide as its input, and biases so that they matter.

    Norms and the parameters of recurrent layers keep the values that they are made with.
    """
    import torch

    if parameter.dim() == 2 and not name.endswith(("A_log", "conv1d.weight", "x_proj.weight", "dt_proj.weight")):
        is_embedding = any(word in name for word in ("emb", "wte", "wpe", "tokens", "lm_head"))
        parameter.copy_(torch.randn_like(parameter) * (0.3 if is_embedding else 1.5 * min(parameter.shape) ** -0.5))
    elif name.endswith("bias") and "dt_proj" not in name:
        parameter.copy_(torch.randn_like(parameter) * 0.2)


def write_tokenizer(folder: Path, tokenizer: Any, chat_template: str | None = None, adds_start: bool = False) -> None:
    """Write what `make_tokenizer` made into a checkpoint's folder."""
    from tokenizers import processors

    if adds_start:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    described: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
    }
    if chat_template is not None:
        described["chat_template"] = chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
