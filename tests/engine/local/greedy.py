"""Comparing the engine's greedy output with that of transformers' own `generate`, on any device."""

import random
from pathlib import Path

import torch
from msgspec import structs
from transformers import AutoModelForCausalLM

from chatdesk.engine.api import Finished, Started
from chatdesk.engine.local import LocalEngine
from tests.engine.local.driving import GREEDY, generate, ids_of, load, only

WORDS = ["the", "quick", "brown", "hello", "world", "how", "today", "model", "learned", "a", "b", "é", "😀", "ü,"]
NEAR = 1e-4


def prompt_of(engine: LocalEngine, tokens: int, seed: int) -> str:
    """A text of about so many tokens."""
    words = random.Random(seed)
    encode = engine._loaded().checkpoint.tokens
    text = " ".join(words.choice(WORDS) for _ in range(tokens + 1))
    return encode.decode(encode.encode(text)[:tokens])


def reference(model, prompt: tuple[int, ...], new: int) -> list[int]:
    """What `generate` makes of it."""
    ids = torch.tensor([prompt], device=model.device)
    made = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
        repetition_penalty=1.0,
    )
    return made[0, len(prompt) :].tolist()


def is_near_tie(model, prompt: tuple[int, ...], one: list[int], other: list[int]) -> bool:
    """Whether two continuations part where the two best logits are closer than `NEAR`."""
    common = next(i for i, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *one[:common]]], device=model.device)).logits[0, -1].float()
    best = logits.topk(2).values
    return float(best[0] - best[1]) < NEAR


def compare(folder: Path, lengths: list[int], new: int, device: str = "cpu", guesses: bool = True) -> int:
    """Assert equality for prompts of these lengths; how many near ties there were."""
    engine = LocalEngine()
    load(engine, folder, device=device)
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    engine._loaded().guesses = guesses
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval().to(device)
    ties = 0
    for seed, length in enumerate(lengths):
        events = generate(engine, prompt_of(engine, length, seed), structs.replace(GREEDY, max_new_tokens=new), seed=1)
        assert isinstance(events[-1], Finished), events[-1]
        prompt = only(events, Started).prompt_token_ids
        ours, theirs = ids_of(events), reference(model, prompt, new)
        if ours != theirs:
            assert is_near_tie(model, prompt, ours, theirs), (folder.name, length, ours, theirs)
            ties += 1
    engine.close()
    print(f"{folder.name}: {len(lengths)} prompts, {ties} near ties")
    return ties
