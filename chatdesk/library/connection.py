"""How a model hub is asked: its address, the token, redirects, limits, and a sentence for each way to fail.

huggingface_hub's own client is not used for this: it sets no time-outs, sleeps as long as a server tells it to, reads
answers of any size and sends whatever token it finds on the machine.

The token goes to the hub itself and never to where the hub redirects. Nothing here writes to disk.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any
from urllib.parse import quote
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import httpx2
import msgspec

from chatdesk import __version__
from chatdesk.errors import Fault, UserError
from chatdesk.library.headers import shown

HUB = "https://huggingface.co"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 8
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Limits(msgspec.Struct, frozen=True):
    """How long to wait, in seconds: for a connection, for the next bytes, for the whole of a short answer."""

    connect_s: float = 10.0
    silence_s: float = 20.0
    answer_s: float = 60.0


class Transient(UserError):
    """A failure that may be over soon. ``wait_s``: how long the server asked to be left alone, if it did."""

    def __init__(self, fault: Fault, wait_s: float | None = None, **fields: object) -> None:
        super().__init__(fault, **fields)
        self.wait_s = wait_s


class Answer:
    """What came back, after all redirects, its body not yet read.

    Attributes: ``status``; ``headers``; ``hub_headers``, those that the hub itself gave before it redirected;
    ``is_hub``, whether the hub itself answered.
    """

    def __init__(self, response: httpx2.Response, hub_headers: httpx2.Headers, host: str, is_hub: bool) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.hub_headers = hub_headers
        self.is_hub = is_hub
        self._response = response
        self._host = host

    def raw(self) -> Iterator[bytes]:
        """The body as it comes over the line, unpacked by nobody. Raises `Transient` when it is cut."""
        with _told(self._host):
            yield from self._response.iter_raw()

    def body(self, most: int, until: float) -> bytes:
        """The whole body, of at most ``most`` bytes, read before the clock says ``until`` (`time.monotonic`)."""
        parts: list[bytes] = []
        size = 0
        with _told(self._host):
            for part in self._response.iter_bytes():
                size += len(part)
                if size > most:
                    raise UserError(Fault.HUB_ANSWER, host=self._host, reason="it sends far too much")
                if time.monotonic() > until:
                    raise Transient(Fault.HUB_UNREACHABLE, host=self._host, reason="it sends too slowly")
                parts.append(part)
        return b"".join(parts)

    def hold_little(self, most: int) -> None:
        """Let the system receive at most about ``most`` bytes that were not read yet: they are lost with a kill."""
        with suppress(OSError):
            if (found := self._socket()) is not None:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, most // 2)  # which Linux doubles

    def _socket(self) -> socket.socket | None:
        return _socket_of(self._response.extensions.get("network_stream"))


class Connection:
    """Asks one hub. May be used from several threads; connects with the first question.

    ``endpoint``: its address. ``token``: called with the host, once, when it is first needed; None sends none. With
    ``offline`` every question raises HUB_OFFLINE. Attributes: ``host``, how the hub is called in a sentence.
    """

    def __init__(
        self,
        endpoint: str = HUB,
        token: Callable[[str], str | None] = lambda host: None,
        offline: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._endpoint = endpoint.strip().rstrip("/")
        try:
            self._origin = _origin(httpx2.URL(self._endpoint))
        except httpx2.InvalidURL:
            self._origin = ("", "", 0)
        if self._origin[0] not in ("http", "https") or not self._origin[1]:
            allowed = f"an address such as {HUB}"
            raise UserError(Fault.BAD_VALUE, name="hub", value=shown(endpoint), allowed=allowed)
        self.host = self._origin[1]
        self._token = cache(lambda: token(self.host))
        self._offline = offline
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None
        self._live = 0  # questions under way
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._is_closed = False

    def url(self, name: str, path: str = "") -> str:
        """The page of a repository, or of a path below it: what a browser opens."""
        return f"{self._endpoint}/{quote(name)}{path}"

    def json(self, path: str, kind: type[Any], params: Mapping[str, Any] | None = None, anonymous: bool = False) -> Any:
        """The answer to a question of the hub's API, checked to be of ``kind``; see `read`."""
        try:
            return msgspec.json.decode(self.read(path, params, anonymous=anonymous), type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(Fault.HUB_ANSWER, host=self.host, reason="it answers with something else") from error

    def read(
        self, path: str, params: Mapping[str, Any] | None = None, most: int = 2**25, anonymous: bool = False
    ) -> bytes:
        """A short answer, whole: ``path`` is quoted already, ``most`` in bytes. Raises what `open` raises."""
        until = time.monotonic() + self.limits.answer_s
        with self.open(path, params, anonymous=anonymous) as answer:
            if answer.status != 200:
                raise UserError(Fault.HUB_ANSWER, host=self.host, reason=f"status {answer.status}")
            self.refuse_page(answer)
            return answer.body(most, until)

    @contextmanager
    def open(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        anonymous: bool = False,
    ) -> Iterator[Answer]:
        """Ask, and follow redirects. The body is read inside the ``with`` block.

        Raises `UserError` (HUB_OFFLINE, HUB_NOT_FOUND, HUB_NO_REVISION, HUB_GATED, HUB_BAD_TOKEN, HUB_ANSWER) or, where
        a second try may help, `Transient` (HUB_UNREACHABLE, HUB_SERVER, HUB_RATE_LIMIT). Status 416 is an answer.
        """
        if self._offline:
            raise UserError(Fault.HUB_OFFLINE, host=self.host)
        with self._used():
            with _told(self.host):
                response, hub_headers = self._follow(f"{self._endpoint}{path}", params, dict(headers or {}), anonymous)
            answer = Answer(response, hub_headers, self.host, _origin(response.request.url) == self._origin)
            try:
                self._refuse_closed()
                if answer.status >= 400 and answer.status != 416:
                    raise self._refusal(answer, path)
                yield answer
            finally:
                with suppress(httpx2.HTTPError, OSError):
                    response.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        """The client stays open for as long as anybody asks it, also where it is about to be closed."""
        with self._lock:
            self._refuse_closed()
            self._live += 1
        try:
            yield
        finally:
            with self._lock:
                self._live -= 1
                is_last = self._is_closed and not self._live
            if is_last:
                self.close()

    def refuse_page(self, answer: Answer) -> None:
        """Raise HUB_ANSWER for a web page: what a network answers that first wants a sign-in."""
        if answer.headers.get("content-type", "").lower().startswith("text/html"):
            raise UserError(Fault.HUB_ANSWER, host=self.host, reason="it shows a web page")

    def close(self) -> None:
        """End all questions that are under way, from any thread; later ones are CANCELLED."""
        with self._lock:
            self._is_closed = True
            client = self._client if not self._live else None  # else whoever asks last closes it
        self.hang_up()
        if client is not None:
            client.close()

    def hang_up(self) -> None:
        """Make all that waits for the hub in other threads fail at once, also where no answer has begun."""
        with self._lock:
            found = list(self._sockets)
        for each in found:
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(each, socket.SHUT_RDWR)  # not TLS's own farewell, which is no thread's but one

    def _note(self, event: str, said: Mapping[str, Any]) -> None:
        """Keep the socket of each connection that is made."""
        if event.endswith(".complete") and (found := _socket_of(said["return_value"])) is not None:
            with self._lock:
                self._sockets.add(found)
            if self._is_closed:
                self.hang_up()

    def _follow(
        self, url: str, params: Mapping[str, Any] | None, headers: dict[str, str], anonymous: bool
    ) -> tuple[httpx2.Response, httpx2.Headers]:
        """The last answer of a chain of redirects, and what the hub's own answers in it said."""
        here = httpx2.URL(url, params=params) if params else httpx2.URL(url)
        hub_headers = httpx2.Headers()
        for _ in range(_MOST_REDIRECTS + 1):
            sent = {"User-Agent": f"chatdesk/{__version__}", **headers}
            is_hub = _origin(here) == self._origin
            if is_hub and not anonymous and (token := self._token()) is not None and _is_private(here):
                sent["Authorization"] = f"Bearer {token}"
            request = httpx2.Request("GET", here, headers=sent, extensions={"trace": self._note})
            response = self._started().send(request, stream=True)
            if is_hub:
                hub_headers.update(response.headers)
            if response.status_code not in _REDIRECTS:
                return response, hub_headers
            target = response.headers.get("location", "")
            response.close()
            there = here.join(target)
            if not target or there.scheme not in ("http", "https") or (here.scheme, there.scheme) == ("https", "http"):
                raise UserError(Fault.HUB_ANSWER, host=self.host, reason="it redirects to a place that is not safe")
            here = there
        raise Transient(Fault.HUB_ANSWER, host=self.host, reason="it redirects without end")

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise UserError(Fault.CANCELLED)

    def _started(self) -> httpx2.Client:
        with self._lock:
            self._refuse_closed()
            if self._client is None:
                limits = self.limits
                timeout = httpx2.Timeout(limits.silence_s, connect=limits.connect_s)
                self._client = _client(timeout, *self._origin[:2])
            return self._client

    def _refusal(self, answer: Answer, path: str) -> UserError:
        """The error that a status says."""
        said = answer.hub_headers if answer.hub_headers.get("x-error-code") else answer.headers
        code, message = said.get("x-error-code", ""), said.get("x-error-message", "")
        name, revision = _named(path)
        host, status = self.host, answer.status
        wait = _wait(answer.headers)
        if status == 429:
            seconds = f"{wait:.0f}" if wait is not None else "60"
            return Transient(Fault.HUB_RATE_LIMIT, wait, host=host, seconds=seconds)
        # Of a store behind the hub any refusal passes: its addresses are good for a while only.
        if status == 408 or status >= 500 or not answer.is_hub:
            return Transient(Fault.HUB_SERVER, wait, host=host, status=status)
        if code == "GatedRepo" or (status == 403 and self._token() is None):
            return UserError(Fault.HUB_GATED, name=name, url=self.url(name))
        if code == "RevisionNotFound":
            return UserError(Fault.HUB_NO_REVISION, name=name, revision=revision)
        if (status == 401 and "credentials" in message.lower()) or status == 403:
            return UserError(Fault.HUB_BAD_TOKEN, host=host)
        if status in (401, 404) and name:
            return UserError(Fault.HUB_NOT_FOUND, host=host, name=name)
        return UserError(Fault.HUB_ANSWER, host=host, reason=f"status {status}")


def _client(timeout: httpx2.Timeout, scheme: str, host: str) -> httpx2.Client:
    """Goes through the system's proxy. httpx2 gives up where any that is named speaks SOCKS, as the one for all else
    often does: then the one for ``scheme`` is taken, unless ``host`` needs none. Raises HUB_PROXY where that cannot be
    used either.
    """
    make = partial(httpx2.Client, timeout=timeout, follow_redirects=False)
    try:
        return make()
    except (ImportError, ValueError, httpx2.InvalidURL):
        if proxy_bypass(host):
            return make(trust_env=False)
        named = getproxies()
    proxy = named.get(scheme) or named.get("all", "")
    try:
        return make(proxy=proxy if "://" in proxy else f"http://{proxy}")
    except (ImportError, ValueError, httpx2.InvalidURL):
        raise UserError(Fault.HUB_PROXY, proxy=shown(re.sub(r"//[^/]*@", "//", proxy))) from None


@contextmanager
def _told(host: str) -> Iterator[None]:
    """Turn what goes wrong on the line into a sentence."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise Transient(Fault.HUB_UNREACHABLE, host=host, reason="it does not answer") from error
    except (httpx2.InvalidURL, httpx2.DecodingError) as error:
        raise UserError(Fault.HUB_ANSWER, host=host, reason="its answer cannot be read") from error
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        reason = re.sub(r"^\[[^\]]*\] ", "", shown(str(error), 200)) or "the connection was cut"
        raise Transient(Fault.HUB_UNREACHABLE, host=host, reason=reason) from error


def _socket_of(stream: Any) -> socket.socket | None:
    """The socket below a stream of the client; None for all else."""
    found = stream.get_extra_info("socket") if hasattr(stream, "get_extra_info") else None
    return found if isinstance(found, socket.socket) else None


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    """Scheme, host and port. Raises `httpx2.InvalidURL` for a host that nobody can look up, such as ``a..b``."""
    try:
        url.host.encode("idna")  # as the system's look-up does
    except UnicodeError as error:
        raise httpx2.InvalidURL(str(error)) from error
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _is_private(url: httpx2.URL) -> bool:
    """Whether nobody on the way can read what is sent."""
    return url.scheme == "https" or url.host in _LOOPBACK


def _wait(headers: httpx2.Headers) -> float | None:
    """Seconds of Retry-After; its other form, a date, counts as nothing said."""
    said = headers.get("retry-after", "").strip()
    return float(said) if re.fullmatch(r"\d{1,9}", said) else None


def _named(path: str) -> tuple[str, str]:
    """Repository and revision that a path asks for, for a sentence; empty where there is none."""
    asked = re.match(r"/(?:api/models/)?([^/]+(?:/[^/]+)?)/(?:resolve|revision)/([^/?]+)", path)
    return (asked[1], asked[2]) if asked else ("", "")
