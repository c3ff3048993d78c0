"""A conversation as a PDF: HTML made for print, laid out by Qt, page after page on A4.

A layout holds the window up, so a long text is printed in pieces cut between messages, with the loop running in
between. The file is replaced when all pages are written, or stays as it was. Nothing is fetched: whatever a document
asks for is an empty picture.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PySide6.QtCore import QMarginsF, QObject, QRectF, QSaveFile, QSizeF, Qt, QTimer, QUrl
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QColor,
    QImage,
    QPageLayout,
    QPageSize,
    QPainter,
    QPalette,
    QPdfWriter,
    QTextDocument,
    QTextOption,
)

from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice
from chatdesk.ui import theme

PIECE_CHARACTERS = 400_000
_MESSAGE = '<div class="message'
_LONG_WORD = re.compile(r"\S{2000}")  # what the default way to break lines takes far too long for
_DPI = 300
_MARGIN_MM = 20.0
_TEXT_PT, _NUMBER_PT = 10.5, 8.0


def pieces(html: str, most: int = PIECE_CHARACTERS) -> Iterator[str]:
    """The page cut between messages into whole pages of about ``most`` characters, each with the same head."""
    head, tag, body = html.partition("<body>")
    first, *messages = body.split(_MESSAGE)
    piece = first
    for message in messages:
        if len(piece) + len(message) > most and piece.strip():
            yield head + tag + piece
            piece = ""
        piece += _MESSAGE + message
    yield head + tag + piece


class _Document(QTextDocument):
    """A text that is not allowed to open anything."""

    def loadResource(self, kind: int, name: QUrl | str) -> Any:
        """An empty picture for all: None would make Qt look for itself."""
        return QImage()


class PdfExport(QObject):
    """Writes one file and then says ``done(None)``, or the notice of what went wrong. It deletes itself."""

    def __init__(self, html: str, target: Path, done: Callable[[Notice | None], None], parent: QObject) -> None:
        super().__init__(parent)
        self._target, self._done = target, done
        self._pieces = pieces(html)
        self._pages = 0
        self._file = QSaveFile(str(target), self)
        if self._file.open(QSaveFile.OpenModeFlag.WriteOnly):
            self._writer = QPdfWriter(self._file)
            self._writer.setCreator("chatdesk")
            self._writer.setResolution(_DPI)
            margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
            self._writer.setPageLayout(
                QPageLayout(
                    QPageSize(QPageSize.PageSizeId.A4),
                    QPageLayout.Orientation.Portrait,
                    margins,
                    QPageLayout.Unit.Millimeter,
                )
            )
            self._painter = QPainter(self._writer)
            QTimer.singleShot(0, self, self._go_on)
        else:
            QTimer.singleShot(0, self, self._fail)

    def _go_on(self) -> None:
        piece = next(self._pieces, None)
        if piece is not None:
            self._print(piece)
            QTimer.singleShot(0, self, self._go_on)
            return
        self._painter.end()
        if self._file.commit():
            self._end(None)
        else:
            self._fail()

    def _print(self, html: str) -> None:
        """Lay out one piece and draw its pages."""
        width, height = self._writer.width(), self._writer.height()
        foot = round(_DPI / 3)
        document = _Document()
        layout = document.documentLayout()
        layout.setPaintDevice(self._writer)
        font = theme.font()
        font.setPointSizeF(_TEXT_PT)
        document.setDefaultFont(font)
        document.setDocumentMargin(0)
        if _LONG_WORD.search(html):
            document.setDefaultTextOption(_anywhere())
        document.setHtml(html)
        document.setPageSize(QSizeF(width, height - foot))
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette.setColor(QPalette.ColorRole.Text, QColor("black"))
        for page in range(document.pageCount()):
            if self._pages:
                self._writer.newPage()
            self._pages += 1
            part = QRectF(0, page * (height - foot), width, height - foot)
            self._painter.save()
            self._painter.translate(0, -part.top())
            self._painter.setClipRect(part)
            context.clip = part
            layout.draw(self._painter, context)
            self._painter.restore()
            font.setPointSizeF(_NUMBER_PT)
            self._painter.setFont(font)
            self._painter.setPen(QColor("#555555"))
            bottom = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
            self._painter.drawText(QRectF(0, 0, width, height), bottom, str(self._pages))

    def _fail(self) -> None:
        # A file that was opened and then not written is a disk without room.
        was_open = self._file.error() == QSaveFile.FileError.WriteError
        fields = {"path": str(self._target), "reason": self._file.errorString()}
        self._end(Notice(Fault.DISK_FULL if was_open else Fault.CANNOT_WRITE, fields))

    def _end(self, notice: Notice | None) -> None:
        self._done(notice)
        self.deleteLater()


def _anywhere() -> QTextOption:
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAnywhere)
    return option
