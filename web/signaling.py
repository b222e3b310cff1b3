"""WHIP and WHEP as the server mounts them."""

from __future__ import annotations

from aiohttp import web

from web.feeds import Studio
from web.settings import WebSettings


class Signaling:
    """Publishers' and viewers' WebRTC sessions: `/whip/{name}`, `/whep/{name}` and the sessions below them.

    Authorization, Host and Origin are for middleware around it. `aclose` ends every session; it may be called twice.
    """

    def __init__(self, studio: Studio, settings: WebSettings) -> None:
        self._studio = studio
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return []

    async def aclose(self) -> None:
        """Ends every session within a moment."""
