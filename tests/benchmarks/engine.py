"""How fast the engine decodes and reads prompts: ``python tests/benchmarks/engine.py --model llama-135m``.

Prints one line of JSON for a model of random weights of a usual size, made in a temporary folder. All figures are
medians over ``rounds``, each measured in turn in every round: decoding greedily beside transformers' own `generate`
with the same weights, and beside what the memory of the device allows (every weight read once for a token); with the
default sampling; five drafts beside one; reading a prompt of ``context`` tokens beside one forward pass over it; one
more turn after it beside a forward pass over a ready cache. A name with ``_over_`` is a ratio from within a round.
Nothing is guessed ahead, for a model of random weights repeats itself.

``--only decode`` measures the first of these alone, and the sampler. ``--llama-cpp PYTHON`` adds llama.cpp to it, in
turns, in an environment that can run ``llama_cpp.py``: the same weights in bfloat16, or Q8_0 beside int8 and Q4_0
beside int4.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from msgspec import structs
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.utils.logging import disable_progress_bar

from chatdesk.engine.api import DEFAULT_SAMPLING, Failed, Finished, Generate, Load, Loaded, Sampling
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.lean.compiler import COMPILER
from chatdesk.engine.local.lean.step import LeanMaker
from chatdesk.engine.local.sampling import Sampler
from chatdesk.engine.local.yardsticks import bandwidth, bytes_per_token, generate_times, timed
from tests.engine.checkpoints import make_tokenizer, write_tokenizer
from tests.engine.local.greedy import prompt_of

LLAMA = {"tie_word_embeddings": True, "max_position_embeddings": 32768}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2-124m": ("gpt2", {"n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}),
    "llama-135m": (
        "llama",
        LLAMA
        | {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "vocab_size": 49152}
        | {"num_attention_heads": 9, "num_key_value_heads": 3},
    ),
    "llama-0.5b": (
        "llama",
        LLAMA
        | {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "vocab_size": 49152}
        | {"num_attention_heads": 16, "num_key_value_heads": 16},
    ),
    "qwen2-0.5b": (
        "qwen2",
        LLAMA
        | {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "vocab_size": 151936}
        | {"num_attention_heads": 14, "num_key_value_heads": 2},
    ),
    "llama-1b": (
        "llama",
        LLAMA
        | {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "vocab_size": 128256}
        | {"num_attention_heads": 32, "num_key_value_heads": 8},
    ),
    "llama-3b": (
        "llama",
        LLAMA
        | {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "vocab_size": 128256}
        | {"num_attention_heads": 24, "num_key_value_heads": 8},
    ),
}
GREEDY = Sampling(temperature=0, repetition_penalty=1)
ALL_FILTERS = Sampling(temperature=0.8, top_p=0.95, top_k=100, min_p=0.02, repetition_penalty=1.1, max_new_tokens=1)
LLAMA_CPP_TYPES = {"bfloat16": "bf16", "int8": "q8_0", "int4": "q4_0"}
SAMPLED = 20
SHORT_PROMPT = 64
TURN = 32
DRAFTS = 5


def make_checkpoint(folder: Path, name: str, dtype: torch.dtype, device: str) -> None:
    """Random weights as the model class draws them, on the device, for that is quick."""
    model_type, values = MODELS[name]
    config = AutoConfig.for_model(model_type, **values, bos_token_id=1, eos_token_id=0, pad_token_id=0)
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    disable_progress_bar()
    model.save_pretrained(folder)
    write_tokenizer(folder, make_tokenizer())
    (folder / "generation_config.json").write_text("{}")


@contextmanager
def bare(model: torch.nn.Module) -> Iterator[None]:
    """The model without the hooks by which the engine stops it."""
    hooks = [(module, dict(module._forward_pre_hooks)) for module in model.modules() if module._forward_pre_hooks]
    for module, _ in hooks:
        module._forward_pre_hooks.clear()
    try:
        yield
    finally:
        for module, found in hooks:
            module._forward_pre_hooks.update(found)


class Bench:
    """One loaded model and the ways to measure it. All times are in seconds, with the device waited for."""

    def __init__(self, folder: Path, device: Any, dtype: Any) -> None:
        self.engine = LocalEngine()
        loaded = list(self.engine.run(Load(1, str(folder), device, dtype, guesses=False)))[-1]
        if not isinstance(loaded, Loaded):
            sys.exit(f"the model could not be loaded: {loaded}")
        self.info = loaded.model
        generator = self.engine._loaded()
        object.__setattr__(generator.checkpoint, "eos_ids", frozenset())
        self.model, self.cache = generator.checkpoint.model, generator._cache
        self.device = self.cache.runner.device
        if isinstance(self.cache.runner.steps, LeanMaker) and self.cache.runner.steps.is_on:
            COMPILER.wait()

    @property
    def saved_bytes(self) -> int:
        """Of what a token reads, by shorter copies."""
        steps = self.cache.runner.steps
        return steps.saved_bytes if isinstance(steps, LeanMaker) else 0

    def timed(self, work: Callable[[], Any]) -> float:
        return timed(self.device, work)

    def ids(self, text: str) -> list[int]:
        return list(self.engine._loaded().checkpoint.tokens.encode(text))

    def generate(self, prompt: str, new: int, sampling: Sampling = GREEDY, drafts: int = 1) -> Finished:
        """The last event of a reply, without events in between being kept."""
        wanted = structs.replace(sampling, max_new_tokens=new)
        for event in self.engine.run(Generate(2, prompt, wanted, seed=1, drafts=drafts)):
            last = event
        if not isinstance(last, Finished):
            sys.exit(f"a reply has failed: {last if isinstance(last, Failed) else ''}")
        return last

    def transformers_speed(self, prompt: str, new: int) -> float:
        """Tokens a second of `generate`, all but the first."""
        with bare(self.model):
            times = generate_times(self.model, self.ids(prompt), new)
        return (len(times) - 1) / (times[-1] - times[0])

    def step_s(self, prompt: str, new: int) -> float:
        """One step of the engine without sampling, text and events."""
        batch = self.cache.take(self.ids(prompt))
        batch.extend([self.ids(prompt)[batch.length :]])
        batch.step([2])
        return self.timed(lambda: [self.finish(batch.step([2])) for _ in range(new)]) / new

    def finish(self, logits: torch.Tensor) -> None:
        """As the sampler does: it looks at the logits before the next step is asked for."""
        logits[0, 0].item()

    def forward_s(self, text: str, cached: int = 0) -> float:
        """One forward pass of transformers over the rest of a text, the first ``cached`` tokens being cached."""
        ids, kept = torch.tensor([self.ids(text)], device=self.device), DynamicCache(config=self.model.config)
        with torch.inference_mode(), bare(self.model):
            if cached:
                self.model(ids[:, :cached], past_key_values=kept, use_cache=True, logits_to_keep=1)
            rest = ids[:, cached:]
            return self.timed(lambda: self.model(rest, past_key_values=kept, use_cache=True, logits_to_keep=1))


class LlamaCpp:
    """``llama_cpp.py`` in its own process, which waits while others are measured."""

    def __init__(self, python: str, folder: Path, dtype: str) -> None:
        script = Path(__file__).parent / "llama_cpp.py"
        options = ["--type", LLAMA_CPP_TYPES[dtype], "--threads", str(torch.get_num_threads()), "--turns"]
        self._process = subprocess.Popen(
            [python, str(script), str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        self.told: dict[str, Any] = json.loads(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline() or sys.exit("llama.cpp has ended; what it said is above")

    def speed(self, new: int) -> float:
        """Tokens a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{new}\n")
        self._process.stdin.flush()
        return new / float(self._answer())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def llama_cpp(python: str | None, folder: Path, dtype: str) -> Iterator[LlamaCpp | None]:
    """It, where it is asked for."""
    other = LlamaCpp(python, folder, dtype) if python else None
    try:
        yield other
    finally:
        if other is not None:
            other.close()


def measure_decode(bench: Bench, new: int, salt: int, other: LlamaCpp | None) -> dict[str, float]:
    """Greedy tokens after a short prompt by each program, in turns, and the parts of a step."""
    short, found = prompt_of(bench.engine, SHORT_PROMPT, salt), {}
    bench.cache.forget()
    first_s, again_s = (bench.timed(lambda: bench.generate(short, 4)) for _ in range(2))
    found["made_once_s"] = first_s - again_s  # for a length: reading the prompt, and on a GPU the graph
    found["tokens_per_s"] = bench.generate(short, new).tokens_per_s
    if other is not None:
        found["llama_cpp_tokens_per_s"] = other.speed(new)
        found["over_llama_cpp"] = found["tokens_per_s"] / found["llama_cpp_tokens_per_s"]
    found["generate_tokens_per_s"] = bench.transformers_speed(short, new)
    found["over_generate"] = found["tokens_per_s"] / found["generate_tokens_per_s"]
    step_s, memory_speed = bench.step_s(short, new), bandwidth(bench.device)
    found["step_ms"] = 1000 * step_s
    found["share_outside_step_greedy"] = 1 - step_s * found["tokens_per_s"]
    found["bandwidth_gb_s"] = memory_speed / 1e9
    read = (bytes_per_token(bench.model, bench.device) or 0) - bench.saved_bytes
    found["weights_gb_s"] = read / step_s / 1e9
    found["percent_of_limit"] = 100 * found["tokens_per_s"] * read / memory_speed
    found["step_percent_of_limit"] = 100 * read / step_s / memory_speed
    found["sampling_ms"] = 1000 * sampling_s(bench)
    found["sampling_over_step"] = found["sampling_ms"] / found["step_ms"]
    return found


def sampling_s(bench: Bench) -> float:
    """One token chosen with every filter, and its log-probability and those of five others told."""
    sampler = Sampler(ALL_FILTERS, range(SHORT_PROMPT), seed=1, drafts=1, top=5)
    shape = 1, bench.model.get_output_embeddings().weight.shape[0]
    logits = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(bench.device)
    sampler.choose(logits, [0])
    return median(bench.timed(lambda: sampler.choose(logits, [0])) for _ in range(SAMPLED))


def measure(bench: Bench, context: int, new: int, salt: int) -> dict[str, float]:
    """What `measure_decode` leaves: a long prompt, its next turn, sampled replies, drafts."""
    short, long = (prompt_of(bench.engine, tokens, salt) for tokens in (SHORT_PROMPT, context))
    turn = f"{long} {prompt_of(bench.engine, TURN, salt + 1)}"
    found: dict[str, float] = {}
    bench.cache.forget()
    forward_s = bench.forward_s(long)
    found["ttft_s"] = bench.generate(long, 1).ttft_s
    found["prefill_tokens_per_s"] = context / found["ttft_s"]
    found["ttft_over_forward"] = found["ttft_s"] / forward_s
    next_turn = bench.generate(turn, 2)
    found["next_turn_ttft_s"] = next_turn.ttft_s
    found["next_turn_over_forward"] = next_turn.ttft_s / bench.forward_s(turn, next_turn.reused_tokens)
    found["long_tokens_per_s"] = bench.generate(long, new).tokens_per_s
    sampled = bench.generate(short, new, DEFAULT_SAMPLING).tokens_per_s
    found["sampled_tokens_per_s"] = sampled
    found["share_outside_step_sampled"] = 1 - bench.step_s(short, new) * sampled
    found["drafts_tokens_per_s"] = bench.generate(short, new, DEFAULT_SAMPLING, DRAFTS).tokens_per_s
    found["drafts_over_one"] = found["drafts_tokens_per_s"] / sampled
    if bench.cache.runner.steps.is_on:
        found["without_graph_tokens_per_s"] = without_graph(bench, short, new)
    return found


def without_graph(bench: Bench, prompt: str, new: int) -> float:
    """Tokens a second with the ordinary forward at every step."""
    steps = bench.cache.runner.steps
    bench.cache.forget()
    steps.is_on = False
    speed = bench.generate(prompt, new).tokens_per_s
    steps.is_on = True
    bench.cache.forget()
    return speed


def main() -> None:
    """Make the model, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="llama-135m")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16", "int8", "int4"], default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--only", choices=["decode"])
    parser.add_argument("--llama-cpp", metavar="PYTHON", help="of an environment with llama-cpp-python and gguf")
    arguments = parser.parse_args()
    if arguments.llama_cpp and arguments.dtype not in LLAMA_CPP_TYPES:
        parser.error(f"--llama-cpp goes with --dtype {', '.join(LLAMA_CPP_TYPES)}")
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    stored = torch.float32 if arguments.dtype == "float32" else torch.bfloat16
    rounds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_checkpoint(folder, arguments.model, stored, "cuda" if on_gpu else "cpu")
        bench = Bench(folder, arguments.device, arguments.dtype)
        context = min(arguments.context, bench.info.context_length - arguments.tokens - 2 * TURN)
        with llama_cpp(arguments.llama_cpp, folder, arguments.dtype) as other:
            for round_ in range(arguments.rounds + 1):
                found = measure_decode(bench, arguments.tokens, round_, other)
                found |= {} if arguments.only else measure(bench, context, arguments.tokens, round_)
                for name, value in found.items():
                    rounds[name].append(value)
    figures = {name: float(f"{median(values[1:]):.4g}") for name, values in rounds.items()}  # the first warms up
    told = {
        "benchmark": "engine",
        "model": arguments.model,
        "device": bench.info.device_name,
        "dtype": bench.info.dtype,
        "rounds": arguments.rounds,
        "tokens": arguments.tokens,
        "context": context,
        "load_s": round(bench.info.load_s, 2),
        "graphs": bench.cache.runner.steps.made,
        "threads": torch.get_num_threads(),
        "llama_cpp": other.told if other else None,
    }
    bench.engine.close()
    print(json.dumps(told | figures))


if __name__ == "__main__":
    main()
