"""The exact prompt: what the model reads, as text with its markers, and token by token.

It is text of strangers: shown as plain text, control characters as signs.
"""

from collections.abc import Iterator
from itertools import groupby
from time import perf_counter

from PySide6.QtCore import QCoreApplication, QMimeData, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QPlainTextEdit, QStackedWidget, QWidget

from chatdesk.engine.api import PromptMade
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.prompts import ExactPrompt
from chatdesk.ui import theme
from chatdesk.ui.chat.markdown import inert
from chatdesk.ui.chat.tokens import TokenView, sign
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.labels import ElidedLabel, Label

_PORTION_S = 0.006
_MOST_LINE = 4_000  # characters of one line of the editor: longer ones, without a blank, take too long
_GOES_ON = 1  # state of a line that goes on with the one before


class PromptText(QPlainTextEdit):
    """The prompt as text, its markers tinted; it is filled in portions between events."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUndoRedoEnabled(False)
        self._made: PromptMade | None = None
        self._filling: Iterator[None] = iter(())
        self._portions = QTimer(self, interval=0)
        self._portions.timeout.connect(self._fill)
        theme.watcher.changed.connect(self._begin)
        self._begin()

    def set_prompt(self, made: PromptMade) -> None:
        """Show this one."""
        self._made = made
        self._begin()

    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return not self._portions.isActive()

    def _begin(self) -> None:
        self.setFont(theme.font("code"))
        self.clear()
        if self._made is not None:
            self._filling = self._insertions(self._made)
            self._portions.start()
            self._fill()
            self.moveCursor(QTextCursor.MoveOperation.Start)  # what comes behind it no longer takes it along

    def _fill(self) -> None:
        until = perf_counter() + _PORTION_S
        for _ in self._filling:
            if perf_counter() > until:
                return
        self._portions.stop()

    def _insertions(self, made: PromptMade) -> Iterator[None]:
        """Insert line by line."""
        colors, plain, marker = theme.current(), QTextCharFormat(), QTextCharFormat()
        plain.setForeground(QColor(colors.text))
        marker.setForeground(QColor(colors.accent))
        marker.setBackground(QColor(colors.tint))
        cursor, length = QTextCursor(self.document()), 0
        for is_marker, text in _runs(made):
            for number, line in enumerate(text.split("\n")):
                if number:
                    cursor.insertBlock()
                    length = 0
                for start in range(0, len(line), _MOST_LINE):
                    part = line[start : start + _MOST_LINE]
                    if length and length + len(part) > _MOST_LINE:
                        cursor.insertBlock()
                        cursor.block().setUserState(_GOES_ON)
                        length = 0
                    cursor.insertText(part, marker if is_marker else plain)
                    length += len(part)
                    yield

    def createMimeDataFromSelection(self) -> QMimeData:
        """Qt override: lines that only go on are one."""
        cursor = self.textCursor()
        text, *others = cursor.selectedText().split("\u2029")
        block = self.document().findBlock(cursor.selectionStart())
        for line in others:
            block = block.next()
            text += line if block.userState() == _GOES_ON else f"\n{line}"
        data = QMimeData()
        data.setText(text)
        return data


def _runs(made: PromptMade) -> Iterator[tuple[bool, str]]:
    """The prompt in runs of markers and of other text."""
    markers = set(made.marker_ids)
    pairs = zip(made.token_ids, made.pieces, strict=True)
    for is_marker, run in groupby(pairs, key=lambda pair: pair[0] in markers):
        yield is_marker, inert("".join(piece for _, piece in run))


class ExactPromptDialog(Dialog):
    """Attributes: ``text`` and ``tokens``, the two views; ``show_text`` and ``show_tokens``, their buttons; ``facts``;
    ``status``, the marked token; ``copy_text`` and ``copy_ids``.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, QCoreApplication.translate("ExactPromptDialog", "Exact prompt"), "")
        self.resize(theme.scaled(760), theme.scaled(600))
        self._made: PromptMade | None = None
        self.text, self.tokens = PromptText(self.tr("Prompt as text")), TokenView(self.tr("Tokens of the prompt"))
        self.message = Label(self.tr("The engine makes the prompt as soon as it is free."), wrap=True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.facts, self.status = Label(kind="soft"), ElidedLabel(kind="soft")
        self._views = QStackedWidget()
        for view in (self.message, self.text, self.tokens):
            self._views.addWidget(view)
        self.show_text, self.show_tokens = self._add_choice(self.tr("Text")), self._add_choice(self.tr("Tokens"))
        self._choice = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(theme.scaled(8))
        for place, button in enumerate((self.show_text, self.show_tokens), start=1):
            self._choice.addButton(button, place)
            row.addWidget(button)
        row.addStretch()
        row.addWidget(self.facts)
        self.body.setSpacing(theme.scaled(12))
        self.body.addLayout(row)
        self.body.addWidget(self._views, 1)
        self.body.addWidget(self.status)
        self.copy_text, self.copy_ids = TextButton(self.tr("Copy text")), TextButton(self.tr("Copy token ids"))
        for place, button in enumerate((self.copy_text, self.copy_ids), start=1):
            self.buttons.insertWidget(place, button)
        self.show_text.setChecked(True)
        self._choice.idToggled.connect(self._on_chosen)
        self.tokens.pointed.connect(lambda number: self.status.set_words(self._describe(number)))
        self.tokens.marked.connect(lambda number: self.tokens.announce(self._describe(number)))
        self.copy_text.clicked.connect(lambda: self._copy("".join(self._made.pieces) if self._made else ""))
        self.copy_ids.clicked.connect(lambda: self._copy(str(list(self._made.token_ids)) if self._made else ""))
        self._enable(False)

    @staticmethod
    def _add_choice(words: str) -> TextButton:
        button = TextButton(words)
        button.setCheckable(True)
        return button

    def _enable(self, is_made: bool) -> None:
        for widget in (self.show_text, self.show_tokens, self.copy_text, self.copy_ids):
            widget.setEnabled(is_made)

    def take(self, answer: ExactPrompt | Notice) -> None:
        """Show the prompt, or why there is none."""
        if isinstance(answer, Notice):
            self.message.setText(sentence(answer.fault, answer.fields))
            return
        self._made = made = answer.made
        self.words.setText(self._sentence(answer))
        count, most = f"{len(made.token_ids):,}", f"{made.context_length:,}"
        self.facts.setText(self.tr("{count} of {most} tokens").format(count=count, most=most))
        self._enable(True)
        self.text.set_prompt(made)
        self.tokens.set_tokens(made.token_ids, made.pieces, frozenset(made.marker_ids))
        self._on_chosen(self._choice.checkedId(), True)

    def _sentence(self, answer: ExactPrompt) -> str:
        if answer.has_unsent:
            words = self.tr("What the model reads when you send the message as it is typed now.")
        else:
            words = self.tr("What the model reads to answer your last message.")
        if not (dropped := answer.made.dropped_messages):
            return words
        one, many = self.tr("1 older message is left out."), self.tr("{count} older messages are left out.")
        return words + "\n" + (one if dropped == 1 else many).format(count=dropped)

    def _describe(self, number: int) -> str:
        if self._made is None:
            return ""
        token_id = self._made.token_ids[number]
        words = self.tr("Token {number} of {count} · id {id} · {text}")
        if token_id in self._made.marker_ids:
            words = self.tr("Token {number} of {count} · id {id} · {text} · special")
        count, text = f"{len(self._made.token_ids):,}", sign(self._made.pieces[number])
        return words.format(number=f"{number + 1:,}", count=count, id=token_id, text=text)

    def _on_chosen(self, place: int, is_checked: bool) -> None:
        if not is_checked or self._made is None:
            return
        self._views.setCurrentIndex(place)
        if self.show_tokens.isChecked():
            self.tokens.setFocus()
            self.tokens.mark(self.tokens.current)
        else:
            self.text.setFocus()
            self.status.set_words("")

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.status.set_words(self.tr("Copied."))
        self.tokens.announce(self.status.words())
