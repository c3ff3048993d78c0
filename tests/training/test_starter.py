"""The model in the box is whole, small, and made as its folder says."""

import json

import pytest
import torch
import transformers

from chatdesk.paths import starter
from chatdesk.training.recipe import load_recipe

FOLDER = starter()


def test_it_is_small_and_whole() -> None:
    recipe = load_recipe(FOLDER / "recipe.toml")
    config = json.loads((FOLDER / "config.json").read_text())
    assert (FOLDER / "model.safetensors").stat().st_size < 40e6
    assert config["model_type"] == "gpt2"
    assert config["n_positions"] == recipe.model.context == max(stage.sequence for stage in recipe.stages)
    assert config["vocab_size"] == recipe.model.vocabulary


@pytest.mark.parametrize("greeting", ["Hello", "Hi!", "good morning"])
def test_it_answers_a_greeting_with_a_greeting(greeting: str) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": greeting}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    ids = model.generate(**prompt, do_sample=False, temperature=None, top_p=None, top_k=None, max_new_tokens=60)
    reply = tokenizer.decode(ids[0, prompt["input_ids"].shape[1] :], skip_special_tokens=False)
    assert reply.endswith("<|end|>")
    assert reply.startswith(("Hello", "Hi", "Good"))
