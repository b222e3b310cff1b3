"""The way out to the network, for the package index and for HTTPS addresses.

Certificates and proxy are those of the settings, or else of the environment: SSL_CERT_FILE, https_proxy, no_proxy.
"""

from __future__ import annotations

import base64
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from weights.errors import LocalError, WeightsError

TIMEOUT_SECONDS = 30.0
# Answers after which the same request may well succeed: too much asked, a server in trouble, or one behind it.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`proxy`: None leaves it to the environment; `timeout_seconds`: for each step, not for a whole file."""

    certificates: Path | None = None
    proxy: str | None = None
    timeout_seconds: float = TIMEOUT_SECONDS


class Network:
    """Opens URLs. Raises LocalError if the certificates of its settings can't be read."""

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings
        context = _tls_context(settings.certificates)
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=context), _Redirects()]
        if settings.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": settings.proxy, "https": settings.proxy}))
        self._opener = urllib.request.build_opener(*handlers)

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> IO[bytes]:
        """The bytes behind a URL. Raises OSError (URLError is one) or HTTPException where there are none."""
        parts = urllib.parse.urlsplit(url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        request = urllib.request.Request(bare.geturl(), headers=dict(headers or {}))
        if parts.username:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            request.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
        try:
            response: IO[bytes] = self._opener.open(request, timeout=self._settings.timeout_seconds)
        except urllib.error.HTTPError as error:
            error.close()
            raise
        return response

    def proxy_of(self, url: str) -> str | None:
        """The proxy that a request for `url` goes through, without its name and password, if any."""
        parts = urllib.parse.urlsplit(url)
        proxy = self._settings.proxy or urllib.request.getproxies().get(parts.scheme)
        if proxy is None or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        return public(proxy)

    def trouble(self, error: OSError | HTTPException, *, url: str) -> WeightsError:
        """What went wrong with a request, in a line; retryable where the same request may succeed later."""
        proxy = self.proxy_of(url)
        place = public(url) + (f" by the proxy {proxy}" if proxy else "")
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            setting = "pip's setting cert or PIP_CERT" if self._settings.certificates else "SSL_CERT_FILE"
            advice = f"name the file of your authorities in {setting}"
            return WeightsError(f"{place}: its certificate is not trusted ({reason.verify_message}); {advice}")
        passing = not isinstance(error, urllib.error.HTTPError) or error.code in _PASSING
        return WeightsError(f"{place}: {reason_of(error)}", retryable=passing)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A server may send elsewhere by HTTP, but never from an encrypted address to one that is not; and a name and
    password go to nobody but the server that they are for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if req.type == "https" and scheme != "https":
            raise urllib.error.URLError(f"it sends to {public(newurl)}, which is not encrypted")
        if scheme not in ("http", "https"):
            raise urllib.error.URLError(f"it sends to {public(newurl)}, which is no HTTP address")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        # By the address: behind a proxy `host` is the proxy's.
        if request is not None and urllib.parse.urlsplit(newurl).netloc != urllib.parse.urlsplit(req.full_url).netloc:
            request.remove_header("Authorization")
        return request


def public(place: str) -> str:
    """The place without what may be secret: name and password, and the query of an address, which may be a signature.

    A proxy may be named without a scheme, a folder of archives by its path.
    """
    bare = re.sub(r"^((?:[a-z][a-z\d+.-]*:)?//)?[^/?#]*@", r"\1", place, flags=re.IGNORECASE)
    return re.split(r"[?#]", bare)[0] if "://" in bare else bare


def reason_of(error: Exception) -> str:
    """A network error in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}".rstrip()
    said = str(error.reason if isinstance(error, urllib.error.URLError) else error)
    return " ".join(said.split()) or type(error).__name__


def _tls_context(certificates: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificates)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LocalError(
            f"pip's certificates {certificates} can't be read ({reason}); correct pip's setting cert or PIP_CERT"
        ) from error
