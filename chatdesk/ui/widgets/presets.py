"""The menu of presets at the top of the settings of a conversation or a document."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu

from chatdesk.errors import UserError
from chatdesk.settings.presets import Preset, Presets
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialogs import ask_text, ask_whether, tell

_Taker: TypeAlias = Callable[[str, Any], object]
_NAME_PX = 300


class PresetButton(TextButton):
    """Names the preset that is set, and offers the others. ``set_value``: takes an option's name and value;
    ``begin_with``: the same for what a new conversation begins with; None: no preset can be kept for new ones.
    """

    def __init__(self, set_value: _Taker, presets: Presets, begin_with: _Taker | None = None) -> None:
        super().__init__("", icon="chevron-down", icon_behind=True)
        self._set_value, self._presets, self._begin_with = set_value, presets, begin_with
        self._values: dict[str, Any] = {}
        self.menu_of_presets = QMenu(self)
        self.menu_of_presets.setLayoutDirection(Qt.LayoutDirection.LeftToRight)  # not that of the button
        self.menu_of_presets.aboutToShow.connect(self._fill)
        self.setMenu(self.menu_of_presets)
        self.show_values({})

    def show_values(self, values: dict[str, Any]) -> None:
        """Name the preset that fits what is set."""
        self._values = dict(values)
        found = self._presets.matching(values)
        name = found.name if found is not None else self._name_of_none()
        self.set_words(self._elided(name))
        self.setAccessibleName(self.tr("Preset: {name}").format(name=name))

    def use_default(self) -> None:
        """Set a new conversation to the preset that is kept for new ones, if there is one."""
        if self._begin_with is not None and (default := self._presets.default) is not None:
            for name in self._presets.names:
                self._begin_with(name, default.values.get(name))

    def _name_of_none(self) -> str:
        return self.tr("Own values") if self._is_set() else self.tr("No preset")

    def _fill(self) -> None:
        menu, now = self.menu_of_presets, self._presets.matching(self._values)
        menu.clear()
        plain = now is None and not self._is_set()
        self._add(menu, self.tr("No preset"), lambda: self.apply(None), plain)
        menu.addSeparator()
        last_own = False
        for preset in self._presets.all():
            if preset.is_own and not last_own:
                menu.addSeparator()
            last_own = preset.is_own
            self._add(menu, self._elided(preset.name), partial(self.apply, preset), preset == now)
        menu.addSeparator()
        menu.addAction(self.tr("Save as preset…")).triggered.connect(lambda: self._ask_name())
        if self._begin_with is not None:
            self._add_default(menu, now)
        if now is not None and now.is_own:
            delete = menu.addAction(self.tr("Delete “{name}”…").format(name=self._elided(now.name)).replace("&", "&&"))
            delete.triggered.connect(lambda: self._ask_delete(now))

    def _add_default(self, menu: QMenu, now: Preset | None) -> None:
        """Offer to use for new conversations what this one is set to, or no longer to do so."""
        default = self._presets.default
        if now is None and default is None:
            return
        name, key = (self._elided(now.name), now.key) if now is not None else ("", "")
        words = self.tr("Use “{name}” for new chats").format(name=name) if name else self.tr("No preset for new chats")
        self._add(
            menu,
            words,
            lambda: self._keep(lambda: self._presets.set_default("" if now == default else key)),
            now == default,
        )

    def _is_set(self) -> bool:
        return any(name in self._presets.names for name in self._values)

    def _elided(self, name: str) -> str:
        words = " ".join(name.split())
        return self.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, theme.scaled(_NAME_PX))

    @staticmethod
    def _add(menu: QMenu, words: str, done: Callable[[], object], is_checked: bool) -> Any:
        action = menu.addAction(words.replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(is_checked)
        action.triggered.connect(lambda: done())
        return action

    def _ask_name(self) -> None:
        label = self.tr("Name of the preset (one of the same name is replaced)")
        ask_text(self.window(), self.tr("Save as preset"), label, self._save)

    def _save(self, name: str) -> None:
        self._keep(lambda: self._presets.save(name, self._values))

    def _ask_delete(self, preset: Preset) -> None:
        question = self.tr("Delete the preset “{name}”?").format(name=preset.name)
        facts = self.tr("What uses it keeps its values.")
        does = self.tr("Delete")
        ask_whether(self.window(), question, facts, does, lambda: self._keep(lambda: self._presets.delete(preset.key)))

    def _keep(self, change: Callable[[], object]) -> None:
        try:
            change()
        except UserError as error:  # it holds for this session
            tell(self.window(), sentence_of(error))
        self.show_values(self._values)

    def apply(self, preset: Preset | None) -> None:
        """Set all that a preset is about; None: to what the checkpoint says. The rest stays as it is."""
        for name in self._presets.names:
            self._set_value(name, preset.values.get(name) if preset is not None else None)
