"""From a request's text or messages to the ids that the model sees, so that they fit into its context.

A chat goes through the checkpoint's template, rendered in another process; a checkpoint without one, or a person who
wishes it, takes one of `DIALOGUES`. A template that refuses or ignores a system message gets its text in front of the
first message; one that wants the roles to alternate, and refuses messages of one role in a row, gets them as one, and
an empty message of the person before a reply that stands first. A last message by the assistant is continued, behind
what asked for it.

A special token's name in a message is no token: who writes it speaks of it (`chatdesk.engine.local.quoting`).

Replies that carry their ids are spliced in as they were generated: the text is rendered a second time with marks in
place of the replies, and only if both texts agree, and the spliced ids decode to the text, are they used.

What does not fit is dropped at the beginning: of a text, tokens; of a chat, the oldest turns, but never the system
message, a pinned turn or the last user message; or it is refused, where the request asks for that. Room is left for the
wanted new tokens, at most a quarter of the context.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import groupby
from typing import NamedTuple

from msgspec.structs import replace

from chatdesk.engine.api import ChatMessage, Sampling
from chatdesk.engine.local.fill import fill_marks
from chatdesk.engine.local.recall import Recall
from chatdesk.engine.local.templates import TemplateError, TemplateRenderer
from chatdesk.engine.local.tokens import Tokens, is_local
from chatdesk.engine.template_child import MAX_BYTES
from chatdesk.errors import Fault, UserError
from chatdesk.library.dialogues import DIALOGUES, Dialogue

_MARK = "\ue000{}\ue001"
"""Stands for the n-th reply; characters for private use, which no template contains."""

_OPENING, _LONGEST_OPENING = re.compile(r"<think>\s*\Z"), 16  # in tokens

Size = Callable[[ChatMessage], int]
Render = Callable[[Sequence[ChatMessage], bool], str]


@dataclass(frozen=True)
class Prompt:
    """What the model sees. ``continues``: the new text goes on within ``ids``; else it stands by itself.

    ``stops``: texts that end a reply; ``stop_ids``: those of them that are tokens by themselves; ``opening``: see
    `Started`.
    """

    ids: tuple[int, ...]
    stops: tuple[str, ...] = ()
    stop_ids: frozenset[int] = frozenset()
    continues: bool = True
    dropped_messages: int = 0
    dropped_tokens: int = 0
    unseen_before: int = 0
    opening: str = ""


class Around(NamedTuple):
    """What stands around a text prompt, see `Generate`: in front of it and never cut; behind the gap to be filled."""

    lead: str = ""
    suffix: str = ""


NOTHING_AROUND = Around()


class PromptMaker:
    """Makes prompts for one checkpoint. ``context``: tokens the model can see; ``ends``: its end tokens."""

    def __init__(self, tokens: Tokens, context: int, ends: frozenset[int]) -> None:
        self._tokens, self._context, self._ends = tokens, context, ends
        self._turn_ends: dict[str, frozenset[int]] = {}  # by template
        self._takers: dict[str, bool] = {}
        self._marks = fill_marks(tokens)
        self._renderer = TemplateRenderer(tokens.special)
        self._encode = Recall(tokens.encode, is_local(tokens.backend)).encode
        self._renderer.start()

    def close(self) -> None:
        """End the process that renders."""
        self._renderer.close()

    def make(
        self,
        prompt: str | Sequence[ChatMessage],
        sampling: Sampling,
        may_drop: bool = True,
        dialogue: str = "",
        around: Around = NOTHING_AROUND,
    ) -> Prompt:
        """The prompt for a request whose sampling is resolved; ``dialogue``: see `Generate`.

        Faults: ``EMPTY_PROMPT``, ``PROMPT_TOO_LONG``, ``CONTEXT_FULL`` where turns would have to go and must not,
        ``CHAT_TEMPLATE``, and ``BAD_VALUE`` for an unknown dialogue or a ``max_length`` that the prompt fills.
        """
        if isinstance(prompt, str):
            made = self._of_text(prompt, sampling, around)
        else:
            made = self._of_chat(prompt, sampling, may_drop, self._form(dialogue))
        if not made.ids:  # of a text without width, say
            raise UserError(Fault.EMPTY_PROMPT)
        if sampling.max_length is not None and sampling.max_length <= len(made.ids):
            allowed = f"more than the {len(made.ids)} tokens of the prompt"
            raise UserError(Fault.BAD_VALUE, name="max_length", value=sampling.max_length, allowed=allowed)
        return made

    def _limit(self, tokens: int, sampling: Sampling) -> int:
        """The longest prompt that leaves room for new tokens, where the whole one has ``tokens``."""
        wanted = sampling.max_new_tokens or max(1, (sampling.max_length or 0) - tokens)
        return self._context - max(1, min(wanted, self._context // 4))

    def _of_text(self, text: str, sampling: Sampling, around: Around) -> Prompt:
        if not (text + around.lead).strip():
            raise UserError(Fault.EMPTY_PROMPT)
        lead = [*self._tokens.leading, *(self._encode(around.lead) if around.lead else ())]
        ids = self._encode(text) if text else []
        if around.suffix:
            return self._with_gap(lead, ids, sampling, around.suffix)
        limit = self._limit(len(lead) + len(ids), sampling) - len(lead)
        if limit < min(1, len(ids)) or len(lead) >= self._context:
            raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(lead) + len(ids), limit=self._context)
        dropped = max(0, len(ids) - limit)
        return Prompt((*lead, *ids[dropped:]), dropped_tokens=dropped)

    def _with_gap(self, lead: list[int], ids: list[int], sampling: Sampling, suffix: str) -> Prompt:
        """What follows the gap may take a quarter of the room; of both sides what is nearest to the gap stays."""
        if self._marks is None:
            raise UserError(Fault.BAD_VALUE, name="suffix", value="given", allowed="none, as the model fills no gaps")
        after = self._encode(suffix)
        room = self._limit(len(lead) + len(ids) + len(after) + 3, sampling) - len(lead) - 3
        kept = after[: max(0, room // 4, room - len(ids))]
        dropped = max(0, len(ids) - (room - len(kept)))
        if room < 1:
            raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(lead) + len(ids) + len(after), limit=self._context)
        marks = frozenset((self._marks.prefix, self._marks.suffix, self._marks.middle))
        leading = len(self._tokens.leading)
        made = self._marks.prompt([*lead[leading:], *ids[dropped:]], kept)
        return Prompt((*lead[:leading], *made), (), marks, dropped_tokens=dropped + len(after) - len(kept))

    def _form(self, name: str) -> Dialogue:
        """How messages are written."""
        own = self._tokens.chat_template
        if not name:
            return DIALOGUES["plain"] if own is None else Dialogue("", own, ())
        if name not in DIALOGUES:
            raise UserError(Fault.BAD_VALUE, name="dialogue", value=name, allowed="one of " + ", ".join(DIALOGUES))
        return DIALOGUES[name]

    def _of_chat(self, messages: Sequence[ChatMessage], sampling: Sampling, may_drop: bool, form: Dialogue) -> Prompt:
        if not messages or not messages[-1].text.strip():
            raise UserError(Fault.EMPTY_PROMPT)
        chat = _Chat.of(messages)
        size = cache(self._size)  # a file of megabytes takes seconds
        must_stay = bool(chat.droppable) and not may_drop

        @cache
        def encoded(dropped: int) -> list[int]:
            kept = chat.without(dropped)
            fault = Fault.CONTEXT_FULL if must_stay else Fault.PROMPT_TOO_LONG
            self._require_renderable(kept, sampling, fault, size)
            return self._encode_chat(kept, form.template)

        def fits(dropped: int) -> bool:
            ids = encoded(dropped)
            return len(ids) <= self._limit(len(ids), sampling)

        dropped = 0
        if may_drop:
            guess = self._likely_too_many(chat, sampling, size)
            dropped = _fewest(guess, len(chat.droppable), lambda n: (n >= guess or chat.is_renderable(n)) and fits(n))
        ids, is_continued = encoded(dropped), messages[-1].role == "assistant"
        if not fits(dropped):
            if must_stay:
                raise UserError(Fault.CONTEXT_FULL, tokens=len(ids), limit=self._limit(len(ids), sampling))
            if len(ids) >= self._context:  # else what the last message leaves, if less than wanted
                raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(ids), limit=self._context)
        return Prompt(
            tuple(ids),
            stops=form.stops,
            stop_ids=self._turn_end(form.template).union(
                ids[0] for stop in form.stops if len(ids := self._tokens.encode(stop)) == 1
            ),
            continues=is_continued,
            dropped_messages=len(messages) - len(chat.without(dropped)),
            unseen_before=sum(map(len, chat.turns[: max(chat.droppable[:dropped], default=-1) + 1])),
            opening="" if is_continued else self._opening(ids),
        )

    def _opening(self, ids: Sequence[int]) -> str:
        """The beginning of thoughts that a prompt ends with."""
        found = _OPENING.search(self._tokens.decode(ids[-_LONGEST_OPENING:], skip_special=False))
        return found[0] if found else ""

    def _require_renderable(self, kept: Sequence[ChatMessage], sampling: Sampling, fault: Fault, size: Size) -> None:
        """Texts of megabytes, which a template cannot take, cannot fit as a rule: that is said then."""
        if sum(len(message.text.encode()) for message in kept) <= MAX_BYTES:
            return
        tokens = sum(map(size, kept))
        if tokens >= self._context:
            limit = self._context if fault == Fault.PROMPT_TOO_LONG else self._limit(tokens, sampling)
            raise UserError(fault, tokens=tokens, limit=limit)

    def _size(self, message: ChatMessage) -> int:
        return len(message.token_ids) if message.token_ids else len(self._encode(message.text))

    def _likely_too_many(self, chat: "_Chat", sampling: Sampling, size: Size) -> int:
        """How many turns cannot fit, going by their texts: a template adds to them, or leaves out what was thought."""
        sizes = [sum(map(size, turn)) for turn in chat.turns]
        total = sum(sizes) + sum(map(size, chat.system))
        limit = self._limit(total, sampling)
        for dropped, i in enumerate(chat.droppable):
            if total <= limit:
                return dropped
            total -= sizes[i]
        return len(chat.droppable)

    def _encode_chat(self, messages: Sequence[ChatMessage], template: str) -> list[int]:
        """Ids of the rendered messages, with replies spliced in and the tokenizer's own tokens in front."""
        quoting, encode = self._tokens.quoting, self._encode
        if letters := quoting.letters(message.text for message in messages):
            messages = [replace(message, text=quoting.quote(message.text, letters)) for message in messages]
            encode = partial(quoting.encode, letters=letters)
        text, parts = self._parts(template, self._with_place_for_system(messages, template))
        is_spliced = any(message is not None and message.token_ids for message, _ in parts)
        ids = self._spliced(text, parts, encode) if is_spliced else encode(text)
        leading = list(self._tokens.leading)
        return ids if ids[: len(leading)] == leading else leading + ids

    def _parts(self, template: str, messages: Sequence[ChatMessage]) -> tuple[str, "Parts"]:
        """See `_parts`. A template that wants the roles to alternate is given messages that do."""
        render = partial(self._render, template)
        try:
            return _parts(render, messages)
        except TemplateError:
            alternating = _alternating(messages)
            if alternating == list(messages):
                raise
            return _parts(render, alternating)

    def _with_place_for_system(self, messages: Sequence[ChatMessage], template: str) -> Sequence[ChatMessage]:
        """As it is, or with the system's text in front of the first message where the template has no place for it."""
        system = "\n\n".join(message.text for message in messages if message.role == "system")
        rest = [message for message in messages if message.role != "system"]
        if not system or not rest:
            return messages
        if self._takes_system(template):
            return [ChatMessage("system", system), *rest]
        if rest[0].role != "user":
            return [ChatMessage("user", system), *rest]
        return [ChatMessage("user", f"{system}\n\n{rest[0].text}"), *rest[1:]]

    def _takes_system(self, template: str) -> bool:
        """Whether a template has a place for a system message."""
        mark = _MARK.format(0)
        if template not in self._takers:
            text = self._tried(template, [ChatMessage("system", mark), ChatMessage("user", "a")])
            if not text:  # it refuses, or was too slow this time
                return False
            self._takers[template] = mark in text
        return self._takers[template]

    def _turn_end(self, template: str) -> frozenset[int]:
        """The special token that the template writes behind a reply: many checkpoints name the end of a text alone.

        None where the template writes one of those named, too: others may then stand between two parts of a reply.
        """
        if template not in self._turn_ends:
            question, reply = ChatMessage("user", "a"), _MARK.format(0)
            text = self._tried(template, [question, ChatMessage("assistant", reply), question])
            if not text:
                return frozenset()
            named = (self._tokens.decode([i], skip_special=False) for i in self._ends)
            is_named = any(end in template or end in text for end in named)
            first = self._tokens.encode(text.partition(reply)[2].lstrip())[:1]
            self._turn_ends[template] = frozenset() if is_named else self._tokens.specials.intersection(first)
        return self._turn_ends[template]

    def _tried(self, template: str, messages: Sequence[ChatMessage]) -> str:
        """What a template makes of a chat; nothing where it refuses it."""
        try:
            return self._render(template, messages, True)
        except TemplateError:
            return ""

    def _render(self, template: str, messages: Sequence[ChatMessage], add_generation_prompt: bool) -> str:
        plain = [{"role": message.role, "content": message.text} for message in messages]
        return self._renderer.render(template, plain, add_generation_prompt=add_generation_prompt)

    def _spliced(self, text: str, parts: "Parts", encode: Callable[[str], list[int]]) -> list[int]:
        """The ids with replies as they were generated, if they say the text or what its plain encoding says; else that.

        What is between replies is mostly known from the turn before, so that the whole text is rarely encoded.
        """
        ids: list[int] = []
        for message, following in parts:
            if message is not None:
                ids += message.token_ids or encode(message.text)
            ids += encode(following)
        said = self._tokens.decode(ids, skip_special=False)
        if said == text:
            return ids
        encoded = encode(text)
        return ids if said == self._tokens.decode(encoded, skip_special=False) else encoded


@dataclass(frozen=True)
class _Chat:
    """Messages by turns. ``droppable``: places of the turns that may be dropped, the oldest first."""

    system: list[ChatMessage]
    turns: list[list[ChatMessage]]
    droppable: list[int]

    @classmethod
    def of(cls, messages: Sequence[ChatMessage]) -> "_Chat":
        """All turns but the last, and those with a pinned message, may be dropped."""
        turns = _turns([message for message in messages if message.role != "system"])
        droppable = [i for i, turn in enumerate(turns[:-1]) if not any(message.is_pinned for message in turn)]
        return cls([message for message in messages if message.role == "system"], turns, droppable)

    def without(self, dropped: int) -> list[ChatMessage]:
        """What is kept where so many of the oldest turns are dropped."""
        gone = set(self.droppable[:dropped])
        return [*self.system, *(message for i, turn in enumerate(self.turns) if i not in gone for message in turn)]

    def is_renderable(self, dropped: int) -> bool:
        """Whether a template may be tried."""
        return sum(len(message.text.encode()) for message in self.without(dropped)) <= MAX_BYTES


def _fewest(guess: int, most: int, fits: Callable[[int], bool]) -> int:
    """The smallest number up to ``most`` that fits, where greater ones fit, too; ``most`` where none does."""
    if not fits(guess):
        return next((number for number in range(guess + 1, most) if fits(number)), most)
    fitting, step = guess, 1
    while fitting and fits(lower := max(0, fitting - step)):
        fitting, step = lower, 2 * step
    misfit = max(0, fitting - step) if fitting else -1
    while fitting - misfit > 1:
        middle = (fitting + misfit) // 2
        fitting, misfit = (middle, misfit) if fits(middle) else (fitting, middle)
    return fitting


Parts = list[tuple[ChatMessage | None, str]]
"""Replies of a rendered chat, each with the text after it; the first item, without a reply, is the beginning."""


def _parts(render: Render, messages: Sequence[ChatMessage]) -> tuple[str, Parts]:
    """The rendered text, cut after a last reply that is to be continued, and its parts; none where they are unclear.

    Where a template would write the reply to be continued in another way than it was asked for (it folds its reasoning,
    opens none, trims its end), the reply stands as it is behind what asked for it.
    """
    reply = messages[-1]
    if reply.role != "assistant":
        return _split(render, messages, is_continued=False)
    asking = _asking(render, messages[:-1])
    try:
        text, parts = _split(render, messages, is_continued=True)
        written = text[len(asking) :] if text.startswith(asking) else text
        if not asking or (written.endswith(reply.text) and not written.removesuffix(reply.text).strip()):
            return text, parts
    except TemplateError:
        if not asking:
            raise
    text, parts = _split(render, messages[:-1], is_continued=False)
    if _OPENING.search(text):  # which a reply that was begun there holds, too
        reply = replace(reply, text=without_opening(reply.text))
    return text + reply.text, [*(parts or [(None, text)]), (reply, "")]


def without_opening(text: str) -> str:
    """A reply without the opening of its thoughts."""
    return re.sub(r"\A\s*<think>\s*", "", text)


def _asking(render: Render, messages: Sequence[ChatMessage]) -> str:
    """Some messages with what asks for a reply to them; nothing where a template has no such words, or refuses them."""
    try:
        text = render(messages, True) if messages else ""
        return text if text and text != render(messages, False) else ""
    except TemplateError:
        return ""


def _split(render: Render, messages: Sequence[ChatMessage], is_continued: bool) -> tuple[str, Parts]:
    """As `_parts`, as the template has it.

    A template that changes the replies (trims them, folds their reasoning) leaves no parts.
    """
    text = render(messages, not is_continued)
    replies = [message for message in messages if message.role == "assistant"]
    if not is_continued and not any(message.token_ids for message in replies):
        return text, []
    numbers = iter(range(len(replies)))
    marked = [
        ChatMessage("assistant", _mark(message, next(numbers))) if message.role == "assistant" else message
        for message in messages
    ]
    rest = render(marked, not is_continued)
    parts: Parts = []
    reply = None
    for number, following in enumerate(replies):
        before, mark, rest = rest.partition(_mark(following, number))
        if not mark:
            return _cut(text, replies[-1]) if is_continued else text, []
        parts.append((reply, before))
        reply = following
    parts.append((reply, rest))
    if "".join((message.text if message else "") + following for message, following in parts) != text:
        return _cut(text, replies[-1]) if is_continued else text, []
    if is_continued:
        parts[-1] = (reply, "")
        text = text.removesuffix(rest)
    return text, parts


def _mark(reply: ChatMessage, number: int) -> str:
    """What stands for a reply. It begins with white space where the reply does, as a prompt may depend on that."""
    first = reply.text[:1]
    return (first if first.isspace() else "") + _MARK.format(number)


def _cut(text: str, reply: ChatMessage) -> str:
    """A rendered text up to the end of its last reply."""
    said = reply.text.strip()
    place = text.rfind(said)
    if place < 0:
        raise TemplateError("it leaves out the reply that is to be continued")
    return text[: place + len(said)]


def _alternating(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages with those of one role in a row as one; before a reply that stands first, an empty one."""
    groups = (list(group) for _, group in groupby(messages, lambda message: message.role))
    made = [
        group[0] if len(group) == 1 else ChatMessage(group[0].role, "\n\n".join(message.text for message in group))
        for group in groups
    ]
    first = next((place for place, message in enumerate(made) if message.role != "system"), 0)
    if made[first].role == "assistant":
        made.insert(first, ChatMessage("user", ""))
    return made


def _turns(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Groups that begin with a user's message and hold the replies to it."""
    turns: list[list[ChatMessage]] = []
    for message in messages:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns
