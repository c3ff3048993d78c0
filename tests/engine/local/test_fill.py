"""Filling a gap with a checkpoint on disk: its marks are found, its prompt is the one that it was taught with."""

import itertools
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatdesk.engine.api import Sampling, Started, TokenEvent
from chatdesk.engine.local import LocalEngine
from tests.engine.local.driving import generate, load

FAMILIES = [
    ("qwen2", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")),
    ("gpt2", ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),  # StarCoder's names
]


@pytest.mark.parametrize(("model_type", "marks"), FAMILIES)
def test_a_checkpoint_with_marks_is_loaded_and_reads_both_sides(checkpoint, tmp_path, model_type, marks):
    """A checkpoint on disk, through the whole engine; its prompt is the one that its makers wrote."""
    folder = tmp_path / "filler"
    shutil.copytree(checkpoint(model_type), folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": list(marks)})
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    engine = LocalEngine()
    try:
        assert load(engine, folder).model.can_fill
        assert not load(engine, checkpoint("llama")).model.can_fill
        load(engine, folder)
        greedy = Sampling(0.0, 1.0, 0, 0.0, 1.0, 8)
        events = generate(engine, "Once upon", greedy, seed=1, suffix=" little girl")
    finally:
        engine.close()
    (started,) = [event for event in events if isinstance(event, Started)]
    wanted = tokenizer(f"{marks[0]}Once upon{marks[1]} little girl{marks[2]}", add_special_tokens=False).input_ids
    assert list(started.prompt_token_ids)[-len(wanted) :] == wanted
    with torch.inference_mode():
        own = model.generate(torch.tensor([list(started.prompt_token_ids)]), max_new_tokens=8, do_sample=False)[0]
    stops = set(tokenizer.convert_tokens_to_ids(list(marks)))
    expected = list(itertools.takewhile(lambda i: i not in stops, own[len(started.prompt_token_ids) :].tolist()))
    assert [event.id for event in events if isinstance(event, TokenEvent)][: len(expected)] == expected
