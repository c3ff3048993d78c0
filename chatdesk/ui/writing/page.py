"""The page of the writing desk: documents, editor, guidance, alternatives. It shows changes and asks `Writing`."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.settings.store import Settings
from chatdesk.storage.tables import new_id
from chatdesk.tasks import writing_changes as changes
from chatdesk.tasks.changes import Change, ModelChanged, Notice
from chatdesk.tasks.diffing import Piece
from chatdesk.tasks.writing_prompts import WritingPrompt
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialogs import ask_text
from chatdesk.ui.widgets.drawer import Drawer, Shade
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.wording import grouped
from chatdesk.ui.writing.boxes import Boxes
from chatdesk.ui.writing.caution import Caution
from chatdesk.ui.writing.documents import DocumentList
from chatdesk.ui.writing.editor import MOST_CHARACTERS, Editor
from chatdesk.ui.writing.find_bar import FindBar
from chatdesk.ui.writing.header import WritingHeader
from chatdesk.ui.writing.hint import Hint
from chatdesk.ui.writing.review import Review
from chatdesk.ui.writing.side import Side
from chatdesk.ui.writing.trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdesk.tasks.models import Models
    from chatdesk.tasks.writing import Writing
    from chatdesk.tasks.writing_changes import WritingChange

LIST_PX, SIDE_PX = 248, 312
NARROW_PX, TIGHT_PX = 1160, 860  # below these the right side floats, and the list, too
EXAMPLE = "I enjoy walking with my cute dog"
_EXAMPLE_SETTINGS = {"temperature": 0.7, "max_new_tokens": 50, "drafts": 5}
_TICK_MS, _COUNT_MS = 500, 700


class WritingPage(QWidget):
    """Signals: ``back_wanted``; ``models_wanted``; ``focus_wanted(bool)``: nothing but the text, or all again;
    ``exact_wanted``: show what the model sees. Attributes: its parts, by name.
    """

    back_wanted = Signal()
    models_wanted = Signal()
    focus_wanted = Signal(bool)
    exact_wanted = Signal()

    def __init__(self, writing: "Writing", models: "Models", settings: Settings) -> None:
        super().__init__()
        self.setObjectName("page")
        self._writing, self._models, self._settings = writing, models, settings
        self.prompts = writing.make_prompts()
        self.list, self.editor, self.side, self.review = DocumentList(), Editor(), Side(), Review()
        self.header = WritingHeader(self.prompts.all("selection"))
        self.back_button = self.header.back_button
        self.find_bar = FindBar(self.editor)
        self._reworked: QTextCursor | None = None
        self._reworked_text = ""
        self._is_focused = False
        self._sought = "", ""  # a document to be shown, and words in it
        self._tokens, self._has_after = 0, False
        self._purpose: changes.Purpose = "continue"
        self.boxes = Boxes(self, writing, models, self.prompts)
        self._make_bars()
        self._lay_out()
        self._connect_parts()
        self.boxes.serve()
        self._counting = QTimer(self, interval=_COUNT_MS, singleShot=True)
        self._counting.timeout.connect(self._show_counts)
        self._tick = QTimer(self, interval=_TICK_MS)
        self._tick.timeout.connect(writing.tick)
        self._tick.start()
        self.editor.set_tinted(settings["tint"])
        self.editor.setReadOnly(True)  # until a document is open
        self.header.tint.setChecked(settings["tint"])
        writing.words, writing.on_change = self.editor.words, self.take
        self.header.show_model(models.state)
        writing.start(settings["document"])

    # -- building --------------------------------------------------------------------------------------------------

    def _make_bars(self) -> None:
        self.notice = Trouble()
        self.caution = Caution()
        self.caution.understood.connect(self._on_understood)
        self.example = TextButton(self.tr("Try it: “{text}”, continued five times").format(text=EXAMPLE), kind="link")
        self.example.clicked.connect(self._on_example)
        self.example.hide()  # until a document is open
        self.hint, self.counts, self.saved = Hint(), Label(kind="small"), Label(kind="small")
        self.status = QFrame()
        line = QHBoxLayout(self.status)
        line.setContentsMargins(theme.scaled(24), theme.scaled(6), theme.scaled(24), theme.scaled(8))
        line.setSpacing(theme.scaled(16))
        line.addWidget(self.hint, 1)
        for part in (self.example, self.counts, self.saved):
            line.addWidget(part)

    def _lay_out(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(0)
        for widget, stretch in (
            (self.header, 0), (self.caution, 0), (self.find_bar, 0), (self.editor, 3), (self.review, 2),
            (self.notice, 0), (self.status, 0),
        ):  # fmt: skip
            middle.addWidget(widget, stretch)
        self.notice.setContentsMargins(theme.scaled(24), theme.scaled(4), theme.scaled(24), theme.scaled(4))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(middle, 1)
        self._shade = Shade(self)
        self._shade.clicked.connect(self._close_drawers)
        self.list_drawer = Drawer(self.list, row, self._shade, LIST_PX, right=False)
        self.side_drawer = Drawer(self.side, row, self._shade, SIDE_PX, right=True)
        self.list.setVisible(self._settings["show_documents"])
        self.side.setVisible(self._settings["show_guidance"])
        self.caution.setVisible(not self._settings["writing_notice"])
        self._mark_drawers()

    def _connect_parts(self) -> None:
        w, header = self._writing, self.header
        self.list.new_wanted.connect(lambda: w.new())
        self.list.open_wanted.connect(w.open)
        self.list.rename_wanted.connect(w.rename)
        self.list.delete_wanted.connect(w.delete)
        self.list.move_wanted.connect(w.set_folder)
        self.list.undo_wanted.connect(w.undo)
        header.renamed.connect(w.rename)
        header.title.left.connect(self.editor.setFocus)
        header.list_wanted.connect(lambda: self._toggle(self.list_drawer, "show_documents"))
        header.side_wanted.connect(lambda: self._toggle(self.side_drawer, "show_guidance"))
        header.continue_wanted.connect(self.go_on)
        header.stop_wanted.connect(w.generating.stop)
        header.alternatives_wanted.connect(self.write_alternatives)
        header.rework_wanted.connect(self.rework)
        header.free_wanted.connect(self._ask_instruction)
        header.models_wanted.connect(self.models_wanted)
        header.action_wanted.connect(self.do)
        header.tint.toggled.connect(self._on_tint)
        self.back_button.clicked.connect(self.back_wanted)
        self.side.changed.connect(self._on_setting)
        self.side.close_wanted.connect(lambda: self._toggle(self.side_drawer, "show_guidance"))
        self.side.cards.chosen.connect(self._on_card)
        self.editor.edited.connect(self._on_edited)
        self.editor.cursorPositionChanged.connect(w.generating.leave_place)
        self.editor.refused.connect(self._on_refused)
        self.editor.ghost_left.connect(self._on_ghost_left)
        self.review.taken.connect(self._on_review_taken)
        self.review.left.connect(self._close_review)
        self.find_bar.closed.connect(self.editor.setFocus)
        for drawer in (self.list_drawer, self.side_drawer):
            drawer.left.connect(self.editor.setFocus)
            drawer.toggled.connect(self._mark_drawers)

    # -- what has changed ------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Follow the model."""
        if isinstance(change, ModelChanged):
            self.header.show_model(change)
            self.notice.follow(change)

    def take(self, change: "WritingChange") -> None:
        """Show one change of the desk."""
        match change:
            case changes.WritingGrew(draft, text):
                self._grow(draft, text)
            case changes.WritingWaits(is_waiting):
                self.header.set_writing(is_waiting)
                self.hint.set_words(self.tr("Waiting for the model…") if is_waiting else "")
                self._show_example()
            case changes.WritingStarted():
                self._begin(change)
            case changes.WritingThinks(is_thinking):
                self.hint.say_thinking(is_thinking)
            case changes.WritingEnded():
                self._end(change)
            case changes.Reworked():
                self.review.show_changes(change)
            case changes.WritingNotice(notice):
                self.show_notice(notice)
            case changes.DocumentOpened():
                self._open(change)
            case _:
                self._take_around(change)

    def _take_around(self, change: "WritingChange") -> None:
        match change:
            case changes.DocumentsChanged(documents, deleted):
                self.list.set_documents(documents, deleted)
                self.editor.setReadOnly(not self.open_id)
                if not self.open_id:
                    self.header.show_document("", "")
            case changes.DocumentRenamed(title):
                self.header.set_title(title)
            case changes.WritingSettings(values, defaults):
                self.side.set_values(values, defaults)
            case changes.DrawerChanged(generations):
                self.side.cards.show_drawer(generations)
            case changes.SavedChanged(is_saved):
                self.saved.setText(self.tr("saved") if is_saved else "…")
            case changes.FileChanged():
                self.hint.say_file(change)
            case changes.Counts(tokens):
                self._tokens = tokens
                self._show_counts()

    def _open(self, change: changes.DocumentOpened) -> None:
        if change.is_restored:
            self.editor.replace_all(change.words)
            return
        self.header.show_document(change.document.id, change.document.title)
        self._close_review()
        self.side.cards.clear_alternatives()
        self.editor.load(change.words)
        self.editor.setReadOnly(False)
        self.list.set_open(change.document.id)
        self._settings.keep("document", change.document.id)
        self._tokens = 0
        self.hint.set_words("")
        self._show_counts()
        self.editor.setFocus()
        self._show_sought(change.document.id)
        if change.words.damaged:
            self.hint.set_words(self.tr("The disk has damaged this text. What could be read is kept in History."))

    def open_at(self, document_id: str, words: str) -> None:
        """Open a document where these words stand in it."""
        self._sought = document_id, words
        if self.open_id != document_id:
            self._writing.open(document_id)
        else:
            self._show_sought(document_id)

    def _show_sought(self, document_id: str) -> None:
        id, words = self._sought
        if id == document_id:
            self._sought = "", ""
            if words:
                self.find_bar.seek(words)
        elif id:
            self._writing.open(id)  # the one that was open last came first

    def _begin(self, change: changes.WritingStarted) -> None:
        self.header.set_writing(True)
        self._purpose = change.purpose
        if change.purpose == "alternatives":
            self.side.cards.begin(change.generations)
            self.side.show_cards()
            self.side_drawer.set_open(True)
        elif change.purpose != "selection":
            self.editor.begin_ghost(change.generations[0])
        self.hint.say_started(change, self._has_after)
        self._show_example()

    def _grow(self, draft: int, text: str) -> None:
        if self._purpose == "alternatives":
            self.side.cards.grow(draft, text)
        elif self._purpose != "selection":
            self.editor.grow_ghost(text)

    def _end(self, change: changes.WritingEnded) -> None:
        self.header.set_writing(False)
        had_ghost = self.editor.has_ghost
        self.editor.end_ghost()
        self.hint.say_ended(change, had_ghost, self.editor.has_ghost)
        self._show_example()

    def show_notice(self, notice: Notice | None) -> None:
        """Say what went wrong, or nothing any more."""
        self.notice.say(notice)
        if notice is not None:
            self.header.set_writing(False)
            self.hint.set_words("")

    def _show_counts(self) -> None:
        words = self.editor.count_words()
        parts = [self.tr("1 word") if words == 1 else self.tr("{count} words").format(count=grouped(words))]
        if self._tokens:
            parts.append(self.tr("{count} tokens").format(count=grouped(self._tokens)))
        self.counts.setText(" · ".join(parts))
        self._show_example()

    def _show_example(self) -> None:
        """In an empty document, where nothing is written into it: what the model does stands in its place then."""
        is_taken = self.editor.has_ghost or self._writing.generating.is_busy
        self.example.setVisible(self.editor.document().isEmpty() and not is_taken)

    # -- what the person wants -------------------------------------------------------------------------------------

    def do(self, name: str) -> bool:
        """Do what a key of the window means here, by its name in `shortcuts`; False where it means nothing."""
        if not self.has(name):
            return False
        self._meanings()[name]()
        return True

    def has(self, name: str) -> bool:
        """Whether a key of the window means something here."""
        return name in self._meanings()

    def _meanings(self) -> "dict[str, Callable[[], object]]":
        return {
            "send_anyway": self.go_on,
            "continue": self.go_on,
            "regenerate": self.go_on,  # in place of what is offered
            "drafts": self.write_alternatives,
            "rework": self.header.show_rework,
            "find": self.find_bar.open,
            "find_next": lambda: self.find_bar.step(1),
            "find_previous": lambda: self.find_bar.step(-1),
            "new_chat": self._writing.new,
            "rename": self.header.edit_title,
            "delete": lambda: self._writing.delete(self.open_id),
            "list": lambda: self._toggle(self.list_drawer, "show_documents"),
            "panel": lambda: self._toggle(self.side_drawer, "show_guidance"),
            "prompt": self.exact_wanted.emit,
            "keep_version": self._keep_version,
            "history": self.boxes.show_history,
            "focus_mode": lambda: self.set_focused(not self._is_focused),
            "stop": self._on_escape,
        }

    def go_on(self) -> None:
        """Have the text continued at the cursor, in place of what is offered there."""
        self.editor.drop_ghost()
        self.editor.setFocus()
        self._writing.go_on(*self._around())

    def go_on_from(self, tail: str, other: str) -> None:
        """Put other words in place of ``tail``, which stands before the cursor, and go on from them."""
        if not self.editor.around(len(tail))[0].endswith(tail):
            self.hint.set_words(self.tr("The text has changed since. Select it again."))
            return
        self._writing.keep_version("generated")
        self.editor.replace_before(tail, other, new_id())
        self.go_on()

    def _around(self) -> tuple[str, str, int]:
        found = self.editor.around(self._writing.most_seen())
        self._has_after = bool(found[1].strip())
        return found

    def write_alternatives(self) -> None:
        """Several continuations beside the text."""
        self.editor.drop_ghost()
        self._writing.alternatives(*self._around())

    def rework(self, prompt: WritingPrompt) -> None:
        """Have the selection worked on, or the paragraph where nothing is selected."""
        self.editor.drop_ghost()
        cursor = self.editor.textCursor()
        if not cursor.hasSelection():
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            if cursor.selectedText().startswith("\u2029"):
                cursor.setPosition(cursor.selectionStart() + 1)
                cursor.movePosition(QTextCursor.MoveOperation.EndOfBlock, QTextCursor.MoveMode.KeepAnchor)
            self.editor.setTextCursor(cursor)
        text = cursor.selectedText().replace("\u2029", "\n")
        if not text.strip():
            self.hint.set_words(self.tr("Select some text first."))
            return
        self._close_review()  # of another selection
        self._reworked, self._reworked_text = cursor, text
        self._writing.generating.work_on(prompt, text, dict(self._writing.values))

    def set_focused(self, is_focused: bool) -> None:
        """Nothing but the text, or all again."""
        self._is_focused = is_focused
        self.header.setVisible(not is_focused)
        self.list.setVisible(not is_focused and self._settings["show_documents"])
        self.side.setVisible(not is_focused and self._settings["show_guidance"])
        self.hint.set_words(self.tr("Esc shows everything again") if is_focused else "")
        self.focus_wanted.emit(is_focused)
        self.editor.setFocus()

    def enter(self) -> None:
        """The page is shown."""
        self._writing.refresh()
        self.editor.setFocus()

    def set_window_width(self, width: int) -> None:
        """Let the sides float where there is no room beside the text."""
        self.list_drawer.set_floating(width < theme.scaled(TIGHT_PX), self._settings["show_documents"])
        self.side_drawer.set_floating(width < theme.scaled(NARROW_PX), self._settings["show_guidance"])
        self._mark_drawers()

    def _on_escape(self) -> None:
        if self.editor.has_ghost:
            self.editor.drop_ghost()
            self.hint.set_words("")
        elif self._writing.generating.is_busy:
            self._writing.generating.stop()
        elif self.review.isVisible():
            self._close_review()
        elif self.find_bar.isVisible():
            self.find_bar.leave()
        elif self._is_focused:
            self.set_focused(False)
        else:
            self._close_drawers()

    def _on_edited(self) -> None:
        self._writing.touch()
        self._counting.start()
        if self.example.isVisible():
            self.example.hide()

    def _on_refused(self, characters: int) -> None:
        words = self.tr("{count} characters are too many for one document, which holds {most}. Nothing was pasted.")
        self.notice.setText(words.format(count=grouped(characters), most=grouped(MOST_CHARACTERS)))
        self.notice.show()

    def _on_ghost_left(self, _: bool) -> None:
        self._writing.generating.stop()
        self.hint.set_words("")

    def _on_card(self, text: str, generation: str) -> None:
        self._writing.keep_version("generated")
        before = self.editor.around(1)[0]
        gap = " " if before and not before[-1].isspace() and text[:1].isalnum() and text[:1].isascii() else ""
        self.editor.insert_generated(gap + text, generation)
        self.editor.setFocus()

    def _on_review_taken(self, parts: list[tuple[Piece, str]]) -> None:
        cursor = self._reworked
        self._close_review()
        if cursor is None or cursor.selectedText().replace("\u2029", "\n") != self._reworked_text:
            self.hint.set_words(self.tr("The text has changed since. Select it again."))
            return
        self._writing.keep_version("generated")
        self.editor.setTextCursor(cursor)
        self.editor.replace_selection(parts)

    def _close_review(self) -> None:
        self.review.hide()
        self._reworked = None
        self.editor.setFocus()

    def _on_setting(self, name: str, value: object) -> None:
        try:
            self._writing.set_setting(name, value)
        except UserError as error:
            self.show_notice(Notice(error.fault, error.fields))

    def _on_tint(self, is_on: bool) -> None:
        self._settings.keep("tint", is_on)
        self.editor.set_tinted(is_on)

    def _on_understood(self) -> None:
        self._settings.keep("writing_notice", True)
        self.caution.hide()

    def _on_example(self) -> None:
        """The introduction's example: five continuations of 50 tokens at temperature 0.7."""
        for name, value in _EXAMPLE_SETTINGS.items():
            self._writing.set_setting(name, value)
        self.editor.setFocus()
        self.editor.textCursor().insertText(EXAMPLE)
        self.write_alternatives()

    def _keep_version(self) -> None:
        self._writing.keep_version(then=lambda: self.hint.set_words(self.tr("Kept as a version.")))

    def _ask_instruction(self) -> None:
        def done(text: str) -> None:
            instruction = f"{text}\n" + self.tr("Answer with the new text alone.")
            self.rework(WritingPrompt("free", "selection", text[:60], instruction))

        ask_text(self.window(), self.tr("Rework"), self.tr("What is to be done with the selection?"), done)

    @property
    def open_id(self) -> str:
        """Id of the open document; empty before one is."""
        return self._writing.document.id if self._writing.document is not None else ""

    def _toggle(self, drawer: Drawer, setting: str) -> None:
        drawer.set_open(not drawer.is_open)
        if not drawer.floating:
            self._settings.keep(setting, drawer.is_open)

    def _close_drawers(self) -> None:
        for drawer in (self.list_drawer, self.side_drawer):
            if drawer.floating:
                drawer.set_open(False)

    def _mark_drawers(self, _: bool = False) -> None:
        self.header.side_button.setChecked(self.side_drawer.is_open)
        self.header.list_button.setVisible(not self.list_drawer.is_open)
        self.header.fit()
