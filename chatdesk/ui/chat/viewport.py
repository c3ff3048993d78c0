"""Selecting, copying and keys in the transcript, over rows that come and go (`chatdesk.ui.chat.arranging`)."""

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent
from PySide6.QtWidgets import QMenu, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.arranging import RowArea
from chatdesk.ui.chat.rows import Entry, Row
from chatdesk.ui.chat.selection import BEGIN, END, Place, Selection
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.chat.views import RowView

_SCROLL_MS = 40


class RowViewport(RowArea):
    """Rows that can be selected and copied. Signals: see `RowArea`."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self._selection: Selection | None = None
        self._pressed_link = ""
        self._drag_scroll = QTimer(self)
        self._drag_scroll.setInterval(_SCROLL_MS)
        self._drag_scroll.timeout.connect(self._on_drag_scroll)
        self.view_made.connect(self._on_view_made)

    def forget_rows(self) -> None:
        """No rows any more."""
        super().forget_rows()
        self._selection = None

    def _on_view_made(self, row: Row) -> None:
        if self._selection is not None:
            self._selection.paint(row)

    # -- selecting ---------------------------------------------------------------------------------------------------

    def selected_text(self) -> str:
        """What is selected, as plain text; a whole turn as its source."""
        if self._selection is None or self._selection.is_empty:
            return ""
        spare: list[RowView] = []

        def view_of(row: Row) -> RowView:
            if row.view is not None:
                return row.view
            spare.append(self.make_view(row))
            return spare[-1]

        text = self._selection.text(view_of)
        for view in spare:
            view.deleteLater()
        return text

    def select_turn(self, entry: Entry) -> None:
        """Select all of a turn."""
        self._select(Selection(entry, BEGIN, END))

    def _select(self, selection: Selection | None) -> None:
        old, self._selection = self._selection, selection
        for row in self._live:
            if old is not None and (selection is None or selection.entry is not old.entry):
                Selection(old.entry, BEGIN, BEGIN).paint(row)
            if selection is not None:
                selection.paint(row)

    def _surface_at(self, point: QPoint) -> Surface | None:
        widget = self.viewport().childAt(point)
        return widget if isinstance(widget, Surface) else None

    def _row_at(self, point: QPoint, entry: Entry | None = None) -> Row | None:
        """The row with text nearest in height to a point of the viewport, of one turn if it is given."""
        found, best = None, 1 << 30
        for row in self._live:
            if row.view is None or row.piece is None or not row.view.surfaces() or entry not in (None, row.entry):
                continue
            box = row.view.geometry()
            distance = max(box.top() - point.y(), point.y() - box.bottom(), 0)
            if distance < best:
                found, best = row, distance
        return found

    def _place_at(self, point: QPoint, row: Row) -> Place:
        assert row.view is not None
        assert row.entry is not None
        assert row.piece is not None
        surfaces = row.view.surfaces()
        spots = [surface.mapFrom(self.viewport(), point) for surface in surfaces]
        away = [max(-spot.y(), spot.y() - each.height(), 0) for spot, each in zip(spots, surfaces, strict=True)]
        nearest = away.index(min(away))
        return row.entry.pieces.index(row.piece), nearest, surfaces[nearest].position_at(spots[nearest])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt override: a selection begins, or a link may be meant."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        point = event.position().toPoint()
        surface = self._surface_at(point)
        self._pressed_link = surface.link_at(surface.mapFrom(self.viewport(), point)) if surface else ""
        row = self._row_at(point)
        if row is None or row.entry is None:
            self._select(None)
            return
        place = self._place_at(point, row)
        self._select(Selection(row.entry, place, place))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Qt override: select a word."""
        point = event.position().toPoint()
        row = self._row_at(point)
        if row is None or row.entry is None or row.view is None or event.button() != Qt.MouseButton.LeftButton:
            return
        piece, number, position = self._place_at(point, row)
        start, end = row.view.surfaces()[number].word_at(position)
        self._select(Selection(row.entry, (piece, number, start), (piece, number, end)))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: the selection grows; beyond the edge the view goes along."""
        if not event.buttons() & Qt.MouseButton.LeftButton or self._selection is None:
            return
        point = event.position().toPoint()
        outside = not 0 <= point.y() < self.viewport().height()
        if outside and not self._drag_scroll.isActive():
            self._drag_scroll.start()
        elif not outside:
            self._drag_scroll.stop()
        self._extend(point)

    def _extend(self, point: QPoint) -> None:
        selection = self._selection
        row = self._row_at(point, selection.entry) if selection else None
        if selection is not None and row is not None:
            self._select(Selection(selection.entry, selection.anchor, self._place_at(point, row)))

    def _on_drag_scroll(self) -> None:
        point = self.viewport().mapFromGlobal(self.cursor().pos())
        beyond = min(point.y(), 0) or max(point.y() - self.viewport().height(), 0)
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + beyond)
        self._extend(point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Qt override: a click on a link that selected nothing."""
        self._drag_scroll.stop()
        point = event.position().toPoint()
        surface = self._surface_at(point)
        link = surface.link_at(surface.mapFrom(self.viewport(), point)) if surface else ""
        if link and link == self._pressed_link and (self._selection is None or self._selection.is_empty):
            self.link_clicked.emit(link)
        self._pressed_link = ""

    # -- keys --------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: scroll, select all of a turn, copy."""
        bar = self.verticalScrollBar()
        page = self.viewport().height() - theme.scaled(48)
        steps = {
            Qt.Key.Key_PageUp: bar.value() - page,
            Qt.Key.Key_PageDown: bar.value() + page,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: bar.maximum(),
            Qt.Key.Key_Up: bar.value() - bar.singleStep(),
            Qt.Key.Key_Down: bar.value() + bar.singleStep(),
        }
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self._select_all()
        elif Qt.Key(event.key()) in steps:
            bar.setValue(steps[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def copy(self) -> None:
        """Put what is selected on the clipboard."""
        text = self.selected_text()
        if text:
            QGuiApplication.clipboard().setText(text)

    def _select_all(self) -> None:
        """All of the turn in which something is selected or was clicked last, else of the last one on screen."""
        entries = [row.entry for row in self._live if row.entry is not None]
        entry = self._selection.entry if self._selection else entries[-1] if entries else None
        if entry is not None:
            self.select_turn(entry)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Qt override: copy, select all."""
        row = self._row_at(self.viewport().mapFromGlobal(event.globalPos()))
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = menu.addAction(self.tr("Copy"))
        copy.setEnabled(bool(self.selected_text()))
        copy.triggered.connect(self.copy)
        everything = menu.addAction(self.tr("Select all of this message"))
        everything.setEnabled(row is not None)
        if row is not None and row.entry is not None:
            entry = row.entry
            everything.triggered.connect(lambda: self.select_turn(entry))
        menu.popup(event.globalPos())

    def changeEvent(self, event: QEvent) -> None:
        """Qt override: another language or font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self.renew()
