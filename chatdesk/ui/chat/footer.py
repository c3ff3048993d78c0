"""What stands under a finished message: speed, versions, and buttons for what can be done with it.

Under a reply it is always there, in faint; under the person's own words the buttons come with the pointer or the focus.
"""

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QWidget

from chatdesk.tasks.changes import Turn
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.buttons import QuietButton
from chatdesk.ui.chat.figures import facts
from chatdesk.ui.chat.rows import is_cut_off
from chatdesk.ui.chat.views import RowView
from chatdesk.ui.widgets.inert import inert
from chatdesk.ui.widgets.labels import ElidedLabel

_OF_BRANCHES = ("compare", "regenerate", "branch", "delete")


class Footer(RowView):
    """Under a message. Signals: ``wanted(what)``, see `_add_buttons` and `_on_more_clicked`; ``version_clicked(step)``.

    ``what``: ``regenerate``, ``continue``, ``edit``, ``copy``, ``copy_plain``, ``copy_markdown``, ``compare``,
    ``branch``, ``pin``, ``export``, ``delete``, ``tokens``.
    """

    wanted = Signal(str)
    version_clicked = Signal(int)

    def __init__(self, turn: Turn, last: bool, busy: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self._own = turn.role == "user"
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.scaled(2))
        self._figures = ElidedLabel(kind="small")
        self._row.addWidget(self._figures, 1)
        self._version = self._small_label()
        self._add_buttons()
        self.show_turn(turn, last, busy)
        self.set_lit(not self._own)

    def _small_label(self) -> QLabel:
        label = QLabel(self)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setProperty("kind", "small")
        return label

    def _add_buttons(self) -> None:
        self._back = QuietButton("chevron-left", self.tr("Previous version"), self)
        self._forward = QuietButton("chevron-right", self.tr("Next version"), self)
        self._regenerate = QuietButton("regenerate", self.tr("Regenerate"), self)
        self._continue = QuietButton("continue", self.tr("Continue the reply"), self)
        self._edit = QuietButton(
            "pencil", self.tr("Edit the message") if self._own else self.tr("Edit the reply"), self
        )
        self._copy = QuietButton("copy", self.tr("Copy the message") if self._own else self.tr("Copy the reply"), self)
        self._more = QuietButton("more", self.tr("More"), self)
        self._regenerate.setToolTip(shortcuts.hint("regenerate", self.tr("Regenerate")))
        self._continue.setToolTip(shortcuts.hint("continue", self.tr("Continue the reply")))
        versions = (self._back, self._version, self._forward)
        rest = (self._regenerate, self._continue, self._edit, self._copy, self._more)
        for widget in (*rest[2:], *versions) if self._own else (*versions, *rest):
            self._row.addWidget(widget)
        self._back.clicked.connect(lambda: self.version_clicked.emit(-1))
        self._forward.clicked.connect(lambda: self.version_clicked.emit(1))
        self._regenerate.clicked.connect(lambda: self.wanted.emit("regenerate"))
        self._continue.clicked.connect(lambda: self.wanted.emit("continue"))
        self._edit.clicked.connect(lambda: self.wanted.emit("edit"))
        self._copy.clicked.connect(self._on_copy_clicked)
        self._more.clicked.connect(self._on_more_clicked)

    def show_turn(self, turn: Turn, last: bool, busy: bool) -> None:
        """Show what is known of a message.

        ``last``: nothing stands below it; a reply can be made again or gone on with. ``busy``: a reply is being
        written, and no other branch can be shown.
        """
        self._turn, self._last, self._busy = turn, last, busy
        self._figures.set_words(inert(facts(turn)))
        several = turn.versions > 1
        for widget in (self._back, self._version, self._forward):
            widget.setVisible(several)
        self._version.setText(f"{turn.version} / {turn.versions}")
        self._version.setAccessibleName(
            self.tr("Version {number} of {count}").format(number=turn.version, count=turn.versions)
        )
        self._back.setEnabled(turn.version > 1 and not busy)
        self._forward.setEnabled(turn.version < turn.versions and not busy)
        self._regenerate.setVisible(last and not self._own)
        self._continue.setVisible(last and is_cut_off(turn))

    def set_lit(self, lit: bool) -> None:
        """Draw the buttons, or leave them to the keyboard. Versions are always drawn: there is more than is shown."""
        for button in (self._edit, self._copy, self._more):
            button.set_drawn(lit)

    def _on_copy_clicked(self) -> None:
        self.wanted.emit("copy")
        self._copy.confirm()

    def _on_more_clicked(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        entries = [] if self._own else [
            (self.tr("Copy as plain text"), "copy_plain"),
            (self.tr("Copy as Markdown"), "copy_markdown"),
            (self.tr("Look at the tokens…"), "tokens"),
        ]  # fmt: skip
        if not self._own and self._turn.versions > 1:
            entries.append((self.tr("Compare the versions"), "compare"))
        if not self._own and not self._last:
            entries.append((self.tr("Write another reply here"), "regenerate"))
        if not self._last:
            entries.append((self.tr("Branch from here"), "branch"))
        entries.append((self.tr("Unpin") if self._turn.is_pinned else self.tr("Pin"), "pin"))
        entries.append((self.tr("Export the message…"), "export"))
        entries.append((self.tr("Delete from here"), "delete"))
        for words, what in entries:
            action = menu.addAction(words)
            action.setEnabled(not (self._busy and what in _OF_BRANCHES))
            action.triggered.connect(lambda _=False, what=what: self.wanted.emit(what))
        menu.popup(self._more.mapToGlobal(QPoint(0, self._more.height())))

    def is_at(self, step: int) -> bool:
        """Whether the keys are at the button that goes one version on (1) or back (-1)."""
        button = self._forward if step > 0 else self._back
        return button.hasFocus() and not button.underMouse()

    def go_to(self, step: int) -> None:
        """Bring the keys to that button; where there is no further version, to the other one."""
        towards, back = (self._forward, self._back) if step > 0 else (self._back, self._forward)
        (towards if towards.isEnabled() else back).setFocus(Qt.FocusReason.TabFocusReason)

    def stops(self) -> list[QWidget]:
        """The buttons, as they stand."""
        rest: list[QWidget] = [self._regenerate, self._continue, self._edit, self._copy, self._more]
        versions: list[QWidget] = [self._back, self._forward]
        return rest[2:] + versions if self._own else versions + rest

    def fit(self, width: int) -> int:
        """One line."""
        self.resize(width, theme.scaled(32))
        return theme.scaled(32)
