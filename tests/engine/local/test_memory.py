"""Memory of the engine process over many generations, cancels and loads; and of this one after an unload."""

import gc
import random
import sys

import psutil
import pytest
from msgspec import structs

from chatdesk.engine.api import Generate, Load, Loaded, TokenEvent
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.local import LocalEngine
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import NEUTRAL, generate, load
from tests.engine.local.greedy import WORDS, prompt_of

KINDS = ("llama", "gpt2", "mistral", "mamba")


def private_mb() -> float:
    """Of this process, pages of files that nobody else has open among them."""
    gc.collect()
    return psutil.Process().memory_full_info().uss / 1e6


def written_mb(pid: int) -> float:
    """Of a child, without pages of files: those of its libraries become its own when another program with them ends."""
    child = psutil.Process(pid)
    if sys.platform != "linux":
        return child.memory_full_info().uss / 1e6
    return sum(part.private_dirty for part in child.memory_maps()) / 1e6


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("generations", [10_000])
def test_no_growth_over_many_generations(tmp_path, generations):
    """New prompts, branches, drafts, cancels at any token, another model every hundred requests."""
    folders = [make_checkpoint(tmp_path / kind, kind) for kind in KINDS]
    engine, source = PipedEngine(), random.Random(1)
    (child,) = psutil.Process().children()
    words: list[str] = []
    seen: dict[int, float] = {}
    for i in range(generations):
        if i % 100 == 0:
            assert isinstance(list(engine.run(Load(1, str(folders[i // 100 % 4]), "cpu", branch_memory=4)))[-1], Loaded)
            words = [" ".join(source.choices(WORDS, k=60)) for _ in range(3)]
        prompt = source.choice(words)[: source.randrange(20, 300)] + " ".join(source.choices(WORDS, k=5))
        sampling = structs.replace(NEUTRAL, max_new_tokens=source.randrange(1, 12))
        stop, count = source.randrange(20), 0
        for event in engine.run(Generate(10 + i, prompt, sampling, drafts=source.choice([1, 1, 3]))):
            count += isinstance(event, TokenEvent)
            if count == stop:
                engine.cancel(10 + i)
        if i + 1 in (generations // 5, generations // 2, generations):
            seen[i + 1] = written_mb(child.pid)
    engine.close()
    print(", ".join(f"{mb:.1f} MB after {count}" for count, mb in seen.items()))
    assert seen[generations] - seen[generations // 5] < 20


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_unloaded_model_leaves_nothing(tmp_path):
    """A hundred megabytes of weights and a long cache, three times; the imports stay."""
    size = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 8, "max_position_embeddings": 4096}
    folder = make_checkpoint(tmp_path, "llama", config=size)
    engine = LocalEngine()
    after: list[float] = []
    for _ in range(3):
        load(engine, folder)
        generate(engine, prompt_of(engine, 2000, 1), structs.replace(NEUTRAL, max_new_tokens=4))
        loaded = private_mb()
        engine.close()
        after.append(private_mb())
        assert loaded - after[-1] > 60
    print(f"{after} MB after closing; {loaded:.1f} MB before")
    assert after[2] - after[0] < 10
