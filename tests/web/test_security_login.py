"""The token: as a bearer token, as a cookie, and wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.helpers.http import BEARER, TOKEN, Answer, Headers, Served, serving
from web.auth import COOKIE_SECONDS, Door, Patience
from web.settings import WebSettings

HTML = {"Accept": "text/html,application/xhtml+xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ask(method: str, path: str, *, headers: Headers = (), body: bytes = b"") -> Answer:
    async def once() -> Answer:
        async with serving(token=TOKEN) as served:
            return await served.ask(method, path, headers=headers, body=body)

    return asyncio.run(once())


def every_route(served: Served) -> list[tuple[str, str]]:
    routes = served.server.app.router.routes()
    found = [(route.method.replace("*", "POST"), str(route.resource and route.resource.canonical)) for route in routes]
    return [(method, re.sub(r"{\w+}", "demo", path)) for method, path in found if path not in ("/login", "/healthz")]


def test_everything_but_health_and_login_asks_for_the_token() -> None:
    async def look() -> dict[tuple[str, str], tuple[int, str]]:
        async with serving(token=TOKEN) as served:
            asked = {route: await served.ask(*route) for route in [*every_route(served), ("GET", "/nothing")]}
            return {
                route: (answer.status, answer.headers.get("www-authenticate", "")) for route, answer in asked.items()
            }

    found = asyncio.run(look())
    assert len(found) > 12
    assert set(found.values()) == {(401, 'Bearer realm="facelane"')}
    assert ask("GET", "/healthz").body == b"ok\n"


@pytest.mark.parametrize(
    "path", ["/healthz/", "//healthz", "/healthz/../api/streams", "/login/../api/streams", "/LOGIN"]
)
def test_no_detour_leads_past_the_token(path: str) -> None:
    assert ask("GET", path).status == 401


def test_a_bearer_token_opens() -> None:
    assert ask("GET", "/metrics", headers=BEARER).status == 200
    assert ask("GET", "/metrics", headers={"authorization": f"bearer  {TOKEN} "}).status == 200


@pytest.mark.parametrize(
    "shown", [f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ", "Bearer \xff", f"Bearer {TOKEN} x"]
)
def test_a_wrong_token_is_told_so(shown: str) -> None:
    answer = ask("GET", "/metrics", headers={"Authorization": shown})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="facelane", error="invalid_token"'
    assert answer.detail == "this server asks for a token: send it as Authorization: Bearer TOKEN"


def test_other_schemes_are_not_the_token() -> None:
    basic = base64.b64encode(f"user:{TOKEN}".encode()).decode()
    assert ask("GET", "/metrics", headers={"Authorization": f"Basic {basic}"}).status == 401
    assert ask("GET", f"/metrics?token={TOKEN}").status == 401


def test_a_browser_gets_a_form_that_its_policy_lets_it_style() -> None:
    answer = ask("GET", "/", headers=HTML)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["cache-control"] == "no-store"
    page = answer.body.decode()
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert '<form method="post" action="/login">' in page


def log_in(token: str = TOKEN, **more: str) -> Answer:
    return ask("POST", "/login", headers={**FORM, **more}, body=f"token={token}".encode())


def test_logging_in_gives_a_cookie_that_opens() -> None:
    async def visit() -> tuple[Answer, list[Answer]]:
        async with serving(token=TOKEN) as served:
            given = await served.ask("POST", "/login", headers=FORM, body=f"token=+{TOKEN}+".encode())
            cookie = {"Cookie": given.headers["set-cookie"].partition(";")[0]}
            paths = ("/", "/api/streams", "/login")
            return given, [await served.ask("GET", path, headers=cookie) for path in paths]

    given, visited = asyncio.run(visit())
    assert (given.status, given.headers["location"]) == (303, "/")
    assert [answer.status for answer in visited] == [200, 200, 303]
    cookie = given.headers["set-cookie"]
    assert TOKEN not in cookie
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    assert attributes == {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={COOKIE_SECONDS}"}


def test_the_cookie_of_a_visit_by_tls_stays_with_tls() -> None:
    assert "Secure" in log_in(**{"X-Forwarded-Proto": "https"}).headers["set-cookie"]


def test_a_wrong_token_shows_the_form_again() -> None:
    answer = log_in("wrong")
    assert answer.status == 401
    assert "That isn't the token." in answer.body.decode().replace("&#x27;", "'")
    assert "set-cookie" not in answer.headers


def test_logging_in_takes_a_form_with_a_token() -> None:
    assert ask("POST", "/login", headers={"Content-Type": "application/json"}, body=b'{"token": ""}').status == 415
    assert ask("POST", "/login", headers=FORM, body=b"password=x").status == 400


def test_without_a_token_nobody_needs_to_log_in() -> None:
    async def visit() -> list[Answer]:
        async with serving() as served:
            posted = await served.ask("POST", "/login", headers=FORM, body=b"token=any")
            return [posted, await served.ask("GET", "/login"), await served.ask("GET", "/")]

    posted, form, page = asyncio.run(visit())
    assert (posted.status, form.status, page.status) == (303, 303, 200)
    assert "set-cookie" not in posted.headers


def cookie_of(door: Door) -> str:
    response = web.Response()
    door.remember(response, secure=False)
    return response.headers.get("Set-Cookie", "") or next(iter(response.cookies.values())).OutputString()


def shows(door: Door, cookie: str) -> bool:
    return door.knows(make_mocked_request("GET", "/", headers={"Cookie": cookie.partition(";")[0]}))


def test_a_cookie_survives_a_restart_but_not_a_new_token() -> None:
    cookie = cookie_of(Door(TOKEN))
    assert shows(Door(TOKEN), cookie)
    assert not shows(Door(TOKEN + "2"), cookie)


def test_a_cookie_ends_in_time() -> None:
    now = [1_000_000.0]
    door = Door(TOKEN, clock=lambda: now[0])
    cookie = cookie_of(door)
    now[0] += COOKIE_SECONDS - 1
    assert shows(door, cookie)
    now[0] += 2
    assert not shows(door, cookie)


def test_a_cookie_can_not_be_lengthened() -> None:
    name, _, value = cookie_of(Door(TOKEN)).partition(";")[0].partition("=")
    until, _, signature = value.partition(".")
    forged = (f"{int(until) + 9}.{signature}", f"{until}.", until, "", f".{signature}", f"{until}.{signature}x", "ü.é")
    assert not any(shows(Door(TOKEN), f"{name}={other}") for other in forged)


def test_wrong_guesses_wait_longer_and_longer_up_to_a_limit() -> None:
    delays = [Patience().delay(failures) for failures in range(40)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (Patience.FIRST_SECONDS, Patience.LONGEST_SECONDS)


def test_guessing_slows_nobody_who_knows() -> None:
    wrong = {"Authorization": "Bearer wrong"}

    async def attack() -> tuple[list[Answer], int, float]:
        async with serving(token=TOKEN) as served:
            guesses = [asyncio.ensure_future(served.ask("GET", "/metrics", headers=wrong)) for _ in range(12)]
            await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED)
            began = time.monotonic()
            right = (await served.ask("GET", "/metrics", headers=BEARER)).status
            took = time.monotonic() - began
            return await asyncio.gather(*guesses), right, took

    guesses, right, took = asyncio.run(attack())
    assert right == 200
    assert took < Patience.LONGEST_SECONDS / 2
    statuses = [answer.status for answer in guesses]
    assert statuses.count(401) == Patience.WAITING_OF_ONE
    assert statuses.count(429) == 12 - Patience.WAITING_OF_ONE
    assert {answer.headers["retry-after"] for answer in guesses if answer.status == 429} == {"3"}


class Watched(Patience):
    """Remembers how long it would have waited."""

    FIRST_SECONDS = 0.0

    def __init__(self, clock: list[float]) -> None:
        super().__init__(clock=lambda: clock[0])
        self.counted: list[int] = []

    def delay(self, failures: int) -> float:
        self.counted.append(failures)
        return 0.0


def guess(patience: Patience, *addresses: str | None) -> None:
    async def all_of_them() -> None:
        for address in addresses:
            await patience.after_wrong_guess(address)

    asyncio.run(all_of_them())


def test_failures_are_counted_by_address_and_forgotten() -> None:
    clock = [0.0]
    patience = Watched(clock)
    guess(patience, "192.0.2.1", "192.0.2.1", "192.0.2.2", None, "fe80::1%eth0")
    clock[0] = Patience.FORGET_SECONDS + 1
    guess(patience, "192.0.2.1")
    assert patience.counted == [0, 1, 0, 0, 0, 0]


def test_a_network_of_ipv6_is_one_guesser() -> None:
    patience = Watched([0.0])
    guess(patience, "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert patience.counted == [0, 1, 0]


def test_guessers_without_number_take_no_memory_without_end() -> None:
    patience = Watched([0.0])
    guess(patience, *(f"10.0.{number // 256}.{number % 256}" for number in range(Patience.ADDRESSES + 50)))
    guess(patience, f"10.0.{Patience.ADDRESSES // 256}.0", "10.0.0.0")
    assert patience.counted[-2:] == [1, 0]


def test_a_port_is_no_part_of_a_cookie_but_a_token_is() -> None:
    settings: Any = WebSettings(token=TOKEN)
    assert cookie_of(Door(settings.token)).partition("=")[0] != cookie_of(Door("another-token")).partition("=")[0]
