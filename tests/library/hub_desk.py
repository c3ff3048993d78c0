"""Somebody who downloads: a hub with one small model, and an empty cache."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chatdesk.errors import UserError
from chatdesk.library import hub, snapshots
from chatdesk.library.download import Step, download
from chatdesk.library.fetching import Patience
from chatdesk.library.hub import Repository
from tests.library.hub_models import IMPATIENT, connect, single, wanted, wrong_bytes
from tests.library.hub_server import Server

WEIGHTS = "model.safetensors"


class Desk:
    """A hub with one small model, and an empty cache."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.cache = folder / "cache"
        self.connection = connect(server)
        server.models["owner/small"] = single()
        self.steps: list[Step] = []

    @property
    def files(self) -> dict[str, bytes]:
        return self.server.models["owner/small"].files

    def look(self, name: str = "owner/small") -> Repository:
        """The list of files; faults are for the bytes that come after it."""
        faults, self.server.faults = self.server.faults, []
        found = hub.repository(self.connection, name)
        self.server.faults = faults
        return found

    def get(self, name: str = "owner/small", patience: Patience = IMPATIENT, **given: Any) -> Path:
        return download(self.connection, self.look(name), self.cache, self.steps.append, patience=patience, **given)

    def fails(self, **given: Any) -> UserError:
        with pytest.raises(UserError) as raised:
            self.get(**given)
        assert "{" not in str(raised.value)
        assert wrong_bytes(self.cache) == []
        return raised.value

    def only_weights(self) -> None:
        """Fetch the small files, so that the next faults meet the weights."""
        repository = self.look()
        small = structs.replace(repository, files=repository.files[:-1])
        download(self.connection, small, self.cache, patience=IMPATIENT)

    def part(self) -> Path:
        return snapshots.folder(self.cache, "owner/small") / "blobs" / f"{self.look().files[-1].digest}.incomplete"

    def is_whole(self, folder: Path) -> bool:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
            path: self.files[path] for path in wanted(self.server.models["owner/small"])
        }
