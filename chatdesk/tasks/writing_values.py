"""The settings of documents on their way to the disk. Some are long: a memory, a world."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from chatdesk.errors import UserError
from chatdesk.settings.options import WRITING, usable_writing
from chatdesk.storage.documents import Documents
from chatdesk.storage.records import Document


class _Call(Protocol):
    def __call__(
        self, work: Callable[[Documents], None], then: Callable[[None], Any], failed: Callable[[UserError], None]
    ) -> None: ...


class DocumentValues:
    """What the disk refuses of a document is in force all the same, and tried again by `flush`.

    ``call`` does something in the store, ``complain`` hears of a full disk. One thread; never blocks.
    """

    def __init__(self, call: _Call, complain: Callable[[UserError], None]) -> None:
        self._call, self._complain = call, complain
        self._refused: dict[str, dict[str, Any]] = {}  # by document

    def of(self, document: Document) -> dict[str, Any]:
        """The settings in force, as far as this version knows them."""
        return dict(self._refused.get(document.id, usable_writing(document.settings)))

    def keep(self, document_id: str, values: dict[str, Any]) -> None:
        """These are in force from now on."""

        def work(d: Documents) -> None:
            with suppress(KeyError):  # a backup without it has been restored meanwhile
                kept = {name: kept for name, kept in d.get(document_id).settings.items() if name not in WRITING}
                d.set_settings(document_id, kept | values)

        def failed(error: UserError) -> None:
            self._refused[document_id] = values
            self._complain(error)

        self._call(work, lambda _: self._refused.pop(document_id, None), failed)

    def flush(self) -> None:
        """Try again what was refused."""
        for document_id, values in self._refused.items():
            self.keep(document_id, values)
