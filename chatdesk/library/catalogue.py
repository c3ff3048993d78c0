"""Which checkpoints are on this machine: the model in the box, folders opened before, the Hugging Face cache in place.

Nothing is copied and nothing is asked of a network: an entry is what `safety.check` reads in headers and configs and
what the model card says of its licence, so all functions are quick and may run on any thread.

Not here: downloading, removing, and the plan of what fits into memory.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from chatdesk.errors import UserError
from chatdesk.library import safety
from chatdesk.library.figures import short_count
from chatdesk.library.headers import shown

_CARD_BYTES = 2**16

Source: TypeAlias = Literal["box", "cache", "folder"]


class Entry(Struct, frozen=True):
    """A checkpoint to choose. ``dtype``: torch's name of it; ``context_length``: tokens; ``source``: the model in the
    box, the Hugging Face cache, or a folder that was opened. ``size_bytes``: of its weights, ``disk_bytes``: of all
    its files. ``licence``: what its card calls it, empty where nothing says. ``last_used``: seconds since 1970; see
    `with_uses`. With a ``fault`` it cannot be loaded, and the fields between are empty.
    """

    name: str
    path: Path
    source: Source
    architecture: str = ""
    parameters: int = 0
    size_bytes: int = 0
    dtype: str | None = None
    context_length: int | None = None
    has_chat_template: bool = False
    disk_bytes: int = 0
    licence: str = ""
    last_used: float | None = None
    fault: UserError | None = None


def find(starter: Path, folders: Iterable[Path], cache: Path | None = None) -> list[Entry]:
    """All checkpoints: the one in the box, then ``folders`` in their order, then those in the cache by name.

    A folder stands in the list once. One that was opened and is broken now is listed with its fault; others that
    cannot be loaded are left out. ``cache``: the hub's folder, by default where huggingface_hub puts it.
    """
    opened = list(folders)
    found: dict[str, Entry] = {}
    for folder in (starter, *opened, *_snapshots(hub_cache() if cache is None else cache)):
        try:
            key = os.path.realpath(folder)
        except ValueError:  # no name of a file; a person may edit the settings
            continue
        if key in found:
            continue
        try:
            found[key] = describe(folder, starter)
        except UserError as fault:
            if folder in opened:
                found[key] = Entry(folder.name, folder, "folder", fault=fault)
    return list(found.values())


def describe(folder: Path, starter: Path | None = None) -> Entry:
    """The entry of one checkpoint folder; raises `UserError` as `safety.check` does."""
    checked = safety.check(folder)
    name, source = name_and_source(checked, starter)
    return Entry(
        name=name,
        path=checked.folder,
        source=source,
        architecture=checked.architecture,
        parameters=checked.parameters,
        size_bytes=checked.weight_bytes,
        dtype=checked.dtype,
        context_length=checked.context_length,
        has_chat_template=checked.has_chat_template,
        disk_bytes=_disk_bytes(checked.folder),
        licence=_licence(checked.folder),
    )


def with_uses(entries: Iterable[Entry], uses: Iterable[str]) -> list[Entry]:
    """The entries with the time of their last use, from lines as `note_use` writes them."""
    times: dict[str, float] = {}
    for line in uses:
        seconds, _, path = line.partition(" ")
        with suppress(ValueError):
            times[path] = float(seconds)
    return [replace(entry, last_used=times.get(str(entry.path))) for entry in entries]


def note_use(uses: Iterable[str], path: str, now: float) -> tuple[str, ...]:
    """The lines with one more use, the last one first: ``seconds path``, a path once, at most 200."""
    others = (line for line in uses if line.partition(" ")[2] != path)
    return (f"{now:.0f} {path}", *others)[:200]


def card(folder: Path) -> str:
    """The model card as it was written, at most 64 KB of it: markdown that nobody vouches for. Empty without one."""
    return _text(folder / "README.md")


def licence_of_card(card: str) -> str:
    """The licence that the head of a model card names ("apache-2.0"), else nothing."""
    head = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", card, re.DOTALL)
    if head is None:
        return ""
    said = dict(re.findall(r"^(license(?:_name)?):[ \t]*[\"']?([^\"'\r\n]*)", head[1], re.M))
    licence = str(said.get("license", "")).strip()
    return shown(str(said.get("license_name", "")).strip() or licence if licence == "other" else licence)


def hub_cache() -> Path:
    """Folder in which huggingface_hub keeps repositories, from the variables it reads, the most exact first."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{home}/huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return Path(os.path.expandvars(cache)).expanduser()


def name_and_source(checked: safety.Checked, starter: Path | None) -> tuple[str, Source]:
    """How a checkpoint is called wherever it is shown, and where it comes from."""
    folder = checked.folder
    if starter is not None and os.path.realpath(folder) == os.path.realpath(starter):
        return f"Starter {short_count(checked.parameters)}", "box"
    name = safety.snapshot_name(folder)
    own = folder.parent.name if (folder.parent / "run.json").is_file() else folder.name  # of a training run
    return (own, "folder") if name is None else (name + _version(folder), "cache")


def _disk_bytes(folder: Path) -> int:
    """Bytes of all files in the folder and below, each link counted as what it leads to."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(path, name)).st_size
    return total


def _licence(folder: Path) -> str:
    """What the card says; without one, how the licence file begins."""
    said = licence_of_card(card(folder))
    for name in ("LICENSE", "LICENSE.txt", "LICENSE.md"):
        said = said or shown(_text(folder / name).strip().partition("\n")[0].strip(" #\r"))
    return said


def _text(path: Path) -> str:
    try:
        if not path.is_file():  # reading a pipe or a device may never end
            return ""
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_CARD_BYTES)
    except OSError:
        return ""


def _snapshots(cache: Path) -> Iterator[Path]:
    """Of each repository of models in the cache the snapshot that stands for it, then those of other versions."""
    try:
        for repository in sorted(cache.glob("models--*")):
            if (first := _snapshot(repository)) is not None:
                yield first
                others = sorted({*_versions(repository).values()} - {first.name})
                yield from (first.parent / commit for commit in others)
    except OSError:
        return


def _snapshot(repository: Path) -> Path | None:
    """The one that ``refs/main`` names, else the newest."""
    folder = repository / "snapshots"
    try:
        if (commit := _commit(repository, repository / "refs" / "main")) is not None:
            return folder / commit
        return max(folder.iterdir(), key=lambda path: path.stat().st_mtime, default=None)
    except OSError:
        return None


def _versions(repository: Path) -> dict[str, str]:
    """The commits of the branches, tags and commits that were asked for, as far as their snapshots are there."""
    refs = repository / "refs"
    found = {path.relative_to(refs).as_posix(): _commit(repository, path) for path in sorted(refs.rglob("*"))}
    return {name: commit for name, commit in found.items() if commit is not None}


def _commit(repository: Path, reference: Path) -> str | None:
    """The commit that a reference names, if its snapshot is there."""
    if not reference.is_file():
        return None
    with suppress(OSError), reference.open(encoding="ascii", errors="replace") as file:
        commit = file.read(200).strip()
        if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]*", commit) and (repository / "snapshots" / commit).is_dir():
            return commit
    return None


def _version(snapshot: Path) -> str:
    """What tells a snapshot from the one that stands for its repository: ``@branch``, or the beginning of a commit."""
    repository, commit = snapshot.parent.parent, snapshot.name
    if (first := _snapshot(repository)) is None or first.name == commit:
        return ""
    name = next((name for name, found in _versions(repository).items() if found == commit), commit)
    return f"@{commit[:7] if name == commit else shown(name)}"
