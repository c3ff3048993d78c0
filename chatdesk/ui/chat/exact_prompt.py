"""The exact prompt: what the model reads, as text with its markers, and token by token.

It is text of strangers: shown as plain text, control characters as signs.
"""

from collections.abc import Iterator
from itertools import groupby

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from chatdesk.engine.api import PromptMade
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.prompts import ExactPrompt
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import Tabs, TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.inert import inert
from chatdesk.ui.widgets.labels import ElidedLabel, Label
from chatdesk.ui.widgets.long_text import LongText
from chatdesk.ui.widgets.room import fitting
from chatdesk.ui.widgets.tokens import TokenView, sign
from chatdesk.ui.wording import grouped


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
        self.resize(fitting(self, 760, 600))
        self._made: PromptMade | None = None
        self.text, self.tokens = LongText(self.tr("Prompt as text")), TokenView(self.tr("Tokens of the prompt"))
        self.message = Label(self.tr("The engine makes the prompt as soon as it is free."), wrap=True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.facts, self.status = Label(kind="soft"), ElidedLabel(kind="soft")
        self._views = QStackedWidget()
        for view in (self.message, self.text, self.tokens):
            self._views.addWidget(view)
        self.show_text, self.show_tokens = TextButton(self.tr("Text")), TextButton(self.tr("Tokens"))
        self._choice = Tabs(self)
        row = QHBoxLayout()
        row.setSpacing(theme.scaled(8))
        for place, button in enumerate((self.show_text, self.show_tokens), start=1):
            self._choice.add(button, place)
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
        count, most = grouped(len(made.token_ids)), grouped(made.context_length)
        self.facts.setText(self.tr("{count} of {most} tokens").format(count=count, most=most))
        self._enable(True)
        self.text.set_runs(list(_runs(made)))
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
        count, text = grouped(len(self._made.token_ids)), sign(self._made.pieces[number])
        return words.format(number=grouped(number + 1), count=count, id=token_id, text=text)

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
