"""The model of a run: GPT-2, with transformers' own code and file format.

While it trains, the activation is named ``gelu_pytorch_tanh``: the same function as GPT-2's ``gelu_new``, in one fused
operation. The finished config says ``gelu_new``, which every program knows.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import asdict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForCausalLM, GPT2Config

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
        hidden = self._hidden(inputs, positions)
        if hidden.is_cuda:  # fixed shapes: one compiled graph, in which nothing waits for the GPU
            hidden, targets = hidden.flatten(0, 1), targets.masked_fill(~counted, _IGNORED).flatten()
        else:  # logits only where a token counts
            hidden, targets = hidden[counted], targets[counted]
        logits = self.causal.lm_head(hidden)
        return functional.cross_entropy(logits.float(), targets, reduction="sum", ignore_index=_IGNORED)

    def _hidden(self, inputs: Tensor, positions: Tensor | None) -> Tensor:
        """The last hidden states, (batch, sequence, width).

        transformers' own forward makes a mask whenever it is compiled; without one attention takes its fastest way.
        """
        inner, mask = self.causal.transformer, None
        if positions is None:
            positions = torch.arange(inputs.shape[1], device=inputs.device)
        else:
            document = (positions == 0).cumsum(-1)
            mask = (document[:, :, None] == document[:, None, :]).tril()[:, None]
        hidden = inner.wte(inputs) + inner.wpe(positions)
        for block in inner.h:
            hidden = block(hidden, attention_mask=mask)
        last: Tensor = inner.ln_f(hidden)
        return last


def new_model(shape: ModelShape, end_id: int, seed: int, layers: int | None = None) -> LossModel:
    """A model of ``layers`` blocks, by default those of ``shape``, with random weights that depend on ``seed`` alone.

    Blocks beyond those of ``shape`` add nothing at first: their output projections are zero, so that a model that
    grows says what it said before (block expansion as in LLaMA Pro, Wu et al. 2024, https://arxiv.org/abs/2401.02415).
    """
    config = GPT2Config(
        vocab_size=shape.vocabulary,
        n_positions=shape.context,
        n_embd=shape.width,
        n_layer=layers or shape.layers,
        n_head=shape.heads,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,  # each text is seen about once: dropout would only slow it down
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=end_id,
        eos_token_id=end_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build: Any = AutoModelForCausalLM.from_config  # transformers leaves it without types
        model = LossModel(build(config, attn_implementation="sdpa"))
    for block in model.causal.transformer.h[shape.layers :]:
        nn.init.zeros_(block.attn.c_proj.weight)
        nn.init.zeros_(block.mlp.c_proj.weight)
    return model


def count_parameters(model: nn.Module) -> int:
    """Parameters, a shared matrix counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def export(model: LossModel, tokenizer_folder: Path, sampling: SamplingDefaults, folder: Path) -> None:
    """Write an ordinary checkpoint, weights in bfloat16, into ``folder``, whole or not at all."""
    half = folder.with_name(folder.name + ".part")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(half, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    causal = model.causal
    weights = {name: value.detach().to("cpu", torch.bfloat16) for name, value in causal.named_parameters()}
    causal.config.save_pretrained(half)
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})  # the tied output matrix is left out
    (half / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    tokenizer = load_tokenizer(tokenizer_folder)
    save_tokenizer(tokenizer, half, causal.config.n_positions)
    ends = [token_id(tokenizer, END_OF_TEXT), token_id(tokenizer, END_OF_TURN)]
    _amend(
        half / "config.json",
        architectures=[type(causal).__name__],
        activation_function="gelu_new",
        dtype="bfloat16",
        use_cache=True,
    )
    stops = {"bos_token_id": ends[0], "eos_token_id": ends, "pad_token_id": ends[0], "do_sample": True}
    _write(half / "generation_config.json", {**stops, **asdict(sampling)})
    if folder.exists():
        os.replace(folder, old)
    os.replace(half, folder)
    shutil.rmtree(old, ignore_errors=True)


def _amend(file: Path, **values: object) -> None:
    _write(file, {**json.loads(file.read_text(encoding="utf-8")), **values})


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
