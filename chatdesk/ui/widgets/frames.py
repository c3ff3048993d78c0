"""What pages are made of: the bar at their top, and parts that can be scrolled."""

from PySide6.QtCore import Qt, SignalInstance
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QWidget

from chatdesk.ui import theme


def page_header(*parts: QWidget, at_end: QWidget | None = None) -> QFrame:
    """The bar at the top of a page, with ``parts`` from the left and one on the right."""
    header = QFrame()
    header.setObjectName("header")
    header.setFixedHeight(theme.scaled(56))
    row = QHBoxLayout(header)
    row.setContentsMargins(theme.scaled(16), 0, theme.scaled(16), 0)
    row.setSpacing(theme.scaled(8))
    for part in parts:
        row.addWidget(part)
    row.addStretch()
    if at_end is not None:
        row.addWidget(at_end)
    return header


def scrolled(part: QWidget, moved: SignalInstance | None = None) -> QScrollArea:
    """A part that can be scrolled where the window is too small for it.

    ``moved(rect)``, of a part with a mark that keys move: that place is kept in sight.
    """
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has it
    area.setWidget(part)
    if moved is None:
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    else:
        moved.connect(lambda r: area.ensureVisible(r.center().x(), r.center().y(), r.width() // 2, r.height()))
    return area


def read_only(part: QWidget, name: str) -> QScrollArea:
    """A part that is only read: the arrows scroll it, so the Tab key comes to it. ``name``: for screen readers."""
    area = scrolled(part)
    area.setProperty("kind", "reading")  # it has a ring while it has the focus
    area.setAccessibleName(name)
    area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return area
