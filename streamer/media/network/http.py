"""HTTP for sources: read here rather than by FFmpeg, so that every address it is led to can be looked at first."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from streamer.errors import FacelaneError
from streamer.live.ports import Cause
from streamer.media.network.address import Address
from streamer.media.network.failure import Failure, explain, failure
from streamer.media.network.resolving import IpAddress, Policy, resolved
from streamer.media.network.settings import NetworkSettings

_CAUSES = {401: Cause.UNAUTHORISED, 403: Cause.UNAUTHORISED, 404: Cause.NOT_FOUND, 410: Cause.NOT_FOUND}
_Connect = Callable[[str, int], socket.socket]


class HttpBody:
    """What a server sends, as PyAV reads files."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response

    def read(self, size: int = -1) -> bytes:
        """What has come, at least one byte of it; empty at the end. Raises OSError where the connection breaks."""
        try:
            return self._response.read1(size)
        except http.client.HTTPException as error:
            raise ConnectionResetError(errno.ECONNRESET, "broken in mid-body") from error

    @property
    def is_closed(self) -> bool:
        return self._response.closed

    def close(self) -> None:
        self._response.close()


class HttpDoor:
    """Opens a source by HTTP, and whatever it redirects to or its playlist names, each after a look at its address.

    The address that `policy` allowed is the one connected to. User and password go to the source's own host alone, by
    Basic or Digest (RFC 7617, RFC 7616). `failure` is what went wrong last. `close` ends whatever waits, on any thread;
    `release`, after that and on the thread that reads, gives everything back.
    """

    def __init__(self, address: Address, settings: NetworkSettings, policy: Policy | None) -> None:
        self.failure: Failure | None = None
        self._address = address
        self._settings = settings
        self._policy = policy
        self._sockets: list[socket.socket] = []
        self._bodies: list[HttpBody] = []
        self._lock = threading.Lock()
        self._is_closed = False
        self._opener = self._make_opener()

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> HttpBody:
        """The body of a resource. Raises Failure."""
        request = urllib.request.Request(_without_login(url), headers=dict(headers or {}))
        try:
            # The time limit of connecting; what is read then has that of reading, see `_connect`.
            response = self._opener.open(request, timeout=self._settings.open_timeout_seconds)
        except Failure as error:
            self.failure = error
        except urllib.error.HTTPError as error:
            cause = _CAUSES.get(error.code, Cause.OTHER)
            error.close()
            self.failure = failure(cause, self._address, detail=f"HTTP {error.code}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.failure = self._explain(error)
        else:
            self._bodies = [known for known in self._bodies if not known.is_closed]
            self._bodies.append(HttpBody(response))
            return self._bodies[-1]
        raise self.failure from None

    def open_part(self, url: str, flags: int, options: Mapping[str, str]) -> HttpBody:
        """What a playlist names, for PyAV's `io_open`; `options`: FFmpeg's, of which the byte range counts."""
        self._check_part(url)
        first, end = options.get("offset", "0"), options.get("end_offset", "")
        last = str(int(end) - 1) if end else ""
        return self.open(url, {"Range": f"bytes={first}-{last}"} if last or first != "0" else None)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            sockets, self._sockets = self._sockets, []
        for connected in sockets:
            with contextlib.suppress(OSError):  # the other side was faster
                connected.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Closes what was opened and whoever asked for it left open."""
        self.close()
        for body in self._bodies:
            body.close()
        self._bodies.clear()

    def _check_part(self, url: str) -> None:
        if not _is_http(url):
            self.failure = failure(Cause.OTHER, self._address, detail="its playlist leads elsewhere than to HTTP")
            raise self.failure

    def _explain(self, error: Exception) -> Failure:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, Failure):
            return reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            return failure(Cause.OTHER, self._address, detail="its certificate can't be verified")
        return explain(reason if isinstance(reason, Exception) else error, self._address)

    def _make_opener(self) -> urllib.request.OpenerDirector:
        parts = urlsplit(self._address.url)
        logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        if parts.username is not None:
            host = parts.netloc.rpartition("@")[2]
            logins.add_password(None, host, unquote(parts.username), unquote(parts.password or ""))
        # Not `build_opener`, which would add FTP, files, and the environment's proxies: they connect by themselves, to
        # addresses that nobody looked at.
        opener = urllib.request.OpenerDirector()
        for handler in (
            _Handler(self._connect),
            _TlsHandler(self._connect),
            _RedirectHandler(self._address),
            _RefusalHandler(),
            urllib.request.HTTPBasicAuthHandler(logins),
            urllib.request.HTTPDigestAuthHandler(logins),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
        ):
            opener.add_handler(handler)
        return opener

    def _connect(self, host: str, port: int) -> socket.socket:
        connected = self._connect_to_any(self._looked_at(host, port), port)
        connected.settimeout(self._settings.read_timeout_seconds)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets = [known for known in self._sockets if known.fileno() >= 0]
            self._sockets.append(connected)
            if self._is_closed:
                connected.close()
                raise failure(Cause.CLOSED, self._address)
        return connected

    def _looked_at(self, host: str, port: int) -> list[IpAddress]:
        try:
            return resolved(host, port, self._policy)
        except (OSError, UnicodeError):
            raise failure(Cause.NETWORK, self._address, detail="no such host") from None
        except FacelaneError as error:
            raise Failure(Cause.OTHER, str(error)) from None

    def _connect_to_any(self, ips: list[IpAddress], port: int) -> socket.socket:
        last: OSError | None = None
        for ip in ips:
            try:
                return socket.create_connection((str(ip), port), self._settings.open_timeout_seconds)
            except OSError as error:
                last = error
        raise last or OSError("no address")


class _Handler(urllib.request.HTTPHandler):
    def __init__(self, connect: _Connect) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _connection(http.client.HTTPConnection, self._connect)), request)


class _TlsHandler(urllib.request.HTTPSHandler):
    def __init__(self, connect: _Connect) -> None:
        super().__init__()
        self._connect = connect

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _connection(http.client.HTTPSConnection, self._connect)), request)


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    def __init__(self, address: Address) -> None:
        self._address = address

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        # What it says beside has no end perhaps, and would be read to it.
        fp.close()
        if not _is_http(newurl):
            raise failure(Cause.OTHER, self._address, detail="it leads elsewhere than to HTTP")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _RefusalHandler(urllib.request.BaseHandler):
    """Lets go of a refusal before the handlers of logins ask again, which they do without closing it."""

    handler_order = 100

    def http_error_401(self, req: urllib.request.Request, fp: Any, *_: object) -> None:
        fp.close()


def _is_http(url: str) -> bool:
    return urlsplit(url).scheme.lower() in ("http", "https")


def _connection(kind: type[http.client.HTTPConnection], connect: _Connect) -> Callable[..., http.client.HTTPConnection]:
    """What makes connections of this kind that reach out by `connect`."""

    def make(host: str, *, timeout: float) -> http.client.HTTPConnection:
        made = kind(host, timeout=timeout)
        # The hook by which http.client itself goes through tunnels; TLS is laid over what it returns.
        made._create_connection = lambda where, *_: connect(*where)  # type: ignore[attr-defined]
        return made

    return make


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
