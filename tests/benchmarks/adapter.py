"""What a LoRA adapter costs: ``python tests/benchmarks/adapter.py --model llama-135m``.

Prints one line of JSON for a model of random weights and an adapter of random numbers over all matrices of its blocks.
Figures are medians over ``rounds``; in each round every way is measured in turn: decoding greedily with the adapter
over decoding without it, and putting it on over loading the base. A name with ``_over_`` is a ratio.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from msgspec import structs
from safetensors.torch import save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.api import Finished, Generate
from tests.benchmarks.engine import GREEDY, MODELS, Bench, make_checkpoint
from tests.engine.local.greedy import prompt_of


def make_adapter(folder: Path, model: nn.Module, rank: int) -> int:
    """Small random numbers for every matrix of the blocks; how many parameters they are."""
    tensors = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear | Conv1D) and name != "lm_head":
            inputs, outputs = layer.weight.shape if isinstance(layer, Conv1D) else layer.weight.shape[::-1]
            tensors[f"base_model.model.{name}.lora_A.weight"] = torch.randn(rank, inputs) * inputs**-0.5
            tensors[f"base_model.model.{name}.lora_B.weight"] = torch.randn(outputs, rank) * 0.01
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank}))
    return sum(tensor.numel() for tensor in tensors.values())


def speed(bench: Bench, prompt: str, tokens: int, adapter: str) -> float:
    """Tokens a second of one reply."""
    wanted = structs.replace(GREEDY, max_new_tokens=tokens)
    *_, last = bench.engine.run(Generate(2, prompt, wanted, adapter=adapter))
    assert isinstance(last, Finished), last
    return last.tokens_per_s


def put_on_s(bench: Bench, adapter: str) -> float:
    """Seconds to read it and put it on."""
    adapters = bench.engine._loaded()._adapters
    adapters.put_on("")
    adapters._held = None
    return bench.timed(lambda: adapters.put_on(adapter))


def main() -> None:
    """Make model and adapter, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="llama-135m")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16"], default="auto")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=64)
    arguments = parser.parse_args()
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    stored = torch.float32 if arguments.dtype == "float32" else torch.bfloat16
    with tempfile.TemporaryDirectory() as place:
        base, adapter = Path(place) / "base", Path(place) / "adapter"
        make_checkpoint(base, arguments.model, stored, "cuda" if on_gpu else "cpu")
        began = time.perf_counter()
        bench = Bench(base, arguments.device, arguments.dtype)
        load_s = time.perf_counter() - began
        parameters = make_adapter(adapter, bench.model, arguments.rank)
        with_it, without, on_s = [], [], []
        for round_ in range(arguments.rounds + 1):  # the first warms up
            prompt = prompt_of(bench.engine, 32, round_)
            without.append(speed(bench, prompt, arguments.tokens, ""))
            with_it.append(speed(bench, prompt, arguments.tokens, str(adapter)))
            on_s.append(put_on_s(bench, str(adapter)))
        told = {
            "benchmark": "adapter",
            "model": arguments.model,
            "device": bench.info.device_name,
            "dtype": bench.info.dtype,
            "rank": arguments.rank,
            "parameters": parameters,
            "rounds": arguments.rounds,
            "tokens_per_s": round(median(without[1:]), 1),
            "with_adapter_tokens_per_s": round(median(with_it[1:]), 1),
            "with_over_without": round(median(a / b for a, b in zip(with_it[1:], without[1:], strict=True)), 3),
            "put_on_s": round(median(on_s[1:]), 4),
            "put_on_over_load": round(median(on_s[1:]) / load_s, 4),
        }
        bench.engine.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
