"""A dialog with a list of things and what can be done with the marked one."""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QListView, QWidget

from chatdesk.tasks.changes import Notice
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.dialogs import tell
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.picker import VALUE_ROLE, Entries, Entry, EntryDelegate


class ListDialog(Dialog):
    """Attributes: ``view``, ``entries``; ``empty``, what stands there for none; ``is_gone``, whether it was closed."""

    def __init__(self, parent: QWidget, title: str, words: str, nothing: str) -> None:
        super().__init__(parent, title, words)
        self._window, self._nothing = parent, nothing
        self._actions: list[TextButton] = []
        self.is_gone = False
        self.finished.connect(self._on_finished)
        self.entries = Entries(self)
        self.view = QListView()
        self.view.setModel(self.entries)
        self.view.setItemDelegate(EntryDelegate(self.view))
        self.view.setAccessibleName(title)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.selectionModel().currentChanged.connect(lambda *_: self._mark())
        self.empty = Label(kind="soft", wrap=True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.body.addWidget(self.view)
        self.body.addWidget(self.empty)
        self.empty.hide()
        self.view.setFocus()

    def add_button(
        self, words: str, done: Callable[[Any], object], key: QKeySequence.StandardKey | None = None
    ) -> TextButton:
        """Offer something for the marked thing; ``key`` does it in the list."""
        button = TextButton(words)
        button.clicked.connect(lambda: done(self.view.currentIndex().data(VALUE_ROLE)))
        button.setEnabled(False)
        self.buttons.insertWidget(self.buttons.count() - 1, button)
        self._actions.append(button)
        if key is not None:
            QShortcut(key, self.view, button.click, context=Qt.ShortcutContext.WidgetShortcut)
            button.setToolTip(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText))
        return button

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show them; an answer that comes when the dialog is closed is dropped."""
        if self.is_gone:
            return
        row = self.view.currentIndex().row()
        self.entries.set_entries(entries)
        self.view.setVisible(bool(entries))
        self.empty.setText(self._nothing)
        self.empty.setVisible(not entries)
        if entries:
            self.view.setCurrentIndex(self.entries.index(max(0, min(row, len(entries) - 1))))
        self._mark()

    def may_act(self, value: Any) -> bool:
        """Whether the buttons are for ``value``."""
        return value is not None

    def complain(self, notice: Notice) -> None:
        """Here, and not in the page behind; on the window, where this is closed by now."""
        tell(self._window if self.is_gone else self, sentence(notice.fault, notice.fields))

    def _mark(self) -> None:
        for button in self._actions:
            button.setEnabled(self.may_act(self.view.currentIndex().data(VALUE_ROLE)))

    def _on_finished(self) -> None:
        self.is_gone = True
