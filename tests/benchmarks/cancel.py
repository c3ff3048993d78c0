"""How long a cancel takes with the real engine behind its pipe: ``python tests/benchmarks/cancel.py``.

Prints one line of JSON: milliseconds from the call of `EngineClient.cancel` to the last event of the request as
median, 99th percentile and maximum, over ``n`` cancels, half of them while a long prompt is read.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from chatdesk.engine.api import Event, Failed, Generate, Load, Loaded, Progress, Sampling, TokenEvent
from chatdesk.engine.client import EngineClient
from chatdesk.engine.wire import ENDINGS
from chatdesk.paths import starter

WAIT_S = 120


class Watch:
    """Waits for events of one request, and notes when its last one came."""

    def __init__(self) -> None:
        self.client = EngineClient(self._on_event)
        self.request = 0
        self.last: Event | None = None
        self.ended_at = 0.0
        self.has_begun = threading.Event()
        self.has_ended = threading.Event()

    def _on_event(self, event: Event) -> None:
        if event.request != self.request:
            return
        if isinstance(event, Progress | TokenEvent):
            self.has_begun.set()
        if isinstance(event, ENDINGS):
            self.last, self.ended_at = event, time.perf_counter()
            self.has_begun.set()
            self.has_ended.set()

    def send(self, request: Load | Generate) -> None:
        self.has_begun.clear()
        self.has_ended.clear()
        self.request = request.id
        self.client.send(request)

    def end(self) -> Event:
        if not self.has_ended.wait(WAIT_S) or self.last is None:
            raise TimeoutError("no last event")
        return self.last


def prompt_of(tokens: int, salt: int) -> str:
    """A text of about so many tokens that no cache has seen."""
    rng = random.Random(salt)
    return " ".join(str(rng.randrange(1000)) for _ in range(max(tokens // 2, 1)))


def measure(watch: Watch, context: int, n: int) -> list[float]:
    """Milliseconds from each cancel to the end of its request."""
    spent_ms = []
    for i in range(n):
        is_long = i % 2 == 0
        prompt = prompt_of(context * 3 // 4 if is_long else 16, i)
        request_id = watch.client.next_id()
        watch.send(Generate(request_id, prompt, Sampling(max_new_tokens=context // 4), seed=i))
        if is_long:  # at any moment, most of them while the prompt is read
            time.sleep(random.Random(i).random() * 0.2)
        else:
            watch.has_begun.wait(WAIT_S)
        begin = time.perf_counter()
        watch.client.cancel(request_id)
        watch.end()
        spent_ms.append(max(watch.ended_at - begin, 0.0) * 1000)
    return spent_ms


def main() -> None:
    """Load a checkpoint (the model in the box, else a tiny random one) and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=starter())
    parser.add_argument("-n", type=int, default=100)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if not (model / "config.json").exists():
            from tests.engine.checkpoints import make_checkpoint

            model = make_checkpoint(Path(folder), "llama", config={"max_position_embeddings": 4096})
        watch = Watch()
        watch.send(Load(watch.client.next_id(), str(model)))
        loaded = watch.end()
        if not isinstance(loaded, Loaded):
            sys.exit(f"{model} could not be loaded: {loaded if isinstance(loaded, Failed) else ''}")
        spent_ms = sorted(measure(watch, loaded.model.context_length, arguments.n))
        watch.client.close()
    p50, p99 = (spent_ms[min(int(len(spent_ms) * share), len(spent_ms) - 1)] for share in (0.5, 0.99))
    figures = {"p50_ms": p50, "p99_ms": p99, "max_ms": spent_ms[-1]}
    rounded = {name: round(value, 2) for name, value in figures.items()}
    print(json.dumps({"benchmark": "cancel", "model": loaded.model.name, "n": len(spent_ms), **rounded}))


if __name__ == "__main__":
    main()
