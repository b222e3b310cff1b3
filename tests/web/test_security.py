"""Who may call the server: by which name, from which page, from where; and what browsers are told."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from tests.helpers.http import BEARER, TOKEN, Headers, serving
from web.security import is_loopback
from web.server import Server
from web.settings import WebSettings

OWN_HOSTS = (
    "localhost", "LOCALHOST:99", "localhost.", "app.localhost", "127.0.0.1", "127.9.9.9:8080", "[::1]:8080",
    "192.0.2.7", "[2001:db8::7]", "cam.example", "Cam.Example:443", "wall",
)  # fmt: skip
FOREIGN_HOSTS = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3.4.5", "cam.example.evil")
BROKEN_HOSTS = ("", "a b", "user@localhost", "localhost:port", "localhost/", "[::1", "[v1.x]")


def statuses(
    path: str, variants: list[Headers], *, method: str = "GET", settings: WebSettings | None = None
) -> list[int]:
    async def ask() -> list[int]:
        async with serving(settings=settings) as served:
            return [(await served.ask(method, path, headers=headers)).status for headers in variants]

    return asyncio.run(ask())


def test_answers_to_its_own_names_only() -> None:
    settings = WebSettings(port=0, host_names="cam.example, wall")
    found = statuses("/api/streams", [{"Host": host} for host in OWN_HOSTS + FOREIGN_HOSTS], settings=settings)
    assert dict(zip(OWN_HOSTS + FOREIGN_HOSTS, found, strict=True)) == {
        **dict.fromkeys(OWN_HOSTS, 200),
        **dict.fromkeys(FOREIGN_HOSTS, 421),
    }


def test_wants_one_host_that_makes_sense() -> None:
    variants: list[Headers] = [{"Host": host} for host in BROKEN_HOSTS]
    variants.append([("Host", "localhost"), ("Host", "evil.example")])
    assert statuses("/healthz", variants) == [400] * len(variants)


def test_a_name_that_is_not_its_own_is_told_what_to_do() -> None:
    async def ask() -> str:
        async with serving() as served:
            return (await served.ask("GET", "/", headers={"Host": "evil.example"})).detail

    assert asyncio.run(ask()) == (
        "this server isn't called evil.example: use its address, or add the name to [web] host_names"
    )


def test_knows_the_machine_by_its_name_where_others_reach_it() -> None:
    machine = {"Host": socket.gethostname()}
    everywhere = WebSettings(host="0.0.0.0", port=0, token=TOKEN)
    assert statuses("/api/streams", [{**machine, **BEARER}], settings=everywhere) == [200]
    assert statuses("/api/streams", [machine]) == [421]


VISIT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
SITES = {
    "its own page": ({"Sec-Fetch-Site": "same-origin"}, 204),
    "the address bar": ({"Sec-Fetch-Site": "none"}, 204),
    "another origin of the same site": ({"Sec-Fetch-Site": "same-site"}, 403),
    "another site": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "another site's form": (VISIT, 403),
    "no browser": ({}, 204),
    "its own page, unsecured": ({"Origin": "http://cam.example:8080", "Host": "cam.example:8080"}, 204),
    "its own page behind TLS": ({"Origin": "https://cam.example", "Host": "cam.example"}, 204),
    "its own page behind TLS, port said": ({"Origin": "https://cam.example", "Host": "cam.example:443"}, 204),
    "another port": ({"Origin": "http://cam.example:3000", "Host": "cam.example:8080"}, 403),
    "another site, unsecured": ({"Origin": "http://evil.example", "Host": "cam.example"}, 403),
    "a sandboxed page": ({"Origin": "null", "Host": "cam.example"}, 403),
    "nonsense": ({"Origin": "http://[", "Host": "cam.example"}, 403),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "status"), SITES.values(), ids=SITES)
def test_only_its_own_page_changes_anything(headers: dict[str, str], status: int) -> None:
    settings = WebSettings(port=0, host_names="cam.example")
    assert statuses("/api/streams/demo", [headers], method="DELETE", settings=settings) == [status]


def test_another_page_may_lead_here_but_not_read() -> None:
    frame = {**VISIT, "Sec-Fetch-Dest": "iframe"}
    script = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
    assert statuses("/api/streams", [VISIT, frame, script]) == [200, 403, 403]


def test_every_answer_tells_browsers_to_be_strict() -> None:
    async def ask() -> list[dict[str, str]]:
        async with serving(token=TOKEN) as served:
            asked = [
                await served.ask("GET", path, headers=BEARER) for path in ("/", "/healthz", "/nothing", "/api/streams")
            ]
            asked.append(await served.ask("GET", "/", headers={"Accept": "text/html"}))
            return [dict(answer.headers) for answer in asked]

    for headers in asyncio.run(ask()):
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["permissions-policy"].startswith("camera=(self), microphone=(self)")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not {name for name in headers if name.startswith("access-control") or name == "server"}


def test_the_page_may_load_nothing_from_elsewhere() -> None:
    async def ask() -> str:
        async with serving() as served:
            return (await served.ask("GET", "/")).headers["content-security-policy"]

    sources = {part for rule in asyncio.run(ask()).split("; ") for part in rule.split()[1:]}
    assert sources <= {"'none'", "'self'", "blob:", "data:"}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("", False), ("192.0.2.1", False), ("cam.example", False), ("localhost.example", False)],
)  # fmt: skip
def test_loopback_is_what_this_machine_alone_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


async def make(settings: WebSettings) -> None:
    async with serving(settings=settings):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_refuses_to_let_strangers_in_unasked(host: str) -> None:
    with pytest.raises(ValueError, match="\\[web\\] token\\), or say open_to_all = true") as raised:
        asyncio.run(make(WebSettings(host=host, port=0)))
    assert "\n" not in str(raised.value)


def test_lets_strangers_in_where_that_is_said() -> None:
    asyncio.run(make(WebSettings(host="0.0.0.0", port=0, open_to_all=True)))


@pytest.mark.parametrize(
    ("host", "token", "message"),
    [
        ("0.0.0.0", "hunter2", "too short"),
        ("127.0.0.1", "two words", "visible ASCII"),
        ("127.0.0.1", "sésame", "visible ASCII"),
    ],
)
def test_refuses_a_token_that_does_not_do(host: str, token: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        asyncio.run(make(WebSettings(host=host, port=0, token=token)))
    assert token not in str(raised.value)


def test_says_nothing_of_tokens_and_queries(caplog: pytest.LogCaptureFixture) -> None:
    async def ask() -> None:
        async with serving(token=TOKEN) as served:
            await served.ask("GET", "/api/streams?token=sesame", headers=BEARER)
            await served.ask("GET", "/api/streams", headers={"Authorization": f"Bearer {TOKEN}\0"})
            await served.ask("GET", f"/api/ {TOKEN}", headers=BEARER)
            await served.ask("GET", "/api/streams", headers={"Authorization": "Bearer sesame"})

    with caplog.at_level(logging.DEBUG):
        asyncio.run(ask())
    assert "GET /api/streams 200" in caplog.text
    assert not any(secret in caplog.text for secret in (TOKEN, "sesame", "?"))
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_a_server_is_made_of_settings_that_were_looked_at_first() -> None:
    with pytest.raises(ValueError, match="token"):
        Server(None, WebSettings(host="0.0.0.0"))  # type: ignore[arg-type]  # refused before the studio is looked at
