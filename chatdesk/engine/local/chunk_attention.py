"""Attention of several new tokens over a long cache on the CPU, as fast as that of a text read at one go.

torch's kernel knows a causal text only where queries and keys are equally many. With a cache, transformers gives it a
mask: it is widened to numbers in each layer, the keys are repeated for all heads, and what is masked is computed, too.
Here the kernel is asked twice, over the kept tokens without a mask and over the new ones as a causal text, and the two
answers are joined by the sums of their softmax (Dao et al., FlashAttention, 2022).
"""

from typing import Any

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, causal_mask_function, sdpa_mask
from transformers.modeling_utils import AttentionInterface

LEAST_KEPT = 512
"""Kept tokens below which one masked call is as quick."""

_MARK = "_only_hides_what_comes_later"
_NOT_PLAIN = ("cache", "position_bias", "softcap")
_attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu


def install() -> None:
    """Stand in for "sdpa" in transformers' tables, which gets whatever is not plain causal attention on the CPU."""
    AttentionInterface.register("sdpa", _forward)
    AttentionMaskInterface.register("sdpa", _mask)


def _mask(**given: Any) -> torch.Tensor | None:
    """transformers' mask. One that only hides what comes later has a mark, which no tensor made of it inherits."""
    mask: torch.Tensor | None = sdpa_mask(**given)
    is_causal = given.get("mask_function") is causal_mask_function and given.get("attention_mask") is None
    start = given.get("q_offset", 0)  # not asked for its number where it is a tensor: a cache of fixed length
    if mask is not None and is_causal and isinstance(start, int) and not given.get("kv_offset", 0):
        setattr(mask, _MARK, start + given["q_length"] == given["kv_length"])
    return mask


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention ``[rows, new, heads, size]`` of queries ``[rows, heads, new, size]``, as the table wants it."""
    is_plain = getattr(attention_mask, _MARK, False) and not dropout and all(more.get(n) is None for n in _NOT_PLAIN)
    is_long = key.shape[2] - query.shape[2] >= LEAST_KEPT and query.device.type == "cpu"
    if is_plain and is_long and query.shape[-1] == key.shape[-1] == value.shape[-1]:
        return attend(query, key, value, scaling).transpose(1, 2).contiguous(), None
    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return found


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None) -> torch.Tensor:
    """Attention of the last tokens ``[rows, heads, new, size]`` over all, ``[rows, key heads, tokens, size]``."""
    rows, heads, new, size = query.shape
    shared, groups, kept = key.shape[1], heads // key.shape[1], key.shape[2] - new
    # Heads that share keys are further queries of them: nothing is repeated.
    many = query.reshape(rows, shared, groups * new, size)
    before, before_sum = _attend(many, key[:, :, :kept], value[:, :, :kept], 0.0, False, scale=scale)
    new_keys, new_values = (part[:, :, kept:].repeat_interleave(groups, 1) for part in (key, value))
    after, after_sum = _attend(query, new_keys, new_values, 0.0, True, scale=scale)
    share = torch.sigmoid(before_sum.reshape(rows, heads, new) - after_sum).unsqueeze(-1)
    return torch.lerp(after.float(), before.reshape(query.shape).float(), share).to(query.dtype)
