"""A document on screen: paints it, knows what is selected and which link is under the pointer.

Wide content (code, a table of many columns) scrolls sideways inside. Selecting is led by the transcript, as a selection
runs over many surfaces.
"""

import math
from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QWheelEvent,
)
from PySide6.QtWidgets import QScrollBar, QWidget

from chatdesk.ui import theme

_OBJECT = "\ufffc"  # stands in the text for a picture


class Surface(QWidget):
    """Shows ``document``. ``wide``: it may be broader than the widget, and at least ``least_width`` pixels."""

    def __init__(self, document: QTextDocument, parent: QWidget, wide: bool = False, least_width: int = 0) -> None:
        super().__init__(parent)
        self._wide = wide
        self._least_width = least_width
        self._selected = (0, 0)
        self._marks: list[tuple[int, int]] = []
        self._mark_shown = -1
        self._bar: QScrollBar | None = None
        self._watched = False  # is a change of the document painted
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.IBeamCursor)
        self.document = document
        document.setParent(self)

    def fit(self, width: int) -> int:
        """Lay the text out for ``width`` pixels; returns the height it needs."""
        if self._wide and self._least_width == 0:
            content = math.ceil(self.document.idealWidth())
        else:
            content = max(width, self._least_width) if self._wide else width
            self.document.setTextWidth(content)  # before anything else asks for a layout: it would be made twice
            content = max(content, math.ceil(self.document.idealWidth())) if self._wide else content
        height = math.ceil(self.document.size().height())
        if not self._watched:
            self._watched = True
            self.document.documentLayout().update.connect(self._on_document_changed)
        bar_height = self._fit_bar(content, width, height) if self._wide else 0
        self.resize(width, height + bar_height)
        return height + bar_height

    def _fit_bar(self, content: int, width: int, height: int) -> int:
        if content <= width:
            if self._bar:
                self._bar.hide()
                self._bar.setValue(0)
            return 0
        if self._bar is None:
            self._bar = QScrollBar(Qt.Orientation.Horizontal, self)
            self._bar.setAccessibleName(self.tr("Scroll sideways"))
            self._bar.setCursor(Qt.CursorShape.ArrowCursor)
            self._bar.setSingleStep(theme.scaled(24))
            self._bar.valueChanged.connect(self.update)
        self._bar.setRange(0, content - width)
        self._bar.setPageStep(width)
        bar_height = self._bar.sizeHint().height()
        self._bar.setGeometry(0, height, width, bar_height)
        self._bar.show()
        return bar_height

    def _on_document_changed(self, _rect: QRectF) -> None:
        self.update()

    def _origin(self) -> QPointF:
        return QPointF(-self._bar.value(), 0) if self._bar else QPointF(0, 0)

    # -- selection ---------------------------------------------------------------------------------------------------

    def position_at(self, point: QPoint) -> int:
        """The place in the text nearest to a point of this widget."""
        found = self.document.documentLayout().hitTest(QPointF(point) - self._origin(), Qt.HitTestAccuracy.FuzzyHit)
        return max(0, found)

    def length(self) -> int:
        """The last place in the text."""
        return self.document.characterCount() - 1

    def word_at(self, position: int) -> tuple[int, int]:
        """Where the word around a place begins and ends."""
        cursor = QTextCursor(self.document)
        cursor.setPosition(min(position, self.length()))
        cursor.select(QTextCursor.SelectionType.WordUnderCursor)
        return cursor.selectionStart(), cursor.selectionEnd()

    def select(self, start: int, end: int) -> None:
        """Show what lies between two places as selected."""
        chosen = (start, min(end, self.length()))
        if chosen != self._selected:
            self._selected = chosen
            self.update()

    def mark(self, places: list[tuple[int, int]], shown: int) -> None:
        """Show what was looked for at ``places``, and which of them is gone to; any other number: none."""
        if (places, shown) != (self._marks, self._mark_shown):
            self._marks, self._mark_shown = places, shown
            self.update()

    def show_position(self, position: int) -> QRect:
        """Scroll sideways to a place in the text; returns where its line is, in this widget."""
        block = self.document.findBlock(position)
        line = block.layout().lineForTextPosition(position - block.position())
        found: Any = line.cursorToX(position - block.position())  # with the place, says PySide
        corner = self.document.documentLayout().blockBoundingRect(block).topLeft()
        at = QPointF(found[0] if isinstance(found, tuple) else found, line.y()) + corner
        if self._bar is not None and not self._bar.isHidden():
            view = self._bar.pageStep()
            if not self._bar.value() <= at.x() <= self._bar.value() + view - theme.scaled(48):
                self._bar.setValue(round(at.x() - view / 2))
        return QRect((at + self._origin()).toPoint(), QSize(1, math.ceil(line.height())))

    def selected_text(self) -> str:
        """What is selected, as plain text."""
        start, end = self._selected
        if start >= end:
            return ""
        cursor = QTextCursor(self.document)
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        text = cursor.selectedText().replace("\u2029", "\n").replace("\u2028", "\n")
        for alternative in self._alternatives(start, end) if _OBJECT in text else ():
            text = text.replace(_OBJECT, alternative, 1)
        return text

    def _alternatives(self, start: int, end: int) -> Iterator[str]:
        """What stands for the pictures between two places: the source of a formula, the brackets of a box."""
        block = self.document.findBlock(start)
        while block.isValid() and block.position() < end:
            fragments = block.begin()
            while not fragments.atEnd():
                fragment = fragments.fragment()
                style = fragment.charFormat()
                first, last = max(fragment.position(), start), min(fragment.position() + fragment.length(), end)
                if style.isImageFormat():
                    yield from [str(style.property(QTextFormat.Property.ImageAltText))] * (last - first)
                fragments += 1
            block = block.next()

    def link_at(self, point: QPoint) -> str:
        """The address of the link under a point of this widget."""
        return self.document.documentLayout().anchorAt(QPointF(point) - self._origin())

    # -- Qt ----------------------------------------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        origin = self._origin()
        painter.translate(origin)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.clip = QRectF(event.rect()).translated(-origin)
        painter.setClipRect(context.clip)
        colors = theme.current()
        context.palette.setColor(QPalette.ColorRole.Text, QColor(colors.text))
        context.selections = [
            self._painted(*place, colors.accent if number == self._mark_shown else colors.tint, colors)
            for number, place in enumerate(self._marks)
        ]
        if self._selected[0] < self._selected[1]:
            context.selections = [*context.selections, self._painted(*self._selected, colors.accent, colors)]
        self.document.documentLayout().draw(painter, context)

    def _painted(
        self, start: int, end: int, ground: str, colors: theme.Colors
    ) -> QAbstractTextDocumentLayout.Selection:
        found = QAbstractTextDocumentLayout.Selection()
        found.cursor = QTextCursor(self.document)
        found.cursor.setPosition(start)
        found.cursor.setPosition(min(end, self.length()), QTextCursor.MoveMode.KeepAnchor)
        found.format = QTextCharFormat()
        found.format.setBackground(QColor(ground))
        found.format.setForeground(QColor(colors.on_accent if ground == colors.accent else colors.text))
        if ground == colors.tint:  # which is the background itself in high contrast
            found.format.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
            found.format.setUnderlineColor(QColor(colors.accent))
        return found

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: a hand over links."""
        linked = bool(self.link_at(event.position().toPoint()))
        self.setCursor(Qt.CursorShape.PointingHandCursor if linked else Qt.CursorShape.IBeamCursor)
        event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Qt override: sideways, or with Shift; everything else scrolls the transcript."""
        delta = event.angleDelta()
        sideways = delta.x() or (delta.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if self._bar and self._bar.isVisible() and sideways:
            self._bar.setValue(self._bar.value() - sideways // 2)
            event.accept()
        else:
            event.ignore()
