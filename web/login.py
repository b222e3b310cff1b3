"""Logging in: the token once, then a cookie."""

from __future__ import annotations

from aiohttp import web

from web.auth import Door
from web.feeds import BadRequestError
from web.pages import login_page
from web.problems import error
from web.security import Guard


class Login:
    """`/login`."""

    def __init__(self, door: Door, guard: Guard) -> None:
        self._door = door
        self._guard = guard

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/login", self.form), web.post("/login", self.log_in)]

    async def form(self, request: web.Request) -> web.Response:
        return _to_page() if self._door.knows(request) else login_page(status=200)

    async def log_in(self, request: web.Request) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            raise error(415, "send the token as a form does, with Content-Type: application/x-www-form-urlencoded")
        token = (await request.post()).get("token")
        if not isinstance(token, str):
            raise BadRequestError("send a form with the field token")
        if self._door.is_open:
            return _to_page()
        if not self._door.accepts(token.strip()):
            await self._guard.after_wrong_guess(request)
            return login_page(status=401, message="That isn't the token.", headers={"WWW-Authenticate": "Bearer"})
        response = _to_page()
        self._door.remember(response, secure=request.headers.get("X-Forwarded-Proto") == "https")
        return response


def _to_page() -> web.Response:
    return web.Response(status=303, headers={"Location": "/"})
