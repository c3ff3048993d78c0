"""What a run begins with, and what it leaves: a new model, all weights of a checkpoint, or an adapter for one.

An origin makes the model (`make`), says how text becomes tokens (``encoder``) and writes the result (`export`, into
the folder ``result``). A checkpoint is only ever read.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import replace
from tokenizers import Tokenizer
from torch import nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.api import Load
from chatdesk.engine.local.loading import Checkpoint, load
from chatdesk.engine.local.patterns import require_quick
from chatdesk.errors import Fault, UserError
from chatdesk.library import tokenizer_json
from chatdesk.training.corpus import SPECIAL_TOKENS
from chatdesk.training.encoders import Encoder, OwnEncoder, TemplateEncoder
from chatdesk.training.model import LossModel, export, fresh, new_model, put
from chatdesk.training.recipe import ModelShape, Recipe, find_checkpoint, find_folder
from chatdesk.training.run_folder import RunFolder
from chatdesk.training.tokenizer import load_tokenizer, save_tokenizer

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tokenizer.model", "chat_template.jinja", "chat_template.json", "generation_config.json",
)  # fmt: skip
_PIECE, _PIECES = 65_536, 64  # bytes of a file of weights, and from how many places of it
_DROPOUTS = ("attention_dropout", "dropout", "activation_dropout", "hidden_dropout")


class NewModel:
    """A model of the recipe's shape. ``train`` makes a tokenizer when the run folder has none and none is named."""

    def __init__(self, recipe: Recipe, path: Path, folder: RunFolder, train: Callable[[], Tokenizer]) -> None:
        self._recipe, self._folder = recipe, folder
        shape = recipe.shape
        if not (folder.tokenizer / "tokenizer.json").is_file():
            made = borrowed(find_folder(shape.tokenizer, path)) if shape.tokenizer else train()
            half = fresh(folder.tokenizer)
            save_tokenizer(made, half, shape.context)
            put(half, folder.tokenizer)
        tokenizer = load_tokenizer(folder.tokenizer)
        self.encoder: Encoder = OwnEncoder(tokenizer)
        self.result = folder.model
        self.context = shape.context

    def make(self, stage: int) -> LossModel:
        """The model of this stage with fresh weights."""
        shape = sized(self._recipe.shape, self.encoder.tokenizer)
        return new_model(shape, self.encoder.ends[0], self._recipe.seed, self._recipe.layers_in(stage))

    def export(self, model: LossModel) -> None:
        """Write the checkpoint."""
        export(model, self._folder.tokenizer, self._recipe.sampling, self.result)


def sized(shape: ModelShape, tokenizer: Tokenizer) -> ModelShape:
    """The shape, with the vocabulary of a tokenizer that was not trained for it."""
    return replace(shape, vocabulary=tokenizer.get_vocab_size()) if shape.tokenizer else shape


def borrowed(folder: Path) -> Tokenizer:
    """The tokenizer of another folder, with the marks of a dialogue and without tokens of its own around a text."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UserError(Fault.FILE_NOT_FOUND, path=file)
    tokenizer_json.check(file)
    tokenizer = load_tokenizer(folder)
    require_quick(tokenizer)
    tokenizer.post_processor = None
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


class FromCheckpoint:
    """A checkpoint whose weights go on being trained, or stay as they are beside an adapter."""

    def __init__(self, recipe: Recipe, path: Path, folder: RunFolder, device: torch.device) -> None:
        self._recipe, self._device = recipe, device
        if recipe.start is None:
            raise LookupError("the recipe begins with no checkpoint")
        self._base = find_checkpoint(recipe.start, path)
        found = self._load()
        self._ready: Checkpoint | None = found
        self._peft: Any = None
        self.encoder: Encoder = TemplateEncoder(found.tokens, found.eos_ids)
        self.context = found.info.context_length
        self.result = folder.adapter if recipe.lora else folder.model
        for number, stage in enumerate(recipe.stages):
            if stage.sequence > self.context:
                reason = f"stages[{number}].sequence ({stage.sequence}) is longer than the checkpoint's {self.context}"
                raise UserError(Fault.BAD_RECIPE, path=path, reason=reason)

    def _load(self) -> Checkpoint:
        """In float32, so that small steps count; beside an adapter, where nothing is added to it, as it computes."""
        thin = self._recipe.lora and self._recipe.precision == "bf16" and self._device.type == "cuda"
        for item in load(Load(1, str(self._base), "cpu", "bfloat16" if thin else "float32"), lambda: False):
            if isinstance(item, Checkpoint):
                return item
        raise AssertionError("a load ends with a checkpoint")

    def make(self, _stage: int) -> LossModel:
        """The model with the checkpoint's weights, and a new adapter that changes nothing yet."""
        found, self._ready = self._ready or self._load(), None
        causal = found.model
        _without_dropout(causal)
        lora = self._recipe.lora
        if lora is None:
            return LossModel(causal.requires_grad_(True))
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,  # type: ignore[arg-type]  # a float does as well
            lora_dropout=lora.dropout,
            fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in causal.modules()),  # GPT-2 keeps them turned
            target_modules=list(lora.targets) or "all-linear",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._recipe.seed)
            try:
                with warnings.catch_warnings():  # peft asks transformers for what it renames
                    warnings.simplefilter("ignore", FutureWarning)
                    self._peft = get_peft_model(causal, config)
            except ValueError as error:  # no layer of that name
                raise UserError(Fault.BAD_VALUE, name="lora.targets", value=", ".join(lora.targets),
                                allowed=f"ends of names of linear layers of {found.info.name}") from error  # fmt: skip
        return LossModel(causal)

    def export(self, model: LossModel) -> None:
        """Write the checkpoint with its tokenizer, or the adapter."""
        half = fresh(self.result)
        if self._recipe.lora:
            self._peft.save_pretrained(half, save_embedding_layers=False)
            (half / "README.md").unlink(missing_ok=True)  # a form to be filled in
        else:
            weights = {
                name: value.detach().to("cpu", torch.bfloat16) for name, value in model.causal.state_dict().items()
            }
            model.causal.save_pretrained(half, state_dict=weights)
            config = json.loads((half / "config.json").read_text(encoding="utf-8"))
            (half / "config.json").write_text(
                json.dumps({**config, "dtype": "bfloat16"}, indent=2) + "\n", encoding="utf-8"
            )
            for name in _TOKENIZER_FILES:
                if (self._base / name).is_file():
                    shutil.copyfile(self._base / name, half / name)
        for file in half.iterdir():
            file.chmod(0o644)
        put(half, self.result)


Origin = NewModel | FromCheckpoint


def stamp(checkpoint: Path) -> str:
    """What tells a checkpoint's folder from one that was changed: a hash of the files that a run reads.

    Of a large file only its size and pieces from all over it: training changes numbers everywhere.
    """
    names = {"config.json", *_TOKENIZER_FILES, *(file.name for file in checkpoint.glob("*.safetensors"))}
    found = hashlib.sha256()
    for file in sorted(checkpoint / name for name in names):
        if not file.is_file():
            continue
        size = file.stat().st_size
        found.update(f"{file.name} {size} ".encode())
        with file.open("rb") as content:
            for number in range(_PIECES):
                content.seek(max(number * _PIECE, number * size // _PIECES))
                found.update(content.read(_PIECE))
    return found.hexdigest()


def _without_dropout(causal: nn.Module) -> None:
    """A resumed run could not draw the same again, and a text that is seen once needs none."""
    for module in causal.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in _DROPOUTS:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
