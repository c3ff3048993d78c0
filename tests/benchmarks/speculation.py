"""What guessing ahead brings: ``python tests/benchmarks/speculation.py --model llama-135m``.

Prints one line of JSON: tokens a second with guesses over without, in turns, medians over ``rounds``. Random weights
say nothing that repeats, so what they say is put in their place: the sampler is told which tokens to choose, and the
engine reads, compares and times as ever. ``editing``: the reply repeats the prompt's text with one word in ``every``
changed, as when a text is summarised or corrected. ``nothing``: the reply has nothing of the prompt. ``misleading``:
three tokens of the prompt, then others: each guess is wrong.
"""

import argparse
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from msgspec import structs

from chatdesk.engine.api import Finished, Generate
from chatdesk.engine.local import generation
from chatdesk.engine.local.sampling import Choice, Sampler
from tests.benchmarks.engine import GREEDY, MODELS, Bench, make_checkpoint
from tests.engine.local.greedy import prompt_of


def reply(kind: str, prompt: Sequence[int], tokens: int, every: int, salt: int) -> list[int]:
    """What the model is to say."""
    source, start = random.Random(salt), max(0, len(prompt) - tokens - 8)
    if kind == "editing":
        return [source.randrange(2, 390) if source.random() < 1 / every else i for i in prompt[start : start + tokens]]
    if kind == "nothing":
        return [source.randrange(2, 390) for _ in range(tokens)]
    parts = [[*prompt[at : at + 3], 1] for at in (source.randrange(len(prompt) - 3) for _ in range(tokens))]
    return [i for part in parts for i in part][:tokens]


class Told(Sampler):
    """Computes as ever, and then says what it was told."""

    script: Sequence[int] = ()

    def choose(self, logits: torch.Tensor, drafts: Sequence[int]) -> list[Choice]:
        (choice,) = super().choose(logits, drafts)
        token = self.script[min(len(self._chosen[0]) - 1, len(self.script) - 1)]
        self._chosen[0][-1] = token
        return [Choice(token, choice.logprob, choice.sampled_logprob, choice.top)]


def speed(bench: Bench, prompt: str, script: Sequence[int], guesses: bool) -> float:
    """Tokens a second of one reply."""
    bench.engine._loaded().guesses = guesses
    Told.script = script
    sampling = structs.replace(GREEDY, max_new_tokens=len(script))
    last: Any = None
    for event in bench.engine.run(Generate(2, prompt, sampling, seed=1)):
        last = event
    assert isinstance(last, Finished), last
    assert last.new_tokens == len(script)
    return last.tokens_per_s


def main() -> None:
    """Make the model, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="llama-135m")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16", "int8", "int4"], default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=192)
    parser.add_argument("--every", type=int, default=25)
    arguments = parser.parse_args()
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    stored = torch.float32 if arguments.dtype == "float32" else torch.bfloat16
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(folder), arguments.model, stored, "cuda" if on_gpu else "cpu")
        bench = Bench(Path(folder), arguments.device, arguments.dtype)
    generation.Sampler = Told  # type: ignore[misc]
    found: dict[str, list[float]] = defaultdict(list)
    for round_ in range(arguments.rounds + 1):
        prompt = prompt_of(bench.engine, 2 * arguments.tokens, round_)
        for kind in ("editing", "nothing", "misleading"):
            script = reply(kind, bench.ids(prompt), arguments.tokens, arguments.every, round_)
            order = (True, False) if round_ % 2 else (False, True)
            speeds = {guesses: speed(bench, prompt, script, guesses) for guesses in order}
            if round_:  # the first one warms up
                found[f"{kind}_over_without"].append(speeds[True] / speeds[False])
                found[f"{kind}_tokens_per_s"].append(speeds[True])
    pace = bench.engine._loaded()._pace
    told: dict[str, object] = {"benchmark": "speculation", "model": arguments.model, "device": bench.info.device_name}
    told |= {"dtype": bench.info.dtype, "rounds": arguments.rounds, "tokens": arguments.tokens}
    told["reading_over_single"] = float(f"{pace._reading_s / pace._single_s:.3g}")
    print(json.dumps(told | {name: float(f"{median(values):.4g}") for name, values in found.items()}))
    bench.engine.close()


if __name__ == "__main__":
    main()
