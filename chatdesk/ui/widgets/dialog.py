"""The frame of the dialogs."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.room import fitting


class Dialog(QDialog):
    """A heading, a sentence, room for more, and a line of buttons that ends with Close.

    Attributes: ``words``, the sentence; ``body``, the room; ``buttons``, the line; ``close_button``.
    """

    def __init__(self, parent: QWidget, title: str, words: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.resize(fitting(self, 560, 440))
        self.words = Label(words, kind="soft", wrap=True)
        self.buttons = QHBoxLayout()
        self.buttons.setSpacing(theme.scaled(8))
        self.buttons.addStretch()
        self.body = QVBoxLayout()
        self.close_button = TextButton(self.tr("Close"))
        self.close_button.clicked.connect(self.accept)
        column = QVBoxLayout(self)
        margin = theme.scaled(24)
        column.setContentsMargins(margin, margin, margin, margin)
        column.setSpacing(theme.scaled(12))
        column.addWidget(Label(title, kind="title"))
        column.addWidget(self.words)
        column.addLayout(self.body, 1)
        column.addLayout(self.buttons)
        self.buttons.addWidget(self.close_button)
