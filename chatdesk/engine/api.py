"""The protocol between the engine and everyone who uses it: requests, events, capabilities.

Requests carry an ``id``; every event carries the id of its request as ``request``. The same structs pass through an
`Engine` in this process, through the pipe to a child process (msgpack) and through a remote server.

A generation yields `Progress` while a long prompt is read, then `Started`, its `TokenEvent`s, one `DraftFinished` for
each draft, and ends with exactly one `Finished` or `Failed`. A load yields `Progress`, then `Loaded` or `Failed`.
Every other request is answered by one event.
What was yielded before a `Failed` stays valid: partial text is kept.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

from chatdesk.engine.speeds import Speeds

PROTOCOL_VERSION = 6

FinishReason: TypeAlias = Literal["stop", "length", "context", "cancelled", "error"]
Role: TypeAlias = Literal["system", "user", "assistant"]
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps", "xpu"]
Dtype: TypeAlias = Literal["auto", "float32", "bfloat16", "float16", "int8", "int4"]
Overflow: TypeAlias = Literal["drop", "refuse"]


class Capability(StrEnum):
    """What an engine can do; callers ask before they offer it."""

    DRAFTS = "drafts"
    LOGPROBS = "logprobs"
    COUNT = "count"
    PROMPT = "prompt"
    INSPECT = "inspect"
    MEASURE = "measure"


class Sampling(Struct, frozen=True, omit_defaults=True):
    """How the next token is chosen. ``None`` in a request: as the checkpoint says, else `DEFAULT_SAMPLING`.

    Neutral are temperature 1, top-k 0, top-p 1, min-p 0, repetition 1; temperature 0 is greedy.
    ``max_new_tokens`` counts the new tokens, ``max_length`` prompt and new; both given is refused.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    max_length: int | None = None


DEFAULT_SAMPLING = Sampling(0.7, 0.95, 0, 0.05, 1.1, 512)


class ChatMessage(Struct, frozen=True, omit_defaults=True):
    """One turn of a prompt. ``token_ids``: the ids kept with a generated reply, spliced in instead of its text
    (by the checkpoint that made them: the caller leaves them out for another one). A pinned one is never dropped.
    """

    role: Role
    text: str
    token_ids: tuple[int, ...] | None = None
    is_pinned: bool = False


BANNED = -100.0
"""The bias that forbids a text."""


class Bias(Struct, frozen=True):
    """``text`` as a word in a sentence, and what is added to its score: from -100 (`BANNED`) to 100."""

    text: str
    value: float


class _Request(Struct, frozen=True, tag=True):
    id: int


class Load(_Request, frozen=True):
    """Load the checkpoint folder ``path``, in place of the one loaded before.

    ``dtype`` int8 and int4 quantise the weights as they are read. ``gpu_layers``: how many layers have their weights on
    the GPU, the others in the computer's memory; None is all of them. ``context``: most tokens the model is to see,
    None is its own limit. ``branch_memory``: most megabytes for what it has read of branches that were left.
    ``guesses``: whether to read several tokens at once where the text has said the like before; replies stay the same.
    ``draft``: folder of a small checkpoint with the same tokenizer that guesses where the text gives no hint; one that
    cannot be used is left out, with a remark.
    """

    path: str
    device: Device = "auto"
    dtype: Dtype = "auto"
    gpu_layers: int | None = None
    context: int | None = None
    branch_memory: int = 1024
    guesses: bool = True
    draft: str = ""


class Generate(_Request, frozen=True):
    """Continue a prompt: a text as it is, or the messages of a conversation through the chat template.

    ``drafts`` continuations come from one prefill; draft *i* samples with seed + *i*. ``top_logprobs``: how many
    alternative tokens each `TokenEvent` lists. ``overflow``: what happens to turns that do not fit into the context:
    the oldest are dropped, or the request is refused (``context_full``). ``dialogue``: how messages are written, by a
    name of `chatdesk.library.dialogues`; empty is the checkpoint's own template, or a plain dialogue where it has none.
    ``adapter``: folder of a LoRA adapter to generate with; empty is the checkpoint alone.

    Of a text only, not of messages: ``lead`` stands in front of it and is never cut; ``suffix`` is what follows the gap
    that is to be filled, for a checkpoint that can (`ModelInfo.can_fill`). ``bias``: texts that become more or less
    likely wherever they would come next, by what is added to their score; `BANNED` forbids one.
    """

    prompt: str | tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    seed: int | None = None
    drafts: int = 1
    stop: tuple[str, ...] = ()
    top_logprobs: int = 0
    overflow: Overflow = "drop"
    dialogue: str = ""
    adapter: str = ""
    lead: str = ""
    suffix: str = ""
    bias: tuple[Bias, ...] = ()


class MakePrompt(_Request, frozen=True):
    """The prompt that `Generate` would make of the same values, without generating; answered by `PromptMade`.

    It fails with the faults that `Generate` has for them, and with ``cancelled``.
    """

    prompt: str | tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    overflow: Overflow = "drop"
    dialogue: str = ""
    lead: str = ""
    suffix: str = ""


class Choices(Struct, frozen=True):
    """A text and what might follow it, to be compared."""

    prompt: str
    continuations: tuple[str, ...]


class Score(_Request, frozen=True):
    """How probable each continuation of some texts is; `Progress` in items, then `Scored`. Nothing is generated."""

    items: tuple[Choices, ...]
    adapter: str = ""


class Read(_Request, frozen=True):
    """How probable the model finds each token of a text, or of the reply that ends a conversation; `TokensRead`.

    ``sampling``: whose filters ``sampled_logprob`` goes through; ``top``: how many alternatives each token lists;
    the rest as in `Generate`. A text longer than the context is refused.
    """

    prompt: str | tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    top: int = 0
    dialogue: str = ""
    adapter: str = ""


class Attend(_Request, frozen=True):
    """Which tokens each token of a text looks at, at most `MAX_ATTENTION_TOKENS`; an `AttentionMap` for each head of
    ``layer``, then `Attended`.
    """

    text: str
    layer: int = 0
    adapter: str = ""


MAX_ATTENTION_TOKENS = 512


class Count(_Request, frozen=True):
    """How many tokens a text has; answered by `Counted` even while the engine generates."""

    text: str


class Cancel(_Request, frozen=True):
    """Stop request ``request``: its drafts finish as ``cancelled``, others fail with the fault ``cancelled``."""

    request: int


class Survey(_Request, frozen=True):
    """Which devices this machine has and how much memory is free on each; answered by `Surveyed`."""


class Measure(_Request, frozen=True):
    """Measure how fast the loaded model is here, in turns with transformers' own `generate` over the same weights.

    ``rounds``: how often, at least `LEAST_ROUNDS`. `Progress` counts the steps; answered by `Measured`, or fails with
    ``cancelled``. What was kept of earlier prompts is lost.
    """

    rounds: int = 5


class Ping(_Request, frozen=True):
    """Are you there? Answered by `Pong` even while the engine generates."""


Request: TypeAlias = Load | Generate | MakePrompt | Score | Read | Attend | Measure | Count | Cancel | Survey | Ping


class DeviceMemory(Struct, frozen=True):
    """A device: torch's name of its type, what to call it, bytes of memory in all and free for a model (what the loaded
    one takes counts as free: the next takes its place), and whether it computes in bfloat16 at full speed.
    """

    device: str
    name: str
    total: int
    free: int
    has_bfloat16: bool


class ModelInfo(Struct, frozen=True):
    """What is loaded. ``sampling``: the checkpoint's defaults over `DEFAULT_SAMPLING`; only a length may be open.

    ``remarks``: each a `chatdesk.remarks.Remark`. ``can_fill``: whether its tokenizer can mark a gap inside a text;
    ``thinks``: whether its chat template knows thoughts, between ``<think>`` and ``</think>`` before an answer.
    """

    name: str
    path: str
    architecture: str
    parameters: int
    device: str
    device_name: str
    dtype: str
    context_length: int
    has_chat_template: bool
    sampling: Sampling
    load_s: float
    remarks: tuple[str, ...] = ()
    can_fill: bool = False
    thinks: bool = False


class _Event(Struct, frozen=True, tag=True):
    request: int


class Hello(_Event, frozen=True):
    """First word of a child process, with request 0: the version it speaks and what it can do."""

    version: int
    capabilities: tuple[Capability, ...]


class Progress(_Event, frozen=True):
    """``done`` of ``total``: bytes of a load, tokens of a prompt, or steps of a measurement."""

    done: int
    total: int


class Loaded(_Event, frozen=True):
    """A load has succeeded."""

    model: ModelInfo


class Started(_Event, frozen=True):
    """The prompt as the model sees it. ``dropped_messages``: how many messages did not fit into the context
    (``dropped_tokens``: of a text prompt, the tokens cut at its beginning); of the first ``unseen_before`` messages,
    system messages not counted, the model sees the pinned ones only. ``sampling`` is what is really used.
    ``opening``: what of the reply a chat template has written already, the ``<think>`` that opens its thoughts; it
    stands in front of the first increment.
    """

    prompt_token_ids: tuple[int, ...]
    sampling: Sampling
    seed: int
    dropped_messages: int = 0
    dropped_tokens: int = 0
    unseen_before: int = 0
    opening: str = ""


class AlternativeToken(Struct, frozen=True):
    """A token that could have stood there; see `TokenEvent` for the two probabilities. ``is_special``: it is a sign of
    the model's own, such as the end of a text, and ``text`` its name.
    """

    id: int
    text: str
    logprob: float
    sampled_logprob: float
    is_special: bool = False

    @property
    def is_text(self) -> bool:
        """Whether ``text`` can stand in a document: it is no special token's name, and no part of a character."""
        return bool(self.text) and not self.is_special and "\ufffd" not in self.text


class TokenEvent(_Event, frozen=True):
    """One new token of one draft. ``text`` is the increment: all increments joined are the draft (empty inside a
    character). ``logprob``: natural logarithm under the model's own distribution at temperature 1;
    ``sampled_logprob``: after the samplers. The end token that stops a draft is not part of it.
    """

    draft: int
    id: int
    text: str
    logprob: float
    sampled_logprob: float
    top: tuple[AlternativeToken, ...] = ()


class DraftFinished(_Event, frozen=True):
    """No more tokens for this draft. ``text``: a last increment that was held back, as it might begin a stop string."""

    draft: int
    reason: FinishReason
    text: str = ""


class Finished(_Event, frozen=True):
    """A generation has ended. Wall times in the engine, in seconds; ``tokens_per_s``: decoding, over all drafts."""

    prompt_tokens: int
    reused_tokens: int
    new_tokens: int
    ttft_s: float
    tokens_per_s: float


class PromptMade(_Event, frozen=True):
    """Answer to `MakePrompt`; the counts of what was dropped are those of `Started`.

    ``pieces``: the text of each token, special tokens too; joined they are the text of the prompt (empty inside a
    character). ``marker_ids``: which of the ids are special or were added to the vocabulary: they mark, and say
    nothing. ``context_length``: tokens the model can see.
    """

    token_ids: tuple[int, ...]
    pieces: tuple[str, ...]
    marker_ids: tuple[int, ...]
    context_length: int
    dropped_messages: int = 0
    dropped_tokens: int = 0
    unseen_before: int = 0


class ChoiceScores(Struct, frozen=True):
    """Of each continuation the natural logarithm of its probability after the text, and its number of tokens.

    An item that the context does not hold is not scored: ``too_long`` is then how many tokens it has at least.
    """

    logprobs: tuple[float, ...]
    tokens: tuple[int, ...]
    too_long: int = 0


class Scored(_Event, frozen=True):
    """Answer to `Score`, in the order of its items. ``limit``: tokens the model can see."""

    scores: tuple[ChoiceScores, ...]
    limit: int


class TokenReading(Struct, frozen=True):
    """A token as the model expected it; see `TokenEvent`. ``rank``: 1 is the most probable token; ``entropy``: of the
    model's distribution at this place, in nats. A first token that nothing precedes has rank 0 and None throughout.
    """

    id: int
    text: str
    rank: int = 0
    logprob: float | None = None
    sampled_logprob: float | None = None
    entropy: float | None = None
    top: tuple[AlternativeToken, ...] = ()


class SomeRead(_Event, frozen=True):
    """The first tokens of a long text; there may be several of these, and `TokensRead` brings the last."""

    tokens: tuple[TokenReading, ...]


class TokensRead(_Event, frozen=True):
    """Answer to `Read`; the texts joined, with those of `SomeRead`, are the text."""

    tokens: tuple[TokenReading, ...]


class AttentionMap(_Event, frozen=True):
    """What the tokens look at in one head: float32 ``[tokens, tokens]``, little-endian, row by row; each sums to 1."""

    layer: int
    head: int
    values: bytes


class Attended(_Event, frozen=True):
    """Answer to `Attend`. ``pieces``: text of each token; ``heads``: of each layer, 0 for one without attention.

    ``overview``: bytes ``[all heads, side, side]``, each map made small by its maxima, 255 for 1. ``average`` over all
    heads and ``rollout`` through all layers (half of each step stays where it is): as in `AttentionMap`.
    """

    pieces: tuple[str, ...]
    heads: tuple[int, ...]
    side: int
    overview: bytes
    average: bytes
    rollout: bytes


class Measured(_Event, frozen=True):
    """Answer to `Measure`."""

    speeds: Speeds


class Counted(_Event, frozen=True):
    """Answer to `Count`."""

    tokens: int


class Surveyed(_Event, frozen=True):
    """Answer to `Survey`: the best device first, the CPU last."""

    devices: tuple[DeviceMemory, ...]


class Pong(_Event, frozen=True):
    """Answer to `Ping`."""


class Failed(_Event, frozen=True):
    """The request has ended with a user error: ``fault`` is a `chatdesk.errors.Fault`, ``fields`` its fields.

    ``keeps_model``: a load was refused or cancelled before the model of before was given up, which is still there.
    """

    fault: str
    fields: dict[str, str]
    keeps_model: bool = False


Event: TypeAlias = (
    Hello
    | Progress
    | Loaded
    | Started
    | TokenEvent
    | DraftFinished
    | Finished
    | PromptMade
    | Scored
    | SomeRead
    | TokensRead
    | AttentionMap
    | Attended
    | Measured
    | Counted
    | Surveyed
    | Pong
    | Failed
)


class Engine(Protocol):
    """A plain engine: `run` one request at a time, `cancel` from any thread. Errors are events, never raised."""

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """What it can do."""

    def run(self, request: Request) -> Iterator[Event]:
        """The events of one request, the last one ending it; then it makes ready for the next. Closing it cancels."""

    def cancel(self, request: int) -> None:
        """Make a running or waiting request end early; harmless when it is over."""

    def close(self) -> None:
        """Free everything; nothing can be run after this."""
