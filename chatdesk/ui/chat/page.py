"""The chat page: list, header, transcript, composer, figures, settings. It shows changes and asks the tasks for more.

`ChatPage.apply` is the only way in: each change record has one branch. The page decides nothing about conversations.
It is built in two steps, so that the window is painted and can be typed into early: `complete` adds the transcript,
which imports markdown and code colours, and the panel's rows. Changes that come before it wait for it.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.library.adapters import is_adapter
from chatdesk.settings.store import Settings
from chatdesk.tasks import changes
from chatdesk.tasks.attachments import safe_name
from chatdesk.tasks.changes import Change, ModelChanged, Notice, StatusChanged
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.composer import Composer
from chatdesk.ui.chat.conversations import ConversationList
from chatdesk.ui.chat.dialogue_bar import DialogueBar
from chatdesk.ui.chat.header import Header
from chatdesk.ui.chat.model_menu import LoadingStrip, ModelButton, ModelMenu
from chatdesk.ui.chat.panel import SettingsPanel
from chatdesk.ui.chat.rows import is_cut_off
from chatdesk.ui.chat.status import StatusStrip
from chatdesk.ui.chat.undo_bar import UndoBar
from chatdesk.ui.errors import button, sentence, sentence_of
from chatdesk.ui.widgets.drawer import Drawer, Shade
from chatdesk.ui.widgets.focus import has_focus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdesk.storage.records import Attachment, Conversation
    from chatdesk.tasks.chat import Chat
    from chatdesk.tasks.models import Models
    from chatdesk.ui.chat.reading import Reading
    from chatdesk.ui.chat.rows import Row
    from chatdesk.ui.chat.transcript import Transcript

LIST_PX, PANEL_PX = 248, 272
NARROW_PX = 900
_FIGURES_MS = 100  # figures change with every token; the eye needs ten a second


class ChatPage(QWidget):
    """Shows the open conversation. Signals: ``message_export_wanted(id)``; ``tokens_wanted(id)``;
    ``file_wanted(attachment)``: show it.

    Attributes: its parts, by name (`reading` and its transcript after `complete`).
    """

    message_export_wanted = Signal(str)
    tokens_wanted = Signal(str)
    file_wanted = Signal(object)

    reading: "Reading"
    transcript: "Transcript"

    def __init__(self, chat: "Chat", models: "Models", settings: Settings) -> None:
        super().__init__()
        self.setObjectName("page")
        self._chat, self._models, self._settings = chat, models, settings
        self._notice: Notice | None = None
        self._model = ModelChanged("none")
        self._status = StatusChanged()
        self._replying = False
        self._showing_draft = False
        self._files: tuple[Attachment, ...] = ()
        self._early: list[Change] | None = []
        self._figures = QTimer(self, interval=_FIGURES_MS, singleShot=True)
        self._figures.timeout.connect(self._show_figures)
        self.list = ConversationList()
        self.model_menu = ModelMenu(models.checkpoints.refresh)
        self.header = Header(ModelButton(self.model_menu))
        self.loading = LoadingStrip()
        self.dialogue_bar = DialogueBar()
        self.undo_bar = UndoBar()
        self.composer = Composer()
        self.composer.set_enter_sends(settings["enter_sends"])
        self.status = StatusStrip()
        self.panel = SettingsPanel()
        self._lay_out()
        self._connect_list_and_header()
        self._connect_composer()
        self._connect_model()

    def complete(self) -> None:
        """The second step, after the first paint: the transcript, the panel's rows, and what has come meanwhile."""
        from chatdesk.ui.chat.reading import Reading

        self.reading = Reading()
        self.transcript = self.reading.transcript
        self.transcript.heir = self.composer
        self._place.addWidget(self.reading)
        self._connect_transcript()
        early, self._early = self._early or [], None
        self._on_drawer_toggled()
        for change in early:
            self.apply(change)

    def take_over(self, other: "ChatPage") -> None:
        """What a person has typed and chosen in a page that goes away, and that no change tells."""
        self.apply(changes.DraftChanged(other.composer.text()))
        self.transcript.take_over(other.transcript)
        self.model_menu.device, self.model_menu.dtype = other.model_menu.device, other.model_menu.dtype

    def _lay_out(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(0)
        self._place = QVBoxLayout()
        middle.addWidget(self.header)
        middle.addWidget(self.loading)
        middle.addWidget(self.dialogue_bar)
        middle.addLayout(self._place, 1)
        middle.addWidget(self.undo_bar)
        middle.addWidget(self.composer)
        middle.addWidget(self.status)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(middle, 1)
        self._shade = Shade(self)
        self._shade.clicked.connect(self.close_drawers)
        self.list_drawer = Drawer(self.list, row, self._shade, LIST_PX, right=False)
        self.panel_drawer = Drawer(self.panel, row, self._shade, PANEL_PX, right=True)
        self.list.setVisible(self._settings["show_list"])
        self.panel.setVisible(self._settings["show_panel"])
        self.set_window_width(theme.scaled(NARROW_PX))

    def _connect_list_and_header(self) -> None:
        self.list.new_wanted.connect(self.new_chat)
        self.list.open_wanted.connect(self._on_open_wanted)
        self.list.rename_wanted.connect(self._chat.rename)
        self.list.delete_wanted.connect(self._chat.delete)
        self.list.undo_wanted.connect(self._chat.undo)
        self.header.renamed.connect(lambda title: self._chat.rename(self._chat.open_id, title))
        self.header.left.connect(self.composer.focus)
        self.header.delete_wanted.connect(lambda: self._chat.delete(self._chat.open_id))
        self.header.clear_wanted.connect(self._chat.clear)
        self.header.list_wanted.connect(self.toggle_list)
        self.header.panel_wanted.connect(lambda _: self.toggle_panel())
        self.panel.close_wanted.connect(self.toggle_panel)
        self.panel.changed.connect(self._on_setting_chosen)
        self.list_drawer.left.connect(self.composer.focus)
        self.panel_drawer.left.connect(self.composer.focus)
        self.list_drawer.toggled.connect(self._on_drawer_toggled)
        self.panel_drawer.toggled.connect(self._on_drawer_toggled)
        self._on_drawer_toggled()

    def _connect_composer(self) -> None:
        self.composer.sent.connect(self._chat.send)
        self.composer.stopped.connect(self._chat.stop)
        self.undo_bar.undo_wanted.connect(self._chat.undo)
        self.composer.text_changed.connect(self._on_text_changed)
        self.composer.last_wanted.connect(self._edit_last)
        self.composer.file_opened.connect(lambda number: self.file_wanted.emit(self._files[number]))

    def _connect_transcript(self) -> None:
        self.transcript.example_chosen.connect(self._chat.send_example)
        self.transcript.regenerate_requested.connect(self._chat.regenerate_at)
        self.transcript.branch_requested.connect(self._chat.branch_from)
        self.transcript.version_requested.connect(self._chat.choose_version)
        self.transcript.continue_requested.connect(self.continue_reply)
        self.transcript.edit_saved.connect(self._chat.edit)
        self.transcript.edit_typed.connect(self._chat.keep_edit)
        self.transcript.edit_left.connect(self.composer.focus)
        self.transcript.file_wanted.connect(self.file_wanted)
        self.transcript.view_made.connect(lambda row: self._count_sent_files([row]))
        self.transcript.pin_requested.connect(self._chat.pin_turn)
        self.transcript.delete_requested.connect(self._chat.delete_turn)
        self.transcript.compare_requested.connect(self._chat.compare)
        self.transcript.export_requested.connect(self.message_export_wanted)
        self.transcript.tokens_requested.connect(self.tokens_wanted)
        shortcuts.action(self.transcript, "undo_delete", self._chat.undo)
        self.transcript.notice_clicked.connect(self._on_notice_clicked)
        self.reading.draft_chosen.connect(self._chat.choose_draft)
        self.reading.drafts_closed.connect(self._chat.close_drafts)
        self.reading.link_clicked.connect(self._on_link_clicked)

    def _connect_model(self) -> None:
        self.model_menu.load_wanted.connect(self.load)
        self.model_menu.folder_wanted.connect(self._on_folder_wanted)
        self.model_menu.unload_wanted.connect(self._models.unload)
        self.model_menu.placement_changed.connect(self._on_placement_changed)
        self.model_menu.dialogue_chosen.connect(self._models.choose_dialogue)
        self.model_menu.adapter_chosen.connect(self.choose_adapter)
        self.model_menu.adapter_folder_wanted.connect(self._on_adapter_wanted)
        self.dialogue_bar.chosen.connect(self._models.choose_dialogue)
        self.loading.cancel_wanted.connect(self._models.cancel_load)

    # -- what has changed ----------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Show one change."""
        if self._early is not None:
            self._early.append(change)
            return
        match change:
            case changes.TurnGrew():
                self.reading.apply(change)
            case changes.TurnAdded(turn):
                self.reading.apply(change)
                if turn.role == "user" and self.composer.text() == turn.text:
                    self.composer.clear()
            case changes.StatusChanged():
                self._status = change
                if not self._figures.isActive():
                    self._figures.start()
            case changes.ReplyingChanged(replying):
                self._replying = replying
                self.composer.set_replying(replying)
            case _:
                if not self._apply_to_composer(change):
                    self._apply_around(change)
                self.reading.apply(change)

    def _apply_to_composer(self, change: Change) -> bool:
        """What stands unsent has changed, or nothing of it: False."""
        match change:
            case changes.DraftChanged(text):
                if text != self.composer.text():  # the cursor stays where it is
                    self._showing_draft = True
                    self.composer.set_text(text)
                    self._showing_draft = False
            case changes.AttachmentsChanged(files, tokens):
                self._files = files
                self.composer.set_files([safe_name(file.name) for file in files], tokens)
                self._count_sent_files()  # it may be another model that counts
            case changes.AttachingFailed(notices):
                self.composer.set_problems([sentence(notice.fault, notice.fields) for notice in notices])
            case _:
                return False
        return True

    def _apply_around(self, change: Change) -> None:
        match change:
            case changes.Opened(conversation):
                self._open(conversation)
            case changes.ListChanged(conversations, deleted):
                self.list.set_conversations(conversations, deleted)
                self._mark_open()
            case changes.Renamed(title):
                self.header.take_title(title)
            case changes.UndoChanged(what):
                self.undo_bar.show_undo(what)
            case changes.SettingsChanged(values, defaults):
                self.panel.set_values(values, defaults)
            case changes.NoticeChanged(notice):
                self._notice = notice
                self._show_notice()
            case changes.ModelChanged():
                self._show_model(change)

    def _open(self, conversation: "Conversation | None") -> None:
        self._notice = None
        self.header.set_title(conversation.title if conversation else "", stored=conversation is not None)
        self._mark_open()
        if conversation is not None or not has_focus(self.list.view):  # who deletes in the list goes on there
            self.composer.focus()

    def _mark_open(self) -> None:
        self.list.set_open(self._chat.open_id)
        self.keep("conversation", self._chat.open_id)

    def _show_model(self, change: ModelChanged) -> None:
        had_notice, self._model = self._model.notice, change
        self.header.model_button.show_state(change)
        self._fit_model_button()
        self.model_menu.show_state(change)
        self.loading.show_state(change)
        self.dialogue_bar.show_state(change)
        self.status.show_model(change)
        if had_notice or change.notice:
            self._show_notice()

    def _show_notice(self) -> None:
        """The conversation's error, or else the model's."""
        notice = self._notice or self._model.notice
        if notice is None:
            self.transcript.set_notice(None)
        else:
            self.transcript.set_notice(sentence(notice.fault, notice.fields), button(notice.action) or None)

    def _count_sent_files(self, rows: "Sequence[Row] | None" = None) -> None:
        """Have the files of messages counted that are on screen."""
        from chatdesk.ui.chat.file_row import FileRow

        for row in self.transcript.live() if rows is None else rows:
            if isinstance(row.view, FileRow):
                for file, teller in zip(row.view.files, row.view.tellers, strict=True):
                    self._chat.look_at(file, teller)

    def _show_figures(self) -> None:
        status = self._status
        self.status.show_status(status)
        draft, used, length = status.draft_tokens, status.context_used, status.context_length
        figures = f"{draft} · {used} / {length}" if draft else f"{used} / {length}"
        self.composer.set_meter(figures if length and (draft or used) else "")

    # -- what the person wants ---------------------------------------------------------------------------------------

    def new_chat(self) -> None:
        """An empty conversation, ready to be typed into."""
        self._close_floating(self.list_drawer)
        self.composer.focus()  # first: a title that is being typed is that of this conversation
        self._chat.new()

    def send(self) -> None:
        """Send what stands in the composer."""
        if not self._replying:
            self._chat.send(self.composer.text())

    def stop(self) -> None:
        """Esc: the nearest thing that can be left, else the reply."""
        if self.close_drawers() or self.header.leave_title():
            self.composer.focus()
        elif self._early is not None or self.reading.find_bar.close_bar():
            return
        elif self._replying:
            self._chat.stop()
        elif self.reading.are_drafts_shown:
            self._chat.close_drafts()

    def write_drafts(self) -> None:
        """Several replies to the last message, side by side."""
        if not self._replying:
            self._chat.write_drafts()

    def open_find(self) -> None:
        """Open the find bar."""
        if self._early is None:
            self.reading.open_find()

    def find_step(self, direction: int) -> None:
        """The next match (1) or the one before (-1)."""
        if self._early is None:
            self.reading.find_step(direction)

    def regenerate(self) -> None:
        """Another version of the last reply."""
        if not self._replying:
            self._chat.regenerate()

    def continue_reply(self) -> None:
        """Go on with the last reply, if it ended before the model was done."""
        if self._early is not None:
            return
        last = self.transcript.last_turn()
        if last is not None and is_cut_off(last) and not self._replying:
            self._chat.continue_reply()

    def choose_version(self, step: int) -> None:
        """The version before or after of the last reply; of drafts side by side, the one beside the marked one."""
        if self._early is not None or self.reading.step_drafts(step):
            return
        last = self.transcript.last_turn()
        if last is not None and last.versions > 1:
            self._chat.choose_version(last.id, step)

    def rename(self) -> None:
        """Edit the title where the focus is: in the list, else in the header."""
        if self.list.view.hasFocus() and self.list.view.currentIndex().isValid():
            self.list.view.edit(self.list.view.currentIndex())
        else:
            self.header.edit_title()

    def open_models(self) -> None:
        """Show the model menu."""
        self.header.model_button.showMenu()

    def load(self, path: str) -> None:
        """Load a checkpoint folder as device and precision are chosen; one with an adapter is for the loaded model."""
        if is_adapter(Path(path)):
            self.choose_adapter(path)
            return
        self._models.load(path, self.model_menu.device, self.model_menu.dtype)

    def choose_adapter(self, path: str) -> None:
        """Answer with this adapter from now on, or with none; say it where it does not fit the model."""
        from chatdesk.ui.widgets.dialogs import tell

        self._models.choose_adapter(path, lambda error: tell(self, sentence_of(error)))

    def toggle_list(self) -> None:
        """Show or hide the list."""
        self._toggle(self.list_drawer, "show_list")

    def toggle_panel(self) -> None:
        """Show or hide the settings of the conversation."""
        self._toggle(self.panel_drawer, "show_panel")

    def _toggle(self, drawer: Drawer, setting: str) -> None:
        wanted = not drawer.is_open
        if drawer.floating:
            self.close_drawers()
        else:
            self.keep(setting, wanted)
        drawer.set_open(wanted)

    def close_drawers(self) -> bool:
        """Close what lies over the page; whether there was something."""
        return any([self._close_floating(self.list_drawer), self._close_floating(self.panel_drawer)])

    def _close_floating(self, drawer: Drawer) -> bool:
        closes = drawer.floating and drawer.is_open
        if closes:
            drawer.set_open(False)
        return closes

    def set_window_width(self, width: int) -> None:
        """Drawers float where the window is narrow."""
        narrow = width < theme.scaled(NARROW_PX)
        self.list_drawer.set_floating(narrow, self._settings["show_list"])
        self.panel_drawer.set_floating(narrow, self._settings["show_panel"])
        self._fit_model_button()

    def resizeEvent(self, event: Any) -> None:
        """Floating drawers keep to the edges."""
        super().resizeEvent(event)
        self.list_drawer.place()
        self.panel_drawer.place()
        self._fit_model_button()

    def show_setting(self, name: str) -> None:
        """Follow an application setting."""
        if name == "enter_sends":
            self.composer.set_enter_sends(self._settings["enter_sends"])

    def _fit_model_button(self) -> None:
        self.header.model_button.fit(max(theme.scaled(160), min(theme.scaled(320), self.header.width() * 2 // 5)))

    # -- slots ---------------------------------------------------------------------------------------------------------

    def _on_open_wanted(self, conversation_id: str) -> None:
        self._close_floating(self.list_drawer)
        if conversation_id != self._chat.open_id:
            self._chat.open(conversation_id)

    def _edit_last(self) -> None:
        if self._early is None:
            self.transcript.edit_last_own()

    def _on_text_changed(self) -> None:
        if not self._showing_draft:
            self._chat.set_draft(self.composer.text())

    def _on_setting_chosen(self, name: str, value: Any) -> None:
        try:
            self._chat.set_setting(name, value)
        except UserError as error:
            self.transcript.set_notice(sentence_of(error))

    def _on_notice_clicked(self) -> None:
        notice = self._notice or self._model.notice
        if notice is None:
            return
        if notice.action == "choose_model":
            self.open_models()
        else:
            self._chat.act(notice.action)

    def _on_link_clicked(self, address: str) -> None:
        from chatdesk.ui.widgets.dialogs import offer_link

        offer_link(self, address)

    def _on_folder_wanted(self) -> None:
        from chatdesk.ui.widgets.dialogs import choose_folder

        choose_folder(self, self.load)

    def _on_adapter_wanted(self) -> None:
        from chatdesk.ui.widgets.dialogs import choose_folder

        choose_folder(self, self.choose_adapter, self.tr("Open an adapter folder"))

    def _on_placement_changed(self) -> None:
        if self._model.path and self._model.state in ("ready", "failed", "asleep"):
            self.load(self._model.path)

    def _on_drawer_toggled(self) -> None:
        self.header.list_button.setVisible(not self.list_drawer.is_open or self.list_drawer.floating)
        self.header.panel_button.setChecked(self.panel_drawer.is_open)
        if self.panel_drawer.is_open and self._early is None:
            self.panel.build()

    def keep(self, name: str, value: Any) -> None:
        """Keep a setting; where the disk refuses, it holds for this session."""
        try:
            self._settings[name] = value
        except UserError as error:
            logging.getLogger(__name__).warning("%s", error)
