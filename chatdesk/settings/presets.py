"""Presets: values of some options under a name. Some come with the program, the others are the person's own.

Those of the chat are a system prompt and sampling, those of the writing desk sampling and guidance. Own ones, and the
one for new conversations, are kept in a file of the profile. A preset says all of its names: an option it gives no
value is meant to be as the checkpoint says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import CHAT, WRITING, Option
from chatdesk.settings.toml_file import TomlFile

NAMES = tuple(name for name in CHAT if name not in ("seed", "overflow"))
"""The options a preset of the chat is about: what is said before and how words are chosen."""

WRITING_NAMES = tuple(name for name in WRITING if name not in ("seed", "memory", "world"))
"""Those of the writing desk; what a text is about is its own."""

_OWN = "own:"


@dataclass(frozen=True)
class Preset:
    """``key``: what it is known by; own ones begin with ``own:``. ``values``: by option, checked."""

    key: str
    name: str
    values: dict[str, Any]

    @property
    def is_own(self) -> bool:
        """Whether the person made it, and may delete it."""
        return self.key.startswith(_OWN)


def own_key(name: str) -> str:
    """The key of the own preset called ``name``."""
    return _OWN + name


class Presets:
    """All presets in the order of a menu: the supplied ones, then the own ones by name.

    ``supplied``: the file that comes with the program, ``path``: the person's own, which may be missing; ``names`` of
    ``options``: what a preset is about. Attributes: ``names``; ``complaints``, one error for each thing that was wrong
    with the own file.
    """

    def __init__(
        self,
        supplied: Path,
        path: Path,
        language: str = "en",
        names: tuple[str, ...] = NAMES,
        options: Mapping[str, Option] = CHAT,
    ) -> None:
        self._path, self.names, self._options = path, names, options
        self._file = TomlFile(path)
        self._supplied = [self._made(entry, language) for entry in TomlFile(supplied).read()[0]["preset"]]
        self._own: dict[str, Preset] = {}
        self._left_out: list[Any] = []  # what cannot be used as it is; it stays in the file, with the person's words
        self._default = ""
        self.complaints: list[UserError] = []
        self._read()

    def all(self) -> list[Preset]:
        """Every preset."""
        return [*self._supplied, *sorted(self._own.values(), key=lambda preset: preset.name.casefold())]

    def matching(self, values: dict[str, Any]) -> Preset | None:
        """The preset a conversation is set to: what is set, without the seed, is what the preset says."""
        wanted = {name: value for name, value in values.items() if name in self.names}
        return next((preset for preset in self.all() if preset.values == wanted), None)

    @property
    def default(self) -> Preset | None:
        """The one for new conversations."""
        return next((preset for preset in self.all() if preset.key == self._default), None)

    def set_default(self, key: str) -> None:
        """Use a preset for new conversations; empty: none. Raises `UserError` when it cannot be kept."""
        self._default = key
        self._write()

    def save(self, name: str, values: dict[str, Any]) -> Preset:
        """Keep an own preset; one of that name is replaced. Raises `UserError` when it cannot be kept."""
        preset = Preset(own_key(name), name, self._checked(values))
        self._own[name] = preset
        self._write()
        return preset

    def delete(self, key: str) -> None:
        """Delete an own preset. Raises `UserError` when that cannot be kept."""
        self._own.pop(key.removeprefix(_OWN), None)
        self._default = "" if self._default == key else self._default
        self._write()

    def _read(self) -> None:
        found, self.complaints = self._file.read()
        default, entries = found.get("default", ""), found.get("preset", [])
        self._default = default if isinstance(default, str) else ""
        for entry in entries if isinstance(entries, list) else []:
            try:
                name = str(entry["name"])
                self._own[name] = Preset(own_key(name), name, self._checked(entry["values"]))
            except (UserError, KeyError, TypeError, AttributeError) as error:
                self.complaints.append(UserError(Fault.BROKEN_TEXT, path=self._path, reason=error))
                self._left_out.append(entry)

    def _write(self) -> None:
        own = [{"name": preset.name, "values": preset.values} for preset in self._own.values()]
        left_out = [each for each in self._left_out if not (isinstance(each, dict) and each.get("name") in self._own)]
        self._file.replace({"default": self._default, "preset": own + left_out})

    def _made(self, entry: dict[str, Any], language: str) -> Preset:
        """A supplied one, with its words in a language."""
        values = dict(entry["values"])
        if said := entry.get("system_prompt"):
            values["system_prompt"] = said.get(language, said["en"])
        return Preset(entry["key"], entry["name"].get(language, entry["name"]["en"]), self._checked(values))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if name in self.names and value is not None}
        return {name: self._options[name].check(value) for name, value in given.items()}
