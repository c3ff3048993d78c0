"""A text from a template, and the prompts of the desk, which a person can change."""

from dataclasses import replace

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.tasks.writing_prompts import Kind, WritingPrompts
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.raw_text import TextField, raw_text
from chatdesk.ui.widgets.room import fitting


class PromptsDialog(Dialog):
    """Choose a prompt, fill its fields (templates), look at its words and change them.

    ``is_chat``: whether the loaded model follows instructions; a base model goes on with a beginning instead.
    Signals: ``wanted(prompt, values)``: write it. Attributes: ``choice``, ``fields`` by name, ``words``.
    """

    wanted = Signal(object, dict)

    def __init__(self, parent: QWidget, prompts: WritingPrompts, kind: Kind, is_chat: bool) -> None:
        translate = QCoreApplication.translate
        is_template = kind == "template"
        title = translate("PromptsDialog", "From a template") if is_template else translate("PromptsDialog", "Prompts")
        super().__init__(parent, title, "")
        self.resize(fitting(self, 640, 620))
        self._prompts, self._kind, self._is_chat = prompts, kind, is_chat
        self._all = {prompt.key: prompt for prompt in prompts.all(kind)}
        self.choice = ChoiceButton(title, {key: prompt.name for key, prompt in self._all.items()})
        self.choice.chosen.connect(self._show)
        self.fields: dict[str, QLineEdit] = {}
        self._form = QFormLayout()
        self._form.setSpacing(theme.scaled(8))
        self.editor = TextField()
        self.editor.setTabChangesFocus(True)
        self.editor.setAccessibleName(self.tr("Words of the prompt"))
        self.keep_button = TextButton(self.tr("Keep these words"))
        self.keep_button.clicked.connect(self._keep)
        self.back_button = TextButton(self.tr("Back to the supplied words"), kind="link")
        self.back_button.clicked.connect(self._back)
        self.write_button = TextButton(self.tr("Write"), kind="primary")
        self.write_button.clicked.connect(self._write)
        self._lay_out()
        self.buttons.insertWidget(1, self.write_button)
        self.write_button.setVisible(is_template)
        self.editor.textChanged.connect(self._mark)
        self._show()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.choice)
        head.addStretch()
        foot = QHBoxLayout()
        foot.addWidget(self.keep_button)
        foot.addWidget(self.back_button)
        foot.addStretch()
        part = QWidget()
        part.setObjectName("content")
        column = QVBoxLayout(part)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(12))
        column.addLayout(head)
        column.addLayout(self._form)
        column.addWidget(Label(self.tr("The prompt, which you can change"), kind="section"))
        column.addWidget(self.editor, 1)
        column.addLayout(foot)
        self.body.addWidget(scrolled(part))

    @property
    def _uses_beginning(self) -> bool:
        return self._kind == "template" and not self._is_chat

    def _prompt_words(self) -> str:
        prompt = self._prompts[self.choice.value]
        return prompt.beginning if self._uses_beginning else prompt.instruction

    def _show(self) -> None:
        if self._is_chat:
            hint = self.tr("The model is told these words.")
        elif self._uses_beginning:
            hint = self.tr("A base model follows no instructions: it goes on with this beginning.")
        else:
            hint = self.tr("A base model follows examples instead; these words are for models that can chat.")
        self.words.setText(hint)
        while self._form.rowCount():
            self._form.removeRow(0)
        self.fields = {}
        for name, title in self._prompts[self.choice.value].fields:
            field = QLineEdit()
            field.setAccessibleName(title)
            self._form.addRow(Label(title), field)
            self.fields[name] = field
        self.editor.setPlainText(self._prompt_words())
        self._mark()

    def _mark(self) -> None:
        self.keep_button.setEnabled(raw_text(self.editor.document()) != self._prompt_words())
        self.back_button.setVisible(self._prompts.is_changed(self.choice.value))

    def _keep(self) -> None:
        prompt, words = self._prompts[self.choice.value], raw_text(self.editor.document())
        instruction, beginning = prompt.instruction, prompt.beginning
        if self._uses_beginning:
            beginning = words
        else:
            instruction = words
        self._change(instruction, beginning)

    def _back(self) -> None:
        self._change("", "")
        self.editor.setPlainText(self._prompt_words())
        self._mark()

    def _change(self, instruction: str, beginning: str) -> None:
        try:
            self._prompts.change(self.choice.value, instruction, beginning)
        except UserError as error:
            self.words.setText(sentence_of(error))
        self._mark()

    def _write(self) -> None:
        prompt, words = self._prompts[self.choice.value], raw_text(self.editor.document())
        prompt = replace(prompt, beginning=words) if self._uses_beginning else replace(prompt, instruction=words)
        self.wanted.emit(prompt, {name: field.text() for name, field in self.fields.items()})
        self.accept()
