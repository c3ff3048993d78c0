"""The layout of the Hugging Face cache, so that what is fetched here is there for every program, and the reverse.

``models--OWNER--NAME/blobs/DIGEST`` holds the bytes, ``snapshots/COMMIT/FILE`` links to them, ``refs/REVISION`` names
the commit. Where a file system has no symbolic links the snapshot has a hard link, or the file itself.
"""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from chatdesk.errors import Fault, UserError
from chatdesk.library.hub import RemoteFile, Repository

INCOMPLETE = ".incomplete"


def folder(cache: Path, name: str) -> Path:
    """Where the cache keeps a repository of models."""
    return cache / f"models--{name.replace('/', '--')}"


def blob(cache: Path, name: str, file: RemoteFile) -> Path:
    """Where the bytes of a file belong."""
    return folder(cache, name) / "blobs" / file.digest


def lock(cache: Path, name: str, file: RemoteFile) -> Path:
    """The file that huggingface_hub, too, locks while it fetches ``file``."""
    return cache / ".locks" / folder(cache, name).name / f"{file.digest}.lock"


def existing(cache: Path, repository: Repository, file: RemoteFile) -> Path | None:
    """Where the bytes of a file are, judged by their size; None where they are not."""
    snapshot = _snapshot(cache, repository) / file.path
    for place in (blob(cache, repository.name, file), snapshot):
        with suppress(OSError):
            if place.stat().st_size == file.size:
                return place
    return None


def publish(cache: Path, repository: Repository) -> Path:
    """Make the snapshot of a repository whose blobs are all there, then point its revision to it. Returns its folder.

    config.json comes last: without it a folder is no checkpoint for anyone.
    """
    snapshot = _snapshot(cache, repository)
    uses = Counter(file.digest for file in repository.files)
    for file in sorted(repository.files, key=lambda file: file.path == "config.json"):
        uses[file.digest] -= 1
        _link(blob(cache, repository.name, file), snapshot / file.path, is_last=not uses[file.digest])
    sync_folder(snapshot)
    reference = folder(cache, repository.name) / "refs" / repository.revision  # a commit, too: it is to be found again
    reference.parent.mkdir(parents=True, exist_ok=True)
    new = reference.with_name(f".{reference.name}.new")
    new.write_text(repository.commit, encoding="ascii")
    os.replace(new, reference)
    return snapshot


def discard(cache: Path, name: str) -> None:
    """Remove what was fetched of a repository and belongs to no snapshot; with nothing left, the repository itself.

    What somebody else is fetching stays, whoever it is. Raises DOWNLOAD_CANNOT_WRITE.
    """
    repository = folder(cache, name)
    with alone(repository) as is_alone:
        if is_alone:
            _discard(repository)


@contextmanager
def alone(repository: Path) -> Iterator[bool]:
    """Whether nobody fetches files into this folder of the cache. While the block lasts nobody can go on with one."""
    with ExitStack() as held:
        is_alone = True
        for path in _entries(repository.parent / ".locks" / repository.name):
            try:
                held.enter_context(FileLock(path).acquire(timeout=0))
            except Timeout:
                is_alone = False
            except OSError:  # who may not write there fetches nothing either
                continue
        yield is_alone


def _discard(repository: Path) -> None:
    snapshots = repository / "snapshots"
    linked = {os.path.realpath(path) for path in snapshots.rglob("*")} if snapshots.is_dir() else set()
    try:
        for path in _entries(repository / "blobs"):
            if path.name.endswith(INCOMPLETE) or (os.path.realpath(path) not in linked and path.lstat().st_nlink == 1):
                path.unlink(missing_ok=True)
        if repository.exists() and not any(_entries(snapshots)):
            shutil.rmtree(repository)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(Fault.DOWNLOAD_CANNOT_WRITE, path=error.filename or repository, reason=reason) from error


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to disk, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _snapshot(cache: Path, repository: Repository) -> Path:
    return folder(cache, repository.name) / "snapshots" / repository.commit


def _entries(path: Path) -> Iterable[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return ()


def _link(source: Path, place: Path, is_last: bool) -> None:
    """Let ``place`` have the bytes of ``source``, in one step; ``is_last``: no other place wants them."""
    if not source.exists() or (place.exists() and place.samefile(source)):
        return  # it is there; where a file system has no links, the bytes were moved
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    new.unlink(missing_ok=True)
    try:
        os.symlink(os.path.relpath(source, place.parent), new)
    except (OSError, NotImplementedError):
        try:
            os.link(source, new)
        except (OSError, NotImplementedError):
            if not is_last:
                shutil.copyfile(source, new)
            else:
                os.replace(source, new)
    os.replace(new, place)
