"""The list of conversations: pinned ones, folders, days; renamed in place, deleted with an undo.

The list never changes anything itself: it says what the person asked for, and shows what it is told.
"""

from collections.abc import Collection, Sequence
from datetime import date

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHBoxLayout, QListView, QMenu, QVBoxLayout, QWidget

from chatdesk.storage.records import Conversation
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.conversation_rows import FOLDER_ROLE, ID_ROLE, ConversationModel, RowDelegate
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialogs import add_exports, ask_folder
from chatdesk.ui.widgets.labels import ElidedLabel, Label


class _UndoBar(QFrame):
    """Says what was deleted, and brings it back."""

    undone = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = ElidedLabel(kind="soft")
        self.button = TextButton(self.tr("Undo"), kind="link")
        self.button.setToolTip(shortcuts.hint("undo_delete"))
        self.button.clicked.connect(self.undone)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(12), theme.scaled(8))
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self.hide()

    def show_deleted(self, title: str) -> None:
        self.words.set_words(self.tr("Deleted “{title}”").format(title=title))
        self.show()


class ConversationList(QFrame):
    """New chat, search, the list, the undo bar, and below them a place for the rail in a narrow window.

    Signals: ``new_wanted``, ``search_wanted``, ``open_wanted(id)``, ``rename_wanted(id, title)``,
    ``delete_wanted(id)``, ``undo_wanted``, ``pin_wanted(id, bool)``, ``move_wanted(id, folder)``,
    ``export_wanted(id, kind)``, ``folders_closed``, when other ones are closed than before.
    """

    new_wanted = Signal()
    search_wanted = Signal()
    open_wanted = Signal(str)
    rename_wanted = Signal(str, str)
    delete_wanted = Signal(str)
    undo_wanted = Signal()
    pin_wanted = Signal(str, bool)
    move_wanted = Signal(str, str)
    export_wanted = Signal(str, str)
    folders_closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("list")
        self._shown: tuple[Sequence[Conversation], Conversation | None] = ((), None)
        self._keys_from = ""  # the open conversation that the keys were brought to; they may be elsewhere by now
        self._day = date.today()
        self._minute = QTimer(self, interval=60_000)
        self._minute.timeout.connect(self._on_minute)
        self._minute.start()
        self._pending: tuple[Sequence[Conversation], Conversation | None] | None = None
        self.new_button = TextButton(shortcuts.title("new_chat"), icon="plus", kind="left")
        self.new_button.setToolTip(shortcuts.hint("new_chat"))
        self.new_button.clicked.connect(self.new_wanted)
        self.search_button = TextButton(self._search_words(), kind="field")
        self.search_button.setAccessibleName(shortcuts.title("search"))
        self.search_button.setToolTip(shortcuts.hint("search"))
        self.search_button.clicked.connect(self.search_wanted)
        self.model = ConversationModel(self)
        self.model.renamed.connect(self.rename_wanted)
        self.view = self._make_view()
        self.undo_bar = _UndoBar()
        self.undo_bar.undone.connect(self.undo_wanted)
        self.empty = Label(self.tr("The chats you begin will stand here."), kind="small", wrap=True)
        self._top = QVBoxLayout()
        self._top.addWidget(self.new_button)
        self._top.addWidget(self.search_button)
        self._top.addWidget(self.empty)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(self._top)
        self._column.addWidget(self.view, 1)
        self._column.addWidget(self.undo_bar)
        shortcuts.action(self, "undo_delete", self.undo_wanted.emit)
        self.empty.hide()
        self._dress()
        theme.watcher.changed.connect(self._dress)

    @staticmethod
    def _search_words() -> str:
        return f"{shortcuts.title('search')}   {shortcuts.key_text('search')}".rstrip()

    def _make_view(self) -> QListView:
        view = QListView()
        view.setModel(self.model)
        delegate = RowDelegate(view)
        # Later: the view still counts as editing while it is told.
        delegate.closeEditor.connect(lambda *_: QTimer.singleShot(0, self, self._on_editor_closed))
        view.setItemDelegate(delegate)
        view.setAccessibleName(self.tr("Chats"))
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setMouseTracking(True)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu_asked)
        view.clicked.connect(self._on_chosen)
        view.activated.connect(self._on_chosen)
        view.installEventFilter(self)
        shortcuts.action(view, "delete", lambda: self._delete(view.currentIndex()))
        return view

    def _dress(self) -> None:
        side = theme.scaled(12)
        self._top.setContentsMargins(side, theme.scaled(14), side, theme.scaled(8))
        self._top.setSpacing(theme.scaled(8))
        for button in (self.new_button, self.search_button):
            button.setFixedHeight(theme.scaled(36))
        self.view.scheduleDelayedItemsLayout()
        self.view.viewport().update()

    def set_footer(self, footer: QWidget) -> None:
        """Put the rail below the list (it leaves with the layout that takes it next)."""
        self._column.addWidget(footer)

    def set_conversations(self, conversations: Sequence[Conversation], deleted: Conversation | None) -> None:
        """Show another list; while a title is being edited, when that has ended."""
        if self.view.state() == QAbstractItemView.State.EditingState:
            self._pending = (conversations, deleted)
            return
        self._shown, self._day = (conversations, deleted), date.today()
        place = self.view.verticalScrollBar().value()
        current, row = self.current(), self.view.currentIndex().row()
        if self.model.set_conversations(conversations):
            if (row := self._row_now(current, row)) >= 0:
                self.view.setCurrentIndex(self.model.index(row))
            self.view.verticalScrollBar().setValue(place)
        self.empty.setVisible(not conversations)
        if deleted is None:
            self.undo_bar.hide()
        else:
            self.undo_bar.show_deleted(deleted.title or self.tr("New chat"))

    def _on_minute(self) -> None:
        """After midnight, or a sleep over it, what stood under Today stands under Yesterday."""
        if date.today() != self._day:
            self.set_conversations(*self._shown)

    def _row_now(self, current: str, row: int) -> int:
        """Where the keys go on: at the conversation they were at, or where it is gone at the next; -1 where none is."""
        if not current or (found := self.model.row_of(current)) >= 0:
            return found if current else -1
        rows = [each for each in range(self.model.rowCount()) if self.model.index(each).data(ID_ROLE)]
        return next((each for each in rows if each >= row), rows[-1] if rows else -1)

    def _on_editor_closed(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_conversations(*pending)

    def set_open(self, conversation_id: str) -> None:
        """Mark the conversation that is shown; if it is another one, the keys begin from it as soon as it is listed."""
        self.model.set_open(conversation_id)
        if conversation_id == self._keys_from:
            return
        row = self.model.row_of(conversation_id)
        if row >= 0 and self.view.state() != QAbstractItemView.State.EditingState:
            self.view.setCurrentIndex(self.model.index(row))
        if row >= 0 or not conversation_id:
            self._keys_from = conversation_id

    def current(self) -> str:
        """Id of the conversation the keys are at; empty where there is none."""
        return str(self.view.currentIndex().data(ID_ROLE) or "")

    def close_folders(self, folders: Collection[str]) -> None:
        """Show only the heading of these folders."""
        self.model.set_closed(folders)

    def _on_chosen(self, index: QModelIndex) -> None:
        if conversation_id := index.data(ID_ROLE):
            self.open_wanted.emit(conversation_id)
        elif folder := index.data(FOLDER_ROLE):
            self._close_folder(folder, folder not in self.model.closed)

    def _close_folder(self, folder: str, closes: bool) -> None:
        place = self.view.verticalScrollBar().value()
        self.model.set_closed(self.model.closed | {folder} if closes else self.model.closed - {folder})
        self.view.setCurrentIndex(self.model.index(self.model.row_of_folder(folder)))
        self.view.verticalScrollBar().setValue(place)
        self.folders_closed.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """← and → close and open the folder the keys are at."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            folder = self.view.currentIndex().data(FOLDER_ROLE)
            if folder and event.key() in (Qt.Key.Key_Left, Qt.Key.Key_Right):
                self._close_folder(folder, event.key() == Qt.Key.Key_Left)
                return True
        return super().eventFilter(watched, event)

    def _delete(self, index: QModelIndex) -> None:
        if index.isValid() and (conversation_id := index.data(ID_ROLE)):
            self.delete_wanted.emit(conversation_id)

    def _on_menu_asked(self, place: QPoint) -> None:
        index = self.view.indexAt(place)
        if index.isValid() and index.data(ID_ROLE):
            menu = self.menu_for(index)
            menu.popup(self.view.viewport().mapToGlobal(place))

    def menu_for(self, index: QModelIndex) -> QMenu:
        """What can be done with one conversation."""
        id = str(index.data(ID_ROLE))
        menu = QMenu(self.view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open")).triggered.connect(lambda: self.open_wanted.emit(id))
        found = self.model.conversation(id)
        is_pinned = found is not None and found.is_pinned
        pin = menu.addAction(self.tr("Unpin") if is_pinned else self.tr("Pin"))
        pin.triggered.connect(lambda: self.pin_wanted.emit(id, not is_pinned))
        self._add_folders(menu.addMenu(self.tr("Move to folder")), id, found.folder if found else "")
        menu.addAction(shortcuts.menu_text("rename")).triggered.connect(lambda: self._rename(id))
        add_exports(menu, lambda kind: self.export_wanted.emit(id, kind))
        menu.addSeparator()
        menu.addAction(shortcuts.menu_text("delete")).triggered.connect(lambda: self.delete_wanted.emit(id))
        return menu

    def _add_folders(self, menu: QMenu, id: str, now: str) -> None:
        def add(words: str, folder: str) -> None:
            action = menu.addAction(words.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(folder == now)
            action.triggered.connect(lambda: self.move_wanted.emit(id, folder))

        for folder in self.model.folders():
            add(folder, folder)
        if self.model.folders():
            menu.addSeparator()
        add(self.tr("No folder"), "")
        new = menu.addAction(self.tr("New folder…"))
        new.triggered.connect(lambda: ask_folder(self.window(), lambda name: self.move_wanted.emit(id, name)))

    def _rename(self, id: str) -> None:
        if (row := self.model.row_of(id)) >= 0:
            self.view.setCurrentIndex(self.model.index(row))
            self.view.edit(self.model.index(row))
