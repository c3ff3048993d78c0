"""How long a conversation waits for a first token: ``python tests/benchmarks/turns.py --model llama-135m``.

Prints one line of JSON. Part ``turns``: a conversation grows to ``context`` tokens in ``turns`` turns, each with a
question of random words and a short reply whose ids are kept; the time to the first token of the last turns over one
forward pass of transformers over the same new tokens with a ready cache of that length, and over one over the whole
prompt, which is what `generate` does; the share of the prompt's tokens that came from the cache. Part ``branches``:
two branches of a long beginning in turns, over the same two forwards. Part ``prefill``: reading ``context`` tokens
anew beside one forward pass. Medians over ``rounds``; a name with ``_over_`` is a ratio from within a round.
"""

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from msgspec import structs
from transformers import DynamicCache

from chatdesk.engine.api import ChatMessage, DraftFinished, Finished, Generate, Started, TokenEvent
from tests.benchmarks.engine import GREEDY, MODELS, Bench, bare, make_checkpoint
from tests.engine.local.greedy import prompt_of

REPLY = 8


class Talk:
    """A conversation that grows by questions and replies, whose ids are kept as the window keeps them."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.messages: list[ChatMessage] = []
        self.prompt: tuple[int, ...] = ()

    def ask(self, words: str) -> Finished:
        """A question and its reply; the last event."""
        self.messages.append(ChatMessage("user", words))
        ids, text, last = [], "", None
        sampling = structs.replace(GREEDY, max_new_tokens=REPLY)
        for event in self.bench.engine.run(Generate(2, tuple(self.messages), sampling, seed=1)):
            match event:
                case Started():
                    self.prompt = event.prompt_token_ids
                case TokenEvent():
                    ids.append(event.id)
                    text += event.text
                case DraftFinished():
                    text += event.text
                case Finished():
                    last = event  # behind it the engine makes ready for the next turn
        if last is None:
            sys.exit("a reply has failed")
        self.messages.append(ChatMessage("assistant", text, tuple(ids)))
        return last


def forwards(bench: Bench, prompt: Sequence[int], cached: int) -> tuple[float, float]:
    """Seconds of one forward pass of transformers over what is not cached, and over all."""
    ids = torch.tensor([list(prompt)], device=bench.device)
    times = []
    for known in (cached, 0):
        kept = DynamicCache(config=bench.model.config)
        with torch.inference_mode(), bare(bench.model):
            if known:
                bench.model(ids[:, :known], past_key_values=kept, use_cache=True, logits_to_keep=1)
            rest = ids[:, known:]
            times.append(
                bench.timed(lambda rest=rest, kept=kept: bench.model(rest, past_key_values=kept, logits_to_keep=1))
            )
    return times[0], times[1]


def turns(bench: Bench, context: int, count: int, rounds: int) -> dict[str, list[float]]:
    """The last ``rounds`` turns of one conversation are measured."""
    talk, found = Talk(bench), defaultdict(list)
    bench.cache.forget()
    for turn in range(count):
        last = talk.ask(prompt_of(bench.engine, context // count, turn))
        if turn < count - rounds:
            continue
        rest_s, all_s = forwards(bench, talk.prompt, last.reused_tokens)
        found["prompt_tokens"].append(last.prompt_tokens)
        found["reused_share"].append(last.reused_tokens / last.prompt_tokens)
        found["ttft_s"].append(last.ttft_s)
        found["over_ready_forward"].append(last.ttft_s / rest_s)
        found["over_full_prefill"].append(last.ttft_s / all_s)
    return found


def branches(bench: Bench, context: int, rounds: int) -> dict[str, list[float]]:
    """Each time another of two branches, whose last third differs."""
    found: dict[str, list[float]] = defaultdict(list)
    bench.cache.forget()
    start = prompt_of(bench.engine, context * 2 // 3, 1)
    texts = [f"{start}\n{prompt_of(bench.engine, context // 3, salt)}" for salt in (2, 3)]
    for text in texts:
        bench.generate(text, REPLY)
    for turn in range(rounds):
        text = f"{texts[turn % 2]}\n{prompt_of(bench.engine, 32, 10 + turn)}"
        last = bench.generate(text, REPLY)
        rest_s, all_s = forwards(bench, bench.ids(text), last.reused_tokens)
        found["reused_share"].append(last.reused_tokens / last.prompt_tokens)
        found["ttft_s"].append(last.ttft_s)
        found["over_ready_forward"].append(last.ttft_s / rest_s)
        found["over_full_prefill"].append(last.ttft_s / all_s)
    return found


def prefill(bench: Bench, context: int, rounds: int) -> dict[str, list[float]]:
    """A prompt that nothing is kept of."""
    found: dict[str, list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        text = prompt_of(bench.engine, context, 20 + turn)
        bench.cache.forget()
        last = bench.generate(text, 1)
        if turn:  # the first one measures how long a chunk takes
            found["ttft_s"].append(last.ttft_s)
            found["forward_speed_share"].append(bench.forward_s(text) / last.ttft_s)
    return found


def main() -> None:
    """Make the model, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(MODELS), default="llama-135m")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16", "int8", "int4"], default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--context", type=int, default=6000)
    parser.add_argument("--only", choices=["turns", "branches", "prefill"])
    arguments = parser.parse_args()
    on_gpu = arguments.device != "cpu" and torch.cuda.is_available()
    stored = torch.float32 if arguments.dtype == "float32" else torch.bfloat16
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(Path(folder), arguments.model, stored, "cuda" if on_gpu else "cpu")
        bench = Bench(Path(folder), arguments.device, arguments.dtype)
    context, rounds = min(arguments.context, bench.info.context_length - 256), arguments.rounds
    parts = {
        "turns": lambda: turns(bench, context, arguments.turns, rounds),
        "branches": lambda: branches(bench, context, rounds),
        "prefill": lambda: prefill(bench, context, rounds),
    }
    told: dict[str, object] = {"benchmark": "turns", "model": arguments.model, "device": bench.info.device_name}
    told |= {"dtype": bench.info.dtype, "rounds": rounds, "turns": arguments.turns, "context": context}
    for name, part in parts.items():
        if arguments.only in (None, name):
            told[name] = {figure: float(f"{median(values):.4g}") for figure, values in part().items()}
    bench.engine.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
