"""A model hub on loopback that speaks the protocol of huggingface.co, and misbehaves on request.

Two listeners: the hub, and the store that it redirects to. ``python -m tests.library.hub_server`` is not needed; tests
start it with `serve`.
"""

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_goodtokengoodtoken"
_PIECE = 2**16
_DROP = 1000  # bytes
_ENDS = ("cut", "hang", "drip", "drip-all")  # of what is sent at full speed


@cache
def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass
class Model:
    """A repository: its files, which of them are large ones (LFS), and what the list says of it."""

    files: dict[str, bytes]
    commit: str = COMMIT
    is_gated: bool = False
    is_private: bool = False
    listed: dict[str, Any] = field(default_factory=dict)

    def is_large(self, path: str) -> bool:
        return path.endswith(".safetensors")

    def digest(self, path: str) -> str:
        data = self.files[path]
        return sha256(data) if self.is_large(path) else git_id(data)


@dataclass
class Asked:
    """One question: where it came, what it asked for, how many bytes of a body were sent."""

    place: str
    path: str
    headers: dict[str, str]
    query: dict[str, list[str]]
    start: int = 0
    sent: int = 0


class Server:
    """The hub. ``faults``: taken one by one, each by the next request for the bytes of a file; see `Handler`.

    ``bytes_per_s``: of each answer, 0 for as many as come. ``trickles_after``: so many bytes of each answer come, and
    then too few to end within a test, until it is 0 again: whoever looks late finds the download under way.
    """

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self.faults: list[str] = []
        self.api_faults: list[str] = []
        self.asked: list[Asked] = []
        self.bytes_per_s = 0.0
        self.trickles_after = 0
        self.has_store = True
        self.lock = threading.Lock()
        self._hub = _listen(self, "hub")
        self._store = _listen(self, "store")
        self.url = f"http://127.0.0.1:{self._hub.server_port}"
        self.store_url = f"http://127.0.0.1:{self._store.server_port}"
        self.is_closing = threading.Event()

    def start(self) -> None:
        self._threads = [
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02})
            for each in (self._hub, self._store)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self.is_closing.set()
        for each in (self._hub, self._store):
            each.shutdown()
            each.server_close()
        for thread in self._threads:
            thread.join()

    def next_fault(self, of_api: bool = False) -> str:
        faults = self.api_faults if of_api else self.faults
        with self.lock:
            return faults.pop(0) if faults else ""

    def bodies(self) -> list[Asked]:
        """The requests for bytes of large files, as the place that sent them saw them."""
        return [each for each in self.asked if each.place == ("store" if self.has_store else "hub")]


class _Listener(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    server: Server
    place: str

    def handle_error(self, *_: Any) -> None:
        """A client that left in the middle is what the tests are about."""


def _listen(server: Server, place: str) -> _Listener:
    listener = _Listener(("127.0.0.1", 0), Handler)
    listener.server, listener.place = server, place
    return listener


class Handler(BaseHTTPRequestHandler):
    """Answers one request. Faults of a body: ``cut:N`` after N bytes, ``hang:N``, ``drip:N``, ``drip-all:N`` (from the
    beginning whatever was asked for), ``long``, ``short``, ``flip``, ``no-range``, ``wrong-range``, ``416``, ``etag``,
    ``gzip``, ``html``, ``loop``, ``to-file``, ``store-403``, any status with or without ``:SECONDS`` of Retry-After.
    Faults of the API: ``html``, ``truncated``, ``list``, ``huge``, ``deep``, ``hang``, ``loop``, a status.
    """

    protocol_version = "HTTP/1.1"
    timeout = 20
    server: _Listener

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _PIECE)  # so that "sent" means it
        super().setup()

    def log_message(self, *_: Any) -> None:
        pass

    @property
    def hub(self) -> Server:
        return self.server.server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        self.asked = Asked(
            self.server.place, path, {k.lower(): v for k, v in self.headers.items()}, parse_qs(parts.query)
        )
        with self.hub.lock:
            self.hub.asked.append(self.asked)
        with suppress(ConnectionError):
            if path.startswith("/api/models"):
                self._api(path)
            elif found := re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", path):
                self._resolve(*found.groups())
            elif path == "/loop":
                self._redirect("/loop")
            else:
                self._refuse(404, "EntryNotFound")

    # -- the API ---------------------------------------------------------------------------------------------------

    def _api(self, path: str) -> None:
        fault = self.hub.next_fault(of_api=True)
        if fault == "html":
            return self._send(200, b"<html>Sign in to the network</html>", {"Content-Type": "text/html"})
        bodies = {
            "truncated": b'{"id": "owner/na',
            "list": b'[1, "two"]',
            "huge": b" " * (2**25 + 1) if fault == "huge" else b"",
            "deep": b"[" * 100_000 if "revision" not in path else b'{"x":' + b"[" * 100_000,
        }
        if fault in bodies:
            return self._send(200, bodies[fault], {"Content-Type": "application/json"})
        if fault == "hang":
            self.hub.is_closing.wait(30)
            return None
        if fault == "loop":
            return self._redirect("/loop")
        if fault:
            return self._status(fault)
        if path == "/api/models":
            return self._json([self._listed(name) for name in self.hub.models if self._matches(name)])
        found = re.fullmatch(r"/api/models/(.+?)(?:/(revision|tree)/(.+))?", path)
        assert found is not None
        name, what, revision = found.groups()
        model = self._allowed(name, for_bytes=False)
        if model is None:
            return None
        if revision not in (None, "main", model.commit):
            return self._refuse(404, "RevisionNotFound")
        if what == "tree":
            return self._json([self._leaf(model, each) for each in model.files])
        siblings = [self._sibling(model, each) for each in model.files]
        return self._json({**self._listed(name), "sha": model.commit, "siblings": siblings})

    def _matches(self, name: str) -> bool:
        return self.asked.query.get("search", [""])[0].lower() in name.lower()

    def _listed(self, name: str) -> dict[str, Any]:
        model = self.hub.models[name]
        return {"id": name, "modelId": name, "gated": "auto" if model.is_gated else False, **model.listed}

    def _sibling(self, model: Model, path: str) -> dict[str, Any]:
        size = len(model.files[path])
        said: dict[str, Any] = {"rfilename": path, "size": size, "blobId": git_id(model.files[path])}
        if model.is_large(path):
            said["lfs"] = {"sha256": model.digest(path), "size": size, "pointerSize": 134}
        return said

    def _leaf(self, model: Model, path: str) -> dict[str, Any]:
        size = len(model.files[path])
        said: dict[str, Any] = {"type": "file", "path": path, "size": size, "oid": git_id(model.files[path])}
        if model.is_large(path):
            said["lfs"] = {"oid": model.digest(path), "size": size, "pointerSize": 134}
        return said

    # -- the bytes -------------------------------------------------------------------------------------------------

    def _resolve(self, name: str, revision: str, path: str) -> None:
        model = self._allowed(name, for_bytes=True)
        if model is None:
            return None
        if revision not in ("main", model.commit):
            return self._refuse(404, "RevisionNotFound")
        if path not in model.files:
            return self._refuse(404, "EntryNotFound")
        digest = model.digest(path)
        told = {"X-Repo-Commit": model.commit, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
        if model.is_large(path):
            told |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(model.files[path]))}
        if model.is_large(path) and self.hub.has_store and self.server.place == "hub":
            return self._redirect(f"{self.hub.store_url}{self.path}", told)
        if self.server.place == "store":
            told = {"ETag": f'"store-{digest[:8]}"', "Accept-Ranges": "bytes"}
        self._body(model.files[path], told, "" if self.command == "HEAD" else self.hub.next_fault())
        return None

    def _body(self, data: bytes, told: dict[str, str], fault: str) -> None:
        kind, _, number = fault.partition(":")
        if self._instead(kind, number, fault):
            return
        start, end = 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        status = 200
        if asked and kind not in ("no-range", "drip-all"):
            start = int(asked[1])
            end = min(int(asked[2]) + 1, end) if asked[2] else end
            if start >= len(data) or kind == "416":
                self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            status = 206
            shift = 1 if kind == "wrong-range" else 0
            told["Content-Range"] = f"bytes {start + shift}-{end - 1}/{len(data)}"
        if kind == "etag":
            told["ETag"] = '"another"'
            told.pop("X-Linked-Etag", None)
        if kind == "gzip":
            told["Content-Encoding"] = "gzip"
        body = data[start:end]
        if kind == "flip":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if kind == "long":
            body += b"more"
        if kind == "short":
            body = body[:-5]
        self.asked.start = start
        self._headers(status, {"Content-Type": "application/octet-stream", "Content-Length": str(len(body)), **told})
        if self.command != "HEAD":
            self._pour(body, kind, int(number or 0) if kind in _ENDS else 0)

    def _instead(self, kind: str, number: str, fault: str) -> bool:
        """Faults that take the place of the body."""
        if kind == "html":
            self._send(200, b"<html>Sign in</html>", {"Content-Type": "text/html"})
        elif kind == "loop":
            self._redirect("/loop")
        elif kind == "to-file":
            self._redirect("file:///etc/passwd")
        elif kind == "store-403":
            self._send(403, b"expired", {})
        elif kind.isdigit() and kind != "416":
            self._status(fault)
        else:
            return False
        return True

    def _pour(self, body: bytes, kind: str, after: int) -> None:
        begun, position = time.monotonic(), 0
        while position < len(body):
            trickles = 0 < self.hub.trickles_after <= position
            piece = body[position : position + (_DROP if trickles else _PIECE)]
            if kind in _ENDS and position + len(piece) > after:
                piece = piece[: max(0, after - position)]
                self._write(piece)
                if kind in ("drip", "drip-all"):
                    for byte in body[position + len(piece) :]:
                        if self.hub.is_closing.wait(0.02):
                            break
                        self._write(bytes([byte]))
                elif kind == "hang":
                    self.hub.is_closing.wait(30)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._write(piece)
            position += len(piece)
            if trickles:
                self.hub.is_closing.wait(0.05)
            elif self.hub.bytes_per_s:
                ahead = position / self.hub.bytes_per_s - (time.monotonic() - begun)
                self.hub.is_closing.wait(max(0.0, ahead))

    def _write(self, data: bytes) -> None:
        self.wfile.write(data)
        self.asked.sent += len(data)

    # -- answers ---------------------------------------------------------------------------------------------------

    def _allowed(self, name: str, for_bytes: bool) -> Model | None:
        """The model, if whoever asks may have it; else the refusal is sent."""
        model = self.hub.models.get(name)
        said = self.headers.get("Authorization")
        is_known = said == f"Bearer {TOKEN}" or self.server.place == "store"
        if said is not None and not is_known:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif model is None or (model.is_private and not is_known):
            self._refuse(404 if is_known else 401, "RepoNotFound")
        elif model.is_gated and for_bytes and not is_known:
            self._refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
        else:
            return model
        return None

    def _status(self, fault: str) -> None:
        status, _, seconds = fault.partition(":")
        self._send(int(status), b"", {"Retry-After": seconds} if seconds else {})

    def _refuse(self, status: int, code: str, message: str = "") -> None:
        told = {"X-Error-Code": code} if code else {}
        self._send(status, b"{}", {**told, "X-Error-Message": message or code, "Content-Type": "application/json"})

    def _redirect(self, location: str, told: dict[str, str] | None = None) -> None:
        self._send(302, b"", {**(told or {}), "Location": location})

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, told: dict[str, str]) -> None:
        self._headers(status, {**told, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _headers(self, status: int, told: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serve() -> Iterator[Server]:
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
