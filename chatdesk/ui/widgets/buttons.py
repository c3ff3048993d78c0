"""Buttons with the project's own icons, which follow the theme and the text size."""

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QCheckBox, QMenu, QPushButton, QToolButton

from chatdesk.ui import theme


class IconButton(QToolButton):
    """A flat square button with one line icon; ``name`` is its accessible name and, with a key, its tool tip."""

    def __init__(
        self, icon: str, name: str, tip: str = "", side: int = 36, size: int = 20, checkable: bool = False
    ) -> None:
        super().__init__()
        self.setCheckable(checkable)
        self._icon, self._side, self._size = icon, side, size
        self.setAccessibleName(name)
        self.setToolTip(tip or name)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def _dress(self) -> None:
        self.setIcon(theme.icon(self._icon, size=self._size, on_role="accent" if self.isCheckable() else None))
        self.setIconSize(QSize(theme.scaled(self._size), theme.scaled(self._size)))
        self.setFixedSize(theme.scaled(self._side), theme.scaled(self._side))


class TextButton(QPushButton):
    """A push button of one ``kind`` of the style sheet, with an icon before its words or, for a menu, behind them."""

    def __init__(self, words: str, icon: str = "", kind: str = "", icon_behind: bool = False) -> None:
        super().__init__()
        self._icon, self._icon_behind = icon, icon_behind
        self.set_words(words)
        self.setProperty("kind", kind)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        if icon_behind:
            self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def set_words(self, words: str) -> None:
        """Say ``words``, as they are; they are its accessible name, too."""
        gap = "  " if self._icon else ""  # Qt's own distance to the icon is too small
        plain = words.replace("&", "&&")
        self.setText(plain + gap if self._icon_behind else gap + plain)
        self.setAccessibleName(words)

    def _dress(self) -> None:
        if self._icon:
            self.setIcon(theme.icon(self._icon, size=16))
            self.setIconSize(QSize(theme.scaled(16), theme.scaled(16)))


class ChoiceButton(TextButton):
    """One of several things, chosen from a menu. Signals: ``chosen``, by the person. Attributes: ``value``.

    ``choices``: values with their words; the first one is chosen to begin with. ``name``: for a screen reader.
    """

    chosen = Signal()

    def __init__(self, name: str, choices: Mapping[Any, str]) -> None:
        super().__init__("", icon="chevron-down", icon_behind=True)
        self._name = name
        self._choices: Mapping[Any, str] = {}
        self._menu = QMenu(self)
        self._menu.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # not that of the button it hangs on
        self.setMenu(self._menu)
        self.value: Any = None
        self.set_choices(choices)

    def set_choices(self, choices: Mapping[Any, str]) -> None:
        """Offer these. What is chosen stays if it is among them, else it is the first one, in silence."""
        if choices == self._choices:
            return
        self._choices = choices
        for action in self._menu.actions():  # one of them may be what calls
            self._menu.removeAction(action)
            action.deleteLater()
        for value, words in choices.items():
            action = self._menu.addAction(words.replace("&", "&&"))
            action.triggered.connect(lambda _=False, v=value: self._on_chosen(v))
        self.set_value(self.value if self.value in choices else next(iter(choices)))

    def set_value(self, value: Any) -> None:
        """Choose ``value``, in silence."""
        self.value = value
        self.set_words(self._choices[value])
        self.setAccessibleName(self.tr("{what}: {choice}").format(what=self._name, choice=self._choices[value]))

    def _on_chosen(self, value: Any) -> None:
        self.set_value(value)
        self.chosen.emit()


class Tabs(QButtonGroup):
    """Buttons of which one is down. Tab stops at that one, arrows go to the others."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.buttonToggled.connect(self._on_toggled)

    def add(self, button: QAbstractButton, id: int = -1) -> None:
        """One more; Tab stops at the first while none is down."""
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus if self.buttons() else Qt.FocusPolicy.TabFocus)
        self.addButton(button, id)

    def _on_toggled(self, button: QAbstractButton, is_down: bool) -> None:
        for each in self.buttons() if is_down else ():
            each.setFocusPolicy(Qt.FocusPolicy.TabFocus if each is button else Qt.FocusPolicy.NoFocus)


class Switch(QCheckBox):
    """On or off, drawn as a small switch."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        theme.watcher.changed.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        """40 × 24 pixels at 100 %."""
        return QSize(theme.scaled(40), theme.scaled(24))

    def minimumSizeHint(self) -> QSize:
        """The same."""
        return self.sizeHint()

    def hitButton(self, pos: object) -> bool:
        """All of it can be clicked."""
        return True

    def paintEvent(self, event: QPaintEvent) -> None:
        """A track with a knob; the focus ring around both."""
        colors, on = theme.current(), self.isChecked()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(self.rect()).adjusted(3, 3, -3, -3)
        painter.setPen(QPen(QColor(colors.accent if on else colors.faint), 1.7))
        painter.setBrush(QColor(colors.accent if on else colors.background))
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        knob = track.height() - 6
        left = track.right() - knob - 3 if on else track.left() + 3
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.on_accent if on else colors.faint))
        painter.drawEllipse(QRectF(left, track.top() + 3, knob, knob))
        if self.hasFocus():
            ring = QRectF(self.rect()).adjusted(1, 1, -1, -1)
            painter.setPen(QPen(QColor(colors.text if on else colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(ring, ring.height() / 2, ring.height() / 2)
        painter.end()
