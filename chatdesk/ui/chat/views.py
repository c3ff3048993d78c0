"""What stands in the rows of the transcript: the texts of a turn, piece by piece.

Every view has ``fit(width) -> height`` (pixels), which lays it out, ``surfaces``, its texts from top to bottom, and
``stops``, its buttons in the order of the Tab key.
"""

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QEnterEvent, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat import formulas
from chatdesk.ui.chat.buttons import QuietButton
from chatdesk.ui.chat.highlight import Colouring
from chatdesk.ui.chat.markdown import Block, blocks
from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rendering import append_code, block_document, code_document, plain_document
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.widgets.inert import inert

_CELL_WIDTH = 96  # a table of many columns becomes wider than the text rather than narrower cells than this
_GAP = 12
_MARGIN = 32  # pixels beside a wide picture, in a list for example
_COLOUR_MS = 40  # between two steps of colouring
_COLOUR_FIRST_S = 0.008
_COLOUR_STEP_S = 0.003


class RowView(QWidget):
    """A row.

    Signals: ``link_clicked(address)``; ``code_copy_requested``, of the code that begins in this piece; ``resized``: it
    wants to be fitted again; ``hovered``: the pointer has come or gone; ``left(part)``: a part of it is to go away.
    """

    link_clicked = Signal(str)
    code_copy_requested = Signal()
    resized = Signal()
    hovered = Signal()
    left = Signal(object)

    def dress(self) -> bool:
        """Take fonts, sizes and colours from the theme; False: it has to be made again for that."""
        return False

    def fit(self, width: int) -> int:
        """Lay out for a width; returns the height."""
        raise NotImplementedError

    def surfaces(self) -> list[Surface]:
        """Texts that can be selected."""
        return []

    def stops(self) -> list[QWidget]:
        """Where the Tab key stops."""
        return []

    def enterEvent(self, event: QEnterEvent) -> None:
        """Qt override."""
        super().enterEvent(event)
        self.hovered.emit()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt override."""
        super().leaveEvent(event)
        self.hovered.emit()


class PlainView(RowView):
    """Words of the person, as typed, in a soft block at the right."""

    def __init__(self, piece: Piece, first: bool, last: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self._first, self._last = first, last
        text = piece.text if last else piece.text.removesuffix("\n")
        self._surface = Surface(plain_document(text, theme.current().text), self)
        self._block = QRectF()
        self.setAccessibleName(self.tr("You") + ": " + inert(piece.text[:1_000]))

    def surfaces(self) -> list[Surface]:
        """The one text."""
        return [self._surface]

    def fit(self, width: int) -> int:
        """As wide as the words, at most four fifths of the column; a text of many pieces takes all of that."""
        side, above, below = (
            theme.scaled(18),
            theme.scaled(7),
            theme.scaled(9),
        )  # the spare height of a line is above it
        room = width * 4 // 5 - 2 * side
        height = self._surface.fit(room)
        if self._first and self._last:
            room = min(room, max(theme.scaled(16), int(self._surface.document.idealWidth()) + 1))
            height = self._surface.fit(room)
        top, bottom = above * self._first, below * self._last
        self._surface.move(width - room - side, top)
        whole = top + height + bottom
        self._block = QRectF(width - room - 2 * side, 0, room + 2 * side, whole)
        return whole

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().user_block))
        _rounded(painter, self._block, theme.scaled(12), self._first, self._last)


class CodeFrame(RowView):
    """A block of code: its language, a copy button, the code. ``continued``: what goes on from the piece above."""

    def __init__(
        self, text: str, language: str, parent: QWidget, continued: bool = False, goes_on: bool = False
    ) -> None:
        super().__init__(parent)
        self._language = language.split()[0] if language else ""
        self._text = text
        self._continued, self.goes_on = continued, goes_on
        self._surface = Surface(code_document(text.removesuffix("\n")), self, wide=True)
        self.setAccessibleName(self.tr("Code") + ": " + inert(text[:1_000]))
        self._label: QLabel | None = None
        self._copy: QuietButton | None = None
        if not continued:
            self._label = QLabel(inert(self._language)[:40] or self.tr("code"), self)
            self._label.setTextFormat(Qt.TextFormat.PlainText)
            self._label.setProperty("kind", "small")
            self._copy = QuietButton("copy", self.tr("Copy the code"), self)
            self._copy.clicked.connect(self._on_copy_clicked)
        self._timer = QTimer(self)
        self._timer.setInterval(_COLOUR_MS)
        self._timer.timeout.connect(self._on_timeout)
        self._colouring = Colouring(self._surface.document, self._language)
        self._stale = False  # has the text grown since the colouring began
        if not self._colouring.step(_COLOUR_FIRST_S):
            self._timer.start()

    def surfaces(self) -> list[Surface]:
        """The code."""
        return [self._surface]

    def stops(self) -> list[QWidget]:
        """The copy button."""
        return [self._copy] if self._copy else []

    def grow(self, text: str) -> None:
        """Show ``text``; what is shown already stays and is not laid out again."""
        shown, wanted = self._text.removesuffix("\n"), text.removesuffix("\n")
        if wanted.startswith(shown):
            append_code(self._surface.document, wanted[len(shown) :])
        else:
            self._surface.document.clear()
            append_code(self._surface.document, wanted)
        self._text = text
        self._stale = True
        if not self._timer.isActive():
            self._timer.start()

    def fit(self, width: int) -> int:
        """The code keeps its lines; what is too long scrolls sideways."""
        side = theme.scaled(14)
        top = theme.scaled(4) if self._continued else theme.scaled(44)
        height = self._surface.fit(width - 2 * side)
        self._surface.move(side, top)
        if self._label and self._copy:
            size = theme.scaled(32)
            self._copy.setGeometry(width - side - size + theme.scaled(6), theme.scaled(8), size, size)
            self._label.setGeometry(side, theme.scaled(8), self._copy.x() - 2 * side, size)
        return top + height + (0 if self.goes_on else theme.scaled(12))

    def _on_timeout(self) -> None:
        if not self._colouring.step(_COLOUR_STEP_S):
            return
        if self._stale:
            self._colouring = Colouring(self._surface.document, self._language)
            self._stale = False
        else:
            self._timer.stop()

    def _on_copy_clicked(self) -> None:
        self.code_copy_requested.emit()
        if self._copy:
            self._copy.confirm()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.current().line), 1))
        painter.setBrush(QColor(theme.current().side))
        frame = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        _rounded(painter, frame, theme.scaled(10), not self._continued, not self.goes_on)


class _Rule(RowView):
    def fit(self, _width: int) -> int:
        return theme.scaled(8)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(0, self.height() // 2, self.width(), 1, QColor(theme.current().line))


class _Text(RowView):
    """A paragraph, heading, list, quote or table."""

    def __init__(self, block: Block, parent: QWidget) -> None:
        super().__init__(parent)
        self._kind = block.kind
        table = block.kind == "table"
        columns = sum(token.type == "th_open" for token in block.tokens)
        document = block_document(block)
        self.pending = document.pending
        least = max(theme.scaled(_CELL_WIDTH) * columns, document.widest and document.widest + theme.scaled(_MARGIN))
        self._surface = Surface(document, self, wide=table or document.widest > 0, least_width=least)

    def surfaces(self) -> list[Surface]:
        return [self._surface]

    def fit(self, width: int) -> int:
        return self._surface.fit(width)

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self._kind == "quote":
            QPainter(self).fillRect(0, 0, theme.scaled(3), self.height(), QColor(theme.current().line))


class MarkdownView(RowView):
    """Blocks of a reply. When the piece has grown, only blocks that are other ones are made anew."""

    def __init__(self, piece: Piece, parent: QWidget) -> None:
        super().__init__(parent)
        self._shown: list[tuple[Block, RowView]] = []
        formulas.watcher.drawn.connect(self._on_drawn)  # first: what `grow` asks for may be drawn before it returns
        self.grow(piece.text)

    def grow(self, text: str) -> None:
        """Show ``text``."""
        found = blocks(text)
        same = 0
        while same < min(len(found), len(self._shown)) and self._shown[same][0] == found[same]:
            same += 1
        old, self._shown = self._shown[same:], self._shown[:same]
        for block in found[same:]:
            self._shown.append((block, self._view(block)))
        for _, view in old:
            self._let_go(view)
        self.setAccessibleName(self.tr("Reply") + ": " + inert(text[:1_000]))

    def _on_drawn(self) -> None:
        """Make blocks again whose formulas have all been drawn."""
        changed = False
        for index, (block, view) in enumerate(self._shown):
            if isinstance(view, _Text) and view.pending and all(map(formulas.is_known, view.pending)):
                self._shown[index] = (block, self._view(block))
                self._let_go(view)
                changed = True
        if changed:
            self.resized.emit()

    def _let_go(self, view: RowView) -> None:
        self.left.emit(view)
        view.hide()
        view.deleteLater()

    def _view(self, block: Block) -> RowView:
        view: RowView
        if block.kind == "code":
            text = block.tokens[0].content
            view = CodeFrame(text, block.tokens[0].info.strip(), self)
            view.code_copy_requested.connect(lambda: QGuiApplication.clipboard().setText(text))
        else:
            view = _Rule(self) if block.kind == "rule" else _Text(block, self)
        view.show()
        return view

    def surfaces(self) -> list[Surface]:
        """Of all blocks."""
        return [surface for _, view in self._shown for surface in view.surfaces()]

    def stops(self) -> list[QWidget]:
        """Copy buttons of code."""
        return [stop for _, view in self._shown for stop in view.stops()]

    def fit(self, width: int) -> int:
        """One below the other."""
        y = 0
        above = ""
        for block, view in self._shown:
            if y:
                y += theme.scaled(_gap(above, block.kind))
            height = view.fit(width)
            view.setGeometry(0, y, width, height)
            y += height
            above = block.kind
        return y


def _gap(above: str, kind: str) -> int:
    if kind == "heading":
        return 24
    if above == "heading":
        return 8
    return 16 if {"code", "table", "math"} & {above, kind} else _GAP


def _rounded(painter: QPainter, frame: QRectF, radius: float, top: bool, bottom: bool) -> None:
    """A block whose upper and lower corners are round where it begins and ends; open where it goes on."""
    painter.save()
    painter.setClipRect(frame.adjusted(-1, -1, 1, 1))
    more = 2 * radius
    painter.drawRoundedRect(frame.adjusted(0, 0 if top else -more, 0, 0 if bottom else more), radius, radius)
    painter.restore()
