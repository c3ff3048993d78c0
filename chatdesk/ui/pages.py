"""The pages beside the rail: the chat, and those that are made when they are wanted."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget

from chatdesk import paths
from chatdesk.errors import Fault, UserError
from chatdesk.paths import Profile
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import Change, Notice
from chatdesk.ui import application
from chatdesk.ui.chat.page import ChatPage
from chatdesk.ui.shelving import Shelving

if TYPE_CHECKING:
    from chatdesk.tasks.all import Tasks
    from chatdesk.ui.classify.page import ClassifyPage
    from chatdesk.ui.inspect.page import InspectPage
    from chatdesk.ui.lab.page import LabPage
    from chatdesk.ui.models.page import ModelsPage
    from chatdesk.ui.settings.page import SettingsPage
    from chatdesk.ui.widgets.presets import PresetButton
    from chatdesk.ui.writing.page import WritingPage


_OF_THE_CHAT = frozenset({
    "send_anyway", "regenerate", "continue", "drafts", "clear", "find_next", "find_previous", "version_before",
    "version_after", "rename", "pin", "export_markdown", "export_html", "export_json", "export_pdf", "list", "panel",
})  # fmt: skip
"""What the window does to the chat that is shown: not to one that cannot be seen."""


class Pages(QStackedWidget):
    """Signals: ``back_wanted``, to the chat; ``models_wanted``; ``exact_wanted`` and ``focus_wanted(bool)``, of the
    writing desk; ``talk_wanted(path)``, of the lab. Attributes: ``settings``, ``models``, ``writing``, ``inspect``,
    ``classify`` and ``lab``, None until they are wanted; ``shown``, the name of the page that is shown.
    """

    back_wanted = Signal()
    models_wanted = Signal()
    exact_wanted = Signal()
    focus_wanted = Signal(bool)
    talk_wanted = Signal(str)

    def __init__(
        self, chat: ChatPage, tasks: "Tasks", settings: Settings, profile: Profile, shelving: Shelving
    ) -> None:
        super().__init__()
        self._chat, self._tasks, self._settings = chat, tasks, settings
        self._profile, self._shelving = profile, shelving
        self.settings: SettingsPage | None = None
        self.models: ModelsPage | None = None
        self.writing: WritingPage | None = None
        self.inspect: InspectPage | None = None
        self.classify: ClassifyPage | None = None
        self.lab: LabPage | None = None
        self.shown = "chat"
        self._is_small = False
        self.addWidget(chat)

    def show_page(self, name: str) -> None:
        """Show the page of that name."""
        self.shown = name
        if name == "settings":
            self._enter(self._made_settings())
        elif name == "models":
            self._enter(self._made_models())
        elif name == "write":
            self._enter(self._made_writing())
        elif name == "inspect":
            self._enter(self._made_inspect())
        elif name == "classify":
            self._enter(self._made_classify())
        elif name == "lab":
            self._enter(self._made_lab())
        else:
            self.setCurrentWidget(self._chat)
            self._chat.composer.focus()

    def fit(self, is_small: bool) -> None:
        """Follow the width of the window: a small one has no rail."""
        self._is_small = is_small
        for page in (self.settings, self.models, self.writing, self.inspect, self.classify, self.lab):
            if page is not None:
                page.back_button.setVisible(is_small)
        if self.writing is not None:
            self.writing.set_window_width(self.window().width())

    def does(self, name: str) -> bool:
        """Do what a key of the window means on the page that is shown; False where the window has to."""
        return self.shown == "write" and self.writing is not None and self.writing.do(name)

    def has(self, name: str) -> bool:
        """Whether an action of the window means something on the page that is shown."""
        if self.shown == "chat" or name not in _OF_THE_CHAT:
            return True
        return self.shown == "write" and self.writing is not None and self.writing.has(name)

    def take_over(self, other: "Pages") -> None:
        """What a person has typed and chosen on pages that go away, and that is kept nowhere else."""
        if other.inspect is not None:
            self._made_inspect().take_over(other.inspect)
        if other.classify is not None:
            self._made_classify().take_over(other.classify)

    def show_setting(self, name: str) -> None:
        """Follow a setting of the application."""
        self._chat.show_setting(name)
        if self.settings is not None:
            self.settings.show_setting(name)

    def apply(self, change: Change) -> None:
        """Show a change."""
        self._chat.apply(change)
        if self.settings is not None:
            self.settings.apply(change)
        for page in (self.models, self.writing, self.inspect):
            if page is not None:
                page.apply(change)

    def find_here(self) -> bool:
        """Go to the page's own line for finding; whether it has one (the chat has a bar of its own)."""
        if self.shown == "models" and self.models is not None:
            self.models.find_here()
        return self.shown == "models"

    def _made_settings(self) -> "SettingsPage":
        if self.settings is None:
            from chatdesk.ui.settings.page import SettingsPage

            page = self.settings = SettingsPage(self._settings, self._profile, self._tasks.bench)
            page.export_wanted.connect(self._shelving.export_all)
            page.import_wanted.connect(self._shelving.import_from)
            page.trash_wanted.connect(self._shelving.open_trash)
            page.backups_wanted.connect(self._shelving.open_backups)
            self._add(page)
        return self.settings

    def _made_models(self) -> "ModelsPage":
        if self.models is None:
            from chatdesk.ui.models.page import ModelsPage

            self.models = ModelsPage(self._tasks.models, self._tasks.hub, self._tasks.downloads)
            self._add(self.models)
        return self.models

    def _made_writing(self) -> "WritingPage":
        if self.writing is None:
            from chatdesk.ui.writing.page import WritingPage

            self.writing = WritingPage(self._tasks.writing, self._tasks.models, self._settings)
            self.writing.models_wanted.connect(self.models_wanted)
            self.writing.exact_wanted.connect(self.exact_wanted)
            self.writing.focus_wanted.connect(self.focus_wanted)
            self._add(self.writing)
            self.writing.side.set_presets(self._writing_presets())
            self.writing.set_window_width(self.window().width())
        return self.writing

    def _writing_presets(self) -> "PresetButton":
        from chatdesk.settings.options import WRITING
        from chatdesk.settings.presets import WRITING_NAMES, Presets
        from chatdesk.ui.widgets.presets import PresetButton

        supplied = paths.resources() / "presets" / "writing.toml"
        language = application.language(self._settings["language"])
        presets = Presets(supplied, self._profile.writing_presets, language, WRITING_NAMES, WRITING)
        button = PresetButton(self._tasks.writing.set_setting, presets)
        button.show_values(self._tasks.writing.values)
        return button

    def _made_inspect(self) -> "InspectPage":
        if self.inspect is None:
            from chatdesk.ui.inspect.page import InspectPage

            self.inspect = InspectPage(self._tasks.inspect)
            self._add(self.inspect)
        return self.inspect

    def _made_classify(self) -> "ClassifyPage":
        if self.classify is None:
            from chatdesk.ui.classify.page import ClassifyPage

            self.classify = ClassifyPage(self._tasks.classifier)
            self._add(self.classify)
        return self.classify

    def _made_lab(self) -> "LabPage":
        if self.lab is None:
            from chatdesk.ui.lab.page import LabPage

            self.lab = LabPage(self._tasks.lab)
            self.lab.talk_wanted.connect(self.talk_wanted)
            self.lab.own_wanted.connect(self._export_own_texts)
            self._add(self.lab)
        return self.lab

    def _export_own_texts(self, path: Path) -> None:
        """Write the person's conversations and documents for a run of the lab: runs never open the store."""
        lab = self._tasks.lab

        def wrote(notice: Notice | None) -> None:
            lab.take_own(path, None if notice is None else UserError(Fault(notice.fault), **notice.fields))

        self._tasks.shelf.export_own_texts(lab.own_texts, wrote)

    def _enter(self, page: "SettingsPage | ModelsPage | WritingPage | InspectPage | ClassifyPage | LabPage") -> None:
        self.setCurrentWidget(page)
        page.enter()

    def _add(self, page: "SettingsPage | ModelsPage | WritingPage | InspectPage | ClassifyPage | LabPage") -> None:
        page.back_wanted.connect(self.back_wanted)
        page.back_button.setVisible(self._is_small)
        self.addWidget(page)
