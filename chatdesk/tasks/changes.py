"""What tasks say has changed: one frozen record for each kind of change. Screens repaint from these alone."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chatdesk.engine.api import ModelInfo
from chatdesk.errors import Fault
from chatdesk.storage.records import Attachment, Conversation
from chatdesk.tasks.speed import Report

Undoable: TypeAlias = Literal["", "conversation", "messages", "edit", "branch", "file"]
Action: TypeAlias = Literal[
    "retry", "choose_model", "use_cpu", "use_less", "restart_engine", "new_chat", "drop_oldest", ""
]


@dataclass(frozen=True)
class Turn:
    """A message as the transcript shows it.

    ``state``: ``waiting`` (asked, no token yet: the model loads or reads the prompt), ``streaming``, ``done``.
    ``finish_reason``: of a done reply, see `chatdesk.engine.api.FinishReason`; ``interrupted`` by a crash;
    ``damaged`` when what is stored is no longer what was written.
    ``version`` of ``versions``: siblings, counted from 1. Speeds are of replies: seconds, tokens per second.
    ``attachments``: the files that went with it.
    """

    id: str
    role: str
    text: str
    state: Literal["waiting", "streaming", "done"] = "done"
    finish_reason: str | None = None
    version: int = 1
    versions: int = 1
    model: str | None = None
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    is_pinned: bool = False
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A user error where it happened: its sentence is made from fault and fields, ``action`` is its one button."""

    fault: Fault
    fields: dict[str, str]
    action: Action = ""


@dataclass(frozen=True)
class ListChanged:
    """The conversations, newest change first; ``deleted``: the one that can be brought back now, if any."""

    conversations: tuple[Conversation, ...]
    deleted: Conversation | None = None


@dataclass(frozen=True)
class Opened:
    """Another conversation is shown: its turns to the tip. ``None``: a new, empty one.

    Unless ``is_whole``, these are its last turns, and `TurnsAbove` says the others soon.
    """

    conversation: Conversation | None
    turns: tuple[Turn, ...]
    is_whole: bool = True


@dataclass(frozen=True)
class EditsKept:
    """What was typed into messages that were being edited, by their ids; said before `Opened`."""

    edits: dict[str, str]


@dataclass(frozen=True)
class TurnsAbove:
    """Turns that stand above all that are known of the open conversation; ``is_whole``: there are no others."""

    turns: tuple[Turn, ...]
    is_whole: bool


@dataclass(frozen=True)
class Found:
    """A message that was looked for stands in the open conversation: scroll to it."""

    id: str


@dataclass(frozen=True)
class UndoChanged:
    """What `Chat.undo` would take back now; empty: nothing."""

    what: Undoable


@dataclass(frozen=True)
class Renamed:
    """The open conversation has got another title."""

    title: str


@dataclass(frozen=True)
class TurnAdded:
    """A turn stands at the end now. For the person's own words this is the moment they are safe on disk."""

    turn: Turn


@dataclass(frozen=True)
class PromptRead:
    """For the waiting turn ``id`` the model has read ``done`` of ``total`` tokens; said of long prompts only."""

    id: str
    done: int
    total: int


@dataclass(frozen=True)
class TurnGrew:
    """The streaming turn ``id`` has got more text."""

    id: str
    text: str


@dataclass(frozen=True)
class TurnReplaced:
    """Turn ``id`` is now ``turn`` (its id may be another one: a partial reply that became a message)."""

    id: str
    turn: Turn


@dataclass(frozen=True)
class TurnRemoved:
    """Turn ``id`` is gone: a reply that ended before its first word."""

    id: str


@dataclass(frozen=True)
class DraftsOpened:
    """Replies to one prompt are shown side by side in place of the conversation; it goes on with ``chosen``.

    `TurnGrew`, `TurnReplaced` and `TurnRemoved` speak of them, too.
    """

    turns: tuple[Turn, ...]
    chosen: str


@dataclass(frozen=True)
class DraftsClosed:
    """The conversation is shown again."""


@dataclass(frozen=True)
class NoticeChanged:
    """What stands under the last turn: an error with a button, or nothing."""

    notice: Notice | None


@dataclass(frozen=True)
class ContextDropped:
    """Of the first ``turns`` turns of the open conversation the model sees only those that are pinned."""

    turns: int


@dataclass(frozen=True)
class ReplyingChanged:
    """Whether a reply is being written in the open conversation (Stop is offered then)."""

    replying: bool


@dataclass(frozen=True)
class DraftChanged:
    """The composer's text was set by the task: another conversation's unsent text, or a message given back."""

    text: str


@dataclass(frozen=True)
class AttachmentsChanged:
    """The files that are to go with the unsent text, and how many tokens each has as the model reads it; None: not
    known (yet).
    """

    files: tuple[Attachment, ...]
    tokens: tuple[int | None, ...]


@dataclass(frozen=True)
class AttachingFailed:
    """Why the files given last are not all attached, one notice for each; none: nothing is wrong any more."""

    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class SettingsChanged:
    """The open conversation's settings. ``defaults`` are the loaded checkpoint's, for what ``values`` leaves out."""

    values: dict[str, object]
    defaults: dict[str, object]


@dataclass(frozen=True)
class ModelChanged:
    """The model: ``none``, ``loading`` (``done`` of ``total`` bytes), ``ready`` (``info``), ``failed`` (``notice``), or
    ``asleep``: it was not used for a while, its memory was given back, and the next message wakes it.

    ``dialogue``: how its messages are written, by a name of `chatdesk.library.dialogues`; empty where nobody chose.
    ``adapter``: folder of the adapter it answers with; empty is none. ``adapters``: those it had before.
    ``draft_model``: folder of the checkpoint that guesses ahead for it; empty where none does.
    """

    state: Literal["none", "loading", "ready", "failed", "asleep"]
    name: str = ""
    path: str = ""
    done: int = 0
    total: int = 0
    info: ModelInfo | None = None
    notice: Notice | None = None
    dialogue: str = ""
    adapter: str = ""
    adapters: tuple[str, ...] = ()
    draft_model: str = ""


@dataclass(frozen=True)
class StatusChanged:
    """Figures of the last or running reply for the status strip; 0 where nothing is known yet.

    ``draft_tokens``: how many the unsent text has, with its files.
    """

    tokens_per_s: float = 0.0
    ttft_s: float = 0.0
    context_used: int = 0
    context_length: int = 0
    draft_tokens: int = 0


@dataclass(frozen=True)
class BenchChanged:
    """Measuring the loaded model: ``none``, ``running`` (``done`` of ``total`` steps), ``done`` (``report``),
    ``failed`` (``notice``); ``busy``: not begun, as a reply is written; ``gave_way`` to a reply or to another model.
    """

    state: Literal["none", "running", "done", "failed", "busy", "gave_way"]
    done: int = 0
    total: int = 0
    report: Report | None = None
    notice: Notice | None = None


@dataclass(frozen=True)
class Download:
    """A model that is fetched from a hub: ``done`` of ``total`` bytes (0: not known yet).

    ``state``: ``waiting`` for others; ``fetching``; ``checking`` bytes that are there; ``trying`` again soon, after
    what ``notice`` says; ``paused``; ``failed`` (``notice``); ``done`` (``path``, the checkpoint). Rates are of late:
    ``bytes_per_s``, and ``seconds_left`` where something comes.
    """

    name: str
    revision: str
    state: Literal["waiting", "fetching", "checking", "trying", "paused", "failed", "done"]
    done: int = 0
    total: int = 0
    bytes_per_s: float = 0.0
    seconds_left: float | None = None
    notice: Notice | None = None
    path: str = ""

    @property
    def is_coming(self) -> bool:
        """Whether it comes, or waits for its turn."""
        return self.state in ("waiting", "fetching", "checking", "trying")


@dataclass(frozen=True)
class DownloadsChanged:
    """All downloads of this session and the unfinished ones of earlier sessions, in their order."""

    downloads: tuple[Download, ...]


Change: TypeAlias = (
    ListChanged
    | EditsKept
    | Opened
    | Found
    | UndoChanged
    | Renamed
    | TurnsAbove
    | TurnAdded
    | PromptRead
    | TurnGrew
    | TurnReplaced
    | TurnRemoved
    | DraftsOpened
    | DraftsClosed
    | NoticeChanged
    | ContextDropped
    | ReplyingChanged
    | DraftChanged
    | AttachmentsChanged
    | AttachingFailed
    | SettingsChanged
    | ModelChanged
    | StatusChanged
    | DownloadsChanged
    | BenchChanged
)
