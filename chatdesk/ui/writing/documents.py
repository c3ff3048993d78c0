"""The list of documents, in folders; renamed in place, deleted with an undo."""

from collections.abc import Sequence

from msgspec.structs import replace
from PySide6.QtCore import QModelIndex, QPoint, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QMenu,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from chatdesk.storage.records import Document
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.dialogs import ask_folder
from chatdesk.ui.widgets.labels import ElidedLabel, Label, tip

_ID = Qt.ItemDataRole.UserRole


class DocumentList(QFrame):
    """Signals: ``new_wanted``, ``open_wanted(id)``, ``rename_wanted(id, title)``, ``delete_wanted(id)``,
    ``move_wanted(id, folder)``, ``undo_wanted``, ``trash_wanted``, ``import_wanted``, ``template_wanted``.
    """

    new_wanted = Signal()
    open_wanted = Signal(str)
    rename_wanted = Signal(str, str)
    delete_wanted = Signal(str)
    move_wanted = Signal(str, str)
    undo_wanted = Signal()
    trash_wanted = Signal()
    import_wanted = Signal()
    template_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("list")
        self._documents: Sequence[Document] = ()
        self._deleted: Document | None = None
        self._open = ""
        self._keys_from = ""  # the open document that the keys were brought to; they may be elsewhere by now
        self._closed: set[str] = set()
        self.new_button = TextButton(self.tr("New document"), icon="plus", kind="left")
        self.new_button.setToolTip(shortcuts.hint("new_chat", self.tr("New document")))
        self.new_button.clicked.connect(self.new_wanted)
        self.more_button = IconButton("more", self.tr("More"))
        menu = QMenu(self)
        menu.addAction(self.tr("From a template…"), self.template_wanted.emit)
        menu.addAction(self.tr("Import a file…"), self.import_wanted.emit)
        menu.addSeparator()
        menu.addAction(self.tr("Trash…"), self.trash_wanted.emit)
        self.more_button.setMenu(menu)
        self.more_button.setPopupMode(IconButton.ToolButtonPopupMode.InstantPopup)
        self.view = self._make_view()
        self.empty = Label(self.tr("Your documents will stand here."), kind="small", wrap=True)
        self._make_undo_bar()
        top = QHBoxLayout()
        top.setSpacing(theme.scaled(4))
        top.addWidget(self.new_button, 1)
        top.addWidget(self.more_button)
        self._top = QVBoxLayout()
        self._top.addLayout(top)
        self._top.addWidget(self.empty)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(self._top)
        self._column.addWidget(self.view, 1)
        self._column.addWidget(self.undo_bar)
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def _make_view(self) -> QTreeWidget:
        view = QTreeWidget()
        view.setObjectName("documents")
        view.setHeaderHidden(True)
        view.setRootIsDecorated(False)
        view.setIndentation(0)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setAccessibleName(self.tr("Documents"))
        view.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # while it is empty
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu_asked)
        view.itemClicked.connect(self._on_chosen)
        view.itemActivated.connect(self._on_chosen)
        view.itemChanged.connect(self._on_edited)
        # Later: the view still counts as editing while it is told.
        view.itemDelegate().closeEditor.connect(lambda *_: QTimer.singleShot(0, self, self._on_editor_closed))
        shortcuts.action(view, "delete", self._delete_current)
        shortcuts.action(view, "undo_delete", self.undo_wanted.emit)
        return view

    def _make_undo_bar(self) -> None:
        self.undo_bar = QFrame()
        self._undo_words = ElidedLabel(kind="soft")
        undo = TextButton(self.tr("Undo"), kind="link")
        undo.clicked.connect(self.undo_wanted)
        row = QHBoxLayout(self.undo_bar)
        row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(12), theme.scaled(8))
        row.addWidget(self._undo_words, 1)
        row.addWidget(undo)
        self.undo_bar.hide()

    def _dress(self) -> None:
        side = theme.scaled(12)
        self._top.setContentsMargins(side, theme.scaled(14), side, theme.scaled(8))
        self._top.setSpacing(theme.scaled(8))
        self.new_button.setFixedHeight(theme.scaled(36))

    def set_footer(self, footer: QWidget) -> None:
        """Put the rail below the list."""
        self._column.addWidget(footer)

    def set_documents(self, documents: Sequence[Document], deleted: Document | None) -> None:
        """Show another list; while a title is being edited, when that has ended."""
        self._documents, self._deleted = documents, deleted
        if self.view.state() == QAbstractItemView.State.EditingState:
            return
        place, current = self.view.verticalScrollBar().value(), self._current()
        with QSignalBlocker(self.view):
            self.view.clear()
            for folder in sorted({each.folder for each in documents if each.folder}, key=str.casefold):
                top = QTreeWidgetItem([folder])
                top.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                top.setIcon(0, theme.icon("folder", size=16))
                self.view.addTopLevelItem(top)
                for each in documents:
                    if each.folder == folder:
                        top.addChild(self._item(each, is_inside=True))
                top.setExpanded(folder not in self._closed)
            for each in documents:
                if not each.folder:
                    self.view.addTopLevelItem(self._item(each))
        self.view.verticalScrollBar().setValue(place)
        self.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus if documents else Qt.FocusPolicy.NoFocus)
        if not self._go_to(current):
            self._keys_from = ""
        self.set_open(self._open)
        self.empty.setVisible(not documents)
        self.undo_bar.setVisible(deleted is not None)
        if deleted is not None:
            self._undo_words.set_words(self.tr("Deleted “{title}”").format(title=self._name(deleted)))

    def _on_editor_closed(self) -> None:
        """What has come meanwhile, or the title in the place of a blank one."""
        self.set_documents(self._documents, self._deleted)

    def _name(self, document: Document) -> str:
        return document.title or self.tr("Untitled")

    def _item(self, document: Document, is_inside: bool = False) -> QTreeWidgetItem:
        item = QTreeWidgetItem([self._name(document)])
        item.setData(0, _ID, document.id)
        item.setToolTip(0, tip(self._name(document)))
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        if is_inside:
            item.setIcon(0, theme.icon("file", size=16))
        return item

    def set_open(self, document_id: str) -> None:
        """If another document is shown, the keys begin from it as soon as it is listed."""
        self._open = document_id
        if document_id != self._keys_from and self._go_to(document_id):
            self._keys_from = document_id

    def _go_to(self, document_id: str) -> bool:
        """Bring the keys to a document; False where it is not listed."""
        found = next((each for each in self._items() if each.data(0, _ID) == document_id), None)
        if found is not None:
            with QSignalBlocker(self.view):
                self.view.setCurrentItem(found)
        return found is not None

    def _current(self) -> str:
        """Id of the document the keys are at; empty where there is none."""
        item = self.view.currentItem()
        return str(item.data(0, _ID) or "") if item is not None else ""

    def _items(self) -> list[QTreeWidgetItem]:
        return [*map(self.view.itemFromIndex, self._indexes())]

    def _indexes(self, below: QModelIndex | None = None) -> list[QModelIndex]:
        model = self.view.model()
        found: list[QModelIndex] = []
        for row in range(model.rowCount(below or QModelIndex())):
            index = model.index(row, 0, below or QModelIndex())
            found += [index, *self._indexes(index)]
        return found

    def _on_chosen(self, item: QTreeWidgetItem) -> None:
        if id := item.data(0, _ID):
            if id != self._open:
                self.open_wanted.emit(str(id))
        else:
            item.setExpanded(not item.isExpanded())
            (self._closed.discard if item.isExpanded() else self._closed.add)(item.text(0))

    def _on_edited(self, item: QTreeWidgetItem) -> None:
        id, title = item.data(0, _ID), item.text(0).strip()
        if id and title:
            self._documents = [replace(each, title=title) if each.id == id else each for each in self._documents]
            self.rename_wanted.emit(str(id), title)

    def _delete_current(self) -> None:
        if id := self._current():
            self.delete_wanted.emit(id)

    def _on_menu_asked(self, place: QPoint) -> None:
        item = self.view.itemAt(place)
        if item is not None and item.data(0, _ID):
            self.menu_for(item).popup(self.view.viewport().mapToGlobal(place))

    def menu_for(self, item: QTreeWidgetItem) -> QMenu:
        """What can be done with one document."""
        id = str(item.data(0, _ID))
        menu = QMenu(self.view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open")).triggered.connect(lambda: self.open_wanted.emit(id))
        menu.addAction(shortcuts.menu_text("rename")).triggered.connect(lambda: self.view.editItem(item, 0))
        folders = menu.addMenu(self.tr("Move to folder"))
        now = next((each.folder for each in self._documents if each.id == id), "")
        for folder in sorted({each.folder for each in self._documents if each.folder}, key=str.casefold):
            action = folders.addAction(folder.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(folder == now)
            action.triggered.connect(lambda _=False, f=folder: self.move_wanted.emit(id, f))
        folders.addAction(self.tr("No folder")).triggered.connect(lambda: self.move_wanted.emit(id, ""))
        new = folders.addAction(self.tr("New folder…"))
        new.triggered.connect(lambda: ask_folder(self.window(), lambda name: self.move_wanted.emit(id, name)))
        menu.addSeparator()
        menu.addAction(shortcuts.menu_text("delete")).triggered.connect(lambda: self.delete_wanted.emit(id))
        return menu
