"""A file, a zip or a folder of another program or of ours: what it holds, and what cannot be read.

Pure: nothing here knows the store, so it runs on any thread. One broken file among many is noted and the rest comes in,
of a file that ends too early what stands before; when nothing comes in, the first thing that was wrong is said.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import chatgpt, jan, lm_studio, native, open_webui, sheets, stepwise
from chatdesk.storage.transfer.files import Files, Unreadable, opened
from chatdesk.storage.transfer.sheets import as_dict, as_list
from chatdesk.storage.transfer.trees import Found, Notes, Reason, Tree

_FOREIGN = (chatgpt, open_webui, lm_studio, jan)
_THREAD, _MESSAGES = "thread.json", "messages.jsonl"
_TAKEN = object()  # stands for a conversation that was added


def read(path: Path, go_on: Callable[[], object] = lambda: None) -> Found:
    """Everything at a path that can be read. ``go_on`` is called between steps, and may raise to end it.

    Raises ``FILE_NOT_FOUND``, ``IMPORT_TOO_LARGE``, or ``IMPORT_UNREADABLE`` when there is no conversation in it.
    """
    if path.name in (_THREAD, _MESSAGES):  # the two belong together
        path = path.parent
    notes = Notes()
    reading = _Reading(notes, go_on)
    first: Reason | None = None
    with opened(path) as files:
        for name in sorted(files):
            try:
                reading.file(name, files)
            except (Unreadable, MemoryError) as error:
                reason = error.reason if isinstance(error, Unreadable) else Reason.NO_MEMORY
                first = first or reason
                notes.add(name, reason)
    if not reading.trees:
        first = first or next((skipped.reason for skipped in notes.all()), Reason.NO_CONVERSATION)
        raise UserError(Fault.IMPORT_UNREADABLE, path=path, reason=first)
    return Found(tuple(reading.trees), notes.all(), reading.source)


class _Reading:
    """The trees of all files so far."""

    def __init__(self, notes: Notes, go_on: Callable[[], object]) -> None:
        self.trees: list[Tree] = []
        self.source = ""
        self._notes = notes
        self._go_on = go_on
        self._now = time.time()
        self._known: dict[str, list[Tree]] = {}

    def file(self, name: str, files: Files) -> None:
        """Read one. Raises `Unreadable`."""
        folder, slash, base = name.rpartition("/")
        if base == _MESSAGES:
            if f"{folder}{slash}{_THREAD}" not in files:
                raise Unreadable(Reason.UNKNOWN_FORMAT)
            return
        document: Any = self._parsed(name, files[name]())
        if base == _THREAD and isinstance(document, dict):
            document = {"id": folder.rpartition("/")[2], "object": "thread", **document}
            if lines := files.get(f"{folder}{slash}{_MESSAGES}"):
                document["messages"] = list(self._lines(f"{folder}{slash}{_MESSAGES}", lines()))
        self._document(name, document)

    def _document(self, name: str, document: Any) -> None:
        key, above, entries = "", {}, as_list(document) or [document]
        if native.knows(as_dict(document)):
            native.refuse_newer(document)
            key, above, entries = native.CONVERSATIONS, document, as_list(document.get(native.CONVERSATIONS))
        others = [entry for entry in entries if self._taken(name, entry, key, above) is not _TAKEN]
        if len(others) == len(entries) and not above:
            raise Unreadable(Reason.NO_CONVERSATION if document in ([], {}) else Reason.UNKNOWN_FORMAT)
        for _ in others:
            self._notes.add(name, Reason.NOT_A_CONVERSATION)

    def _taken(self, name: str, entry: Any, key: str, above: dict[str, Any]) -> Any:
        """Add a conversation as soon as it is read, to hold no more of it than its tree; what is none is returned."""
        self._go_on()
        if not isinstance(entry, dict):
            return entry
        if key == native.CONVERSATIONS and native.knows(above):
            native.refuse_newer(above)
            self._add(native.SOURCE, native.tree(entry, name, self._now, self._notes))
            return _TAKEN
        reader = None if key else next((reader for reader in _FOREIGN if reader.knows(entry)), None)
        if reader is None:
            return entry
        if tree := sheets.tree(reader.sheet(entry, name, self._notes), self._now, self._notes):
            self._add(reader.SOURCE, tree)
        return _TAKEN

    def _add(self, source: str, tree: Tree) -> None:
        """Add it, unless it was there before; one that went on meanwhile is joined when it is stored."""
        self.source = self.source or source
        same = self._known.setdefault(tree.id, [])
        if any(other.messages == tree.messages for other in same):
            self._notes.add(tree.title or tree.id, Reason.TWICE)
            return
        same.append(tree)
        self.trees.append(tree)

    def _text(self, name: str, data: bytes) -> str:
        """UTF-8, or UTF-16 or 32 as a mark at the beginning or the zeros in it say."""
        if data.startswith(b"PK\x03\x04"):
            raise Unreadable(Reason.BROKEN_ZIP)
        encoding = json.detect_encoding(data)
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            if not encoding.startswith("utf-8"):
                raise Unreadable(Reason.NOT_TEXT) from error
            self._notes.add(name, Reason.DAMAGED_BYTES)
            return data.decode(encoding, "replace")

    def _lines(self, name: str, data: bytes) -> Iterator[Any]:
        for line in self._text(name, data).split("\n"):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    self._notes.add(name, Reason.NOT_A_MESSAGE)

    def _parsed(self, name: str, data: bytes) -> Any:
        try:
            return stepwise.loads(self._text(name, data), partial(self._taken, name))
        except RecursionError as error:
            raise Unreadable(Reason.TOO_DEEP) from error
        except ValueError as error:  # broken, or a number of thousands of digits
            raise Unreadable(Reason.NOT_JSON) from error
