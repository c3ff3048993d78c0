"""The model of a run: a new GPT-2 or Llama, or a checkpoint's, with transformers' own code and file format.

While it trains, the activation is named ``gelu_pytorch_tanh``: the same function as GPT-2's ``gelu_new``, in one fused
operation. The finished config says ``gelu_new``, which every program knows.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import asdict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from chatdesk.training.corpus import END_OF_TEXT, END_OF_TURN, token_id
from chatdesk.training.recipe import ModelShape, SamplingDefaults
from chatdesk.training.tokenizer import load_tokenizer, save_tokenizer

_IGNORED = -100  # a target that does not count


class LossModel(nn.Module):
    """A causal model that answers with its loss.

    ``forward`` takes int64 ``inputs``, ``targets``, ``positions`` and bool ``counted``, all (batch, sequence), and
    returns the sum of the losses in nats, a float32 scalar. Where a position is 0, a document begins that sees nothing
    before it; ``positions`` None: each row is one document.
    """

    def __init__(self, causal: Any) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, inputs: Tensor, targets: Tensor, positions: Tensor | None, counted: Tensor) -> Tensor:
        """The summed loss; the caller divides, since several parts may make one step."""
        walk = WALKS.get(type(self.causal).__name__)
        if walk is None:
            return self._whole(inputs, targets, positions, counted)
        hidden = walk(self.causal, inputs, positions)
        if hidden.is_cuda:  # fixed shapes: one compiled graph, in which nothing waits for the GPU
            hidden, targets = hidden.flatten(0, 1), targets.masked_fill(~counted, _IGNORED).flatten()
        else:  # logits only where a token counts
            hidden, targets = hidden[counted], targets[counted]
        logits = self.causal.lm_head(hidden)
        return functional.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=_IGNORED)

    def _whole(self, inputs: Tensor, targets: Tensor, positions: Tensor | None, counted: Tensor) -> Tensor:
        """By the model's own forward, which knows what happens to its logits; it sees documents by their positions."""
        options: dict[str, Any] = {"use_cache": False} if positions is None else {
            "use_cache": False, "position_ids": positions
        }  # fmt: skip
        logits = self.causal(input_ids=inputs, **options).logits
        return functional.cross_entropy(
            logits.float().flatten(0, 1),
            targets.masked_fill(~counted, _IGNORED).flatten(),
            reduction="sum",
            ignore_index=_IGNORED,
        )


def _gpt2(causal: Any, inputs: Tensor, positions: Tensor | None) -> Tensor:
    """The last hidden states, (batch, sequence, width).

    transformers' own forward makes a mask whenever it is compiled; without one attention takes its fastest way.
    """
    inner, (places, mask) = causal.transformer, _seen(inputs, positions)
    hidden = inner.wte(inputs) + inner.wpe(places)
    for block in inner.h:
        hidden = block(hidden, attention_mask=mask)
    last: Tensor = inner.ln_f(hidden)
    return last


def _llama(causal: Any, inputs: Tensor, positions: Tensor | None) -> Tensor:
    """The same of a Llama."""
    inner, (places, mask) = causal.model, _seen(inputs, positions)
    hidden = inner.embed_tokens(inputs)
    places = places.expand(inputs.shape)
    turned = inner.rotary_emb(hidden, position_ids=places)
    for block in inner.layers:
        hidden = block(hidden, attention_mask=mask, position_ids=places, position_embeddings=turned, use_cache=False)
    last: Tensor = inner.norm(hidden)
    return last


def _seen(inputs: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Positions, and which tokens see which, (batch, 1, sequence, sequence); None: all that came before."""
    if positions is None:
        return torch.arange(inputs.shape[1], device=inputs.device), None
    document = (positions == 0).cumsum(-1)
    return positions, (document[:, :, None] == document[:, None, :]).tril()[:, None]


WALKS: dict[str, Callable[[Any, Tensor, Tensor | None], Tensor]] = {
    "GPT2LMHeadModel": _gpt2,
    "LlamaForCausalLM": _llama,
}
"""By class: how the last hidden states are reached without transformers' own forward."""


def blocks_of(causal: Any) -> Any:
    """The blocks of a new model, a list of modules."""
    return causal.transformer.h if hasattr(causal, "transformer") else causal.model.layers


def is_in_block(name: str) -> bool:
    """Whether a parameter of this name belongs to a block."""
    return ".h." in name or ".layers." in name


def new_model(shape: ModelShape, end_id: int, seed: int, layers: int | None = None) -> LossModel:
    """A model of ``layers`` blocks, by default those of ``shape``, with random weights that depend on ``seed`` alone.

    Blocks beyond those of ``shape`` add nothing at first: their output projections are zero, so that a model that
    grows says what it said before (block expansion as in LLaMA Pro, Wu et al. 2024, https://arxiv.org/abs/2401.02415).
    """
    config = (_gpt2_config if shape.kind == "gpt2" else _llama_config)(shape, end_id, layers or shape.layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build: Any = AutoModelForCausalLM.from_config  # transformers leaves it without types
        model = LossModel(build(config, attn_implementation="sdpa"))
    for block in blocks_of(model.causal)[shape.layers :]:
        for out in (block.attn.c_proj, block.mlp.c_proj) if shape.kind == "gpt2" else (
            block.self_attn.o_proj, block.mlp.down_proj
        ):  # fmt: skip
            nn.init.zeros_(out.weight)
    return model


def _gpt2_config(shape: ModelShape, end_id: int, layers: int) -> Any:
    return GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=layers,
        n_head=shape.heads,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,  # each text is seen about once: dropout would only slow it down
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end_id,
        eos_token_id=end_id,
    )


def _llama_config(shape: ModelShape, end_id: int, layers: int) -> Any:
    """The inner width of the gated layer makes it as large as GPT-2's, 8/3 of the width, in steps of 16."""
    return LlamaConfig(
        vocab_size=shape.vocabulary,
        max_position_embeddings=shape.context,
        hidden_size=shape.width,
        intermediate_size=-(-8 * shape.width // 48) * 16,
        num_hidden_layers=layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads or shape.heads,
        tie_word_embeddings=True,
        bos_token_id=end_id,
        eos_token_id=end_id,
    )


def keep_less(model: LossModel) -> None:
    """Keep only what goes into each block for the backward pass, and compute the block again then."""
    causal = model.causal
    enable = getattr(causal, "activation_checkpointing_enable", None) or causal.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def count_parameters(model: nn.Module) -> int:
    """Parameters, a shared matrix counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def export(model: LossModel, tokenizer_folder: Path, sampling: SamplingDefaults, folder: Path) -> None:
    """Write an ordinary checkpoint, weights in bfloat16, into ``folder``, whole or not at all."""
    half = fresh(folder)
    causal = model.causal
    weights = {name: value.detach().to("cpu", torch.bfloat16) for name, value in causal.named_parameters()}
    causal.config.save_pretrained(half)
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})  # the tied output matrix is left out
    (half / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    tokenizer = load_tokenizer(tokenizer_folder)
    save_tokenizer(tokenizer, half, causal.config.max_position_embeddings)
    ends = [token_id(tokenizer, END_OF_TEXT), token_id(tokenizer, END_OF_TURN)]
    _amend(
        half / "config.json",
        architectures=[type(causal).__name__],
        **({"activation_function": "gelu_new"} if causal.config.model_type == "gpt2" else {}),
        dtype="bfloat16",
        use_cache=True,
    )
    stops = {"bos_token_id": ends[0], "eos_token_id": ends, "pad_token_id": ends[0], "do_sample": True}
    _write(half / "generation_config.json", {**stops, **asdict(sampling)})
    put(half, folder)


def fresh(folder: Path) -> Path:
    """Where to write what is to stand in ``folder``; what an earlier try left there is removed."""
    half = folder.with_name(folder.name + ".part")
    shutil.rmtree(half, ignore_errors=True)
    return half


def put(half: Path, folder: Path) -> None:
    """Replace ``folder`` by ``half``; after a kill between the steps the old one lies in ``.old``."""
    for file in half.iterdir():  # a power cut leaves no empty file
        with file.open("rb+") as written:
            os.fsync(written.fileno())
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(half, folder)
    shutil.rmtree(old, ignore_errors=True)


def _amend(file: Path, **values: object) -> None:
    _write(file, {**json.loads(file.read_text(encoding="utf-8")), **values})


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
