"""The HTTP server: everything of this room on one address."""

from __future__ import annotations

import errno
import socket
from typing import Final

from aiohttp import web

from web.api import Api
from web.auth import Door
from web.cors import Sharing
from web.events import Events
from web.feeds import FeedError, Studio
from web.login import Login
from web.logs import AccessLog, access, connections
from web.pages import Pages
from web.problems import tell_problems
from web.security import Guard, add_headers, check_exposure
from web.settings import WebSettings
from web.signaling import Signaling

SHUTDOWN_SECONDS: Final = 1.0
"""The longest that answers under way may take when the server closes."""

IDLE_SECONDS = 30.0
"""A connection that brings no complete request for so long is closed, the header's slow senders with it."""

LINGER_SECONDS = 2.0
"""For so long the rest of a refused body is read and thrown away, so that the client sees the answer."""


class CannotListenError(FeedError):
    """The address can't be listened on."""


class Server:
    """Serves `studio`'s streams at `settings.host` and `settings.port`; port 0 takes one that is free.

    Raises ValueError, when made, for settings that would let strangers in unasked (`open_to_all`) or for a token that
    doesn't do. The studio stays its maker's to close.
    """

    def __init__(self, studio: Studio, settings: WebSettings) -> None:
        check_exposure(settings)
        self._settings = settings
        self._events = Events(studio)
        self._signaling = Signaling(studio, settings)
        self.app = self._make_app(studio)
        self._runner: web.AppRunner | None = None
        self._port = settings.port

    @property
    def url(self) -> str:
        """Where this machine's browser finds the page, without a slash at the end."""
        host = self._settings.host
        if host in ("", "0.0.0.0", "::"):
            host = "::1" if host == "::" else "127.0.0.1"
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    @property
    def listeners(self) -> int:
        """How many connections to events there are."""
        return self._events.listeners

    async def start(self) -> None:
        """Returns when the server answers. Raises CannotListenError."""
        runner = web.AppRunner(
            self.app,
            access_log=access,
            access_log_class=AccessLog,
            handle_signals=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            logger=connections,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
        await runner.setup()
        site = web.TCPSite(runner, self._settings.host or None, self._settings.port)
        try:
            await site.start()
        except OSError as refused:
            await runner.cleanup()
            raise CannotListenError(_why(refused, self._settings)) from refused
        self._runner = runner
        self._port = site.port

    async def aclose(self) -> None:
        """Ends viewers, publishers, events and what else is under way, within a second or two; may be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _make_app(self, studio: Studio) -> web.Application:
        door = Door(self._settings.token)
        sharing = Sharing(self._settings)
        guard = Guard(self._settings, door, sharing)
        app = web.Application(client_max_size=self._settings.max_body_bytes, middlewares=[tell_problems, guard.admit])
        for part in (Pages(), Login(door, guard), Api(studio), self._events, self._signaling):
            app.add_routes(part.routes())
        app.on_response_prepare.append(sharing.add_headers)
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._end_sessions)
        return app

    async def _end_sessions(self, app: web.Application) -> None:
        self._events.close()
        await self._signaling.aclose()


def _why(refused: OSError, settings: WebSettings) -> str:
    where = f"port {settings.port} of {settings.host or 'this machine'}"
    if refused.errno == errno.EADDRINUSE:
        return f"{where} is in use: stop what listens there, or choose another port"
    if refused.errno in (errno.EACCES, errno.EPERM):
        return f"{where} is not for everybody: choose a port above 1023"
    if refused.errno == errno.EADDRNOTAVAIL or isinstance(refused, socket.gaierror):
        return f"{settings.host} is no address of this machine: choose one that is, such as 127.0.0.1"
    return f"can't listen on {where}: {refused.strerror or refused}"
