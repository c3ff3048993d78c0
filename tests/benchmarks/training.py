"""How fast a run trains: ``python tests/benchmarks/training.py``.

Prints one line of JSON for a new model on random words. In each round every way is measured in turn, and the figures
are medians: tokens a second of a run over those of a bare loop of the same model (``speed_over_bare``), and of a loop
with transformers' own forward (``speed_over_transformers``); the share of the peak that a plain product of bfloat16
matrices reaches in the same rounds; the memory of a run over what was estimated (above what the imports take).
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil
import torch
from torch import Tensor
from torch.nn import functional

from chatdesk.paths import starter
from chatdesk.training.estimate import estimate
from chatdesk.training.events import Stepped, TrainEvent
from chatdesk.training.model import LossModel, count_parameters, new_model
from chatdesk.training.recipe import ModelShape, Recipe, Source, Stage, write_recipe
from chatdesk.training.trainer import train

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")


def make(folder: Path, wishes: argparse.Namespace) -> Path:
    """A recipe and its text of random words."""
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshrdlu", k=draw.randint(2, 9))) for _ in range(5000)]
    (folder / "text.txt").write_text(" ".join(draw.choices(words, k=200_000)))
    shape = ModelShape(10240, wishes.sequence, wishes.width, wishes.layers, wishes.width // 64, wishes.kind)
    shape = ModelShape(
        **{**{name: getattr(shape, name) for name in shape.__struct_fields__}, "tokenizer": str(starter())}
    )
    stage = Stage("all", (Source("text.txt"),), wishes.sequence, wishes.batch, 1e-3, steps=wishes.steps)
    path = folder / "recipe.toml"
    write_recipe(Recipe(version=1, model=shape, stages=(stage,), save_every_seconds=1e6), path)
    return path


def run_speed(recipe: Path, out: Path) -> float:
    """Tokens a second of a whole run, as it says itself, over all its steps."""
    events: list[TrainEvent] = []
    train(recipe, recipe.parent, out, events.append)
    steps = [event for event in events if isinstance(event, Stepped)]
    seen = [event.tokens - before for before, event in zip([0, *[e.tokens for e in steps]], steps, strict=False)]
    return sum(seen) / sum(n / event.tokens_per_second for n, event in zip(seen, steps, strict=True))


def loop_speed(model: LossModel, wishes: argparse.Namespace, loss_of: Callable[[Tensor], Tensor]) -> float:
    """Tokens a second of a loop as one writes it by hand."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    synchronise()
    began = time.perf_counter()
    for _ in range(wishes.steps):  # with the first, which makes what is made once: a run has it, too
        rows = torch.randint(10240, (wishes.batch, wishes.sequence + 1), device=DEVICE)
        with torch.autocast(DEVICE.type, torch.bfloat16):
            loss = loss_of(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    synchronise()
    return wishes.steps * wishes.batch * wishes.sequence / (time.perf_counter() - began)


def synchronise() -> None:
    """Wait for the device."""
    if CUDA:
        torch.cuda.synchronize()


def peak_flops(size: int, times: int = 5) -> float:
    """Operations a second of a product of two square matrices in bfloat16, the best of some."""
    a, b = (torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(times):
        synchronise()
        began = time.perf_counter()
        a @ b
        synchronise()
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


class Memory:
    """The most private memory while it watches, in bytes above the beginning."""

    def __enter__(self) -> "Memory":
        self._is_over = threading.Event()
        self.most = self._first = psutil.Process().memory_full_info().uss
        if CUDA:
            torch.cuda.reset_peak_memory_stats()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._is_over.wait(0.05):
            self.most = max(self.most, psutil.Process().memory_full_info().uss)

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        """Of the device that computes."""
        return torch.cuda.max_memory_allocated() if CUDA else self.most - self._first


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("width", 384), ("layers", 8), ("sequence", 256), ("batch", 4), ("steps", 6), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--kind", choices=("gpt2", "llama"), default="gpt2")
    wishes = parser.parse_args()
    shape = ModelShape(10240, wishes.sequence, wishes.width, wishes.layers, wishes.width // 64, wishes.kind)
    found: dict[str, list[float]] = {"run": [], "bare": [], "transformers": [], "peak": []}
    with tempfile.TemporaryDirectory() as name:
        recipe = make(Path(name), wishes)
        with Memory() as memory:
            found["run"].append(run_speed(recipe, Path(name) / "first"))
        used = memory.bytes
        estimated = estimate(recipe, Path(name), 2.0).memory_bytes
        found["run"].clear()
        for number in range(wishes.rounds):
            model = new_model(shape, 0, 0).to(DEVICE)
            every = torch.ones(wishes.batch, wishes.sequence, dtype=torch.bool, device=DEVICE)
            tokens = wishes.batch * wishes.sequence

            def own(rows: Tensor, model: LossModel = model, every: Tensor = every, tokens: int = tokens) -> Tensor:
                return model(rows[:, :-1], rows[:, 1:], None, every) / tokens

            def theirs(rows: Tensor, model: LossModel = model) -> Tensor:
                logits = model.causal(rows[:, :-1], use_cache=False).logits
                return functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())

            found["bare"].append(loop_speed(model, wishes, own))
            found["run"].append(run_speed(recipe, Path(name) / f"run-{number}"))
            found["transformers"].append(loop_speed(model, wishes, theirs))
            found["peak"].append(peak_flops(8192 if CUDA else 2048))
    parameters = count_parameters(model)
    per_token = 6 * parameters + 12 * wishes.layers * wishes.width * wishes.sequence
    speed = {name: median(values) for name, values in found.items()}
    result = {
        "device": torch.cuda.get_device_name() if CUDA else f"CPU, {torch.get_num_threads()} threads",
        "parameters": parameters,
        "tokens_per_s": round(speed["run"]),
        "speed_over_bare": round(median(a / b for a, b in zip(found["run"], found["bare"], strict=True)), 3),
        "speed_over_transformers": round(
            median(a / b for a, b in zip(found["run"], found["transformers"], strict=True)), 3
        ),
        "share_of_peak": round(speed["run"] * per_token / speed["peak"], 3),
        "memory_mb": round(used / 1e6),
        "memory_over_estimate": round(used / estimated, 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
