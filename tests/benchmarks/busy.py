"""Decoding while other programs want the processor, too: ``python tests/benchmarks/busy.py --model llama-135m``.

Prints one line of JSON for a model of random weights: tokens a second alone and beside 1, 2 and 4 programs that only
count, ``kept`` over alone, by the lean step and by torch's own forward (``plain``), medians of ``rounds`` in turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as the program sets it for its engine

import torch

from chatdesk.engine.local.lean.step import LeanMaker
from tests.benchmarks.engine import MODELS, Bench, make_checkpoint

PROGRAMS = (0, 1, 2, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="llama-135m", choices=list(MODELS))
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32", "int8", "int4"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=32)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_checkpoint(folder, args.model, torch.bfloat16, "cpu")
        bench = Bench(folder, "cpu", args.dtype)
        steps = bench.cache.runner.steps
        if not isinstance(steps, LeanMaker) or not steps.is_on:
            sys.exit("this model has no lean step here")
        bench.generate("hello there", 100)  # which way is quicker is known then
        if not steps.races[1].has_won:
            sys.exit("the lean step was not quicker: is something else running?")
        speeds = defaultdict[tuple[str, int], list[float]](list)
        for _ in range(args.rounds):
            for programs in PROGRAMS:
                others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
                time.sleep(0.2)
                for way in ("lean", "plain"):
                    steps.is_on = way == "lean"
                    bench.cache.forget()
                    began = time.perf_counter()
                    bench.generate("hello there", args.tokens)
                    speeds[way, programs].append(args.tokens / (time.perf_counter() - began))
                for other in others:
                    other.kill()
                    other.wait()
        found = {key: median(each) for key, each in speeds.items()}
        result = {
            way: {
                "tokens_per_s": {programs: round(found[way, programs], 1) for programs in PROGRAMS},
                "kept": {programs: round(found[way, programs] / found[way, 0], 2) for programs in PROGRAMS[1:]},
            }
            for way in ("lean", "plain")
        }
        print(json.dumps({"model": args.model, "dtype": args.dtype, **result}))


if __name__ == "__main__":
    main()
