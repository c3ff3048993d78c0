"""The line above a document: its title, what the model can do with it, and what else can be done."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QSizePolicy

from chatdesk.tasks.changes import ModelChanged
from chatdesk.tasks.writing_prompts import WritingPrompt
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.title_line import TitleLine

_TITLE_PX = 180  # the least that a title is given before buttons go: the menu has what they do


class WritingHeader(QFrame):
    """Signals: ``renamed(id, title)``, ``list_wanted``, ``side_wanted``, ``continue_wanted``, ``stop_wanted``,
    ``alternatives_wanted``, ``rework_wanted(prompt)``, ``free_wanted``, ``prompts_wanted``, ``models_wanted``,
    ``export_wanted(ending)``, ``action_wanted(name)``, by the names of `chatdesk.ui.shortcuts`.
    """

    renamed = Signal(str, str)
    list_wanted = Signal()
    side_wanted = Signal()
    continue_wanted = Signal()
    stop_wanted = Signal()
    alternatives_wanted = Signal()
    rework_wanted = Signal(object)
    free_wanted = Signal()
    prompts_wanted = Signal()
    models_wanted = Signal()
    export_wanted = Signal(str)
    action_wanted = Signal(str)

    def __init__(self, prompts: Sequence[WritingPrompt]) -> None:
        super().__init__()
        self.setObjectName("header")
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.list_button = IconButton("list", self.tr("Show or hide the documents"), shortcuts.hint("list"))
        self.list_button.clicked.connect(self.list_wanted)
        self.title = TitleLine()
        self.title.setProperty("kind", "quiet-title")
        self.title.setMaxLength(200)
        self.title.setAccessibleName(self.tr("Title of the document"))
        self.title.setPlaceholderText(self.tr("Untitled"))
        self.title.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.title.editingFinished.connect(self._on_title_left)
        self.title.setReadOnly(True)  # until a document is shown
        self._document, self._stored_title = "", ""
        self.continue_button = TextButton(self.tr("Continue"), kind="primary")
        self.continue_button.setToolTip(shortcuts.hint("send_anyway", self.tr("Continue at the cursor")))
        self.continue_button.clicked.connect(self._on_continue)
        self._is_writing, self._lacks_model = False, False
        self.alternatives_button = TextButton(self.tr("Alternatives"))
        self.alternatives_button.setToolTip(shortcuts.hint("drafts", self.tr("Several continuations side by side")))
        self.alternatives_button.clicked.connect(self.alternatives_wanted)
        self.rework_button = TextButton(self.tr("Rework"), icon="chevron-down", icon_behind=True)
        self.rework_button.setToolTip(shortcuts.hint("rework"))
        self.rework_menu = self._make_rework(prompts)
        self.rework_button.setMenu(self.rework_menu)
        self.model_button = TextButton("", kind="quiet")
        self.model_button.clicked.connect(self.models_wanted)
        self.side_button = IconButton("panel", self.tr("Show or hide guidance and alternatives"), "", checkable=True)
        self.side_button.setToolTip(shortcuts.hint("panel", self.side_button.accessibleName()))
        self.side_button.clicked.connect(self.side_wanted)
        self.more_button = IconButton("more", self.tr("More"))
        self.more_button.setMenu(self._make_more())
        self.more_button.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        self._row = QHBoxLayout(self)
        for widget in (
            self.back_button, self.list_button, self.title, self.model_button, self.continue_button,
            self.alternatives_button, self.rework_button, self.side_button, self.more_button,
        ):  # fmt: skip
            self._row.addWidget(widget)
        self.back_button.hide()
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def _make_rework(self, prompts: Sequence[WritingPrompt]) -> QMenu:
        menu = QMenu(self)
        for prompt in prompts:
            menu.addAction(prompt.name).triggered.connect(lambda _=False, p=prompt: self.rework_wanted.emit(p))
        menu.addSeparator()
        menu.addAction(self.tr("Say what to do…"), self.free_wanted.emit)
        menu.addAction(self.tr("Change these prompts…"), self.prompts_wanted.emit)
        return menu

    def _make_more(self) -> QMenu:
        menu = QMenu(self)
        self.rework_menu.setTitle(self.tr("Rework"))
        menu.addAction(shortcuts.menu_text("drafts")).triggered.connect(self.alternatives_wanted)
        menu.addMenu(self.rework_menu)
        menu.addSeparator()
        for name in ("keep_version", "history", "find", "focus_mode", "prompt"):
            words = self.tr("Find and replace") if name == "find" else shortcuts.title(name)
            text = f"{words}\t{shortcuts.key_text(name)}".rstrip("\t")
            menu.addAction(text).triggered.connect(lambda _=False, n=name: self.action_wanted.emit(n))
        self.tint = menu.addAction(self.tr("Tint what a model wrote"))
        self.tint.setCheckable(True)
        exports = menu.addMenu(self.tr("Export as"))
        for words, ending in (
            (self.tr("Plain text"), "txt"),
            ("Markdown", "md"),
            ("Word (.docx)", "docx"),
            ("PDF", "pdf"),
        ):
            exports.addAction(f"{words}…").triggered.connect(lambda _=False, e=ending: self.export_wanted.emit(e))
        menu.addSeparator()
        menu.addAction(self.tr("Delete")).triggered.connect(lambda: self.action_wanted.emit("delete"))
        return menu

    def _dress(self) -> None:
        self.setFixedHeight(theme.scaled(56))
        self._row.setContentsMargins(theme.scaled(16), 0, theme.scaled(12), 0)
        self._row.setSpacing(theme.scaled(6))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The title comes first: where there is no room for all, buttons go."""
        super().resizeEvent(event)
        self.fit()

    def fit(self) -> None:
        """Show the buttons that have room beside the title."""
        can_go = [self.rework_button, self.alternatives_button]
        can_go.insert(0 if self._lacks_model else 2, self.model_button)  # without a model nothing else can be done
        fixed = [self.continue_button, self.side_button, self.more_button]
        fixed += [button for button in (self.back_button, self.list_button) if not button.isHidden()]
        gap, margins = self._row.spacing(), self._row.contentsMargins()
        room = self.width() - margins.left() - margins.right() - theme.scaled(_TITLE_PX)
        room -= sum(button.sizeHint().width() + gap for button in fixed)
        for button in can_go:
            room -= button.sizeHint().width() + gap
            button.setVisible(room >= 0)

    def show_document(self, id: str, title: str) -> None:
        """Name another document, or none; what is being typed is the title of the one before."""
        self._on_title_left()
        self._document, self._stored_title = id, title
        self.title.setReadOnly(not id)
        self._show_title()

    def set_title(self, title: str) -> None:
        """The document has got another title; one that is being typed stays."""
        self._stored_title = title
        if not self.title.hasFocus():
            self._show_title()

    def _show_title(self) -> None:
        self.title.setText(self._stored_title)
        self.title.setCursorPosition(0)

    def edit_title(self) -> None:
        """Let the title be typed over."""
        self.title.setFocus()
        self.title.selectAll()

    def _on_title_left(self) -> None:
        text = self.title.text().strip()
        if text and text != self._stored_title and self.title.isModified():
            self._stored_title = text
            self.title.setModified(False)
            self.renamed.emit(self._document, text)
        else:
            self._show_title()

    def show_rework(self) -> None:
        """Offer what can be done with a selection, at its button or, without one, at the menu that has it."""
        anchor = self.rework_button if self.rework_button.isVisible() else self.more_button
        self.rework_menu.popup(anchor.mapToGlobal(QPoint(0, anchor.height())))

    def set_writing(self, is_writing: bool) -> None:
        """While a model writes the button stops it."""
        self._is_writing = is_writing
        self.continue_button.set_words(self.tr("Stop") if is_writing else self.tr("Continue"))

    def _on_continue(self) -> None:
        if self._is_writing:
            self.stop_wanted.emit()
        else:
            self.continue_wanted.emit()

    def show_model(self, change: ModelChanged) -> None:
        """Say which model writes."""
        words = {
            "none": self.tr("No model"),
            "loading": self.tr("Loading…"),
            "failed": self.tr("No model"),
        }.get(change.state, change.info.name if change.info else change.name)
        self._lacks_model = change.state in ("none", "failed")
        self.model_button.set_words(words)
        self.fit()
        self.model_button.setToolTip(self.tr("Choose a model"))
