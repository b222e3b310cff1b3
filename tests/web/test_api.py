"""Streams, health and metrics over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from tests.helpers.http import BEARER, TOKEN, Answer, Served, serving

T = TypeVar("T")
JSON = {"Content-Type": "application/json"}


def run(steps: Callable[[Served], Awaitable[T]]) -> T:
    async def within() -> T:
        async with serving() as served:
            return await steps(served)

    return asyncio.run(within())


def ask(method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    return run(lambda served: served.ask(method, path, headers=headers or {}, body=body))


def test_lists_streams_and_shows_one() -> None:
    listed, shown = ask("GET", "/api/streams"), ask("GET", "/api/streams/demo")
    assert [stream["name"] for stream in listed.json["streams"]] == ["demo"]
    assert shown.json["name"] == "demo"
    assert shown.headers["content-type"] == "application/json; charset=utf-8"


def test_adds_a_stream_and_removes_it() -> None:
    async def steps(served: Served) -> list[Answer]:
        added = await served.post({"name": "door", "source": "rtsp://camera.example/1"})
        path = added.headers["location"]
        return [added, *[await served.ask(method, path) for method in ("GET", "DELETE", "GET", "DELETE")]]

    added, shown, removed, gone, again = run(steps)
    assert (added.status, added.headers["location"], added.json["name"]) == (201, "/api/streams/door", "door")
    assert (shown.status, removed.status, removed.body) == (200, 204, b"")
    assert (gone.status, again.status) == (404, 404)
    assert gone.detail == "There is no stream door: see /api/streams."


def test_what_the_studio_refuses_has_its_status() -> None:
    async def steps(served: Served) -> list[int]:
        wanted = [("demo", "rtsp://a"), ("no name", "rtsp://a"), ("door", "file:///etc/passwd")]
        wanted += [(f"s{number}", "rtsp://a") for number in range(8)]
        return [(await served.post({"name": name, "source": source})).status for name, source in wanted]

    assert run(steps) == [409, 400, 403, *[201] * 7, 503]


BODIES = {
    "no JSON": b"name=door",
    "half of it": b'{"name": "door", "source"',
    "no UTF-8": b'{"name": "d\xff", "source": "rtsp://a"}',
    "nested without end": b"[" * 60_000,
    "a huge number": b"1" * 60_000,
    "a list": b"[]",
    "nothing": b"",
    "a key missing": b'{"name": "door"}',
    "a key too many": b'{"name": "door", "source": "rtsp://a", "token": "x"}',
    "no text": b'{"name": "door", "source": 1}',
    "empty": b'{"name": "door", "source": ""}',
    "control characters": b'{"name": "door", "source": "rtsp://a\\r\\n"}',
    "half a character": b'{"name": "door", "source": "rtsp://\\ud800"}',
    "long": b'{"name": "door", "source": "' + b"a" * 2049 + b'"}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_makes_no_sense_is_refused_in_one_line(body: bytes) -> None:
    answer = ask("POST", "/api/streams", headers=JSON, body=body)
    assert answer.status == 400
    assert "\n" not in answer.detail


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_only_json_adds_a_stream(kind: str) -> None:
    body = b'{"name": "door", "source": "rtsp://camera.example/1"}'
    answer = ask("POST", "/api/streams", headers={"Content-Type": kind}, body=body)
    assert answer.status == 415
    assert "application/json" in answer.detail


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/api/streams/none", 404), ("DELETE", "/api/streams/none", 404),
     ("GET", "/api/streams/none/events", 404), ("PUT", "/api/streams", 405), ("OPTIONS", "/api/streams", 405),
     ("POST", "/metrics", 405), ("GET", "/api/streams/", 404)],
)  # fmt: skip
def test_errors_are_problems_that_say_what_to_do(method: str, path: str, status: int) -> None:
    answer = ask(method, path)
    assert answer.status == status
    assert len(answer.detail) > 20
    assert set(answer.json) == {"type", "title", "status", "detail"}
    assert ("allow" in answer.headers) == (status == 405)


def test_no_other_origin_is_told_that_it_may() -> None:
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = ask("OPTIONS", "/api/streams", headers=preflight)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_health_is_whether_it_answers_and_readiness_whether_it_works() -> None:
    async def steps(served: Served) -> list[Answer]:
        before = await served.ask("GET", "/readyz")
        served.studio.reasons_not_ready = ["the weights are not there: run facelane doctor"]
        return [before, await served.ask("GET", "/readyz"), await served.ask("GET", "/healthz")]

    before, after, alive = run(steps)
    assert (before.status, before.json) == (200, {"ready": True, "reasons": []})
    assert after.status == 503
    assert after.json == {"ready": False, "reasons": ["the weights are not there: run facelane doctor"]}
    assert alive.status == 200


def test_metrics_are_what_prometheus_takes() -> None:
    answer = ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"facelane_streams 1\n" in answer.body


def test_metrics_are_made_off_the_event_loop() -> None:
    async def steps(served: Served) -> int:
        threads: list[int] = []

        def metrics() -> bytes:
            threads.append(threading.get_ident())
            return b""

        served.studio.metrics = metrics  # type: ignore[method-assign]
        assert (await served.ask("GET", "/metrics")).status == 200
        return threads.count(threading.get_ident())

    assert run(steps) == 0


def test_a_fault_of_its_own_is_told_without_its_inner_parts(caplog: pytest.LogCaptureFixture) -> None:
    async def steps(served: Served) -> Answer:
        served.studio.named["demo"].status = lambda: {"name": float("nan")}  # type: ignore[method-assign]
        return await served.ask("GET", "/api/streams/demo?key=sesame")

    answer = run(steps)
    assert answer.status == 500
    assert answer.detail == "the server failed here: its log says how"
    assert "could not answer GET /api/streams/demo" in caplog.text
    assert "sesame" not in caplog.text


def test_head_is_answered_as_get_without_the_body() -> None:
    answer = ask("HEAD", "/api/streams")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 10


def test_prometheus_scrapes_with_a_bearer_token() -> None:
    async def steps() -> list[int]:
        async with serving(token=TOKEN) as served:
            headers = {
                "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
                "Host": "192.0.2.1:9",
            }
            return [(await served.ask("GET", "/metrics", headers={**headers, **more})).status for more in (BEARER, {})]

    assert asyncio.run(steps()) == [200, 401]
