"""Pages of other origins: who of them is let in, where to, and what browsers are told of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers.http import BEARER, TOKEN, Answer, serving
from web.settings import WebSettings

PLAYER = "https://player.example:8443"
LISTED = {"Origin": PLAYER, "Sec-Fetch-Site": "cross-site"}
PREFLIGHT = {**LISTED, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
SETTINGS = WebSettings(
    port=0, token=TOKEN, cors_origins=f"{PLAYER}, http://[::1]:3000", turn="turn:relay.example", turn_password="hidden"
)
SHARED = ("/whip/demo", "/whep/demo", "/whep/demo/session")
OWN = ("/", "/api/streams", "/api/streams/demo", "/metrics", "/healthz", "/login", "/whepdemo", "/api/events")


def asked(*requests: tuple[str, str, dict[str, str]], settings: WebSettings = SETTINGS) -> list[Answer]:
    async def ask() -> list[Answer]:
        async with serving(settings=settings) as served:
            return [await served.ask(method, path, headers=headers) for method, path, headers in requests]

    return asyncio.run(ask())


def shared_with(answer: Answer) -> str | None:
    return answer.headers.get("access-control-allow-origin")


def names(text: str) -> set[str]:
    return {name.strip().lower() for name in text.split(",")}


def test_it_is_off_by_default() -> None:
    requests = [("OPTIONS", path, PREFLIGHT) for path in SHARED] + [("POST", path, LISTED | BEARER) for path in SHARED]
    for answer in asked(*requests, settings=WebSettings(port=0, token=TOKEN)):
        assert answer.status == 403
        assert not {name for name in answer.headers if name.startswith("access-control")}
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_preflight_is_answered_before_any_token() -> None:
    for answer in asked(*(("OPTIONS", path, PREFLIGHT) for path in SHARED)):
        assert answer.status == 200
        assert shared_with(answer) == PLAYER
        assert {"post", "patch", "delete"} <= names(answer.headers["access-control-allow-methods"])
        assert names(answer.headers["access-control-allow-headers"]) == {"authorization", "content-type", "if-match"}
        assert answer.headers["accept-post"] == "application/sdp"
        assert answer.headers["vary"] == "Origin"
        # Who has no token learns no password.
        assert "link" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


def test_what_answers_hold_may_be_read() -> None:
    wanted = {"location", "etag", "link", "accept-patch", "retry-after", "www-authenticate"}
    for answer in asked(("OPTIONS", "/whep/demo", LISTED | BEARER), ("POST", "/whep/demo", LISTED)):
        assert shared_with(answer) == PLAYER
        assert wanted <= names(answer.headers["access-control-expose-headers"])
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_the_token_lets_in_and_the_cookie_does_not() -> None:
    async def ask() -> list[int]:
        async with serving(settings=SETTINGS) as served:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            login = await served.ask("POST", "/login", headers=form, body=f"token={TOKEN}".encode())
            cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
            same_site = {**LISTED, "Sec-Fetch-Site": "same-site"}
            sent = (cookie, LISTED | BEARER, LISTED | cookie, same_site | cookie, LISTED)
            return [(await served.ask("GET", "/whep/demo", headers=headers)).status for headers in sent]

    assert asyncio.run(ask()) == [204, 204, 401, 401, 401]


def test_nothing_else_is_shared() -> None:
    requests = [("GET", path, LISTED | BEARER) for path in OWN] + [
        ("OPTIONS", path, PREFLIGHT | BEARER) for path in OWN
    ]
    for answer in asked(*requests):
        assert shared_with(answer) is None
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.status in (403, 404, 405)


@pytest.mark.parametrize(
    "origin",
    [
        "https://player.example",
        "http://player.example:8443",
        "https://PLAYER.example:8443",
        "https://player.example:8443.evil.example",
        "null",
        "*",
        "",
    ],
)
def test_other_origins_stay_outside(origin: str) -> None:
    foreign = {**LISTED, "Origin": origin}
    for answer in asked(("OPTIONS", "/whep/demo", PREFLIGHT | foreign), ("GET", "/whep/demo", foreign | BEARER)):
        assert answer.status == 403
        assert shared_with(answer) is None
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("origins", ["*", "null", "player.example", "https://player.example/", "https://*.example"])
def test_origins_that_browsers_never_send_are_refused(origins: str) -> None:
    with pytest.raises(ValueError, match="cors_origins are such as"):
        WebSettings(cors_origins=f"https://good.example, {origins}")
