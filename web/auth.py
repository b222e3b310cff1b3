"""Who may come in: a bearer token (RFC 6750), or the cookie that logging in with that token gives."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from web.problems import error

COOKIE_SECONDS = 30 * 24 * 3600
_LEAST_TOKEN = 16


def check_token(token: str, *, exposed: bool) -> None:
    """Raises ValueError for a `token` that no client could send, or, where others than this machine reach the server
    (`exposed`), one that is quickly guessed."""
    if not all("!" <= char <= "~" for char in token):
        raise ValueError("the token may hold visible ASCII only, no spaces: make one with `openssl rand -hex 24`")
    if exposed and len(token) < _LEAST_TOKEN:
        raise ValueError(
            f"the token is too short for a server that others reach: it takes {_LEAST_TOKEN} characters or more,"
            " such as `openssl rand -hex 24` makes"
        )


class Door:
    """Knows who shows the token, or a cookie made from it. With an empty token it lets everybody in.

    A cookie says until when it holds, signed with a key that is derived from the token slowly (scrypt, RFC 7914). So it
    survives a restart, ends when the token is changed, and doesn't help to guess the token.
    """

    def __init__(self, token: str, *, clock: Callable[[], float] = time.time) -> None:
        self._token = token.encode("ascii")
        self._clock = clock
        self._key = hashlib.scrypt(self._token, salt=b"facelane cookie", n=2**14, r=8, p=1, dklen=32) if token else b""
        # Cookies know no ports: servers of other tokens on this machine must not overwrite this one's.
        self._cookie = "facelane_" + self._sign("name")[:8]

    @property
    def is_open(self) -> bool:
        return not self._token

    def knows(self, request: web.Request) -> bool:
        """Whether the request may come in."""
        return self.knows_bearer(request) or self._is_own(request.cookies.get(self._cookie, ""))

    def knows_bearer(self, request: web.Request) -> bool:
        """Whether it may without any cookie."""
        return self.is_open or self.accepts(bearer(request) or "")

    def accepts(self, token: str) -> bool:
        """Whether this is the token; takes as long however much of it is right."""
        return hmac.compare_digest(_digest(token.encode("utf-8", "surrogateescape")), _digest(self._token))

    def remember(self, response: web.Response, *, secure: bool) -> None:
        """Gives the browser its cookie; `secure`: it came by HTTPS and shall show the cookie by HTTPS only."""
        until = str(int(self._clock()) + COOKIE_SECONDS)
        response.set_cookie(
            self._cookie,
            f"{until}.{self._sign(f'until {until}')}",
            max_age=COOKIE_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=secure,
        )

    def _is_own(self, cookie: str) -> bool:
        until, _, signature = cookie.partition(".")
        genuine = hmac.compare_digest(
            signature.encode("utf-8", "surrogateescape"), self._sign(f"until {until}").encode()
        )
        return genuine and int(until) > self._clock()

    def _sign(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogateescape"), "sha256").hex()


def bearer(request: web.Request) -> str | None:
    """The token that the request shows in its header, if any."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


@dataclass(slots=True)
class _Guesser:
    failures: int = 0
    last_at: float = 0.0
    waiting: int = 0


class Patience:
    """Makes wrong guesses wait, longer from one to the next of the same address.

    Who shows the right token never waits, so nobody can lock another out, behind the same proxy either; therefore this
    slows guessing by hand and by simple scripts, and the token's length has to do the rest (`check_token`). It holds
    few guesses of one address, and few addresses, at a time.
    """

    FIRST_SECONDS = 0.1
    LONGEST_SECONDS = 3.2
    FORGET_SECONDS = 300.0
    WAITING_OF_ONE = 4
    ADDRESSES = 1024

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    async def after_wrong_guess(self, address: str | None) -> None:
        """Returns when the guess has waited. Raises HTTP 429 where that address has guesses waiting already."""
        guesser = self._guesser(_network(address))
        if guesser.waiting >= self.WAITING_OF_ONE:
            after = {"Retry-After": str(round(self.LONGEST_SECONDS))}
            raise error(429, "too many wrong tokens: wait a moment, then use the right one", headers=after)
        delay = self.delay(guesser.failures)
        guesser.failures += 1
        guesser.waiting += 1
        try:
            await asyncio.sleep(delay)
        finally:
            guesser.waiting -= 1

    def delay(self, failures: int) -> float:
        """How long, in seconds, the next guess waits after so many `failures`."""
        return min(self.LONGEST_SECONDS, self.FIRST_SECONDS * 2.0 ** min(failures, 16))

    def _guesser(self, address: str) -> _Guesser:
        now = self._clock()
        guesser = self._guessers.setdefault(address, _Guesser())
        self._guessers.move_to_end(address)
        if now - guesser.last_at > self.FORGET_SECONDS:
            guesser.failures = 0
        guesser.last_at = now
        if len(self._guessers) > self.ADDRESSES:
            self._guessers.popitem(last=False)
        return guesser


def _network(address: str | None) -> str:
    """An IPv4 address itself; of IPv6 the /64, all of which one host may have."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
