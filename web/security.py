"""What a request must bring to be let in, and what browsers are told with every answer."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Set as AbstractSet
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from web.auth import Door, Patience, bearer, check_token
from web.cors import Sharing
from web.pages import login_page
from web.problems import error, problem
from web.settings import WebSettings

OPEN_PATHS: Final = frozenset({"/healthz", "/login"})
"""The routes that ask for no token."""

BODY_SECONDS = 10.0
"""The longest that sending a request's body may take."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

# "same-origin" and not "no-referrer": with the latter browsers send `Origin: null` with a form, so nobody could log in.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Gives every answer the headers that it has not set itself; for `Application.on_response_prepare`."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)  # tells versions to whoever looks for old ones


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def check_exposure(settings: WebSettings) -> None:
    """Raises ValueError for settings that would let strangers in unless that is said expressly, or with a token that
    doesn't do."""
    exposed = not is_loopback(settings.host)
    if exposed and not settings.token and not settings.open_to_all:
        raise ValueError(
            f"anybody who reaches {settings.host or 'this machine'} could watch: set a token (FACELANE_WEB__TOKEN, or"
            " [web] token), or say open_to_all = true if that is meant"
        )
    if settings.token:
        check_token(settings.token, exposed=exposed)


class Guard:
    """Middleware that turns away who calls the server by a foreign name, from a foreign page, or without the token."""

    def __init__(self, settings: WebSettings, door: Door, sharing: Sharing) -> None:
        self._names = own_names(settings)
        self._door = door
        self._sharing = sharing
        self._patience = Patience()
        self._max_body_bytes = settings.max_body_bytes

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request, self._names)
        if self._sharing.includes(request):
            if (told := self._sharing.preflight(request)) is not None:
                return told
            is_known = self._door.knows_bearer(request)
        else:
            check_site(request)
            is_known = _is_open(request) or self._door.knows(request)
        if not is_known:
            return await self._refuse(request)
        await self._read_body(request)
        return await handler(request)

    async def after_wrong_guess(self, request: web.Request) -> None:
        """Waits, as `Patience` has it."""
        await self._patience.after_wrong_guess(request.remote)

    async def _refuse(self, request: web.Request) -> web.Response:
        """RFC 6750, section 3: without a token no error is named."""
        challenge = 'Bearer realm="facelane"'
        if bearer(request) is not None:
            challenge += ', error="invalid_token"'
            await self.after_wrong_guess(request)
        headers = {"WWW-Authenticate": challenge}
        if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", ""):
            return login_page(status=401, headers=headers)
        return problem(401, "this server asks for a token: send it as Authorization: Bearer TOKEN", headers=headers)

    async def _read_body(self, request: web.Request) -> None:
        """Reads the body before any handler does, so that one limit of size and time holds for all of them."""
        if (request.content_length or 0) > self._max_body_bytes:
            raise web.HTTPRequestEntityTooLarge(self._max_body_bytes, request.content_length or 0)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                await request.read()
        except TimeoutError:
            raise error(408, f"the body took longer than {BODY_SECONDS:.0f} s: send it faster") from None
        except web.RequestPayloadError:
            raise error(400, "the body isn't what the headers say: look at length, chunks and encoding") from None


def _is_open(request: web.Request) -> bool:
    """Goes by the route that was found, so that no spelling of a path can lead to another."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical in OPEN_PATHS


def own_names(settings: WebSettings) -> frozenset[str]:
    """The names, apart from loopback's and bare addresses, that requests may call this server by."""
    names = {name.strip().lower() for name in settings.host_names.split(",")} | {settings.host.lower()}
    if not is_loopback(settings.host):
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine}.local"}
    return frozenset(names - {""})


def check_host(request: web.Request, names: AbstractSet[str]) -> None:
    """Refuses a name that isn't this server's, which is what DNS rebinding brings: a page of `evil.example` whose name
    suddenly points here. An address is no name, so no rebinding leads to it, and every one is let in.

    Raises HTTP 400 without one valid header Host (RFC 9112, section 3.2), 421 for a foreign name.
    """
    given = request.headers.getall("Host", [])
    match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
    if match is None:
        raise error(400, "send one header Host that names this server")
    name = match["name"].lower().rstrip(".")
    if not (name in names or name == "localhost" or name.endswith(".localhost") or _is_address(name)):
        raise error(421, f"this server isn't called {name}: use its address, or add the name to [web] host_names")


def check_site(request: web.Request) -> None:
    """Refuses what a page of another origin asks for. It may only lead somebody to the page here, by a link.

    Browsers say so in Sec-Fetch-Site (W3C Fetch Metadata); where they don't, because the connection isn't secure, what
    changes anything must come from an Origin equal to Host. Who sends neither is no browser. Raises HTTP 403.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        own = site in ("same-origin", "none") or _is_visit(request)
    else:
        own = (
            request.method in _SAFE_METHODS
            or origin is None
            or _authority(origin) == _authority(f"http://{request.host}")
        )
    if not own:
        raise error(403, "a page of another origin asked for this: only this server's own page may")


def _is_visit(request: web.Request) -> bool:
    headers = request.headers
    return (
        request.method in ("GET", "HEAD")
        and headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
    )


def _authority(origin: str) -> str:
    """Host and port of an origin, without the port where that is the scheme's own."""
    try:
        url = URL(origin)
        return f"{url.host}:{url.explicit_port}" if url.explicit_port not in (None, 80, 443) else str(url.host)
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
