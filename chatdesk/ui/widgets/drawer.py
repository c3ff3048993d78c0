"""A side of a page that stands beside its middle in a wide window and slides over it in a narrow one."""

from PySide6.QtCore import QEasingCurve, QObject, QPoint, QPropertyAnimation, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QWidget
from shiboken6 import isValid

from chatdesk.ui import theme


class Shade(QFrame):
    """Darkens ``page`` behind a drawer. Signals: ``clicked``."""

    clicked = Signal()

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self.page = page
        self.setObjectName("shade")
        self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click beside the drawer closes it."""
        self.clicked.emit()


class Drawer(QObject):
    """``widget`` at the left or right edge of a page, ``width_px`` wide at 100 %.

    Docked it is part of the page's row, floating it lies over it with a shade behind.
    Signals: ``toggled(bool)``, when it was opened or closed; ``left``, when it was closed with the focus inside and
    nothing outside had it before.
    """

    toggled = Signal(bool)
    left = Signal()

    def __init__(self, widget: QWidget, row: QHBoxLayout, shade: Shade, width_px: int, right: bool) -> None:
        super().__init__(widget)
        self.widget = widget
        self.floating = False
        self._row, self._shade, self._width_px, self._right = row, shade, width_px, right
        self._focus_before: QWidget | None = None
        self._slide = QPropertyAnimation(widget, b"pos", self)
        self._slide.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._dock()

    @property
    def is_open(self) -> bool:
        """Whether it can be seen, or will be with its page."""
        return not self.widget.isHidden()

    def set_floating(self, floating: bool, open_when_docked: bool) -> None:
        """Change between the two; a floating drawer begins closed."""
        if floating != self.floating:
            self.floating = floating
            self.widget.setProperty("drawer", floating)  # the Tab key stays inside, see `focus.step`
            if floating:
                self._row.removeWidget(self.widget)
            else:
                self._dock()
            self._shade.hide()
            self._show(not floating and open_when_docked)
        self.place()

    def set_open(self, is_open: bool) -> None:
        """Open or close it."""
        if is_open == self.is_open:
            return
        focus = QApplication.focusWidget()
        had_focus = focus is not None and self.widget.isAncestorOf(focus)
        if self.floating:
            self._focus_before = focus if is_open else self._focus_before
            self._shade.setVisible(is_open)
        self._show(is_open)
        if self.floating and is_open:
            self._slide_in()
            self._focus_first()
        elif not is_open:
            self._give_focus_back(had_focus)

    def _give_focus_back(self, had_focus: bool) -> None:
        before, self._focus_before = self._focus_before, None
        if self.floating and before is not None and isValid(before) and before.isVisible():
            before.setFocus()
        elif had_focus:
            self.left.emit()

    def _focus_first(self) -> None:
        for child in self.widget.findChildren(QWidget):
            if child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.isVisible():
                child.setFocus(Qt.FocusReason.OtherFocusReason)
                return

    def place(self) -> None:
        """Take the width of this text size and, floating, the place at the edge of the page."""
        width = theme.scaled(self._width_px)
        page = self._shade.page
        self.widget.setFixedWidth(width)
        if self.floating:
            self.widget.setFixedWidth(min(width, page.width() - theme.scaled(40)))
            self.widget.resize(self.widget.width(), page.height())
            self.widget.move(self._place())
            self._shade.setGeometry(page.rect())

    def _place(self) -> QPoint:
        page = self._shade.page
        return QPoint(page.width() - self.widget.width() if self._right else 0, 0)

    def _dock(self) -> None:
        self._row.insertWidget(self._row.count() if self._right else 0, self.widget)

    def _show(self, is_open: bool) -> None:
        changed = is_open != self.is_open
        self.widget.setVisible(is_open)
        if changed:
            self.toggled.emit(is_open)

    def _slide_in(self) -> None:
        self.place()
        self._shade.raise_()
        self.widget.raise_()
        if duration := theme.motion_ms():
            end = self._place()
            outside = self.widget.width() if self._right else -self.widget.width()
            self._slide.setDuration(duration)
            self._slide.setStartValue(end + QPoint(outside, 0))
            self._slide.setEndValue(end)
            self._slide.start()
