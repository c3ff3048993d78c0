"""What architectures are made of, as data: where a model keeps the parts of a decode step."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Architecture:
    """Names of modules: those of a block are seen from the block, the others from the model.

    ``projections``: queries, keys and values, one matrix or three. ``interleaved``: a single one gives the three of a
    head, then those of the next. ``inner``: of the perceptron, one matrix, or gate and up, which ``fused`` keeps in
    one. ``weights_plus_one``: norms keep their weights less one. ``parallel``: the setting, if any, by which both
    halves of a block read the same input.
    """

    embedding: str
    blocks: str
    last_norm: str
    attention: str
    attention_norm: str
    projections: tuple[str, ...]
    output: str
    inner_norm: str
    inner: tuple[str, ...]
    activation: str
    down: str
    positions: str = ""
    rotary: str = ""
    query_norm: str = ""
    key_norm: str = ""
    interleaved: bool = False
    fused: bool = False
    weights_plus_one: bool = False
    parallel: str = ""


_LLAMA = Architecture(
    embedding="model.embed_tokens",
    blocks="model.layers",
    last_norm="model.norm",
    attention="self_attn",
    attention_norm="input_layernorm",
    projections=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    output="self_attn.o_proj",
    inner_norm="post_attention_layernorm",
    inner=("mlp.gate_proj", "mlp.up_proj"),
    activation="mlp.act_fn",
    down="mlp.down_proj",
    rotary="model.rotary_emb",
)

_GPT2 = Architecture(
    embedding="transformer.wte",
    blocks="transformer.h",
    last_norm="transformer.ln_f",
    attention="attn",
    attention_norm="ln_1",
    projections=("attn.c_attn",),
    output="attn.c_proj",
    inner_norm="ln_2",
    inner=("mlp.c_fc",),
    activation="mlp.act",
    down="mlp.c_proj",
    positions="transformer.wpe",
)

_GPT_NEOX = Architecture(
    embedding="gpt_neox.embed_in",
    blocks="gpt_neox.layers",
    last_norm="gpt_neox.final_layer_norm",
    attention="attention",
    attention_norm="input_layernorm",
    projections=("attention.query_key_value",),
    output="attention.dense",
    inner_norm="post_attention_layernorm",
    inner=("mlp.dense_h_to_4h",),
    activation="mlp.act",
    down="mlp.dense_4h_to_h",
    rotary="gpt_neox.rotary_emb",
    interleaved=True,
    parallel="use_parallel_residual",
)

ARCHITECTURES = {
    "gemma": replace(_LLAMA, weights_plus_one=True),
    "gpt2": _GPT2,
    "gpt_neox": _GPT_NEOX,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "phi3": replace(
        _LLAMA,
        projections=("self_attn.qkv_proj",),
        inner=("mlp.gate_up_proj",),
        activation="mlp.activation_fn",
        fused=True,
    ),
    "qwen2": _LLAMA,
    "qwen3": replace(_LLAMA, query_norm="self_attn.q_norm", key_norm="self_attn.k_norm"),
    "smollm3": _LLAMA,
}
"""By model type. Who is not named here, or differs in what is not said here, keeps the model's own forward."""

ACTIVATIONS = {
    "SiLU": 1,
    "SiLUActivation": 1,
    "GELU": 2,
    "GELUActivation": 2,
    "NewGELUActivation": 3,
    "GELUTanh": 3,
    "FastGELUActivation": 3,
    "ReLU": 4,
}
"""By the name of the class, the number that all kernels have for it."""

STEADY_ROPES = ("default", "linear", "llama3", "yarn", "longrope")
"""Ways of turning that do not look at how long the text is; the last is told (`longrope`)."""


class NotServed(Exception):
    """The model has something that no operation says."""


def activation_of(module: object) -> int:
    """Its number among `ACTIVATIONS`."""
    name = type(module).__name__
    if name not in ACTIVATIONS:
        raise NotServed(f"the activation {name}")
    return ACTIVATIONS[name]
