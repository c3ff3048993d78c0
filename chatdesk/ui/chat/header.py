"""The line above a conversation: its title, the model, the settings, and what else can be done with it."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QMenu, QSizePolicy, QStackedWidget

from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.model_menu import ModelButton
from chatdesk.ui.widgets.buttons import IconButton
from chatdesk.ui.widgets.dialogs import add_exports
from chatdesk.ui.widgets.labels import ElidedLabel

_LONGEST = 200  # characters that can be typed as a title; one from elsewhere may have more


class _Title(ElidedLabel):
    """A title that is renamed by clicking it."""

    clicked = Signal()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self.rect().contains(event.position().toPoint()):
            self.clicked.emit()


class Header(QFrame):
    """Signals: ``renamed(title)``; ``left``, Enter has ended the title; ``list_wanted``, ``panel_wanted(bool)``,
    ``branches_wanted``, ``prompt_wanted``, ``delete_wanted``, ``clear_wanted``, ``export_wanted(kind)``.

    Attributes: ``more``, the menu "⋯"; ``list_button``, there while the list is not.
    """

    renamed = Signal(str)
    left = Signal()
    list_wanted = Signal()
    panel_wanted = Signal(bool)
    branches_wanted = Signal()
    prompt_wanted = Signal()
    delete_wanted = Signal()
    clear_wanted = Signal()
    export_wanted = Signal(str)

    def __init__(self, model_button: ModelButton) -> None:
        super().__init__()
        self.setObjectName("header")
        self.list_button = IconButton("list", shortcuts.title("list"), shortcuts.hint("list"))
        self.list_button.clicked.connect(self.list_wanted)
        self.title = _Title(kind="title")
        self.title.clicked.connect(self.edit_title)
        self.editor = QLineEdit()
        self.editor.setProperty("kind", "title")
        self.editor.setAccessibleName(self.tr("Title of the chat"))
        self.editor.editingFinished.connect(self._on_edited)
        self._editing = False
        self._given = ""
        self._titles = QStackedWidget()
        self._titles.addWidget(self.title)
        self._titles.addWidget(self.editor)
        self._titles.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.model_button = model_button
        self.panel_button = IconButton("panel", shortcuts.title("panel"), shortcuts.hint("panel"), checkable=True)
        self.panel_button.clicked.connect(self.panel_wanted)
        self.more_button = IconButton("more", self.tr("More"))
        self.more = self._make_menu()
        self.more_button.setMenu(self.more)
        self.more_button.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        self._row = QHBoxLayout(self)
        for widget, stretch in (
            (self.list_button, 0),
            (self._titles, 1),
            (model_button, 0),
            (self.panel_button, 0),
            (self.more_button, 0),
        ):
            self._row.addWidget(widget, stretch)
        self.set_title("", False)
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        self._rename = menu.addAction(shortcuts.menu_text("rename"), self.edit_title)
        menu.addAction(shortcuts.menu_text("branches"), self.branches_wanted.emit)
        self._prompt = menu.addAction(shortcuts.menu_text("prompt"), self.prompt_wanted.emit)
        add_exports(menu, self.export_wanted.emit)
        menu.addSeparator()
        menu.addAction(shortcuts.menu_text("clear"), self.clear_wanted.emit)
        menu.addAction(shortcuts.title("delete"), self.delete_wanted.emit)
        return menu

    def _dress(self) -> None:
        self.setFixedHeight(theme.scaled(56))
        self._row.setContentsMargins(theme.scaled(24), 0, theme.scaled(12), 0)
        self._row.setSpacing(theme.scaled(6))

    def set_title(self, title: str, stored: bool) -> None:
        """Name another conversation; of one that is not ``stored`` yet only the prompt can be shown."""
        self.leave_title()
        self.title.set_words(title or self.tr("New chat"))
        for action in self.more.actions():
            action.setEnabled(stored or action is self._prompt)

    def take_title(self, title: str) -> None:
        """The conversation is stored and has this title now; one that is being typed stays."""
        self.title.set_words(title or self.tr("New chat"))
        for action in self.more.actions():
            action.setEnabled(True)

    def edit_title(self) -> None:
        """Let the title be typed over."""
        if self._rename.isEnabled():
            title = self.title.words()
            self.editor.setMaxLength(max(_LONGEST, len(title)))
            self.editor.setText(title)
            self._given = self.editor.text()
            self._editing = True
            self._titles.setCurrentWidget(self.editor)
            self.editor.setFocus()
            self.editor.selectAll()

    def leave_title(self) -> bool:
        """Give up editing the title; whether it was being edited."""
        editing, self._editing = self._editing, False  # before the editor loses the focus and says that it is finished
        self._titles.setCurrentWidget(self.title)
        return editing

    def _on_edited(self) -> None:
        if self.editor.hasFocus():
            self.left.emit()
        if self.leave_title() and self.editor.text() != self._given and (text := self.editor.text().strip()):
            self.title.set_words(text)
            self.renamed.emit(text)
