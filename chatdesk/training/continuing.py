"""What a model in training makes of a prompt, so that a person sees it come alive."""

from typing import Any

import torch
from transformers import GenerationConfig

from chatdesk.training.corpus import Turn
from chatdesk.training.encoders import Encoder
from chatdesk.training.recipe import Recipe, Stage


def continuation(causal: Any, encoder: Encoder, prompt: str, recipe: Recipe, stage: Stage) -> str:
    """What a causal model of transformers adds to ``prompt``, sampled with the recipe's values and seed.

    In a stage that learns replies the prompt is a user's message.
    """
    ids = encoder.prompt((Turn("user", prompt),) if stage.loss == "replies" else prompt)
    device = causal.get_input_embeddings().weight.device
    new = max(1, min(recipe.sample_tokens, _context(causal) - 1))
    inputs = torch.tensor([ids[-max(1, _context(causal) - new) :]], device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(recipe.seed)
        made = causal.generate(
            inputs, attention_mask=torch.ones_like(inputs), generation_config=_how(recipe, encoder.ends, new)
        )
    text: str = encoder.tokenizer.decode(made[0, inputs.shape[1] :].tolist())
    return text


def _context(causal: Any) -> int:
    """Tokens that a model can see."""
    return int(getattr(causal.config, "max_position_embeddings", 1 << 20))


def _how(recipe: Recipe, ends: tuple[int, ...], new: int) -> GenerationConfig:
    """Every value is said: transformers fills what is missing with its own."""
    values = recipe.sampling
    chance = {"temperature": values.temperature, "top_p": values.top_p, "top_k": values.top_k, "min_p": values.min_p}
    make: Any = GenerationConfig  # transformers leaves it without types
    made: GenerationConfig = make(
        do_sample=values.temperature > 0,
        repetition_penalty=values.repetition_penalty,
        max_new_tokens=new,
        eos_token_id=list(ends) or None,
        pad_token_id=ends[0] if ends else 0,
        **(chance if values.temperature > 0 else {}),
    )
    return made
