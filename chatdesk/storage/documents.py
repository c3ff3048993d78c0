"""Documents of the writing desk: their words, every kept version of them, and what models wrote for them.

The present text is one row, written whole at each save. A version is immutable and holds what differs from the version
before it, so that a day at a long text costs little; every 50th holds the whole text, so that reading one stays quick.
Its ``text_digest`` is that of the whole text: a version that cannot be put together again says so.

Reasons of a version: ``typed`` (two minutes after the one before, or the document was left), ``kept`` (by hand),
``generated`` (before a model's text was taken), ``restored`` (before an older one came back), ``damaged`` (what could
be read of a damaged row before other words took its place).
"""

import hashlib
import time
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import Document, DocumentText, DocumentVersion, Generation, Hit, Span
from chatdesk.storage.rows import Row, is_damaged, to_dict, to_json, to_text, to_time
from chatdesk.storage.tables import SELECT, Hashed, new_id, storable
from chatdesk.storage.words import holds_all, query, ranges, snippet

_List: TypeAlias = list[Document]  # inside the class below, ``list`` is the method
_List_of_hits: TypeAlias = list[Hit]

VERSION_EVERY_S = 120.0
_WHOLE_EVERY = 50
_MOST_GENERATIONS = 50
_decode_spans = msgspec.json.Decoder(tuple[Span, ...]).decode


class Documents(Hashed):
    """The operations. Each is one transaction; an id that is not there raises `KeyError`."""

    def create(
        self,
        title: str = "",
        text: str = "",
        spans: Iterable[Span] = (),
        settings: dict[str, Any] | None = None,
        folder: str = "",
    ) -> Document:
        """A new document."""
        now = time.time()
        made = Document(new_id(), storable(title), storable(folder).strip(), settings or {}, now, now)
        with self._database.transaction():
            self._insert("documents", _values(made))
            self._insert("document_texts", (made.id, storable(text), _spans_json(spans)))
        return made

    def list(self) -> _List:
        """All documents that are not in the trash, the one that was changed last first."""
        sql = f"{SELECT['documents']} WHERE deleted_at IS NULL ORDER BY changed_at DESC, number DESC"
        return [_document(row) for row in self._database.query(sql)]

    def get(self, id: str) -> Document:
        """One document, also from the trash."""
        return _document(self._row("documents", id))

    def text(self, id: str) -> DocumentText:
        """The words of a document; of a damaged row what can be read, and no spans."""
        row = self._row("document_texts", id)
        _, text, spans, _ = row
        if is_damaged(row):
            return DocumentText(to_text(text), damaged=True)
        return DocumentText(text, _decode_spans(spans))

    def save(self, id: str, text: str, spans: Iterable[Span] = ()) -> None:
        """Keep the words as they are by now. From time to time what was there before becomes a version."""
        with self._database.transaction():
            now = time.time()
            if now - self._last_version_at(id, now) >= VERSION_EVERY_S:
                self._keep(id, "typed")
            elif self.text(id).damaged:
                self._keep(id, "damaged")
            self._put(id, DocumentText(storable(text), tuple(spans)))

    def rename(self, id: str, title: str) -> None:
        """Give it another title."""
        self._change(id, title=storable(title))

    def set_settings(self, id: str, settings: dict[str, Any]) -> None:
        """Replace its settings; anything that JSON can hold."""
        self._change(id, settings=settings)

    def set_folder(self, id: str, folder: str) -> None:
        """List it in a folder; an empty name takes it out. A folder is there while a document is in it."""
        self._change(id, folder=storable(folder).strip())

    def search(self, text: str, limit: int = 20) -> _List_of_hits:
        """Documents that fit a query as in `chatdesk.storage.search`, those whose title does first, then the newest.

        The texts themselves are looked through: a document is saved whole twice a second while one types, and an index
        would have to be written each time. Ten million characters took 0.02 to 0.35 s, Chinese ones up to
        about a second, so this belongs on the thread of the store.
        """
        asked = query(text)
        if not asked.expression:
            return []
        by_title: _List = []
        others: _List = []
        for each in self.list():
            (by_title if holds_all(each.title, asked.patterns) else others).append(each)
        found = [_hit(each, each.title, tuple(ranges(each.title, asked.patterns))) for each in by_title[:limit]]
        for document in others:
            if len(found) >= limit:
                break
            words = self.text(document.id).text
            if holds_all(f"{document.title}\n{words}", asked.patterns):
                line, places = snippet(words, ranges(words, asked.patterns))
                found.append(_hit(document, line, places))
        return found

    # -- the trash

    def delete(self, id: str) -> None:
        """Move it to the trash."""
        self._change(id, deleted_at=time.time())

    def undelete(self, id: str) -> None:
        """Take it back from the trash."""
        self._change(id, deleted_at=None)

    def trash(self) -> _List:
        """The documents in the trash, the one that went there last first."""
        sql = f"{SELECT['documents']} WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC, number DESC"
        return [_document(row) for row in self._database.query(sql)]

    def purge(self, id: str) -> None:
        """Remove it with its versions, for good; what it was is overwritten in the file."""
        with self._database.transaction():
            self._row("documents", id)
            self._database.execute("DELETE FROM documents WHERE id = ?", id)

    def purge_expired(self, until: float) -> None:
        """Remove what went to the trash before ``until``; a damaged one stays, as its date may be wrong."""
        for found in self.trash():
            if found.deleted_at is not None and found.deleted_at < until and not found.damaged:
                self.purge(found.id)

    # -- versions

    def keep(self, id: str, reason: str = "kept") -> None:
        """Make a version of the present words, unless the last one says the same."""
        with self._database.transaction():
            self._keep(id, reason)

    def versions(self, id: str) -> tuple[DocumentVersion, ...]:
        """The kept versions, the newest first."""
        sql = "SELECT id, document_id, reason, created_at FROM document_versions WHERE document_id = ?"
        found = self._database.query(f"{sql} ORDER BY number DESC", id)
        return tuple(
            DocumentVersion(to_text(each), to_text(document), to_text(reason), to_time(at))
            for each, document, reason, at in found
        )

    def version_text(self, version_id: str) -> DocumentText:
        """The words of a version. Where damage keeps them from being put together again: ``DATABASE_CORRUPT``."""
        version = self._version(version_id)
        try:
            text = self._whole(version)
        except (zlib.error, UnicodeDecodeError, KeyError, RecursionError) as error:
            raise self._corrupt() from error
        if version.is_damaged or _text_digest(text) != version.text_digest:
            raise self._corrupt()
        return DocumentText(text, _decode_spans(version.spans))

    def document_of_version(self, version_id: str) -> str:
        """Id of the document that a version is one of."""
        return self._version(version_id).document_id

    def restore_version(self, version_id: str) -> DocumentText:
        """Make the words of a version the present ones; the present ones become a version first."""
        with self._database.transaction():
            found, id = self.version_text(version_id), self._version(version_id).document_id
            self._keep(id, "restored")
            self._put(id, found)
        return found

    # -- what models wrote

    def add_generations(self, id: str, texts: dict[str, str], record: dict[str, Any]) -> tuple[Generation, ...]:
        """Keep what a model wrote for a document, by ids that `new_id` made, and where it comes from: JSON values."""
        now = time.time()
        made = tuple(Generation(each, id, storable(text), record, now) for each, text in texts.items())
        with self._database.transaction():
            self._row("documents", id)
            for each in made:
                self._insert("generations", (each.id, id, each.text, to_json(record), now))
        return made

    def generations(self, id: str) -> tuple[Generation, ...]:
        """The last 50 texts that models wrote for a document, the newest first."""
        sql = f"{SELECT['generations']} WHERE document_id = ? ORDER BY number DESC LIMIT {_MOST_GENERATIONS}"
        found = self._database.query(sql, id)
        return tuple(map(_generation, found))

    # -- inside a transaction

    def _change(self, id: str, **fields: Any) -> None:
        with self._database.transaction():
            old = self.get(id)
            new = msgspec.structs.replace(old, **fields)
            self._replace("documents", _values(new), fields, old.damaged)

    def _put(self, id: str, words: DocumentText) -> None:
        self._replace("document_texts", (id, words.text, _spans_json(words.spans)), ("text", "spans"), False)
        self._change(id, changed_at=time.time())

    def _last_version_at(self, id: str, now: float) -> float:
        """When the last version was kept, else the document made; the clock may have been ahead then: 0."""
        sql = "SELECT max(created_at) FROM document_versions WHERE document_id = ? AND created_at <= ?"
        ((at,),) = self._database.query(sql, id, now)
        last = to_time(at) if at is not None else self.get(id).created_at
        return last if last <= now else 0.0

    def _keep(self, id: str, reason: str) -> None:
        present = self.text(id)
        found = self._database.query(
            "SELECT id FROM document_versions WHERE document_id = ? ORDER BY number DESC LIMIT 1", id
        )
        base = self._version(found[0][0]) if found else None
        mark = _text_digest(present.text)
        if (base.text_digest == mark) if base else not present.text:
            return
        delta = self._delta(present.text, base)
        row = (new_id(), id, *delta, mark, _spans_json(present.spans), reason, time.time())
        self._insert("document_versions", row)

    def _delta(self, text: str, base: "_Version | None") -> tuple[str | None, int, int, bytes]:
        """What differs from ``base``, or all of it: its id, characters before and behind, the middle compressed."""
        if base is not None and len(self._chain(base)) < _WHOLE_EVERY:
            try:
                before = self.version_text(base.id).text
            except UserError:  # of a damaged one nothing can hang
                before = ""
            prefix = _common(text, before)
            suffix = _common(text[prefix:][::-1], before[prefix:][::-1])
            if prefix + suffix > len(text) // 2:
                return base.id, prefix, suffix, _pack(text[prefix : len(text) - suffix])
        return None, 0, 0, _pack(text)

    def _version(self, id: str) -> "_Version":
        row = self._row("document_versions", id)
        return _Version._make((*row[:-1], is_damaged(row)))

    def _chain(self, version: "_Version") -> "tuple[_Version, ...]":
        """The version and those it hangs on, to the one that is whole."""
        chain: tuple[_Version, ...] = (version,)
        while chain[-1].base_id is not None and len(chain) <= _WHOLE_EVERY:
            chain = (*chain, self._version(chain[-1].base_id))
        return chain

    def _whole(self, version: "_Version") -> str:
        text = ""
        for each in reversed(self._chain(version)):
            text = text[: each.prefix] + _unpack(each.body) + text[len(text) - each.suffix :]
        return text

    def _corrupt(self) -> UserError:
        reason = "a version of a document does not match its digest"
        return UserError(Fault.DATABASE_CORRUPT, path=self._database.path, reason=reason)


class _Version(NamedTuple):
    """A row of ``document_versions``."""

    id: str
    document_id: str
    base_id: str | None
    prefix: int
    suffix: int
    body: bytes
    text_digest: bytes
    spans: str
    reason: str
    created_at: float
    is_damaged: bool


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike; halved, as a comparison of slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _pack(text: str) -> bytes:
    return zlib.compress(text.encode(), 3)


def _unpack(body: bytes) -> str:
    return zlib.decompress(body).decode()


def _text_digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _spans_json(spans: Iterable[Span]) -> str:
    return msgspec.json.encode(tuple(spans)).decode()


def _values(record: Document) -> Row:
    return (
        record.id,
        record.title,
        record.folder,
        to_json(record.settings),
        record.created_at,
        record.changed_at,
        record.deleted_at,
    )


def _document(row: Row) -> Document:
    id, title, folder, settings, created_at, changed_at, deleted_at = row[:-1]
    return Document(
        to_text(id),
        to_text(title),
        to_text(folder),
        to_dict(settings),
        to_time(created_at),
        to_time(changed_at),
        None if deleted_at is None else to_time(deleted_at),
        is_damaged(row),
    )


def _hit(document: Document, line: str, places: tuple[tuple[int, int], ...]) -> Hit:
    return Hit("", document.title, None, None, line, places, document.changed_at, document.id)


def _generation(row: Row) -> Generation:
    id, document_id, text, record, created_at = row[:-1]
    return Generation(
        to_text(id), to_text(document_id), to_text(text), to_dict(record), to_time(created_at), is_damaged(row)
    )
