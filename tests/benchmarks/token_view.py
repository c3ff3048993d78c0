"""What the token view costs: ``python tests/benchmarks/token_view.py [CHECKPOINT] [--rounds 7] [--tokens 128]``.

The window asks for a reply without alternatives, and reads them from the kept ids when a person looks; so the view
costs nothing while a reply is written. Two figures, in turns in one run, on the model in the box unless another is
named: ``with_alternatives``, the speed of a reply whose every token brings its ten alternatives, as a share of the
speed of one without; and ``reading``, the time to read a finished reply with its alternatives, as a share of the time
that writing it took. Medians over the rounds. Prints one line of JSON; nothing else may run meanwhile.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from chatdesk import paths
from chatdesk.engine.api import Failed, Finished, Generate, Load, Read, Sampling
from chatdesk.engine.local import LocalEngine

TOP = 10
LEAST_SHARE = 0.97
PROMPT = "Once upon a time there was a little girl who lived at the end of the island with her dog."


def written(engine: LocalEngine, number: int, tokens: int, top: int) -> tuple[float, str]:
    """Tokens a second of one reply, and its text."""
    sampling = Sampling(1.0, 1.0, 0, 0.0, 1.0, tokens)
    events = list(engine.run(Generate(number, PROMPT, sampling, seed=7, top_logprobs=top)))
    last = events[-1]
    assert isinstance(last, Finished), last
    return last.tokens_per_s, "".join(getattr(event, "text", "") for event in events)


def read(engine: LocalEngine, number: int, text: str) -> float:
    """Seconds to read a reply."""
    began = time.perf_counter()
    *_, last = engine.run(Read(number, PROMPT + text, Sampling(1.0, 1.0, 0, 0.0, 1.0), TOP))
    assert not isinstance(last, Failed), last
    return time.perf_counter() - began


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    engine = LocalEngine()
    for _ in engine.run(Load(1, arguments.checkpoint)):
        pass
    shares, readings, speeds = [], [], []
    number = 2
    for round in range(arguments.rounds + 1):
        found = {}
        for top in (0, TOP) if round % 2 else (TOP, 0):
            found[top], text = written(engine, number := number + 1, arguments.tokens, top)
        took = read(engine, number := number + 1, text)
        if round:  # the first one warms up
            shares.append(found[TOP] / found[0])
            readings.append(took * found[0] / arguments.tokens)
            speeds.append(found[0])
    engine.close()
    share = statistics.median(shares)
    return {
        "tokens_per_s": round_(statistics.median(speeds)),
        "with_alternatives": {"value": round_(share), "limit": LEAST_SHARE, "kept": share >= LEAST_SHARE},
        "reading": {"value": round_(statistics.median(readings))},
    }


def round_(value: float) -> float:
    """Three digits behind the point."""
    return float(f"{value:.3f}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", nargs="?", default=str(paths.starter()))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=128)
    print(json.dumps({"load": round_(os.getloadavg()[0])} | run(parser.parse_args())))


if __name__ == "__main__":
    main()
