"""What becomes of WebRTC sessions when the real studio ends their streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiortc import VideoStreamTrack

from streamer.live.conductor import Conductor
from streamer.live.ports import LiveSource
from streamer.live.settings import LiveSettings
from streamer.live.studio import LiveStudio
from streamer.media.live_encoder import LiveEncoder
from streamer.metrics import LiveMetrics
from tests.helpers.living import CostlyWay, PlayedSource, numbered_frames, until
from tests.helpers.rtc import WhepClient, WhipClient
from web.server import Server
from web.settings import WebSettings

FRAMES = numbered_frames(50)


def open_source(address: str, *, trusted: bool) -> LiveSource:
    return PlayedSource(FRAMES)


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[tuple[LiveStudio, str]]:
    studio = LiveStudio(
        LiveSettings(),
        conductor=Conductor(),
        metrics=LiveMetrics(),
        make_way=lambda _: CostlyWay(),
        open_source=open_source,
    )
    server = Server(studio, WebSettings(port=0, **settings))
    await server.start()
    try:
        yield studio, server.url
    finally:
        await server.aclose()
        await studio.aclose()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def decoders() -> int:
    return sum(thread.name == "publisher-decoder" for thread in threading.enumerate())


def test_a_removed_stream_ends_its_publisher() -> None:
    async def main() -> None:
        before = decoders()
        async with served() as (studio, url):
            client = WhipClient(f"{url}/whip/cam", VideoStreamTrack())
            client.goodbye = False
            async with client:
                await until(lambda: studio.status("cam")["state"] == "live")
                async with client.http.delete(f"{url}/api/streams/cam") as response:
                    assert response.status == 204
                # The publisher is told by DTLS, and its decoder ends.
                await until(lambda: client.connection.connectionState == "closed")
                await until(lambda: decoders() == before)
                async with client.http.patch(client.session) as response:
                    assert response.status == 404
                assert list(studio.streams()) == []

    run(main())


def test_a_stream_that_is_removed_while_its_publisher_begins_lets_nobody_in() -> None:
    async def main() -> None:
        async with served() as (studio, url), aiohttp.ClientSession() as http:
            client = WhipClient(f"{url}/whip/cam", VideoStreamTrack())
            try:
                offer = await client.offer()
                headers = {"Content-Type": "application/sdp"}
                begun = asyncio.ensure_future(http.post(client.endpoint, data=offer, headers=headers))
                await until(lambda: bool(studio.streams()))
                await studio.remove("cam")
                response = await begun
                if response.status == 201:  # it was through just before
                    session = response.headers["Location"]
                    async with asyncio.timeout(10):
                        while (await http.options(f"{url}{session}")).status != 404:
                            await asyncio.sleep(0.02)
                else:
                    assert response.status == 503
            finally:
                await client.http.close()
                await client.connection.close()

    run(main())


def test_viewers_of_a_stream_that_cannot_be_encoded_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no memory")

    async def main() -> None:
        async with served() as (studio, url), aiohttp.ClientSession() as http:
            studio.add_trusted("door", "rtsp://camera/1")
            async with WhepClient(f"{url}/whep/door", audio=False) as viewer:
                await until(lambda: bool(viewer.pictures))
                monkeypatch.setattr(LiveEncoder, "encode", fail)
                await until(lambda: "no memory" in studio.status("door")["message"])
                async with http.get(f"{url}/readyz") as response:
                    assert response.status == 503
                    (reason,) = (await response.json())["reasons"]
                    assert "door" in reason
                    assert "no memory" in reason
                other = WhepClient(f"{url}/whep/door", audio=False)
                try:
                    headers = {"Content-Type": "application/sdp"}
                    async with http.post(other.endpoint, data=await other.offer(), headers=headers) as response:
                        assert response.status == 503
                        assert response.headers["Retry-After"]
                finally:
                    await other.http.close()
                    await other.connection.close()
                monkeypatch.undo()
                await until(lambda: studio.status("door")["message"] == "")
                async with http.get(f"{url}/readyz") as response:
                    assert response.status == 200

    run(main())


def test_there_are_no_more_sessions_than_the_settings_say() -> None:
    async def main() -> None:
        async with served(max_sessions=1) as (_, url):
            async with WhipClient(f"{url}/whip/one", VideoStreamTrack()):
                other = WhipClient(f"{url}/whip/two", VideoStreamTrack())
                try:
                    headers = {"Content-Type": "application/sdp"}
                    async with other.http.post(other.endpoint, data=await other.offer(), headers=headers) as response:
                        assert response.status == 503
                        assert response.headers["Retry-After"]
                finally:
                    await other.http.close()
                    await other.connection.close()
            async with WhipClient(f"{url}/whip/two", VideoStreamTrack()):
                pass

    run(main())
