"""What the writing desk says has changed: one frozen record for each kind. The page repaints from these alone."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from chatdesk.storage.records import Document, DocumentText, Generation
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.diffing import Piece

Purpose: TypeAlias = Literal["continue", "alternatives", "selection", "template"]


@dataclass(frozen=True)
class DocumentsChanged:
    """The documents, newest change first; ``deleted``: the one that can be brought back now, if any."""

    documents: tuple[Document, ...]
    deleted: Document | None = None


@dataclass(frozen=True)
class DocumentOpened:
    """Another document is shown, or another text of this one (``is_restored``, an undoable step in the editor)."""

    document: Document
    words: DocumentText
    is_restored: bool = False


@dataclass(frozen=True)
class DocumentRenamed:
    """The open document has got another title."""

    title: str


@dataclass(frozen=True)
class WritingSettings:
    """The open document's settings, and what applies where ``values`` says nothing."""

    values: dict[str, object]
    defaults: dict[str, object]


@dataclass(frozen=True)
class SavedChanged:
    """Whether all that is typed is on the disk."""

    is_saved: bool


@dataclass(frozen=True)
class WritingWaits:
    """Whether a question waits for the model that loads, or is given up."""

    is_waiting: bool


@dataclass(frozen=True)
class WritingStarted:
    """The model was asked: ``generations`` are the ids of what it will write. ``is_few_shot``: a base model follows
    examples; ``fills``: it sees what follows, too; ``unseen``: characters at the beginning that it does not see.
    """

    purpose: Purpose
    generations: tuple[str, ...]
    is_few_shot: bool = False
    fills: bool = False
    unseen: int = 0


@dataclass(frozen=True)
class WritingGrew:
    """Draft ``draft`` has got more text."""

    draft: int
    text: str


@dataclass(frozen=True)
class WritingThinks:
    """A chat model thinks before it writes, or has thought."""

    is_thinking: bool


@dataclass(frozen=True)
class WritingEnded:
    """Nothing more comes. ``reason``: of the last draft, see `chatdesk.engine.api.FinishReason`; ``is_only_thought``:
    there was no room for more than thoughts.
    """

    purpose: Purpose
    reason: str
    is_only_thought: bool = False


@dataclass(frozen=True)
class Reworked:
    """What the model made of a selection, by pieces that are taken or not. ``name``: what was asked for; ``is_cut``:
    there was no room for the whole answer, so that it says nothing of the rest of the selection.
    """

    generation: str
    name: str
    pieces: tuple[Piece, ...]
    is_few_shot: bool
    is_cut: bool


@dataclass(frozen=True)
class DrawerChanged:
    """All that models wrote for the open document, the newest first."""

    generations: tuple[Generation, ...]


@dataclass(frozen=True)
class FileChanged:
    """A file is read, or written: how much of it so far, from 0 to 1; None when a written one is whole."""

    name: str
    is_written: bool
    share: float | None = 0.0


@dataclass(frozen=True)
class Counts:
    """``tokens`` of the open document as the loaded model counts them."""

    tokens: int


@dataclass(frozen=True)
class WritingNotice:
    """What went wrong, or nothing any more."""

    notice: Notice | None


WritingChange: TypeAlias = (
    DocumentsChanged
    | DocumentOpened
    | DocumentRenamed
    | WritingSettings
    | SavedChanged
    | WritingWaits
    | WritingStarted
    | WritingGrew
    | WritingThinks
    | WritingEnded
    | Reworked
    | DrawerChanged
    | FileChanged
    | Counts
    | WritingNotice
)
