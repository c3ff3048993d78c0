"""The writing desk: its documents, the open one, and what is asked of the model for it.

The words stand in the editor; `Writing.words` asks for them when they are to be kept: half a second after a change at
the latest, whenever another document is opened, and at the end. What the disk refuses is tried again.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from chatdesk.engine.api import DEFAULT_SAMPLING, Count, Counted, Event, Failed, ModelInfo, Sampling
from chatdesk.errors import UserError
from chatdesk.settings.options import WRITING
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.documents import Documents
from chatdesk.storage.records import Document, DocumentText, DocumentVersion
from chatdesk.storage.store import Store
from chatdesk.storage.tables import storable
from chatdesk.tasks import diffing, guidance, turns
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.diffing import Piece
from chatdesk.tasks.generating import Generating
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, Post, StoreLink, aside
from chatdesk.tasks.writing_changes import (
    Counts,
    DocumentOpened,
    DocumentRenamed,
    DocumentsChanged,
    DrawerChanged,
    SavedChanged,
    WritingChange,
    WritingNotice,
    WritingSettings,
)
from chatdesk.tasks.writing_files import WritingFiles
from chatdesk.tasks.writing_prompts import WritingPrompts
from chatdesk.tasks.writing_values import DocumentValues

T = TypeVar("T")
_MOST_COUNTED = 200_000  # characters: a longer text would keep the tokenizer busy for half a second
_UNKNOWN_CONTEXT = 2048
_IS_NAMED = "is_named"


class Writing:
    """All methods belong to one thread; nothing blocks.

    Attributes: ``on_change``, called with each `WritingChange`; ``words``, what gives the words of the editor, both set
    by the page; ``make_prompts``, which reads the prompts in the person's language; ``document``, the open one;
    ``values``, its settings; ``files``, in and out.
    """

    def __init__(
        self, store: Store, engine: EngineLink, models: Models, make_prompts: Callable[[], WritingPrompts], post: Post
    ) -> None:
        self._store = StoreLink(store, post, self._failed)
        self._engine, self._models, self._post = engine, models, post
        self.make_prompts = make_prompts
        self.on_change: Callable[[WritingChange], None] = lambda change: None
        self.words: Callable[[], DocumentText] = lambda: DocumentText("")
        self.document: Document | None = None
        self.values: dict[str, Any] = {}
        self.files = WritingFiles(self, post)
        self._kept_values = DocumentValues(self._call, self._failed)
        self.generating = Generating(engine, models, lambda change: self.on_change(change), self._keep_generations)
        self._is_dirty = False
        self._is_refused = False  # the last save of the open document failed: its words are in the editor alone
        self._left: dict[str, tuple[Document, DocumentText]] = {}  # refused words whose editor has gone
        self._newest: dict[str, DocumentText] = {}  # words on their way to the disk, by document
        self._pending = 0  # saves on their way to the disk
        self._opening = 0
        self._deleted: Document | None = None
        self._counting = 0  # the request
        self._counted: tuple[str, ModelInfo | None] = ("", None)  # what was asked for last: a text, and who counts it
        self._kept_text = ""  # as it went to the disk last

    # -- the documents ---------------------------------------------------------------------------------------------

    def start(self, document_id: str = "") -> None:
        """Say the list, and open a document unless one is asked for meanwhile: this one if it is there, else the
        newest, else a new one. Until then none is open: a new editor is empty, and its words are nobody's.
        """
        self.document, self._is_dirty, self._is_refused = None, False, False
        self.files.start()
        opening = self._opening

        def then(found: list[Document]) -> None:
            self._say_list(found)
            if opening == self._opening and found:
                self.open(document_id if any(each.id == document_id for each in found) else found[0].id)
            elif opening == self._opening:
                self.new()

        self._call(lambda d: d.list(), then)

    def new(self, title: str = "", text: str = "", then: Callable[[], None] = lambda: None) -> None:
        """Open a new document; an empty one without a title that is there already is taken instead.

        ``then`` is called once it is open, and never if it does not open or another one is asked for meanwhile.
        """

        def work(d: Documents) -> str:
            if not (title or text):
                for found in d.list()[:3]:
                    if not found.title and not d.text(found.id).text:
                        return found.id
            return d.create(title, text, settings={_IS_NAMED: True} if title else {}).id

        self._show(work, then)

    def open(self, document_id: str) -> None:
        """Show another document; the words of this one are kept first."""
        self._show(lambda d: document_id)

    def rename(self, document_id: str, title: str) -> None:
        """Give a document another title; an empty one is ignored."""
        if title := title.strip():

            def work(d: Documents) -> None:
                d.rename(document_id, title)
                d.set_settings(document_id, {**d.get(document_id).settings, _IS_NAMED: True})

            def failed(error: UserError) -> None:
                if self.document is not None and self._is_open(document_id):
                    self.on_change(DocumentRenamed(self.document.title))
                self._failed(error)

            self._call(work, lambda _: self._took_title(document_id), failed)

    def delete(self, document_id: str) -> None:
        """Move a document to the trash; `undo` brings it back. An empty id is that of none."""
        if not document_id:
            return
        self._flush()

        def work(d: Documents) -> tuple[Document, list[Document]]:
            d.delete(document_id)
            return d.get(document_id), d.list()

        def then(found: tuple[Document, list[Document]]) -> None:
            self._deleted, left = found
            is_open = self._is_open(document_id)
            if is_open:
                self.close()  # with what was typed meanwhile
            self._say_list(left)
            if is_open:
                if left:
                    self.open(left[0].id)
                else:
                    self.new()

        self._call(work, then)

    def undo(self) -> None:
        """Take back the last deletion, and show what came back."""
        if self._deleted is not None:
            self.undelete(self._deleted.id)

    def undelete(self, document_id: str) -> None:
        """Take a document out of the trash, and show it."""

        def work(d: Documents) -> str:
            d.undelete(document_id)
            return document_id

        self._forget_deletion(document_id)
        self._show(work)

    def purge(self, document_id: str, failed: Callable[[Notice], None]) -> None:
        """Remove a document that is in the trash, with its versions, for good. ``failed``: told instead of the desk."""

        def then(_: None) -> None:
            self._left.pop(document_id, None)
            self._forget_deletion(document_id)
            self.refresh()

        self._call(lambda d: d.purge(document_id), then, lambda error: failed(Notice(error.fault, error.fields)))

    def trash(self, callback: Callable[[list[Document]], None]) -> None:
        """The deleted documents, the last one first."""
        self._call(lambda d: d.trash(), callback)

    def set_folder(self, document_id: str, folder: str) -> None:
        """List a document in a folder; an empty name takes it out."""
        self._call(lambda d: d.set_folder(document_id, folder), lambda _: self.refresh())

    def refresh(self) -> None:
        """Say the list anew."""
        self._call(lambda d: d.list(), self._say_list)

    # -- the open one ----------------------------------------------------------------------------------------------

    def touch(self) -> None:
        """The words in the editor are other ones."""
        if self.document is None:
            return
        if not self._is_dirty:
            self._is_dirty = True
            self.on_change(SavedChanged(False))
        self.generating.leave_place()

    def tick(self) -> None:
        """Keep what is not yet on the disk, count its tokens; call it at least every half second."""
        self._flush()
        if not self._pending:
            self._flush_left()
        self.generating.tick()
        self._count()

    def close(self) -> None:
        """Stop what is being written and keep the words: the editor goes away. The store is closed by its owner."""
        self.generating.stop()
        self._flush()
        self.document, self._is_dirty, self._is_refused = None, False, False
        self._opening += 1  # what is being read is older than what is kept here
        self._flush_left()

    def leave(self) -> Callable[[], None]:
        """Keep the words and close the document; what is returned opens it again, as the store has it then."""
        document = self.document
        self.close()
        return lambda: self.start(document.id) if document is not None else None

    def set_setting(self, name: str, value: Any) -> None:
        """Set an option of the open document; ``None`` goes back to the default. Raises `UserError`."""
        checked = WRITING[name].check(value) if value is not None else None
        if checked is None:
            self.values.pop(name, None)
        else:
            self.values[name] = storable(checked) if isinstance(checked, str) else checked
        self._say_settings()
        if (document := self.document) is not None:
            self._kept_values.keep(document.id, dict(self.values))

    def keep_version(self, reason: str = "kept", then: Callable[[], None] = lambda: None) -> None:
        """Make a version of the words as they are."""
        self._flush()
        if (document := self.document) is not None:
            self._call(lambda d: d.keep(document.id, reason), lambda _: then())

    def versions(self, callback: Callable[[tuple[DocumentVersion, ...]], None]) -> None:
        """The kept versions of the open document, the newest first."""
        self._flush()
        if (document := self.document) is not None:
            self._call(lambda d: d.versions(document.id), callback)

    def changes_since(self, version_id: str, callback: Callable[[list[Piece] | Notice], None]) -> None:
        """What differs between a version and the words of now, or why it cannot be read."""
        now = self.words().text

        def failed(error: UserError) -> None:
            callback(Notice(error.fault, error.fields))

        def then(found: DocumentText) -> None:  # a novel takes a second
            aside(self._post, lambda: diffing.pieces(found.text, now), callback, failed)

        self._call(lambda d: d.version_text(version_id), then, failed)

    def restore_version(self, version_id: str) -> None:
        """Make an older version the present words; these become a version first."""
        self.generating.stop()
        self._flush()

        def work(d: Documents) -> tuple[Document, DocumentText]:
            words = d.restore_version(version_id)
            return d.get(d.document_of_version(version_id)), words

        def then(found: tuple[Document, DocumentText]) -> None:
            if self._is_open(found[0].id):
                is_newer = self._is_dirty or self._pending > 0  # typed meanwhile: the disk has that, or will have it
                self._opened(*found, is_restored=True)
                if is_newer:
                    self.touch()

        self._call(work, then)

    def say_drawer(self) -> None:
        """Say all that models wrote for the open document."""
        if (document := self.document) is not None:
            self._call(lambda d: d.generations(document.id), lambda found: self.on_change(DrawerChanged(found)))

    # -- the model -------------------------------------------------------------------------------------------------

    def go_on(self, before: str, after: str, skipped: int = 0) -> None:
        """Go on between the words before and after the cursor; ``skipped``: characters that stand before even these."""
        self.generating.go_on("continue", before, after, self.in_force(), skipped)

    def alternatives(self, before: str, after: str, skipped: int = 0) -> None:
        """Several continuations side by side, as many as the settings say."""
        drafts = int(self.values.get("drafts", WRITING["drafts"].default))
        self.generating.go_on("alternatives", before, after, self.in_force(), skipped, drafts)

    def most_seen(self) -> int:
        """More characters on either side of the cursor than the loaded model can see."""
        info = self._models.info
        return guidance.CHARACTERS_A_TOKEN * (info.context_length if info else _UNKNOWN_CONTEXT) + 1

    def in_force(self) -> dict[str, Any]:
        """The settings with the length that the desk has where nothing is said."""
        return {"max_new_tokens": WRITING["max_new_tokens"].default, **self.values}

    def sampling(self) -> Sampling:
        """How words are chosen here, without a limit of length: for those who look at probabilities."""
        return msgspec.structs.replace(guidance.sampling(self.values), max_new_tokens=None, max_length=None)

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        self.generating.on_event(event)
        if event.request == self._counting and isinstance(event, Counted | Failed):
            self._counting = 0
            self.on_change(Counts(event.tokens if isinstance(event, Counted) else 0))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _call(
        self,
        work: Callable[[Documents], T],
        then: Callable[[T], Any] | None = None,
        failed: Callable[[UserError], None] | None = None,
    ) -> None:
        def of_documents(c: Conversations) -> T:
            return work(c.documents)

        self._store.call(of_documents, then, failed)

    def _show(self, work: Callable[[Documents], str], opened: Callable[[], None] = lambda: None) -> None:
        """Open the document whose id the work gives, unless another one is asked for meanwhile; then ``opened``."""
        self.generating.stop()
        self._flush()
        self._opening += 1
        opening = self._opening
        left = self.document.id if self.document is not None else ""

        def found(d: Documents) -> tuple[Document, DocumentText]:
            id = work(d)
            if left and left != id:
                d.keep(left, "typed")
            return d.get(id), d.text(id)

        def then(what: tuple[Document, DocumentText]) -> None:
            if opening == self._opening:
                self.generating.stop()
                self._switch(*what, opened)
            self.refresh()

        self._call(found, then)

    def _switch(self, document: Document, words: DocumentText, opened: Callable[[], None]) -> None:
        """Show what was read, but never in place of words that are not on the disk."""
        is_unsaved = self.document is not None and (self._is_dirty or self._is_refused or self._pending > 0)
        if not is_unsaved:
            _, left = self._left.pop(document.id, (None, None))
            self._opened(document, left or words)
            if left is not None:
                self._is_refused = True
                self.touch()
            opened()
        elif self._is_open(document.id):
            opened()  # the editor has newer words than were read
        elif not self._is_refused:  # typed while the store was busy
            self._show(lambda d: document.id, opened)

    def _opened(self, document: Document, words: DocumentText, is_restored: bool = False) -> None:
        self.document = document
        self.values = self._kept_values.of(document)
        self.on_change(WritingNotice(None))
        self.on_change(DocumentOpened(document, words, is_restored))
        self._is_dirty = self._is_refused = False
        self._kept_text = words.text
        self.on_change(SavedChanged(True))
        self._say_settings()
        self.say_drawer()
        self.files.opened()

    def _flush(self) -> None:
        if self.document is not None and self._is_dirty:
            words = self.words()
            self._kept_text = words.text
            self._is_dirty = False
            self._save(self.document, words)

    def _flush_left(self) -> None:
        for document, words in self._left.values():
            self._save(document, words)
        self._kept_values.flush()

    def _save(self, document: Document, words: DocumentText) -> None:
        self._pending += 1
        self._newest[document.id] = words
        title = turns.title(words.text[:400])

        def work(d: Documents) -> Document:
            try:
                d.save(document.id, words.text, words.spans)
            except KeyError:  # a backup without it has been restored meanwhile: the words are not lost with it
                settings, folder = document.settings, document.folder
                return d.create(document.title or title, words.text, words.spans, settings, folder)
            kept = d.get(document.id)
            if not title or title == kept.title or kept.settings.get(_IS_NAMED):
                return kept
            d.rename(document.id, title)
            return d.get(document.id)

        def then(saved: Document) -> None:
            self._pending -= 1
            if not self._is_dirty and not self._pending:
                self.on_change(SavedChanged(True))
            self._took_words(document.id, words)
            if self._is_open(document.id):
                self._take(saved)
            elif saved.title != document.title:
                self.refresh()

        def failed(error: UserError) -> None:
            self._pending -= 1
            if self._is_open(document.id):
                self._is_dirty = self._is_refused = True
            else:
                self._left[document.id] = document, self._newest.get(document.id, words)
            self._failed(error)

        self._call(work, then, failed)

    def _took_words(self, document_id: str, words: DocumentText) -> None:
        """The disk takes words of this document, maybe again."""
        self._left.pop(document_id, None)
        if self._newest.get(document_id) is words:
            del self._newest[document_id]
        if self._is_refused and self._is_open(document_id):
            self._is_refused = False
            self.on_change(WritingNotice(None))

    def _forget_deletion(self, document_id: str) -> None:
        """There is nothing to undo any more, if it was that one."""
        if self._deleted is not None and self._deleted.id == document_id:
            self._deleted = None

    def _is_open(self, document_id: str) -> bool:
        return self.document is not None and self.document.id == document_id

    def _took_title(self, document_id: str) -> None:
        def then(document: Document) -> None:
            if self._is_open(document_id):
                self._take(document)
            self.refresh()

        self._call(lambda d: d.get(document_id), then)

    def _take(self, document: Document) -> None:
        """The open document as the store has it now."""
        before, self.document = self.document, document
        if before is None or (before.id, before.title) != (document.id, document.title):
            self.on_change(DocumentRenamed(document.title))
            self.refresh()

    def _keep_generations(self, texts: dict[str, str], record: dict[str, Any]) -> None:
        if (document := self.document) is not None:
            self._call(lambda d: d.add_generations(document.id, texts, record), lambda _: self.say_drawer())

    def _say_list(self, found: list[Document]) -> None:
        self.on_change(DocumentsChanged(tuple(found), self._deleted))

    def _say_settings(self) -> None:
        base = self._models.info.sampling if self._models.info else DEFAULT_SAMPLING
        defaults = {name: option.default for name, option in WRITING.items()}
        sampling = {name: getattr(base, name) for name in turns.SAMPLING_NAMES if name != "max_new_tokens"}
        self.on_change(WritingSettings(dict(self.values), defaults | sampling))

    def _count(self) -> None:
        """The tokens of the words, when the last answer has come; what this model has counted it does not again."""
        text, info = self._kept_text, self._models.info
        if self._counting or info is None or self._is_dirty or self._counted == (text, info):
            return
        self._counted = text, info
        if text and len(text) <= _MOST_COUNTED:
            self._counting = self._engine.next_id()
            self._engine.send(Count(self._counting, text))
        else:
            self.on_change(Counts(0))

    def _failed(self, error: UserError) -> None:
        self.on_change(WritingNotice(Notice(error.fault, error.fields)))
