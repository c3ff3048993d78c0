"""How much memory a checkpoint takes once it is loaded, from its headers and config alone.

Weights: each tensor in the file, in the precision it is loaded in. Keys and values: one pair for each layer and
token, with the heads that the checkpoint keeps (grouped, one for all, or as wide as its latent attention unpacks
them); a layer with a sliding window keeps no more than its window.

Not here: what a step needs for a moment (`chatdesk.library.fit` sets room aside for it), and the states of recurrent
layers, which do not grow and are small.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chatdesk.library.headers import Tensor
from chatdesk.library.safety import Checked

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "int4": 0.5}
GROUP = 32
"""Weights that share a step and a middle where they are stored in four bits; in eight a row shares a scale."""

READ_THEIR_HEADS = frozenset(["falcon_mamba", "hy_v4", "mamba", "mamba2", "xlstm"])
"""Architectures whose code asks the weights of the head for their type: the head stays in two bytes."""

_SCALE_BYTES = 2
_KEYS = re.compile(r"\.(k_proj|key_proj|k)\.weight$")
_FUSED = re.compile(r"\.(c_attn|query_key_value|qkv_proj|Wqkv|qkv)\.weight$")
_LATENT = re.compile(r"\.kv_b_proj\.weight$")
_NUMBER = re.compile(r"\.(\d+)\.")
_MASKS = re.compile(r"\.(attn|attention)\.(bias|masked_bias)$|rotary_emb\.inv_freq$")
_UNPACKED = re.compile(r"(embed|wte|wpe|lm_head|embed_out|word_embeddings|\.experts\.)")  # not as a matrix of a block
_HEAD = re.compile(r"^(lm_head|embed_out)\.weight$")
_TABLE = re.compile(
    r"(^|\.)(embed_tokens|tokens_embed|wte|word_embeddings|tok_embeddings|embed_in)\.weight$"
)  # a head where tied
_WIDTH = ("hidden_size", "n_embd", "d_model", "dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_NARROW = frozenset(["sliding_attention", "chunked_attention"])
_NONE = frozenset(["linear_attention", "mamba", "recurrent", "conv"])
_WITHOUT = frozenset(["openai-gpt"])  # reads its whole text again at each step
# How many layers in a row have a window before one has none, where the config names no layers: 0 for all of them.
_EVERY = {"gemma2": 2, "gemma3_text": 6, "cohere2": 4, "mistral": 0, "starcoder2": 0, "phi3": 0}


class Layer(Struct, frozen=True):
    """What one layer keeps: ``width``, keys and values of a token in numbers; ``window`` in tokens, None without."""

    width: int
    window: int | None = None

    def kept(self, tokens: int) -> int:
        """Numbers kept of so many tokens; the one that is being read is not among those of a full window."""
        return self.width * min(tokens, self.window - 1 if self.window else tokens)


class Footprint(Struct, frozen=True):
    """``matrices``: numbers in the matrices that can be quantised, ``rows``: rows of them, ``others``: all other
    numbers, ``head`` of them in a head of ``head_rows`` rows that has eight bits where others have four or eight.
    ``layers``: as many as keep keys and values. ``width`` and ``vocabulary``: of the hidden states and logits.
    """

    matrices: int
    rows: int
    others: int
    layers: tuple[Layer, ...]
    blocks: int
    width: int
    vocabulary: int
    head: int = 0
    head_rows: int = 0

    def weight_bytes(self, dtype: str) -> int:
        """Bytes of all weights in ``dtype``, a key of `BYTES`. What is not quantised is kept in two bytes."""
        if dtype not in ("int8", "int4"):
            return int((self.matrices + self.others) * BYTES[dtype])
        scales = self.head_rows + (self.rows if dtype == "int8" else 2 * (self.matrices // GROUP))
        return int(self.matrices * BYTES[dtype]) + scales * _SCALE_BYTES + self.others * 2 - self.head

    def cache_bytes(self, dtype: str, tokens: int) -> int:
        """Bytes of the keys and values of ``tokens`` tokens; computed in two bytes where the weights are quantised."""
        size = int(max(2.0, BYTES[dtype]))
        return sum(layer.kept(tokens) for layer in self.layers) * size

    def work_bytes(self, tokens: int, context: int) -> int:
        """Room for reading ``tokens`` at once: hidden states and the block's inner ones, a mask, logits in float32."""
        return tokens * (12 * self.width + context) * 4 + 4 * self.vocabulary * 4


def measure(checked: Checked) -> Footprint:
    """The footprint of a checkpoint that `safety.check` let pass."""
    config = {**checked.config, **_object(checked.config.get("text_config"))}
    tensors = {name: tensor for name, tensor in checked.tensors.items() if not _MASKS.search(name)}
    if config.get("tie_word_embeddings") is True and len(tensors) > 1:
        tensors.pop("lm_head.weight", None)
    matrices = {name: t for name, t in tensors.items() if len(t.shape) == 2 and not _UNPACKED.search(name)}
    inner = sum(tensor.elements for tensor in matrices.values())
    heads = [t for name, t in tensors.items() if _HEAD.search(name)]
    heads = heads or [t for name, t in tensors.items() if _TABLE.search(name)]
    head = heads[0] if len(heads) == 1 and checked.model_type not in READ_THEIR_HEADS else None
    return Footprint(
        matrices=inner,
        rows=sum(tensor.shape[0] for tensor in matrices.values()),
        others=sum(tensor.elements for tensor in tensors.values()) - inner,
        layers=_layers(config, checked.model_type, tensors),
        blocks=len({number for name in tensors if (number := _number(name)) is not None}),
        width=_first(config, _WIDTH) or 0,
        vocabulary=_first(config, ("vocab_size",)) or 0,
        head=head.elements if head else 0,
        head_rows=head.shape[0] if head else 0,
    )


def _layers(config: Mapping[str, Any], model_type: str, tensors: Mapping[str, Tensor]) -> tuple[Layer, ...]:
    """One for each layer that has keys, in their order."""
    if model_type in _WITHOUT:
        return ()
    widths = {
        number: width
        for name, tensor in tensors.items()
        if (number := _number(name)) is not None and (width := _cached(config, name, tensor)) is not None
    }
    kinds = _kinds(config, model_type, sorted(widths))
    window = _first(config, ("sliding_window", "attention_chunk_size"))
    return tuple(
        Layer(widths[number], window if kind in _NARROW else None)
        for number, kind in kinds.items()
        if kind not in _NONE
    )


def _cached(config: Mapping[str, Any], name: str, tensor: Tensor) -> int | None:
    """Numbers that a layer keeps of a token, from the matrix that makes them; None where ``tensor`` is none such."""
    if len(tensor.shape) != 2:
        return None
    heads = _first(config, _HEADS) or 1
    if _LATENT.search(name):  # it makes keys without their rotary part, and values
        return tensor.shape[0] + heads * (_first(config, ("qk_rope_head_dim",)) or 0)
    if _KEYS.search(name):
        return 2 * tensor.shape[0]
    if _FUSED.search(name):
        width = _first(config, _WIDTH) or min(tensor.shape)
        made = tensor.shape[1] if tensor.shape[0] == width else tensor.shape[0]
        return made - heads * (_first(config, ("head_dim",)) or width // heads)
    return None


def _kinds(config: Mapping[str, Any], model_type: str, numbers: list[int]) -> dict[int, str]:
    """Which attention each layer has, as the config says it or as its architecture does when it says nothing."""
    named = config.get("layer_types")
    if isinstance(named, list) and len(named) > max(numbers, default=0):
        return {number: str(named[number]) for number in numbers}
    every = _EVERY.get(model_type)
    if every is None or config.get("use_sliding_window") is False or not numbers:
        return dict.fromkeys(numbers, "full_attention")
    every = _first(config, ("sliding_window_pattern",)) or every
    is_full = [bool(every) and (number + 1) % every == 0 for number in numbers]
    return {n: "full_attention" if full else "sliding_attention" for n, full in zip(numbers, is_full, strict=True)}


def _number(name: str) -> int | None:
    """Which block a tensor belongs to."""
    found = _NUMBER.search(f".{name}")
    return int(found[1]) if found else None


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of the names that has a positive whole number."""
    return next((value for name in names if type(value := config.get(name)) is int and value > 0), None)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
