"""What a model hub has: models by name, and the files of one with sizes and digests, before anything is fetched.

Only what this program can run is found: causal language models for text in safetensors, of an architecture that
transformers ships, not quantised by another program. What a hub answers is believed in nothing but its digests.

Not here: fetching the files (`download`), how a hub is asked (`connection`).
"""

import hashlib
import re
import time
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from chatdesk.errors import Fault, UserError
from chatdesk.library import configs, headers, safety
from chatdesk.library.connection import Connection
from chatdesk.library.headers import Tensor, shown

_NAME = re.compile(r"([A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)
_PROPERTIES = ("downloads", "likes", "tags", "gated", "safetensors", "config", "lastModified")
_CARD_BYTES = 2**20
_HEAD_BYTES = 2**18  # the header of most files

Kind: TypeAlias = Literal["", "chat", "base"]


class Found(Struct, frozen=True):
    """A model that a search found. ``parameters``: 0 where the hub does not know. ``changed``: a date, ISO 8601."""

    name: str
    architecture: str
    downloads: int
    likes: int
    parameters: int
    licence: str
    is_gated: bool
    is_chat: bool
    changed: str


class RemoteFile(Struct, frozen=True):
    """A file of a repository. ``size``: bytes. ``digest``: sha256 of its bytes, or git's sha1 of it as a blob, in hex;
    the first has 64 digits. It is also the name of the file's blob in the cache.
    """

    path: str
    size: int
    digest: str

    @property
    def is_sha256(self) -> bool:
        """Which of the two digests it is."""
        return len(self.digest) == 64


class Repository(Struct, frozen=True):
    """A model at one commit: ``files`` are those that are needed, small ones first; ``config``: its config.json."""

    name: str
    revision: str
    commit: str
    licence: str
    is_gated: bool
    architecture: str
    parameters: int
    config: dict[str, Any]
    files: tuple[RemoteFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all the files."""
        return sum(file.size for file in self.files)


class _Weights(Struct):
    total: int = 0


class _Config(Struct):
    model_type: str = ""
    architectures: list[str] | None = None
    quantization_config: Any = None


class _Model(Struct, rename="camel"):
    """What the hub says of a model in a list. A newer hub says more, an older one less."""

    id: str
    downloads: int = 0
    likes: int = 0
    tags: list[str] = []
    gated: bool | str = False
    last_modified: str = ""
    safetensors: _Weights | None = None
    config: _Config | None = None


class _Lfs(Struct):
    sha256: str
    size: int


class _Sibling(Struct):
    rfilename: str
    size: int | None = None
    blob_id: str = field(default="", name="blobId")
    lfs: _Lfs | None = None


class _Repository(_Model):
    sha: str = ""
    siblings: list[_Sibling] = []


def search(
    hub: Connection, text: str, kind: Kind = "", licence: str = "", most_parameters: int = 0, limit: int = 50
) -> list[Found]:
    """Models whose name has ``text`` in it, the most fetched first. ``most_parameters``: 0 is no bound.

    No token is sent. Raises what `Connection.open` raises.
    """
    asked = {
        "search": text.strip(),
        "pipeline_tag": "text-generation",
        "filter": ["safetensors", *([f"license:{licence}"] if licence else [])],
        "sort": "downloads",
        "limit": limit,
        "expand": list(_PROPERTIES),
    }
    if most_parameters:
        asked["num_parameters"] = f"max:{most_parameters / 1e9:g}B"
    listed: list[msgspec.Raw] = hub.json("/api/models", list[msgspec.Raw], asked, anonymous=True)
    found = [entry for model in listed[:limit] if (entry := _found(model)) is not None]
    return [
        entry
        for entry in found
        if kind in ("", "chat" if entry.is_chat else "base")
        and (not most_parameters or entry.parameters <= most_parameters)
    ]


def repository(hub: Connection, name: str, revision: str = "main") -> Repository:
    """The files of a model that are needed, at a branch, a tag or a commit.

    Raises what `Connection.open` raises, BAD_VALUE, what `safety.parts` says of the files, and what
    `configs.architecture` says of config.json, before anything large is fetched.
    """
    _check_names(name, revision)
    path = f"/api/models/{name}/revision/{quote(revision, safe='')}"
    told: _Repository = hub.json(path, _Repository, {"blobs": "true"})
    if not re.fullmatch(r"[0-9a-f]{40}", told.sha) or not _NAME.fullmatch(told.id):
        raise _odd(hub, "it names no commit")
    files = {each.rfilename: each for each in told.siblings}

    def read(file: str) -> dict[str, Any]:
        found = _remote(hub, files[file])
        return configs.parse_json(file, _checked(hub, found, told.id, told.sha))

    sizes = {path: _size(each) for path, each in files.items()}
    needed = safety.parts(name, sizes, read)
    config = read("config.json")
    _, architecture = configs.architecture(config)
    return Repository(
        architecture=architecture,
        config=config,
        name=told.id,  # a name can have moved
        revision=revision,
        commit=told.sha,
        licence=_licence(told),
        is_gated=bool(told.gated),
        parameters=told.safetensors.total if told.safetensors else 0,
        files=tuple(_remote(hub, files[path]) for path in needed),
    )


def preview(hub: Connection, found: Repository) -> safety.Checked:
    """What a repository would need in memory (see `footprint.measure`), from the headers of its weights alone.

    Raises what `Connection.open` and `headers.parse` raise.
    """
    tensors: dict[str, Tensor] = {}
    for file in found.files:
        if file.path.endswith(".safetensors"):
            head = _Head(hub, resolve_path(found.name, found.commit, file.path), file.size)
            tensors |= headers.parse(file.path, file.size, head.take)
    return safety.preview(Path(found.name), found.config, tensors)


def card(hub: Connection, name: str) -> str:
    """The model card as it was written, markdown that nobody vouches for; empty where there is none."""
    _check_names(name, "main")
    try:
        raw = hub.read(f"/{name}/resolve/main/README.md", most=_CARD_BYTES)
    except UserError as error:
        if error.fault is Fault.HUB_NOT_FOUND:
            return ""
        raise
    return raw.decode("utf-8", errors="replace")


def resolve_path(name: str, commit: str, file: str) -> str:
    """Where a hub has the bytes of a file."""
    return f"/{name}/resolve/{commit}/{quote(file)}"


def git_sha1(size: int) -> "hashlib._Hash":
    """A digest that is git's name of a blob of ``size`` bytes, once these were added."""
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _check_names(name: str, revision: str) -> None:
    if not _NAME.fullmatch(name) or ".." in name or "--" in name or name.endswith((".git", ".")):
        raise UserError(Fault.BAD_VALUE, name="the model", value=shown(name), allowed="written as OWNER/NAME")
    if not _REVISION.fullmatch(revision) or ".." in revision or any(p.startswith(".") for p in revision.split("/")):
        raise UserError(Fault.BAD_VALUE, name="the revision", value=shown(revision), allowed="a branch, tag or commit")


def _found(listed: msgspec.Raw) -> Found | None:
    """What can be run here; None for all else, and for what is not as the others are."""
    try:
        model = msgspec.json.decode(listed, type=_Model, strict=False)
    except msgspec.DecodeError:
        return None
    config = model.config or _Config()
    if not _NAME.fullmatch(model.id) or config.quantization_config:
        return None
    try:
        _, architecture = configs.architecture({"model_type": config.model_type, "architectures": config.architectures})
    except UserError:
        return None
    return Found(
        name=model.id,
        architecture=architecture,
        downloads=model.downloads,
        likes=model.likes,
        parameters=model.safetensors.total if model.safetensors else 0,
        licence=_licence(model),
        is_gated=bool(model.gated),
        is_chat="conversational" in model.tags,  # which the hub says of a chat template
        changed=shown(model.last_modified),
    )


def _licence(model: _Model) -> str:
    named = (tag.removeprefix("license:") for tag in model.tags if tag.startswith("license:"))
    return shown(next(named, ""))


def _size(file: _Sibling) -> int:
    return file.lfs.size if file.lfs else file.size or 0


def _remote(hub: Connection, file: _Sibling) -> RemoteFile:
    digest = file.lfs.sha256 if file.lfs else file.blob_id
    if not re.fullmatch(r"[0-9a-f]{64}" if file.lfs else r"[0-9a-f]{40}", digest) or _size(file) < 0:
        raise _odd(hub, f"it gives no digest of {shown(file.rfilename)}")
    return RemoteFile(file.rfilename, _size(file), digest)


def _checked(hub: Connection, file: RemoteFile, name: str, commit: str) -> bytes:
    """The bytes of a small file, compared with its digest."""
    raw = hub.read(resolve_path(name, commit, file.path), most=safety.MAX_INDEX_BYTES)
    digest = hashlib.sha256() if file.is_sha256 else git_sha1(len(raw))
    digest.update(raw)
    if digest.hexdigest() != file.digest:
        raise _odd(hub, f"{shown(file.path)} is not what its list says")
    return raw


def _odd(hub: Connection, reason: str) -> UserError:
    return UserError(Fault.HUB_ANSWER, host=hub.host, reason=reason)


class _Head:
    """Reads a file from its beginning, a little at a time."""

    def __init__(self, hub: Connection, path: str, size: int) -> None:
        self._hub = hub
        self._path = path
        self._size = size
        self._had = b""
        self._taken = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, or what there is of them."""
        end = min(self._taken + count, self._size)
        if end > len(self._had):
            self._had += self._read(len(self._had), max(end, min(_HEAD_BYTES, self._size)))
        taken, self._taken = self._had[self._taken : end], end
        return taken

    def _read(self, begin: int, end: int) -> bytes:
        asked = {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        with self._hub.open(self._path, headers=asked) as answer:
            self._hub.refuse_page(answer)
            ranged = answer.headers.get("content-range", "").startswith(f"bytes {begin}-{end - 1}/")
            if answer.status == 206 and ranged:
                return answer.body(end - begin, time.monotonic() + self._hub.limits.answer_s)
            if answer.status != 200:
                raise _odd(self._hub, "it sends another part of a file than was asked for")
            whole = b""  # a server without ranges: the rest is left to it
            for data in answer.raw():
                whole += data
                if len(whole) >= end:
                    break
            return whole[begin:end]
