"""The application's settings: one TOML file, replaced atomically; a damaged one is kept aside and said.

Each change is written at once. A value that cannot be used is replaced by its default and named in ``complaints``;
a failed write keeps the value for this session and raises `UserError`.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import APPLICATION
from chatdesk.settings.toml_file import TomlFile

_log = logging.getLogger(__name__)


class Settings:
    """Attribute-like access by option name; an undeclared name is an error at once.

    Attributes: ``complaints``, one error for each thing that was wrong with the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = TomlFile(path)
        self._values: dict[str, Any] = {}
        self._watchers: list[Callable[[str], None]] = []
        found, self.complaints = self._file.read()
        self._take(found)

    def __getitem__(self, name: str) -> Any:
        return self._values.get(name, APPLICATION[name].default)

    def __setitem__(self, name: str, value: Any) -> None:
        checked = APPLICATION[name].check(value)
        _refuse_no_text(name, checked)
        if checked == self[name]:
            return
        self._values[name] = checked
        for watcher in self._watchers:
            watcher(name)
        self._write()

    def keep(self, name: str, value: Any) -> None:
        """Set what the program remembers by itself: where the disk refuses it, it holds until the program ends."""
        try:
            self[name] = value
        except UserError as error:
            _log.warning("not kept: %s: %s", name, error)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """Call ``watcher(name)`` after each change."""
        self._watchers.append(watcher)

    def _take(self, found: dict[str, Any]) -> None:
        for name, value in found.items():
            if name not in APPLICATION:  # of a newer version, perhaps: kept in the file, unused here
                self._values[name] = value
                continue
            try:
                self._values[name] = APPLICATION[name].check(tuple(value) if isinstance(value, list) else value)
            except UserError as error:
                self.complaints.append(error)

    def _write(self) -> None:
        known = {name: list(v) if isinstance(v, tuple) else v for name, v in self._values.items()}
        self._file.replace(known)


def _refuse_no_text(name: str, value: Any) -> None:
    """BAD_VALUE for what no file in UTF-8 can hold: the name of a folder can be such bytes."""
    for text in value if isinstance(value, tuple) else (value,):
        try:
            str(text).encode()
        except UnicodeEncodeError:
            raise UserError(Fault.BAD_VALUE, name=name, value=ascii(text), allowed="text in UTF-8") from None
