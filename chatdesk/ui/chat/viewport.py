"""Rows on screen: a scroll area in which only the rows near the view have widgets.

The place of the reader is an anchor, a row and an offset in it, never a number of pixels from the top: so estimated
heights may be corrected, text may grow and rows may come without anything moving under the eyes. Only a reader at the
end is taken along.
"""

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QFrame, QMenu, QPlainTextEdit, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.buttons import RoundButton
from chatdesk.ui.chat.column import MARGIN, column
from chatdesk.ui.chat.rows import Entry, Row, Rows
from chatdesk.ui.chat.selection import BEGIN, END, Place, Selection
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.chat.views import RowView

_AT_END_PX = 8
_PAD_PX = 24
_SCROLL_MS = 40


class RowViewport(QAbstractScrollArea):
    """Places the widgets of `rows`, scrolls, selects and copies. A subclass makes the widgets.

    Signals: ``link_clicked(address)``; ``view_made(row)``, of a row that has come on screen.
    """

    link_clicked = Signal(str)
    view_made = Signal(object)

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.rows = Rows()
        self.margin_px = MARGIN
        self._live: list[Row] = []
        self._ring = False
        self._stops: list[QWidget] = []
        self._following = True
        self._anchor: tuple[Row, int] | None = None
        self._arranging = False
        self._selection: Selection | None = None
        self._pressed_link = ""
        self._drag_scroll = QTimer(self)
        self._drag_scroll.setInterval(_SCROLL_MS)
        self._drag_scroll.timeout.connect(self._on_drag_scroll)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setAutoFillBackground(False)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self._to_end = RoundButton("chevron-down", self.tr("To the end"), self)
        self._to_end.setObjectName("to_end")
        self._to_end.clicked.connect(self._on_to_end_clicked)
        self._to_end.hide()
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._on_focus_changed)

    def make_view(self, row: Row) -> RowView:
        """The widget of a row."""
        raise NotImplementedError

    # -- arranging ---------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """Bring on screen what should be there now. Nothing that the reader sees moves, unless he is at the end."""
        if self._arranging:
            return
        self._arranging = True
        try:
            left, width = column(self.width(), self.margin_px)
            for _ in range(12):  # heights become known as rows come near, and then others come near
                wanted = self._rows_near(self._scroll_value())
                if not self._measure(wanted, width):
                    break
            value = self._scroll_value()
            self._release_all_but(wanted)
            self._place(left, width, value)
            bar = self.verticalScrollBar()
            bar.setPageStep(self.viewport().height())
            bar.setSingleStep(theme.scaled(24))
            bar.setRange(0, self._last_value())
            bar.setValue(value)
            self._to_end.setVisible(not self._following and value < self._last_value() - _AT_END_PX)
        finally:
            self._arranging = False

    def follow(self) -> None:
        """From now on show the end."""
        self._following = True

    def live(self) -> list[Row]:
        """The rows that have a widget now."""
        return list(self._live)

    def show_row(self, row: Row) -> None:
        """Go to a row, if it is not in view with all of its upper half."""
        if row.view is not None:
            top = row.view.y()
            if top >= 0 and top + row.height // 2 <= self.viewport().height():
                return
        self._following = False
        self._anchor = (row, -(self.viewport().height() // 3))
        self.arrange()

    def place_of(self, row: Row) -> int | None:
        """How far below the upper edge a row stands, if it is on screen and the reader is not at the end."""
        if self._following or row.view is None:
            return None
        return self.rows.top(self.rows.index(row)) - self._scroll_value()

    def hold(self, row: Row, place: int) -> None:
        """Keep a row at that distance from the upper edge: it has come for the one that stood there."""
        self._anchor = (row, -place)

    def keep_in_place(self, row: Row) -> None:
        """What follows changes rows below this one: it stays where it is, also when the reader is at the end."""
        if row.view is not None:
            self._anchor = (row, -(self.rows.top(self.rows.index(row)) - self._scroll_value()))
            self._following = False

    def refit(self, row: Row) -> None:
        """A row wants another height."""
        row.width = 0
        self.arrange()

    def reveal(self, widget: QWidget) -> None:
        """Bring a widget of a row into view: its lower end, or if it is higher than the view its upper one."""
        top = widget.mapTo(self.viewport(), QPoint(0, 0)).y()
        bottom = top + widget.height()
        bar, room, pad = self.verticalScrollBar(), self.viewport().height(), theme.scaled(_PAD_PX)
        if top < 0 or widget.height() > room:
            bar.setValue(bar.value() + top - pad)
        elif bottom > room:
            bar.setValue(bar.value() + bottom - room + pad)

    def reveal_spot(self, widget: QWidget, spot: QRect) -> None:
        """Bring a part of a widget into view, with some lines around it."""
        top = widget.mapTo(self.viewport(), spot.topLeft()).y()
        room, around = self.viewport().height(), theme.scaled(64)
        if top < around or top + spot.height() > room - around:
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + top - room // 3)

    def first_row(self) -> int | None:
        """Number of the row at the upper edge."""
        return self.rows.at(self._scroll_value()) if len(self.rows) else None

    def renew(self) -> None:
        """Make all widgets again."""
        for row in list(self._live):
            self.release(row)
        for index in range(len(self.rows)):
            self.rows[index].width = 0
        self._place_to_end_button()
        self.arrange()

    def forget_rows(self) -> None:
        """No rows any more."""
        for row in list(self._live):
            self.release(row)
        self.rows.clear()
        self._anchor, self._following, self._selection = None, True, None

    def drop_row(self, row: Row) -> None:
        """Take a row out; the anchor moves to its neighbour."""
        if self._anchor is not None and self._anchor[0] is row:
            index = self.rows.index(row)
            beside = index + 1 if index + 1 < len(self.rows) else index - 1
            self._anchor = (self.rows[beside], 0) if beside >= 0 else None
        self.release(row)
        self.rows.remove(row)

    def release(self, row: Row) -> None:
        """Take the widget of a row away; its height stays known."""
        if row.view is not None:
            row.view.hide()
            row.view.deleteLater()
            row.view = None
            self._live.remove(row)

    def _total(self) -> int:
        return self.rows.top(len(self.rows)) + theme.scaled(_PAD_PX) if len(self.rows) else 0

    def _last_value(self) -> int:
        return max(0, self._total() - self.viewport().height())

    def _scroll_value(self) -> int:
        if self._following or self._anchor is None:
            return self._last_value()
        row, offset = self._anchor
        value = self.rows.top(self.rows.index(row)) + min(offset, row.height)
        return max(0, min(value, self._last_value()))

    def _rows_near(self, value: int) -> list[Row]:
        if not len(self.rows):
            return []
        height = self.viewport().height()
        first, last = self.rows.at(value - height // 2), self.rows.at(value + height + height // 2)
        return [self.rows[index] for index in range(first, last + 1)]

    def _measure(self, wanted: list[Row], width: int) -> bool:
        """Make and measure widgets; returns whether a height has turned out another one."""
        changed = False
        for row in wanted:
            if row.view is None:
                row.view = self.make_view(row)
                row.view.link_clicked.connect(self.link_clicked)
                row.view.resized.connect(lambda row=row: self.refit(row))
                row.width = 0
                self._live.append(row)
            if row.width != width:
                height = row.view.fit(width)
                row.width = width
                row.view.resize(width, height)
                if self._selection is not None:
                    self._selection.paint(row)
                self.view_made.emit(row)
                whole = height + row.gap if height else 0
                if whole != row.height:
                    self.rows.set_height(row, whole)
                    changed = True
        return changed

    def _release_all_but(self, wanted: list[Row]) -> None:
        kept = set(map(id, wanted))
        focused = QApplication.focusWidget()
        for row in list(self._live):
            held = focused is not None and row.view is not None and row.view.isAncestorOf(focused)
            if id(row) not in kept and not held:
                self.release(row)

    def _place(self, left: int, width: int, value: int) -> None:
        order = sorted(self._live, key=self.rows.index)
        for row in order:
            assert row.view is not None
            row.view.move(left, self.rows.top(self.rows.index(row)) + row.gap - value)
            row.view.show()
        self._live = order
        self._order_stops([stop for row in order if row.view is not None for stop in row.view.stops()])

    def _order_stops(self, stops: list[QWidget]) -> None:
        """The Tab key goes from top to bottom, whatever was made first."""
        if stops == self._stops:
            return
        self._stops = stops
        before: QWidget = self
        for stop in (*stops, self._to_end):
            QWidget.setTabOrder(before, stop)
            before = stop

    # -- scrolling ---------------------------------------------------------------------------------------------------

    def _on_scrolled(self, value: int) -> None:
        if self._arranging:
            return
        self._following = value >= self._last_value() - _AT_END_PX
        if len(self.rows):
            index = self.rows.at(value)
            self._anchor = (self.rows[index], value - self.rows.top(index))
        self.arrange()

    def _on_to_end_clicked(self) -> None:
        self.follow()
        self.arrange()
        self.setFocus()

    def _place_to_end_button(self) -> None:
        size = self._to_end.width()
        self._to_end.move((self.width() - size) // 2, self.height() - size - theme.scaled(8))
        self._to_end.raise_()

    def _on_focus_changed(self, _old: QWidget | None, now: QWidget | None) -> None:
        """What gets the focus by the keyboard comes into view."""
        if isinstance(now, QAbstractButton | QPlainTextEdit) and self.viewport().isAncestorOf(now):
            self.reveal(now)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override."""
        super().resizeEvent(event)
        self._place_to_end_button()
        self.arrange()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override: who comes by the keyboard sees a ring."""
        super().focusInEvent(event)
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusOutEvent(event)
        self._ring = False
        self.viewport().update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override: the ring."""
        if self._ring:
            painter = QPainter(self.viewport())
            painter.setPen(QPen(QColor(theme.current().accent), 2))
            painter.drawRect(self.viewport().rect().adjusted(1, 1, -1, -1))

    def scrollContentsBy(self, _dx: int, _dy: int) -> None:
        """Qt override: `arrange` moves the widgets."""

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
