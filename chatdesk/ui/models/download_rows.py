"""The downloads under the page's heading: how far each is, how long it takes, what can be done with it."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from chatdesk.library.figures import short_bytes
from chatdesk.tasks.changes import Download
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.models.facts import dress
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import ElidedLabel

_MOST_ROWS = 3
_ROW_PX = 64


class DownloadRow(QWidget):
    """One download. Signals: ``pause_wanted``, ``resume_wanted``, ``cancel_wanted``, ``shown_wanted``."""

    pause_wanted = Signal()
    resume_wanted = Signal()
    cancel_wanted = Signal()
    show_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = ElidedLabel(kind="small")
        self.name = ElidedLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 1000)
        self.pause = TextButton(self.tr("Pause"), kind="link")
        self.resume = TextButton(self.tr("Go on"), kind="link")
        self.show_it = TextButton(self.tr("Show it"), kind="link")
        self.cancel = TextButton("", kind="link")
        row = QHBoxLayout()
        row.setSpacing(theme.scaled(8))
        row.addWidget(self.name, 1)
        for button, wanted in (
            (self.pause, self.pause_wanted),
            (self.resume, self.resume_wanted),
            (self.show_it, self.show_wanted),
            (self.cancel, self.cancel_wanted),
        ):
            button.clicked.connect(wanted)
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.scaled(24), theme.scaled(6), theme.scaled(16), theme.scaled(8))
        column.setSpacing(theme.scaled(4))
        column.addLayout(row)
        column.addWidget(self.words)
        column.addWidget(self.bar)

    def show_download(self, download: Download) -> None:
        """Show how far it is."""
        name, state = download.name, download.state
        self.name.set_words(name)
        self.words.set_words(self._words(download))
        dress(self.words, "danger" if state == "failed" else "small")
        self.bar.setValue(download.done * 1000 // download.total if download.total else 0)
        self.bar.setVisible(state != "done")
        self.bar.setAccessibleName(self.tr("Download of {name}").format(name=name))
        self.pause.setVisible(download.is_coming)
        self.resume.setVisible(state in ("paused", "failed"))
        self.show_it.setVisible(state == "done")
        self.cancel.set_words(self.tr("Close") if state == "done" else self.tr("Cancel"))
        for button, words in (
            (self.pause, self.tr("Pause the download of {name}")),
            (self.resume, self.tr("Go on with the download of {name}")),
            (self.show_it, self.tr("Show {name} among the models on this machine")),
            (self.cancel, self.tr("Take {name} off the downloads")),
        ):
            button.setAccessibleName(words.format(name=name))
        self.cancel.setToolTip("" if state == "done" else self.tr("What has come of it is removed."))

    def _words(self, download: Download) -> str:
        sizes = ""
        if download.total:
            done, total = short_bytes(download.done) if download.done else "0", short_bytes(download.total)
            sizes = self.tr("{done} of {total}").format(done=done, total=total)
        trouble = sentence(download.notice.fault, download.notice.fields) if download.notice else ""
        match download.state:
            case "waiting":
                said = [self.tr("waiting for the others"), sizes]
            case "fetching":
                rate = self.tr("{size}/s").format(size=short_bytes(round(download.bytes_per_s)))
                said = [sizes, rate if download.bytes_per_s else "", self._left(download.seconds_left)]
            case "checking":
                said = [self.tr("checking"), sizes]
            case "trying":
                said = [self.tr("trying again soon"), sizes, trouble]
            case "paused":
                said = [self.tr("paused"), sizes]
            case "failed":
                said = [trouble]
            case "done":
                said = [self.tr("downloaded and checked"), short_bytes(download.total)]
        return " · ".join(part for part in said if part)

    def _left(self, seconds: float | None) -> str:
        if seconds is None:
            return ""
        if seconds < 90:
            return self.tr("{count} s left").format(count=max(1, round(seconds)))
        if seconds < 5400:
            return self.tr("{count} min left").format(count=round(seconds / 60))
        return self.tr("{count} h left").format(count=f"{seconds / 3600:.1f}")


class DownloadRows(QScrollArea):
    """All downloads; not there while there are none. Signals: ``pause_wanted(name)``, ``resume_wanted(name)``,
    ``cancel_wanted(name)``, ``show_wanted(path)``. Attributes: ``rows``, by name.
    """

    pause_wanted = Signal(str)
    resume_wanted = Signal(str)
    cancel_wanted = Signal(str)
    show_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("downloads")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.rows: dict[str, DownloadRow] = {}
        self._paths: dict[str, str] = {}
        self._most = 0
        content = QWidget()
        content.setObjectName("content")
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self.setWidget(content)
        self.hide()

    def show_downloads(self, downloads: Sequence[Download]) -> None:
        """Show these; the rows of those that stay keep the focus."""
        for name in self.rows.keys() - {download.name for download in downloads}:
            gone = self.rows.pop(name)
            self._column.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        for place, download in enumerate(downloads):
            row = self.rows.get(download.name) or self._new_row(download.name)
            self._paths[download.name] = download.path
            row.show_download(download)
            if self._column.indexOf(row) != place:
                self._column.insertWidget(place, row)
        self.setVisible(bool(self.rows))
        self.fit(self._most)

    def fit(self, most: int) -> None:
        """Take ``most`` pixels of height, and at least one row; what is more is scrolled to."""
        self._most = most
        row = theme.scaled(_ROW_PX)
        self.setFixedHeight(max(row, min(most, row * min(_MOST_ROWS, len(self.rows)))))

    def _new_row(self, name: str) -> DownloadRow:
        row = self.rows[name] = DownloadRow()
        row.pause_wanted.connect(partial(self.pause_wanted.emit, name))
        row.resume_wanted.connect(partial(self.resume_wanted.emit, name))
        row.cancel_wanted.connect(partial(self.cancel_wanted.emit, name))
        row.show_wanted.connect(lambda: self.show_wanted.emit(self._paths[name]))
        return row
