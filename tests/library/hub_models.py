"""Models for the hub of the tests, and what a test needs to reach it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from chatdesk.library.connection import Connection, Limits
from chatdesk.library.fetching import Patience
from tests.library.hub_server import Model, Server

QUICK = Limits(connect_s=2.0, silence_s=0.5, answer_s=2.0)
IMPATIENT = Patience(tries=4, first_wait_s=0.01, most_wait_s=0.05, most_asked_s=1.5, slow_s=0.4, slow_bytes=2000)
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 1}


def noise(size: int, seed: str = "") -> bytes:
    """Bytes that look like weights."""
    return hashlib.shake_256(seed.encode()).digest(size)


def small_files() -> dict[str, bytes]:
    return {
        ".gitattributes": b"*.safetensors filter=lfs",
        "README.md": b"---\nlicense: apache-2.0\n---\n# A model <img src=x>\n",
        "config.json": json.dumps(CONFIG).encode(),
        "generation_config.json": b"{}",
        "tokenizer.json": noise(100_000, "tokenizer"),
        "tokenizer_config.json": b"{}",
        "modeling_evil.py": b"import os",
        "pytorch_model.bin": b"a pickle",
        "model.Q4.gguf": b"GGUF",
        "onnx/model.onnx": b"another format",
    }


def single(size: int = 600_000) -> Model:
    """One file of weights."""
    listed = {
        "downloads": 10,
        "likes": 3,
        "tags": ["transformers", "safetensors", "license:apache-2.0", "conversational"],
        "lastModified": "2026-01-02T03:04:05.000Z",
        "safetensors": {"parameters": {"BF16": size // 2}, "total": size // 2},
        "config": CONFIG,
    }
    return Model({**small_files(), "model.safetensors": noise(size)}, listed=listed)


def sharded(count: int = 3, size: int = 200_000) -> Model:
    """Several files of weights, and others of the same kind that the index does not name."""
    names = [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    index = {"metadata": {}, "weight_map": {f"layer.{n}": name for n, name in enumerate(names)}}
    files = {**small_files(), "model.safetensors.index.json": json.dumps(index).encode()}
    files |= {name: noise(size, name) for name in names}
    files["consolidated.safetensors"] = noise(size, "other")
    return Model(files, listed={"tags": ["license:mit"], "config": CONFIG})


def connect(server: Server, **given: Any) -> Connection:
    """A connection that is not told to stay offline, as the tests' environment is."""
    return Connection(server.url, limits=given.pop("limits", QUICK), **given)


def wanted(model: Model) -> set[str]:
    """The files of `single` and `sharded` that a checkpoint needs."""
    left_out = (".gitattributes", "modeling_evil.py", "pytorch_model.bin", "model.Q4.gguf", "onnx/model.onnx")
    return model.files.keys() - {*left_out, "consolidated.safetensors"}


def wrong_bytes(cache: Path) -> list[str]:
    """Blobs of the cache whose bytes are not what their name says."""
    wrong = []
    for path in cache.glob("models--*/blobs/*"):
        data = path.read_bytes()
        digest = hashlib.sha256(data) if len(path.name) == 64 else hashlib.sha1(b"blob %d\0" % len(data) + data)
        if not path.name.endswith(".incomplete") and digest.hexdigest() != path.name:
            wrong.append(path.name)
    return wrong
