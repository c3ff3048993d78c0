"""Ways to write a conversation as a text, for checkpoints that bring no chat template of their own.

A base model has learned to go on with a text. Which of these texts looks most like its training, its maker may say;
where nobody says, a plain dialogue is what every model has seen. The templates are chat templates in the sense of
transformers: jinja2 over ``messages`` and ``add_generation_prompt``; a system message that one of them cannot place is
put in front of the first message by whoever renders.

Sources: the model cards of the first models trained with each form.
"""

from msgspec import Struct


class Dialogue(Struct, frozen=True):
    """One way. ``name``: what people call it; ``stops``: texts that end a reply, where no end token does."""

    name: str
    template: str
    stops: tuple[str, ...]


_LOOP = "{% for message in messages %}"
_ROLES = _LOOP + "{{ '<|' + message.role + '|>\n' + message.content }}"

DIALOGUES: dict[str, Dialogue] = {
    "plain": Dialogue(
        "Plain dialogue",
        _LOOP + "{{ '' if loop.first else '\n' }}"
        "{% if message.role == 'system' %}{{ message.content + '\n' }}{% else %}"
        "{{ 'User:' if message.role == 'user' else 'Assistant:' }}"
        "{{ '' if message.content[:1].isspace() else ' ' }}{{ message.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '\nAssistant:' }}{% endif %}",
        ("\nUser:",),
    ),
    "chatml": Dialogue(
        "ChatML",
        _LOOP + "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        ("<|im_end|>", "<|im_start|>"),
    ),
    "llama3": Dialogue(
        "Llama 3",
        _LOOP + "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content + '<|eot_id|>' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        ("<|eot_id|>", "<|start_header_id|>"),
    ),
    "llama2": Dialogue(
        "Llama 2, Mistral",
        _LOOP + "{% if message.role == 'user' %}{{ '[INST] ' + message.content + ' [/INST]' }}"
        "{% elif message.role == 'assistant' %}{{ ' ' + message.content + (eos_token or '') }}{% endif %}{% endfor %}",
        ("[INST]",),
    ),
    "gemma": Dialogue(
        "Gemma",
        _LOOP + "{% if message.role != 'system' %}"
        "{{ '<start_of_turn>' + ('user' if message.role == 'user' else 'model') + '\n' }}"
        "{{ message.content + '<end_of_turn>\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
        ("<end_of_turn>", "<start_of_turn>"),
    ),
    "phi3": Dialogue(
        "Phi-3",
        _ROLES + "{{ '<|end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
        ("<|end|>", "<|user|>"),
    ),
    "zephyr": Dialogue(
        "Zephyr",
        _ROLES + "{{ (eos_token or '') + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
        "{% endif %}",
        ("<|user|>", "<|system|>"),
    ),
    "alpaca": Dialogue(
        "Alpaca",
        _LOOP + "{% if message.role == 'system' %}{{ message.content + '\n\n' }}"
        "{% elif message.role == 'user' %}{{ '### Instruction:\n' + message.content + '\n\n' }}"
        "{% else %}{{ '### Response:\n' + message.content + '\n\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}",
        ("\n### Instruction:",),
    ),
    "vicuna": Dialogue(
        "Vicuna",
        _LOOP + "{% if message.role == 'system' %}{{ message.content + '\n\n' }}"
        "{% elif message.role == 'user' %}{{ 'USER: ' + message.content }}"
        "{% else %}{{ ' ASSISTANT: ' + message.content + (eos_token or '') + '\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}",
        ("USER:",),
    ),
}
"""By the name under which a choice is kept; the first is taken where nobody chose."""
