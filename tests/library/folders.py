"""A checkpoint folder written by hand, so that it can be broken by hand."""

import json
import math
from pathlib import Path
from typing import Any

BITS = {"F32": 32, "F16": 16, "BF16": 16, "U8": 8}


class Folder:
    """A small GPT-2 on disk and the means to break it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def text(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def json(self, name: str, value: object) -> Path:
        return self.text(name, json.dumps(value))

    def change(self, name: str, **entries: object) -> None:
        """Add entries to a JSON object that is there or not."""
        path = self.path / name
        self.json(name, {**(json.loads(path.read_text("utf-8")) if path.exists() else {}), **entries})

    def raw(self, header: bytes, data: bytes = b"", length: int | None = None, name: str = "model.safetensors") -> Path:
        """A safetensors file from the bytes of its header, whose length may be a lie."""
        size = len(header) if length is None else length
        path = self.path / name
        path.write_bytes(size.to_bytes(8, "little") + header + data)
        return path

    def header(self, entries: dict[str, Any], data: bytes = b"") -> Path:
        return self.raw(json.dumps(entries).encode(), data)

    def weights(self, shapes: dict[str, list[int]], dtype: str = "F32", name: str = "model.safetensors") -> Path:
        """A good safetensors file of zeros."""
        header, position = {}, 0
        for tensor, shape in shapes.items():
            end = position + math.prod(shape) * BITS[dtype] // 8
            header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
            position = end
        return self.raw(json.dumps(header).encode(), bytes(position), name=name)

    def shards(self, places: dict[str, str], shapes: dict[str, list[int]], total: int | None = None) -> None:
        """An index and its files, in place of the single file."""
        (self.path / "model.safetensors").unlink(missing_ok=True)
        for name in sorted(set(places.values())):
            self.weights({t: shapes[t] for t, place in places.items() if place == name}, name=name)
        metadata = {} if total is None else {"total_size": total}
        self.json("model.safetensors.index.json", {"metadata": metadata, "weight_map": places})


SHAPES = {
    "transformer.wte.weight": [16, 4],
    "transformer.wpe.weight": [8, 4],
    "transformer.h.0.ln_1.weight": [4],
    "transformer.h.0.ln_1.bias": [4],
}
CONFIG = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 16,
    "n_positions": 8,
    "n_embd": 4,
    "n_layer": 1,
    "n_head": 1,
    "torch_dtype": "float32",
    "transformers_version": "4.44.0",
}


def good_folder(path: Path, dtype: str = "F32") -> Folder:
    """A folder that passes every check; its weights are zeros."""
    folder = Folder(path)
    folder.json("config.json", CONFIG)
    folder.json("tokenizer.json", {"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}})
    folder.json("tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 8})
    folder.weights(SHAPES, dtype)
    return folder
