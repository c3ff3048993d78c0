"""Rows on screen: a scroll area in which only the rows near the view have widgets.

The place of the reader is an anchor, a row and an offset in it, never a number of pixels from the top: so estimated
heights may be corrected, text may grow and rows may come without anything moving under the eyes. Only a reader at the
end is taken along.

Widgets are made in small steps. What is in view is there at once, also after a jump, but not while somebody scrolls on
and on: then what a step has no time for stays empty for a moment, as a bar that keeps to the pointer is worth more
than text that flies by.
"""

from time import perf_counter

from PySide6.QtCore import QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QFrame, QPlainTextEdit, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.buttons import RoundButton
from chatdesk.ui.chat.column import MARGIN, column
from chatdesk.ui.chat.rows import Row, Rows
from chatdesk.ui.chat.views import RowView
from chatdesk.ui.widgets.focus import hand_on, has_focus

_AT_END_PX = 8
_PAD_PX = 24
_STEP_S = 0.003  # after so long no further widget is made in a step
_SCROLLING_S = 0.1  # who scrolls again within this time is scrolling; once is a jump


class RowArea(QAbstractScrollArea):
    """Places the widgets of `rows` and scrolls. A subclass makes the widgets.

    Signals: ``link_clicked(address)``; ``view_made(row)``, of a row that has come on screen. Attributes: ``heir``, what
    gets the focus when the row that has it goes away: itself, unless somebody says another one.
    """

    link_clicked = Signal(str)
    view_made = Signal(object)

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.rows = Rows()
        self.heir: QWidget = self
        self.margin_px = MARGIN
        self._live: list[Row] = []
        self._ring = False
        self._following = True
        self._anchor: tuple[Row, int] | None = None
        self._arranging = False
        self._scrolled_at = 0.0
        self._has_made = False  # in this step, a widget: each step goes on by one at least
        self._catch_up = QTimer(self, interval=0, singleShot=True)
        self._catch_up.timeout.connect(lambda: self.arrange(_STEP_S))
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

    def cut_up(self, row: Row) -> list[Row]:
        """The rows that come in the place of an unseen one."""
        raise NotImplementedError

    # -- arranging ---------------------------------------------------------------------------------------------------

    def arrange(self, within_s: float | None = None) -> None:
        """Bring on screen what should be there now. Nothing that the reader sees moves, unless he is at the end.

        ``within_s``: seconds for new widgets; what is in view comes in further steps, too, then.
        """
        if self._arranging:
            return
        self._arranging = True
        try:
            left, width = column(self.width(), self.margin_px)
            until, self._has_made = perf_counter() + (_STEP_S if within_s is None else within_s), False
            for _ in range(12):  # heights become known as rows come near, and then others come near
                wanted = self._rows_near()
                if not self._measure(wanted, width, until, within_s is None):
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

    def put(self, row: Row, place: int) -> None:
        """Show a row so far below the upper edge, as far as there is something around it."""
        self._following = False
        self.hold(row, place)
        self.arrange()
        self._following = self._scroll_value() >= self._last_value() - _AT_END_PX

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
        """Make all widgets again, or dress those that hold what is typed."""
        focus = self.focused_stop()
        for row in list(self._live):
            if row.view is not None and not row.view.dress():
                self.release(row)
        for index in range(len(self.rows)):
            self.rows[index].width = 0
        self._place_to_end_button()
        self.arrange()
        if focus is not None:
            self.focus_stop(*focus)

    def focused_stop(self) -> tuple[Row, int] | None:
        """The row with the focus, and at which of its stops that is."""
        for row in self._live:
            for number, stop in enumerate(row.view.stops() if row.view is not None else ()):
                if has_focus(stop):
                    return row, number
        return None

    def focus_stop(self, row: Row, number: int) -> None:
        """Bring the focus to a stop of a row, if it is there."""
        stops = row.view.stops() if row.view is not None else []
        if number < len(stops) and not has_focus(stops[number]):
            stops[number].setFocus(Qt.FocusReason.OtherFocusReason)

    def forget_rows(self) -> None:
        """No rows any more."""
        for row in list(self._live):
            self.release(row)
        self.rows.clear()
        self._anchor, self._following = None, True

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
            hand_on(row.view, self.heir)
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

    def _rows_near(self) -> list[Row]:
        """The rows in view and half a view around it."""
        while len(self.rows):
            value, height = self._scroll_value(), self.viewport().height()
            first, last = self.rows.at(value - height // 2), self.rows.at(value + height + height // 2)
            near = [self.rows[index] for index in range(first, last + 1)]
            unseen = [row for row in near if row.kind == "unseen"]
            if not unseen:
                return near
            for row in unseen:
                self.replace_unseen(row)
        return []

    def replace_unseen(self, row: Row) -> None:
        """Put the rows of its pieces in the place of an unseen one; an anchor on it goes to the one at its place."""
        index, new = self.rows.index(row), self.cut_up(row)
        self.rows.insert(index + 1, new)
        if self._anchor is not None and self._anchor[0] is row and new:
            offset = self._anchor[1]
            for held in new:
                if offset < held.height or held is new[-1]:
                    self._anchor = (held, offset)
                    break
                offset -= held.height
        self.drop_row(row)

    def _measure(self, wanted: list[Row], width: int, until: float, is_view_whole: bool) -> bool:
        """Make and measure widgets until then, those in view first; returns whether a height was another one.

        One is made in any case, and all in view where ``is_view_whole``.
        """
        changed = False
        value = self._scroll_value()
        for row in sorted(wanted, key=lambda row: not self._is_in_view(row, value)):
            if row.view is None:
                is_due = is_view_whole and self._is_in_view(row, value)
                if self._has_made and perf_counter() > until and not is_due:
                    self._catch_up.start()
                    break
                self._make(row)
            if row.width != width:
                changed = self._fit(row, width) or changed
        return changed

    def _is_in_view(self, row: Row, value: int) -> bool:
        top = self.rows.top(self.rows.index(row))
        return top < value + self.viewport().height() and top + row.height > value

    def _make(self, row: Row) -> None:
        row.view = self.make_view(row)
        row.view.link_clicked.connect(self.link_clicked)
        row.view.resized.connect(lambda: self.refit(row))
        row.view.left.connect(lambda part: hand_on(part, self.heir))
        row.width = 0
        self._has_made = True
        self._live.append(row)

    def _fit(self, row: Row, width: int) -> bool:
        """Measure a row; whether its height was another one."""
        assert row.view is not None
        height = row.view.fit(width)
        row.width = width
        row.view.resize(width, height)
        self.view_made.emit(row)
        whole = height + row.gap if height else 0
        changed = whole != row.height
        if changed:
            self.rows.set_height(row, whole)
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
            if row.view.isHidden():
                row.view.show()
        self._live = order

    # -- scrolling ---------------------------------------------------------------------------------------------------

    def _on_scrolled(self, value: int) -> None:
        if self._arranging:
            return
        self._following = value >= self._last_value() - _AT_END_PX
        if len(self.rows):
            self._anchor = self._anchor_at(value)
        self.arrange(0.0 if perf_counter() - self._scrolled_at < _SCROLLING_S else None)
        self._scrolled_at = perf_counter()

    def _anchor_at(self, value: int) -> tuple[Row, int]:
        """What is to stay in place: the first row in view of which the height is known, else the one at the edge."""
        known = (row for row in self._live if row.width and self._is_in_view(row, value))
        row = next(known, None) or self.rows[self.rows.at(value)]
        return row, value - self.rows.top(self.rows.index(row))

    def _on_to_end_clicked(self) -> None:
        self.setFocus()  # first: the button goes, and whatever had the focus next would be scrolled to
        self.follow()
        self.arrange()

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
