"""Classifying beside a plain loop over transformers: ``python tests/benchmarks/classify.py``.

Prints one line of JSON. 500 texts of one to four sentences are scored with three labels, by `Score` and by one forward
pass of the whole text for each text and label, in turns of 100 texts in the same precision; figures are medians over
the turns. ``largest_difference``: of all log-probabilities. ``accuracy``: of sentiment (two labels) on
``tests/tasks/sentiment.csv``, with ``commonest`` for always saying the commonest label.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from transformers import AutoModelForCausalLM

from chatdesk.engine.api import Load, Loaded, Score, Scored
from chatdesk.engine.local import LocalEngine
from chatdesk.paths import starter
from chatdesk.tasks import classify_files
from chatdesk.tasks.classify import SETS, Plan, report
from chatdesk.tasks.classify_run import Run

SENTIMENT = Path(__file__).resolve().parents[1] / "tasks" / "sentiment.csv"
TURN = 100


def plain(model: torch.nn.Module, engine: LocalEngine, plan: Plan, texts: list[str]) -> list[float]:
    """The log-probabilities of all labels of all texts, each by a forward pass of its own."""
    tokens, found = engine._loaded().checkpoint.tokens, []
    for text in texts:
        choices = plan.choices(text)
        before = [*tokens.leading, *tokens.encode(choices.prompt)]
        for continuation in choices.continuations:
            ids = [*tokens.leading, *tokens.encode(choices.prompt + continuation)]
            with torch.inference_mode():
                logits = model(torch.tensor([ids], device=next(model.parameters()).device)).logits[0].float()
            logprobs = logits.log_softmax(dim=-1)
            found.append(sum(float(logprobs[at - 1, ids[at]]) for at in range(len(before), len(ids))))
    return found


def ours(engine: LocalEngine, plan: Plan, texts: list[str]) -> list[float]:
    """The same by one request."""
    *_, last = engine.run(Score(2, tuple(map(plan.choices, texts))))
    assert isinstance(last, Scored), last
    return [logprob for score in last.scores for logprob in score.logprobs]


def accuracy(engine: LocalEngine, plan: Plan) -> dict[str, float]:
    """How good the labels of the small file are."""
    table = classify_files.read(SENTIMENT)
    run = Run(plan, table.column("text"), "")
    while not run.is_over:
        *_, last = engine.run(run.next_request(3))
        assert isinstance(last, Scored), last
        run.take(last)
    found = report(plan, run.results, table.column("label"))
    return {"accuracy": round(found.accuracy, 4), "commonest": found.commonest, "counted": found.counted}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=starter())
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--set", choices=list(SETS), default="sentiment3")
    parser.add_argument("--texts", type=int, default=500)
    arguments = parser.parse_args()
    engine = LocalEngine()
    *_, last = engine.run(Load(1, str(arguments.model), arguments.device, "float32"))
    assert isinstance(last, Loaded), last
    model = AutoModelForCausalLM.from_pretrained(str(arguments.model), dtype=torch.float32).to(arguments.device).eval()
    plan, rng = SETS[arguments.set][1], random.Random(1)
    sentences = classify_files.read(SENTIMENT).column("text")
    texts = [" ".join(rng.sample(sentences, rng.randint(1, 4))) for _ in range(arguments.texts)]
    plain(model, engine, plan, texts[:3])
    ours(engine, plan, texts[:TURN])
    ratios, plain_s, ours_s, worst = [], [], [], 0.0
    for start in range(0, len(texts), TURN):
        some = texts[start : start + TURN]
        times = [time.perf_counter()]
        expected = plain(model, engine, plan, some)
        times.append(time.perf_counter())
        found = ours(engine, plan, some)
        times.append(time.perf_counter())
        plain_s.append(times[1] - times[0])
        ours_s.append(times[2] - times[1])
        ratios.append(plain_s[-1] / ours_s[-1])
        worst = max(worst, *(abs(a - b) for a, b in zip(expected, found, strict=True)))
    told = {
        "model": last.model.name,
        "device": last.model.device_name,
        "texts": len(texts),
        "labels": len(plan.labels),
        "speed_over_plain": round(median(ratios), 2),
        "least_speed_over_plain": round(min(ratios), 2),
        "texts_per_s": round(len(texts) / sum(ours_s), 1),
        "plain_texts_per_s": round(len(texts) / sum(plain_s), 1),
        "largest_difference": round(worst, 7),
        **accuracy(engine, SETS["sentiment"][1]),
    }
    engine.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
