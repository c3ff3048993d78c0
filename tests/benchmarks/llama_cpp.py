"""llama.cpp's decoding of a checkpoint, as a yardstick for ``engine.py``; it belongs to no part of chatdesk.

Runs in an environment of its own: ``pip install llama-cpp-python gguf``, built from source for the processor. The
weights of a checkpoint (Llama, Qwen2 or GPT-2) are written as GGUF in bfloat16 by the gguf package, and quantised by
llama.cpp itself. ``llama_cpp.py FOLDER --type q8_0`` prints one line of JSON. With ``--turns`` it says what it is,
then reads numbers of tokens, one a line, and answers each with the seconds that so many steps took: so two programs
can be measured in turns. A step is one token decoded and the most probable next one found.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

sys.path = [path for path in sys.path if Path(path or ".").resolve() != Path(__file__).resolve().parent]

try:
    import gguf
    import llama_cpp
    import numpy as np
except ImportError as error:
    print(f"This needs an environment with llama-cpp-python and gguf; here is no {error.name}.", file=sys.stderr)
    raise SystemExit(2) from None

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2, "gpt2": gguf.MODEL_ARCH.GPT2}
TYPES = {"bf16": None, "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0}
PROMPT = 64
Array = Any


def tensors(folder: Path) -> Iterator[tuple[str, Array]]:
    """Names and numbers, those in bfloat16 as uint16, of the one file of a checkpoint."""
    path = folder / "model.safetensors"
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", offset=8 + size)
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            kind = {"BF16": np.uint16, "F32": np.float32}[entry["dtype"]]
            yield name, data[start:end].view(kind).reshape(entry["shape"])


def write(folder: Path, target: Path) -> None:
    """The checkpoint as GGUF: matrices in bfloat16, vectors in float32."""
    config = json.loads((folder / "config.json").read_text())
    model_type = config["model_type"]
    writer = gguf.GGUFWriter(str(target), model_type)
    _describe(writer, config)
    names = gguf.get_tensor_name_map(ARCHITECTURES[model_type], 200)
    heads = config.get("num_attention_heads"), config.get("num_key_value_heads")
    for name, array in tensors(folder):
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None or name.endswith((".attn.bias", ".attn.masked_bias")):
            continue
        if model_type == "gpt2" and array.ndim == 2 and ".h." in f".{name}":
            array = array.T
        if model_type == "llama" and ("q_proj" in name or "k_proj" in name):
            array = _interleaved(array, heads["k_proj" in name])
        if array.ndim == 1:
            wide = (array.astype(np.uint32) << 16).view(np.float32) if array.dtype == np.uint16 else array
            writer.add_tensor(found, wide)
        else:
            halves = array if array.dtype == np.uint16 else gguf.quantize(array, gguf.GGMLQuantizationType.BF16)
            contiguous = np.ascontiguousarray(halves).view(np.uint8)
            writer.add_tensor(found, contiguous, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: Any, config: dict[str, Any]) -> None:
    gpt2 = config["model_type"] == "gpt2"
    width = config["n_embd" if gpt2 else "hidden_size"]
    heads = config["n_head" if gpt2 else "num_attention_heads"]
    writer.add_context_length(config["n_positions" if gpt2 else "max_position_embeddings"])
    writer.add_embedding_length(width)
    writer.add_block_count(config["n_layer" if gpt2 else "num_hidden_layers"])
    writer.add_feed_forward_length(4 * width if gpt2 else config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
    writer.add_file_type(llama_cpp.LLAMA_FTYPE_MOSTLY_BF16)
    if gpt2:
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    else:
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_rope_dimension_count(width // heads)
        ropes = config.get("rope_parameters") or {}
        writer.add_rope_freq_base(ropes.get("rope_theta", config.get("rope_theta", 10000.0)))


def _interleaved(array: Array, heads: int) -> Array:
    """Rows of queries or keys in the order of llama.cpp's rotary positions: neighbours are turned together."""
    height, width = array.shape
    return array.reshape(heads, 2, height // heads // 2, width).swapaxes(1, 2).reshape(height, width)


def quantise(source: Path, target: Path, kind: int) -> None:
    """By llama.cpp's own rules: which tensors have how many bits."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = kind, os.cpu_count() or 1
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters):
        sys.exit("llama.cpp could not quantise it")


class Model:
    """A loaded model and its context, on the CPU."""

    def __init__(self, path: Path, threads: int, context: int) -> None:
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
        self.bytes = llama_cpp.llama_model_size(self._model)
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_threads, settings.n_threads_batch = context, threads, threads
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        self._vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self._model))

    def forget(self) -> None:
        """Begin a new text."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._context), True)

    def read(self, ids: list[int]) -> int:
        """Feed some tokens; the most probable next one."""
        array = (llama_cpp.llama_token * len(ids))(*ids)
        if llama_cpp.llama_decode(self._context, llama_cpp.llama_batch_get_one(array, len(ids))):
            sys.exit("llama.cpp could not decode")
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._context, -1), (self._vocabulary,))
        return int(logits.argmax())

    def seconds(self, steps: int) -> float:
        """Time of so many steps after a prompt of `PROMPT` tokens and two steps more."""
        self.forget()
        self.read(list(range(3, 3 + PROMPT)))
        token = self.read([self.read([2])])
        started = time.perf_counter()
        for _ in range(steps):
            token = self.read([token])
        return time.perf_counter() - started


def main() -> None:
    """Write, quantise, load; measure, or wait for turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--type", choices=list(TYPES), default="bf16")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", action="store_true", help="wait for numbers of tokens on the standard input")
    arguments = parser.parse_args()
    silence = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(silence, None)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "bf16.gguf")
        write(arguments.folder, path)
        if (kind := TYPES[arguments.type]) is not None:
            quantise(path, path := Path(place, "quantised.gguf"), kind)
        model = Model(path, arguments.threads, arguments.context)
    told = {
        "llama_cpp": llama_cpp.__version__,
        "type": arguments.type,
        "threads": arguments.threads,
        "context": arguments.context,
        "bytes": model.bytes,
        "flags": " ".join(llama_cpp.llama_print_system_info().decode().split()),
    }
    if arguments.turns:
        print(json.dumps(told), flush=True)
        for line in sys.stdin:
            print(model.seconds(int(line)), flush=True)
    else:
        seconds = [model.seconds(arguments.tokens) for _ in range(arguments.rounds + 1)][1:]
        print(json.dumps(told | {"tokens_per_s": round(arguments.tokens / median(seconds), 2)}))


if __name__ == "__main__":
    main()
