"""From stored messages to what a transcript shows and what an engine reads."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from msgspec import structs

from chatdesk.engine.api import ChatMessage, Overflow, Role, Sampling
from chatdesk.settings.options import CHAT
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Message, Provenance
from chatdesk.tasks.changes import Turn
from chatdesk.tasks.thoughts import Answer

SAMPLING_NAMES = tuple(name for name in Sampling.__struct_fields__ if name in CHAT)
_TITLE_CHARS = 60
_SHORT_TITLE_CHARS = 20
_BACKTICKS = re.compile("`{3,}")
_OPENING = re.compile(r"<think>\s*")
_EMPHASIS = re.compile(r"(?<![\w*`])(\*{1,3}|`+)(?![\s*`])(.+?)(?<=\S)\1(?![\w*`])")


def turns(c: Conversations, conversation_id: str, above: str | None = None, most: int = -1) -> list[Turn]:
    """The chosen branch of a conversation, root first; the last ``most`` turns of it, or of those ``above`` one."""
    pinned = c.pinned(conversation_id)
    found = c.branch_view(conversation_id, above, most)
    return [_turn(*shown, is_pinned=shown[0].id in pinned) for shown in found]


def turn(message: Message, siblings: list[Message], origin: Provenance | None) -> Turn:
    """A stored message as a turn; ``siblings`` are all its versions, itself among them."""
    return _turn(message, [sibling.id for sibling in siblings].index(message.id) + 1, len(siblings), origin)


def versions(c: Conversations, message_id: str) -> list[Turn]:
    """All versions of a message."""
    siblings = c.siblings(message_id)
    origins = c.provenance([message.id for message in siblings])
    return [turn(message, siblings, origins.get(message.id)) for message in siblings]


def _turn(message: Message, version: int, versions: int, origin: Provenance | None, is_pinned: bool = False) -> Turn:
    return Turn(
        message.id,
        message.role,
        message.text,
        "done",
        "damaged" if message.damaged else message.finish_reason,
        version,
        versions,
        origin.model if origin else None,
        origin.ttft_s if origin else None,
        origin.tokens_per_s if origin else None,
        is_pinned,
        message.attachments,
    )


def prompt(c: Conversations, message_id: str, model_path: str) -> tuple[ChatMessage, ...]:
    """The messages from the root to ``message_id``, as an engine reads them.

    A reply goes with its token ids when the checkpoint at ``model_path`` made it: its text is not encoded again. Files
    stand in the text of the message they came with, see `framed`.
    """
    path = c.path(message_id)
    pinned = c.pinned(path[-1].conversation_id) if path else set()
    origins = c.provenance([message.id for message in path])

    def chat_message(message: Message) -> ChatMessage:
        origin = origins.get(message.id)
        kept = message.token_ids if origin is not None and origin.model_path == model_path else None
        text = framed(message.text, message.attachments) if message.role == "user" else message.text
        return ChatMessage(cast("Role", message.role), text, kept, message.id in pinned)

    return tuple(chat_message(message) for message in path)


def framed(words: str, files: Sequence[Attachment]) -> str:
    """A person's message as a model reads it: each file with its name and between fences, then the words.

    A fence is longer than any run of backticks in the file, so the file cannot close it; the name is one line.
    """
    parts = [_frame(file) for file in files]
    return "\n\n".join([*parts, words] if words.strip() or not parts else parts)


def _frame(file: Attachment) -> str:
    fence = "`" * max([3, *(len(run) + 1 for run in _BACKTICKS.findall(file.text))])
    end = "" if file.text.endswith("\n") else "\n"
    return f"File: {' '.join(file.name.split())}\n{fence}\n{file.text}{end}{fence}"


class Outgoing(NamedTuple):
    """What a request to the engine says of its prompt."""

    prompt: tuple[ChatMessage, ...]
    sampling: Sampling
    overflow: Overflow
    stop: tuple[str, ...] = ()


def outgoing(messages: tuple[ChatMessage, ...], values: dict[str, Any]) -> Outgoing:
    """The messages of a conversation as its settings send them: behind the system prompt, with the sampling."""
    if system := str(values.get("system_prompt", "")).strip():
        messages = (ChatMessage("system", system), *messages)
    sampling = Sampling(**{name: values[name] for name in SAMPLING_NAMES if name in values})
    overflow: Overflow = "refuse" if values.get("overflow") == "ask" else "drop"
    return Outgoing(messages, sampling, overflow, lines(values.get("stop", "")))


def lines(text: Any) -> tuple[str, ...]:
    r"""One text a line; ``\n`` in it is a line's end."""
    return tuple(line.replace("\\n", "\n") for line in str(text).splitlines() if line.strip())


def title(text: str, reply: str = "") -> str:
    """The first line of a message as the title of its conversation, cut at a word; a short one with its reply's."""
    line = _first_line(text)
    if len(line) < _SHORT_TITLE_CHARS and (said := _said(reply)):
        line = f"{line} – {said}"
    if len(line) <= _TITLE_CHARS:
        return line
    return line[:_TITLE_CHARS].rsplit(" ", 1)[0].rstrip(",.;:–") + "…"


def opened_as(text: str, beginning: ChatMessage) -> ChatMessage:
    """A beginning of a reply made of its tokens, with what the template had opened it with: that is none of them."""
    found = _OPENING.match(text)
    if found is None or _OPENING.match(beginning.text):
        return beginning
    return structs.replace(beginning, text=found[0] + beginning.text)


def subject(words: str, files: Sequence[Attachment]) -> str:
    """What a message is about: its words, or without any the name of its first file."""
    return words if words.strip() or not files else files[0].name


def title_of_exchange(c: Conversations, reply: Message) -> None:
    """After the first reply: a title made of a greeting alone says too little of the conversation."""
    home = c.get(reply.conversation_id)
    question = c.message(reply.parent_id) if reply.parent_id is not None else None
    if question is None or question.parent_id is not None:
        return
    said = subject(question.text, question.attachments)
    if home.title == title(said) and (better := title(said, reply.text)) != home.title:
        c.rename(home.id, better)


def _said(reply: str) -> str:
    """The first line behind its thoughts, without the signs of Markdown."""
    answer = Answer()
    line = _first_line(answer.feed(reply) + answer.finish())[
        : 4 * _TITLE_CHARS
    ]  # no more is shown, and stars can be many
    return _EMPHASIS.sub(r"\2", line).lstrip("#>*- ")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
