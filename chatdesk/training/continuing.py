"""What a model in training makes of a prompt, so that a person sees it come alive."""

from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig

from chatdesk.training.corpus import END_OF_TEXT, END_OF_TURN, Turn, encode_prompt, token_id
from chatdesk.training.recipe import Recipe, Stage


def continuation(causal: Any, tokenizer: Tokenizer, prompt: str, recipe: Recipe, stage: Stage) -> str:
    """What a causal model of transformers adds to ``prompt``, sampled with the recipe's values and seed.

    In a stage that learns replies the prompt is a user's message.
    """
    ids = encode_prompt((Turn("user", prompt),) if stage.loss == "replies" else prompt, tokenizer)
    device = causal.get_input_embeddings().weight.device
    new = max(1, min(recipe.sample_tokens, _context(causal) - 1))
    inputs = torch.tensor([ids[-max(1, _context(causal) - new) :]], device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(recipe.seed)
        made = causal.generate(
            inputs, attention_mask=torch.ones_like(inputs), generation_config=_how(recipe, tokenizer, new)
        )
    text: str = tokenizer.decode(made[0, inputs.shape[1] :].tolist())
    return text


def _context(causal: Any) -> int:
    """Tokens that a model can see."""
    return int(getattr(causal.config, "max_position_embeddings", None) or causal.config.n_positions)


def _how(recipe: Recipe, tokenizer: Tokenizer, new: int) -> GenerationConfig:
    """Every value is said: transformers fills what is missing with its own."""
    values = recipe.sampling
    ends = [token_id(tokenizer, END_OF_TEXT), token_id(tokenizer, END_OF_TURN)]
    chance = {"temperature": values.temperature, "top_p": values.top_p, "top_k": values.top_k, "min_p": values.min_p}
    make: Any = GenerationConfig  # transformers leaves it without types
    made: GenerationConfig = make(
        do_sample=values.temperature > 0,
        repetition_penalty=values.repetition_penalty,
        max_new_tokens=new,
        eos_token_id=ends,
        pad_token_id=ends[0],
        **(chance if values.temperature > 0 else {}),
    )
    return made
