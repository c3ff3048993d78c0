"""Messages of a talk, a template for them, and the prompt that is made of both."""

from chatdesk.engine.api import ChatMessage, Finished, Started
from chatdesk.engine.local import LocalEngine
from tests.engine.local.driving import GREEDY, generate, only

CHATML = (
    "{% for message in messages %}"
    "{{ '<|start|>' + message['role'] + '\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant\\n' }}{% endif %}"
)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def assistant(text: str, ids: tuple[int, ...] | None = None) -> ChatMessage:
    return ChatMessage("assistant", text, ids)


def system(text: str) -> ChatMessage:
    return ChatMessage("system", text)


def prompt_of(engine: LocalEngine, *messages: ChatMessage, sampling=GREEDY) -> str:
    """The prompt as text, special tokens and all."""
    events = generate(engine, messages, sampling)
    assert isinstance(events[-1], Finished), events[-1]
    return engine._loaded().checkpoint.tokens.decode(only(events, Started).prompt_token_ids, skip_special=False)
