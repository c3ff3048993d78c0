"""The application's settings: rows generated from `chatdesk.settings.options.APPLICATION`, keys, data, about."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QLibraryInfo, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QVBoxLayout, QWidget

from chatdesk import __version__
from chatdesk.errors import UserError
from chatdesk.paths import Profile
from chatdesk.settings.options import APPLICATION
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import BenchChanged, Change
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.settings.speed import SpeedSection
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.option_rows import OptionRow, row_for

if TYPE_CHECKING:
    from chatdesk.tasks.bench import Bench


class SettingsPage(QWidget):
    """Shows and changes the settings; each change is kept at once.

    Signals: ``back_wanted``, ``export_wanted``, ``import_wanted(is_folder)``, ``trash_wanted``, ``backups_wanted``.
    Attributes: ``rows``, by the option's name; ``speed``, the section that measures; ``back_button``, for windows
    without a rail.
    """

    back_wanted = Signal()
    export_wanted = Signal()
    import_wanted = Signal(bool)
    trash_wanted = Signal()
    backups_wanted = Signal()

    def __init__(self, settings: Settings, profile: Profile, bench: "Bench") -> None:
        super().__init__()
        self.setObjectName("page")
        self._settings = settings
        self.rows: dict[str, OptionRow] = {}
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        self._complaint = Label(kind="danger", wrap=True)
        self._complaint.hide()
        self._column = QVBoxLayout()
        self._column.setSpacing(theme.scaled(20))
        self._add_heading()
        for name, option in APPLICATION.items():
            if option.title:
                self._add_row(name)
        self._add_keys()
        self.speed = SpeedSection(bench)
        self._column.addWidget(self.speed)
        self._column.addWidget(_line())
        self._add_data(profile)
        self._add_about()
        self._column.addWidget(self._complaint)
        self._column.addStretch()
        self._scroll()

    def _add_heading(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.back_button)
        line.addWidget(Label(self.tr("Settings"), kind="heading"), 1)
        self._column.addLayout(line)

    def _add_row(self, name: str) -> None:
        row = row_for(APPLICATION[name], resettable=False, names=self._names().get(name))
        row.show_value(self._settings[name], APPLICATION[name].default)
        row.changed.connect(self._on_changed)
        self.rows[name] = row
        self._column.addWidget(row)
        self._column.addWidget(_line())

    def _names(self) -> dict[str, dict[str, str]]:
        """What the choices are called; a language calls itself by its own name."""
        system = self.tr("As the system")
        return {
            "language": {"system": system, "en": "English", "zh_CN": "简体中文"},
            "theme": {"system": system, "light": self.tr("Light"), "dark": self.tr("Dark")},
        }

    def _add_keys(self) -> None:
        line = QHBoxLayout()
        line.addWidget(Label(self.tr("Keys")), 1)
        self.keys_button = TextButton(self.tr("Change…"))
        self.keys_button.setAccessibleName(self.tr("Change the keys"))
        self.keys_button.clicked.connect(self._open_keys)
        line.addWidget(self.keys_button)
        self._add_facts(line, self.tr("Every command can have another key, or none."))
        self._column.addWidget(_line())

    def _open_keys(self) -> None:
        from chatdesk.ui.settings.keys import KeysEditor

        KeysEditor(self.window(), shortcuts.chosen(), lambda chosen: self._on_changed("keys", chosen)).open()

    def _add_data(self, profile: Profile) -> None:
        line = QHBoxLayout()
        line.addWidget(Label(self.tr("Your data")), 1)
        button = TextButton(self.tr("Show folder"), icon="folder")
        button.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(profile.root))))
        line.addWidget(button)
        where = self.tr("Chats and settings are kept in {folder}. Nothing leaves this machine.")
        self._add_facts(line, where.format(folder=profile.root))
        self.export_button = TextButton(shortcuts.title("export_all"))
        self.export_button.clicked.connect(self.export_wanted)
        self.import_button = TextButton(shortcuts.title("import"))
        self.import_button.setMenu(self._make_import_menu())
        self.trash_button = TextButton(shortcuts.title("trash"), icon="trash")
        self.trash_button.clicked.connect(self.trash_wanted)
        self.backups_button = TextButton(shortcuts.title("backups"))
        self.backups_button.clicked.connect(self.backups_wanted)
        rows = QVBoxLayout()
        rows.setSpacing(theme.scaled(8))
        for pair in ((self.export_button, self.import_button), (self.trash_button, self.backups_button)):
            row = QHBoxLayout()
            row.setSpacing(theme.scaled(8))
            for found in pair:
                row.addWidget(found)
            row.addStretch()
            rows.addLayout(row)
        self._column.addLayout(rows)
        self._column.addWidget(_line())

    def _make_import_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.addAction(self.tr("A file: chatdesk, ChatGPT, Open WebUI, LM Studio…")).triggered.connect(
            lambda: self.import_wanted.emit(False)
        )
        menu.addAction(self.tr("A folder: Jan, LM Studio…")).triggered.connect(lambda: self.import_wanted.emit(True))
        return menu

    def _add_about(self) -> None:
        line = QHBoxLayout()
        line.addWidget(Label(self.tr("About")))
        about = self.tr("chatdesk {version}, under the Apache License 2.0. The window is made with Qt {qt} (LGPL 3).")
        caution = self.tr("What a model writes can be wrong or biased. Check statements of fact, above all in news.")
        facts = about.format(version=__version__, qt=QLibraryInfo.version().toString())
        self._add_facts(line, f"{facts}\n{caution}")

    def _add_facts(self, line: QHBoxLayout, facts: str) -> None:
        """A title line and, close below it, a text that can be copied."""
        text = Label(facts, kind="small", wrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        group = QVBoxLayout()
        group.setSpacing(theme.scaled(4))
        group.addLayout(line)
        group.addWidget(text)
        self._column.addLayout(group)

    def _scroll(self) -> None:
        content = QWidget()
        content.setObjectName("content")
        holder = QWidget()
        holder.setMaximumWidth(theme.scaled(640))
        holder.setLayout(self._column)
        row = QHBoxLayout(content)
        margin = theme.scaled(24)
        row.setContentsMargins(margin, theme.scaled(28), margin, margin)
        row.addWidget(holder)
        area = scrolled(content)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(area)

    def _on_changed(self, name: str, value: object) -> None:
        try:
            self._settings[name] = APPLICATION[name].default if value is None else value
        except UserError as error:  # the value holds for this session, the disk does not
            self._complaint.setText(sentence_of(error))
            self._complaint.show()
        else:
            self._complaint.hide()

    def enter(self) -> None:
        """The page is shown: the focus goes to the first setting."""
        next(iter(self.rows.values())).control.setFocus(Qt.FocusReason.OtherFocusReason)

    def apply(self, change: Change) -> None:
        """Show a change."""
        if isinstance(change, BenchChanged):
            self.speed.apply(change)

    def show_setting(self, name: str) -> None:
        """Show what a setting was changed to elsewhere."""
        if name in self.rows:
            self.rows[name].show_value(self._settings[name], APPLICATION[name].default)


def _line() -> QLabel:
    line = QLabel()
    line.setFixedHeight(1)
    line.setProperty("kind", "line")
    return line
