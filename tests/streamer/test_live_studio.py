"""All streams together, as the web sees them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import av
import pytest

from streamer.errors import UsageError
from streamer.live.conductor import Conductor
from streamer.live.lookups import Lookups
from streamer.live.ports import LiveSource
from streamer.live.settings import LiveSettings
from streamer.live.studio import MOST_LOOKUPS, LiveStudio
from streamer.media.network.policy import SourceDeniedError
from streamer.metrics import LiveMetrics
from tests.helpers.living import CostlyWay, PlayedSource, Watcher, numbered_frames, until
from tests.helpers.rtsp import numbered
from web.feeds import (
    BadRequestError,
    EndOfFeed,
    FullError,
    NameTakenError,
    Publishing,
    SourceRefusedError,
    Studio,
    UnknownStreamError,
    Viewing,
)

FRAMES = numbered_frames(100)
ANSWERS = threading.Event()


def open_source(address: str, *, trusted: bool) -> LiveSource:
    if not address.startswith("rtsp:"):
        raise UsageError("a source is an address such as rtsp://camera/stream")
    if "slow" in address:  # a name server that doesn't answer
        ANSWERS.wait(60)
    if "10.0.0.1" in address and not trusted:
        raise SourceDeniedError("10.0.0.1 is in a private network")
    return PlayedSource(FRAMES)


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[LiveStudio]:
    studio = LiveStudio(
        LiveSettings(**settings),
        conductor=Conductor(),
        metrics=LiveMetrics(),
        make_way=lambda _: CostlyWay(),
        open_source=open_source,
    )
    try:
        yield studio
    finally:
        await studio.aclose()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


async def send(publishing: Publishing, *, count: int = 10) -> None:
    for number in range(count):
        picture = av.VideoFrame.from_ndarray(numbered(number, height=96, width=128), format="yuv420p")
        publishing.picture(picture, media_seconds=number / 25, arrived_at=time.monotonic(), decode_seconds=0.001)
        await asyncio.sleep(0.04)


async def to_the_end(viewing: Viewing) -> None:
    while True:
        await viewing.picture()


def names(studio: Studio) -> list[str]:
    return [status["name"] for status in studio.streams()]


def test_it_is_what_the_web_asks_for() -> None:
    async def main() -> None:
        async with opened() as studio:
            needed: Studio = studio
            assert list(needed.streams()) == []

    run(main())


def test_streams_are_added_told_of_viewed_and_removed() -> None:
    async def main() -> None:
        async with opened() as studio:
            status = await studio.add("door", "rtsp://camera/1")
            assert status["source"] == {"kind": "network", "address": "rtsp://camera/played"}
            studio.add_trusted("yard", "rtsp://10.0.0.1/1")
            assert names(studio) == ["door", "yard"]
            viewing = studio.view("door")
            seen = await Watcher(viewing).look(seconds=10, live=6)
            assert sum(each.is_live for each in seen) == 6
            assert studio.status("door")["viewers"] == 1
            assert b'stream="yard"' in studio.metrics()
            await studio.remove("door")
            with pytest.raises(EndOfFeed):
                await to_the_end(viewing)
            assert names(studio) == ["yard"]
            assert b'stream="door"' not in studio.metrics()
            await studio.add("door", "rtsp://camera/1")

    run(main())


def test_what_makes_no_sense_or_is_not_allowed_is_refused() -> None:
    async def main() -> None:
        async with opened() as studio:
            with pytest.raises(BadRequestError, match="letters"):
                await studio.add("a/b", "rtsp://camera/1")
            with pytest.raises(BadRequestError, match="address such as"):
                await studio.add("door", "telnet://camera")
            with pytest.raises(SourceRefusedError, match="private"):
                await studio.add("door", "rtsp://10.0.0.1/1")
            for ask in (studio.status, studio.view, studio.changes):
                with pytest.raises(UnknownStreamError, match="'door'"):
                    ask("door")
            with pytest.raises(UnknownStreamError):
                await studio.remove("door")
            with pytest.raises(BadRequestError):
                studio.publish("../x")
            assert names(studio) == []

    run(main())


def test_names_are_given_once_and_room_is_limited() -> None:
    async def main() -> None:
        async with opened(max_streams=2, max_viewers=1) as studio:
            await studio.add("door", "rtsp://camera/1")
            with pytest.raises(NameTakenError):
                await studio.add("door", "rtsp://camera/1")
            with pytest.raises(NameTakenError, match="source of its own"):
                studio.publish("door")
            publishing = studio.publish("me")
            with pytest.raises(NameTakenError):
                studio.publish("me")
            for add in (studio.add("yard", "rtsp://camera/2"), studio.add("hall", "rtsp://camera/3")):
                with pytest.raises(FullError, match="2 streams"):
                    await add
            with pytest.raises(FullError):
                studio.publish("other")
            viewing = studio.view("door")
            with pytest.raises(FullError):
                studio.view("door")
            viewing.close()
            studio.view("door").close()
            publishing.close()

    run(main())


def test_a_publisher_makes_a_stream_that_is_seen_and_lingers() -> None:
    async def main() -> None:
        async with opened(linger_seconds=1.0) as studio:
            publishing = studio.publish("me")
            assert studio.status("me")["source"] == {"kind": "publish", "address": "/whip/me"}
            viewing = studio.view("me")
            sending = asyncio.create_task(send(publishing, count=60))
            seen = await Watcher(viewing).look(seconds=10, live=6)
            numbers = [each.number for each in seen if each.is_live]
            assert len(numbers) == 6
            assert numbers == sorted(set(numbers), key=lambda number: number or 0)
            await sending
            publishing.close()
            publishing.close()
            assert studio.status("me")["state"] == "waiting"
            # Who comes back in time finds the stream, and its viewers, as they were.
            again = studio.publish("me")
            await asyncio.sleep(1.2)
            assert studio.status("me")["viewers"] == 1
            await send(again, count=2)
            assert studio.status("me")["state"] == "live"
            again.close()
            await until(lambda: names(studio) == [], seconds=3)
            with pytest.raises(EndOfFeed):
                await to_the_end(viewing)

    run(main())


def test_a_stream_that_the_settings_made_for_publishers_stays() -> None:
    async def main() -> None:
        async with opened(linger_seconds=0.0) as studio:
            studio.add_published("me")
            publishing = studio.publish("me")
            publishing.close()
            await asyncio.sleep(0.1)
            assert studio.status("me")["state"] == "waiting"

    run(main())


def test_publishing_can_be_turned_off() -> None:
    async def main() -> None:
        async with opened(publish=False) as studio:
            with pytest.raises(SourceRefusedError, match="turned off"):
                studio.publish("me")

    run(main())


def test_a_stream_may_be_removed_while_somebody_publishes_or_lingers() -> None:
    async def main() -> None:
        async with opened(linger_seconds=0.1) as studio:
            publishing = studio.publish("me")
            await studio.remove("me")
            picture = av.VideoFrame(128, 96, "yuv420p")
            publishing.picture(picture, media_seconds=0, arrived_at=time.monotonic(), decode_seconds=0.0)
            publishing.close()
            other = studio.publish("you")
            other.close()
            await studio.remove("you")
            await asyncio.sleep(0.2)
            assert names(studio) == []

    run(main())


def test_a_stream_that_is_being_removed_ends_even_if_nobody_waits_for_that() -> None:
    async def main() -> None:
        async with opened() as studio:
            await studio.add("door", "rtsp://camera/1")
            removing = asyncio.create_task(studio.remove("door"))
            await asyncio.sleep(0)
            removing.cancel()
            with pytest.raises(NameTakenError, match="just being removed"):
                await studio.add("door", "rtsp://camera/1")
            await until(lambda: b'stream="door"' not in studio.metrics())
            await asyncio.sleep(0.01)
            await studio.add("door", "rtsp://camera/1")

    run(main())


def test_changes_of_a_stream_end_with_it() -> None:
    async def main() -> None:
        async with opened() as studio:
            await studio.add("door", "rtsp://camera/1")
            told: list[str] = []

            async def listen() -> None:
                async for status in studio.changes("door"):
                    told.append(status["state"])

            listening = asyncio.create_task(listen())
            await until(lambda: "live" in told)
            await studio.remove("door")
            await asyncio.wait_for(listening, 2)

    run(main())


def test_it_says_why_it_is_not_ready() -> None:
    async def main() -> None:
        studio = LiveStudio(
            LiveSettings(),
            conductor=Conductor(lambda: time.sleep(0.2)),
            metrics=LiveMetrics(),
            make_way=lambda _: CostlyWay(),
            open_source=open_source,
        )
        assert "being prepared" in studio.not_ready()[0]
        await until(lambda: not studio.not_ready())
        await studio.aclose()
        assert "ended" in studio.not_ready()[0]
        with pytest.raises(FullError):
            await studio.add("door", "rtsp://camera/1")

    run(main())


def test_who_cannot_prepare_says_so() -> None:
    async def main() -> None:
        def fail() -> None:
            raise ValueError("no memory")

        studio = LiveStudio(
            LiveSettings(),
            conductor=Conductor(fail),
            metrics=LiveMetrics(),
            make_way=lambda _: CostlyWay(),
            open_source=open_source,
        )
        await until(lambda: studio.not_ready() == ["the networks could not be prepared: no memory"])
        await studio.aclose()
        await studio.aclose()

    run(main())


def test_names_that_nobody_resolves_hold_up_nobody_else() -> None:
    """Not even the end."""

    async def main() -> None:
        ANSWERS.clear()
        async with opened(max_streams=50) as studio:
            studio.add_trusted("door", "rtsp://camera/1")
            many = 40  # more than the loop's own threads
            adding = [asyncio.ensure_future(studio.add(f"n{number}", "rtsp://slow")) for number in range(many)]
            await until(lambda: sum(each.done() for each in adding) == many - MOST_LOOKUPS)
            assert {type(each.exception()) for each in adding if each.done()} == {FullError}
            await studio.remove("door")
            await studio.aclose()
            assert sum(not each.done() for each in adding) == MOST_LOOKUPS
            ANSWERS.set()
            told = await asyncio.gather(*adding, return_exceptions=True)
            assert {type(each) for each in told} == {FullError}

    try:
        run(main())
    finally:
        ANSWERS.set()


def test_a_look_up_that_its_caller_gave_up_makes_room_when_it_is_through() -> None:
    async def main() -> None:
        lookups, answers = Lookups(most=1), threading.Event()
        waiting = asyncio.ensure_future(lookups.run(answers.wait))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(FullError):
            await lookups.run(bool)
        answers.set()
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await lookups.run(lambda: 7) == 7
                    break
                except FullError:
                    await asyncio.sleep(0.01)

    run(main())
