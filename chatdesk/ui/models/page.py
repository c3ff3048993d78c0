"""The page of the models: those on this machine, and those of a hub; under its heading the downloads."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QStackedWidget, QVBoxLayout, QWidget

from chatdesk.tasks.changes import Change, DownloadsChanged, ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.models.download_rows import DownloadRows
from chatdesk.ui.models.local import LocalModels
from chatdesk.ui.models.remote import HubModels
from chatdesk.ui.widgets.buttons import IconButton, Tabs, TextButton
from chatdesk.ui.widgets.frames import page_header
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from chatdesk.tasks.downloads import Downloads
    from chatdesk.tasks.hub import Hub
    from chatdesk.tasks.models import Models

_TITLED_PX = 420


class ModelsPage(QWidget):
    """Signals: ``back_wanted``. Attributes: ``back_button``, for windows without a rail; ``local`` and ``hub``, the two
    parts, with ``local_tab`` and ``hub_tab``; ``downloads``.
    """

    back_wanted = Signal()

    def __init__(self, models: "Models", hub: "Hub", downloads: "Downloads") -> None:
        super().__init__()
        self.setObjectName("page")
        self.local = LocalModels(models)
        self.hub = HubModels(hub, downloads, models)
        self.hub.show_wanted.connect(self._show_downloaded)
        self.downloads = DownloadRows()
        self.downloads.pause_wanted.connect(downloads.pause)
        self.downloads.resume_wanted.connect(downloads.resume)
        self.downloads.cancel_wanted.connect(downloads.cancel)
        self.downloads.show_wanted.connect(self._show_downloaded)
        self._done: set[str] = set()
        self._parts = QStackedWidget()
        self._parts.addWidget(self.local)
        self._parts.addWidget(self.hub)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._make_header())
        column.addWidget(self.downloads)
        column.addWidget(self._parts, 1)
        self.apply(DownloadsChanged(downloads.all))

    def _make_header(self) -> QFrame:
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        self.local_tab = TextButton(self.tr("On this machine"))
        self.hub_tab = TextButton(self.tr("From a hub"))
        self._title = Label(self.tr("Models"), kind="title")
        self._title.setContentsMargins(0, 0, theme.scaled(8), 0)
        group = Tabs(self)
        for tab, part in ((self.local_tab, self.local), (self.hub_tab, self.hub)):
            tab.clicked.connect(lambda _=False, shown=part: self._show(shown))
            group.add(tab)
        self.local_tab.setChecked(True)
        return page_header(self.back_button, self._title, self.local_tab, self.hub_tab)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The downloads leave room for the rest; in a small window the title leaves it to the tabs."""
        super().resizeEvent(event)
        self.downloads.fit(self.height() // 4)
        self._title.setVisible(self.width() >= theme.scaled(_TITLED_PX))

    def enter(self) -> None:
        """The page is shown."""
        self._shown().enter()

    def find_here(self) -> None:
        """Go to the line that is typed into to find something."""
        self._shown().find_here()

    def apply(self, change: Change) -> None:
        """Show a change of the model that is loaded, or of the downloads."""
        if isinstance(change, ModelChanged):
            self.local.show_state(change)
        elif isinstance(change, DownloadsChanged):
            self.downloads.show_downloads(change.downloads)
            self.hub.show_downloads(change.downloads)
            done = {each.name for each in change.downloads if each.state == "done"}
            if done - self._done and self.isVisible():
                self.local.refresh()
                self.hub.look_here()
            self._done = done

    def _shown(self) -> LocalModels | HubModels:
        return self.hub if self._parts.currentWidget() is self.hub else self.local

    def _show(self, part: LocalModels | HubModels) -> None:
        self._parts.setCurrentWidget(part)
        (self.hub_tab if part is self.hub else self.local_tab).setChecked(True)
        part.enter()

    def _show_downloaded(self, path: str) -> None:
        self._show(self.local)
        self.local.show_checkpoint(path)
