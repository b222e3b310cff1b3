"""Server-sent events, as a browser reads them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

import web.events as events
from tests.helpers.document import errors
from tests.helpers.http import Served, head, request_bytes, serving

PATIENCE_SECONDS = 10.0


@dataclass
class Event:
    name: str = ""
    data: str = ""
    comments: list[str] = field(default_factory=list)
    retry: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class Listener:
    """One connection to events; reads blocks, each up to an empty line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._text = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    async def open(self) -> None:
        self.status, self.headers = await head(self._reader)

    async def next(self) -> Event | None:
        """The next block; None at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b"\n\n" not in self._text:
                size = int((await self._reader.readline()).strip(), 16)
                self._text += (await self._reader.readexactly(size + 2))[:-2]
                if size == 0:
                    return None
        block, _, self._text = self._text.partition(b"\n\n")
        return parsed(block.decode())

    async def all(self) -> list[Event]:
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


def parsed(block: str) -> Event:
    event = Event()
    for line in block.split("\n"):
        name, _, value = line.partition(": ")
        match name:
            case "event":
                event.name = value
            case "data":
                event.data += value
            case "retry":
                event.retry = value
            case _:
                event.comments.append(value)
    return event


@asynccontextmanager
async def listening(served: Served, path: str) -> AsyncIterator[Listener]:
    reader, writer = await served.connect()
    try:
        writer.write(request_bytes("GET", path, headers={}, body=b"", host=f"127.0.0.1:{served.port}"))
        listener = Listener(reader, writer)
        await listener.open()
        yield listener
    finally:
        writer.close()
        await writer.wait_closed()


async def wait_until_nobody_listens(served: Served) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while served.server.listeners:
            await asyncio.sleep(0.05)


def test_a_stream_tells_how_it_is_until_it_is_removed() -> None:
    async def follow() -> tuple[Listener, list[Event]]:
        async with serving() as served, listening(served, "/api/streams/demo/events") as listener:
            first = [await listener.next() for _ in range(3)]
            await served.ask("DELETE", "/api/streams/demo")
            found = [event for event in [*first, *await listener.all()] if event is not None]
            await wait_until_nobody_listens(served)
            return listener, found

    listener, (start, *told, last) = asyncio.run(follow())
    assert (listener.status, listener.headers["content-type"]) == (200, "text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert start.retry == "2000"
    assert {event.name for event in told} == {"status"}
    assert (last.name, last.json) == ("removed", {"name": "demo"})
    for event in told:
        assert errors("Stream", event.json) == []


def test_all_streams_are_told_of_over_one_connection() -> None:
    async def follow() -> list[list[str]]:
        async with serving("one") as served, listening(served, "/api/events") as listener:
            await listener.next()
            first = await listener.next()
            await served.post({"name": "two", "source": "rtsp://camera.example/2"})
            second = await listener.next()
            assert first is not None
            assert second is not None
            assert errors("Streams", second.json) == []
            assert second.name == "streams"
            return [[stream["name"] for stream in event.json["streams"]] for event in (first, second)]

    assert asyncio.run(follow()) == [["one"], ["one", "two"]]


def test_a_quiet_connection_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(events, "LIST_SECONDS", 60.0)

    async def follow() -> list[Event | None]:
        async with serving() as served, listening(served, "/api/events") as listener:
            return [await listener.next() for _ in range(4)]

    _, first, *beats = asyncio.run(follow())
    assert first is not None
    assert first.name == "streams"
    assert [beat and beat.comments for beat in beats] == [["alive"], ["alive"]]


def test_events_end_when_the_server_does() -> None:
    async def follow() -> tuple[float, list[Event]]:
        async with serving() as served, listening(served, "/api/streams/demo/events") as listener:
            await listener.next()
            began = time.monotonic()
            await served.server.aclose()
            return time.monotonic() - began, await listener.all()

    took, rest = asyncio.run(follow())
    assert took < 5.0
    assert "removed" not in {event.name for event in rest}


def test_there_is_a_limit_and_who_leaves_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_LISTENERS", 2)

    async def crowd() -> tuple[int, str, int]:
        async with serving() as served:
            async with listening(served, "/api/events") as first, listening(served, "/api/events") as second:
                assert (first.status, second.status) == (200, 200)
                refused = await served.ask("GET", "/api/streams/demo/events")
            await wait_until_nobody_listens(served)
            async with listening(served, "/api/events") as again:
                return refused.status, refused.headers["retry-after"], again.status

    assert asyncio.run(crowd()) == (503, "5", 200)


def test_who_hangs_up_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def leave() -> None:
        async with serving() as served:
            async with listening(served, "/api/streams/demo/events") as listener:
                await listener.next()
                listener.writer.transport.abort()
            await wait_until_nobody_listens(served)

    asyncio.run(leave())
    assert not caplog.records


def test_who_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(events, "LIST_SECONDS", 0.0)

    async def stall() -> None:
        async with serving() as served, listening(served, "/api/events"):
            served.studio.named["demo"].status = lambda: {"filler": "x" * 200_000}  # type: ignore[method-assign]
            await wait_until_nobody_listens(served)

    asyncio.run(stall())
