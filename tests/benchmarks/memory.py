"""What a load takes against what was promised, and how long it takes: ``python tests/benchmarks/memory.py``.

Prints one line of JSON with a row for each architecture, type of the file and precision: checkpoints of random
weights, of 150 to 700 MB, made in a temporary folder. Each is loaded in a fresh process, which then reads a prompt of
``context`` tokens.

Memory is anonymous memory (``RssAnon`` in /proc, read every millisecond from outside): pages that are mapped from the
checkpoint's file and not written to do not belong to it, for they can be dropped at any time. ``peak_mb`` is the most
while it loads above the state after the imports, ``limit_mb`` the weights times 1.1 and 200 MB.

``weights_mb`` is what stays after the load, once the C library has given back what is free, above the state after the
same was done with a tiny checkpoint of this architecture; with those weights that are used as they lie in the mapped
file (``mapped_mb``). ``cache_mb``: the buffers of keys and values after the prompt, with the room they have to spare.
``estimate_mb``: both by `chatdesk.library.footprint`, and ``estimate_over_held`` the ratio. ``kept_mb`` is what the
prompt left besides: kernels that oneDNN keeps for the shapes it has met, and what the allocator could not give back.

``load_over_from_pretrained``: time of a load, with all checks, over that of transformers' own, model and tokenizer, in
the same precision (bfloat16 for the quantised), each in a fresh process, by turns, with the file in the page cache.
transformers leaves a file in the same precision unread on the disk: it is mapped, here as there.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

WORDS = {"vocab_size": 8000, "bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0}
SIZE = {"hidden_size": 1024, "num_hidden_layers": 10, "num_attention_heads": 16, "max_position_embeddings": 4096}
GATED = SIZE | {"intermediate_size": 2816}
GROUPED = GATED | {"num_key_value_heads": 4}
MODELS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 1024, "n_layer": 10, "n_head": 16, "n_positions": 4096},
    "llama": GROUPED,
    "qwen2": GROUPED | {"num_key_value_heads": 2},
    "gemma2": GROUPED | {"num_hidden_layers": 6, "head_dim": 64, "sliding_window": 512},
    "gpt_neox": SIZE | {"intermediate_size": 4096},
    "falcon": SIZE | {"alibi": False, "multi_query": True},
    "bloom": {"hidden_size": 1024, "n_layer": 10, "n_head": 16},
    "phi3": GROUPED | {"sliding_window": None},
    "qwen3_moe": GROUPED
    | {"hidden_size": 512, "head_dim": 32, "num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512},
}
PRECISIONS = ("float32", "bfloat16", "int8", "int4")
FILES = ("bfloat16", "float32")


def make(folder: Path, model_type: str, dtype: str) -> None:
    """A checkpoint of random weights."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    from tests.engine.checkpoints import make_tokenizer, write_tokenizer

    set_verbosity_error()
    disable_progress_bar()
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **(MODELS[model_type] | WORDS))
    AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).save_pretrained(folder)
    write_tokenizer(folder, make_tokenizer())
    (folder / "generation_config.json").write_text("{}")


# -- the process that is measured ----------------------------------------------------------------------------------


def child(folder: str, tiny: str, precision: str, context: int, is_ours: bool) -> None:
    """Import, then load and read a prompt, each when a line comes; says how long a load took."""
    import torch
    import transformers

    from chatdesk.engine.local import LocalEngine

    architecture = json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    getattr(transformers, architecture)
    LocalEngine().warm_up()
    answer({})
    if is_ours:
        take(tiny, 300, precision).close()
    answer({})
    began = time.perf_counter()
    if not is_ours:
        dtype = getattr(torch, precision)
        transformers.AutoTokenizer.from_pretrained(folder)
        kept = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        answer({"seconds": time.perf_counter() - began, "kept": type(kept).__name__})
        return
    take(folder, context, precision, began).close()


def take(folder: str, context: int, precision: str, began: float | None = None) -> Any:
    """Load and read a prompt; the engine. From ``began`` on, what was done is told."""
    from chatdesk.engine.api import Generate, Load, Sampling
    from chatdesk.engine.local import LocalEngine
    from tests.engine.local.greedy import prompt_of

    engine = LocalEngine()
    *_, _loaded = engine.run(Load(1, folder, "cpu", precision))
    seconds = time.perf_counter() - began if began is not None else 0.0
    weights = tensors()
    if began is not None:
        mapped = sum(size for place, size in weights.items() if _is_mapped(place, folder))
        answer({"seconds": seconds, "mapped": mapped})
    greedy = Sampling(temperature=0, repetition_penalty=1, max_new_tokens=1)
    *_, done = engine.run(Generate(2, prompt_of(engine, context, 0), greedy))
    if began is not None:
        after = tensors()
        cache = sum(size for place, size in after.items() if place not in weights)
        answer({"tokens": done.prompt_tokens, "cache": cache})
    return engine


def tensors() -> dict[int, int]:
    """Where the tensors of this process lie, and how many bytes each has."""
    import torch

    gc.collect()
    storages = [each.untyped_storage() for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def _is_mapped(place: int, folder: str) -> bool:
    """Whether an address lies in a file of a folder."""
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if folder in line]
    return any(int(begin, 16) <= place < int(end, 16) for begin, end in ranges)


def answer(found: dict[str, Any]) -> None:
    """Say what was found, with free memory given back, and wait for the next line."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    print(json.dumps(found), flush=True)
    sys.stdin.readline()


# -- the process that looks on -------------------------------------------------------------------------------------


class Watched:
    """A child, and its memory in bytes, read from outside while it works."""

    def __init__(self, *arguments: str) -> None:
        from chatdesk.engine.child import child_environment

        environment = child_environment(None) | {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        self.after_imports = self.answer()["memory"]
        self.after_tiny = self.go_on()["memory"]

    def answer(self) -> dict[str, Any]:
        """What the child says next, the memory then, and the most until then."""
        out = self._process.stdout
        assert out is not None
        os.set_blocking(out.fileno(), False)
        peak, said = 0, b""
        while not said.endswith(b"\n"):
            peak = max(peak, self.memory())
            said += out.read(1 << 16) or b""
            if self._process.poll() is not None and not said.endswith(b"\n"):
                sys.exit(f"a child has failed: {self._process.stderr.read()[-2000:].decode()}")
            time.sleep(0.001)
        return json.loads(said) | {"memory": self.memory(), "peak": max(peak, self.memory())}

    def go_on(self) -> dict[str, Any]:
        """Let it take its next step."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return self.answer()

    def memory(self) -> int:
        """Anonymous pages."""
        with open(f"/proc/{self._process.pid}/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon")), 0)

    def end(self) -> None:
        self._process.communicate(b"\n" * 4)


@contextmanager
def watched(*arguments: str) -> Iterator[Watched]:
    """A child that is ended."""
    process = Watched(*arguments)
    try:
        yield process
    finally:
        process.end()


def measure(folder: Path, tiny: Path, precision: str, context: int, rounds: int) -> dict[str, Any]:
    """One row."""
    from chatdesk.library import safety
    from chatdesk.library.footprint import measure as footprint

    size = footprint(safety.check(folder))
    weights, cache = size.weight_bytes(precision), size.cache_bytes(precision, context)
    plain = "bfloat16" if precision.startswith("int") else precision
    found: dict[str, Any] = {}
    ours, theirs = [], []
    for _ in range(rounds):
        with watched(str(folder), str(tiny), plain, str(context), "theirs") as process:
            theirs.append(process.go_on()["seconds"])
        with watched(str(folder), str(tiny), precision, str(context), "ours") as process:
            loaded = process.go_on()
            ours.append(loaded["seconds"])
            found = found or _memory(process, loaded)
    limit, estimate = mb(weights * 1.1 + 200e6), mb(weights + cache)
    return found | {
        "estimate_mb": estimate,
        "estimate_over_held": round(estimate / (found["weights_mb"] + found["cache_mb"]), 3),
        "limit_mb": limit,
        "is_within": found["peak_mb"] <= limit,
        "load_s": round(median(ours), 2),
        "load_over_from_pretrained": round(median(ours) / median(theirs), 2),
    }


def _memory(process: Watched, loaded: dict[str, Any]) -> dict[str, Any]:
    read = process.go_on()
    return {
        "tokens": read["tokens"],
        "peak_mb": mb(loaded["peak"] - process.after_imports),
        "mapped_mb": mb(loaded["mapped"]),
        "weights_mb": mb(loaded["memory"] - process.after_tiny + loaded["mapped"]),
        "cache_mb": mb(read["cache"]),
        "kept_mb": mb(read["memory"] - loaded["memory"] - read["cache"]),
    }


def mb(number: float) -> float:
    return round(number / 1e6, 1)


def main() -> None:
    """Make the checkpoints, measure, print."""
    if sys.argv[1:2] == ["--child"]:
        folder, tiny, precision, context, who = sys.argv[2:]
        child(folder, tiny, precision, int(context), who == "ours")
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--files", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--context", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    from tests.engine.checkpoints import make_checkpoint

    rows = []
    for model_type in arguments.models:
        for file in arguments.files:
            with tempfile.TemporaryDirectory() as place:
                folder, tiny = Path(place) / "model", Path(place) / "tiny"
                make(folder, model_type, file)
                make_checkpoint(tiny, model_type)
                for precision in arguments.precisions:
                    found = measure(folder, tiny, precision, arguments.context, arguments.rounds)
                    rows.append({"model": model_type, "file": file, "precision": precision} | found)
                    print(*rows[-1].values(), file=sys.stderr, flush=True)
    print(json.dumps({"benchmark": "memory", "context": arguments.context, "rows": rows}))


if __name__ == "__main__":
    main()
