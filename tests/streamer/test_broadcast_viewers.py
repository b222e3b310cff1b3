"""Viewers come, go, choose, pause and fall behind, and none of that is another's trouble."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streamer.live.viewing import Viewer
from tests.helpers.broadcasting import OnAir, Watcher, on_air, shown
from tests.helpers.pictures import is_rising, psnr
from web.feeds import FullError, UnknownStreamError


async def began(air: OnAir, *watchers: Watcher) -> None:
    air.show(0)
    for watcher in watchers:
        await watcher.live(0)


def test_who_never_reads_loses_alone_and_holds_no_more_than_a_moment() -> None:
    async def run() -> None:
        async with on_air(key_seconds=60.0) as air:
            reader, stuck = air.view(), air.view()
            viewing = stuck.viewing
            assert isinstance(viewing, Viewer)
            await began(air, reader)
            await air.show_steadily(range(1, 31), [reader])
            assert air.meter.snapshot().viewer_drops > 10
            assert len(viewing) < 20
            # It costs the others no key frames: all that there are answer the first one asked for.
            keys = [picture.seq for picture in reader.seen if picture.is_key and picture.seq > 0]
            assert not keys
            # It comes back: a key frame first, then all is well.
            waiting = asyncio.ensure_future(stuck.next())
            await asyncio.sleep(0)
            await shown(air, range(31, 33), reader)
            assert (await waiting).is_key
            await shown(air, range(33, 36), reader)
            while stuck.seen[-1].seq < 35:
                await stuck.next()
            assert stuck.number == 35
            assert is_rising([picture.pts for picture in stuck.seen])

    asyncio.run(run())


def test_a_viewer_that_is_slow_goes_on_at_a_key_frame_and_stays_decodable() -> None:
    async def run() -> None:
        async with on_air(key_seconds=60.0) as air:
            reader, slow = air.view(), air.view()
            await began(air, reader, slow)
            ended = False

            async def dawdle() -> None:
                while not ended:
                    before = slow.seen[-1].seq
                    picture = await slow.next()
                    assert slow.number == picture.seq
                    assert picture.is_key or picture.seq <= before + 1
                    await asyncio.sleep(0.12)

            dawdling = asyncio.ensure_future(dawdle())
            await air.show_steadily(range(1, 61), [reader])
            ended = True
            air.show(61)
            await dawdling
            assert air.meter.snapshot().viewer_drops > 5
            assert is_rising([picture.pts for picture in slow.seen])
            assert reader.lived[-60:] == list(range(1, 61))

    asyncio.run(run())


def test_choosing_takes_effect_at_a_key_frame_and_leaves_others_alone() -> None:
    async def run() -> None:
        async with on_air(key_seconds=60.0) as air:
            other, watcher = air.view(), air.view()
            await began(air, other, watcher)
            await shown(air, range(1, 4), other, watcher)
            watcher.viewing.choose("compare")
            await turned(air, other, watcher, to="compare")
            before = air.encodes
            await shown(air, following(watcher, 5), other, watcher)
            assert air.encodes - before == 10
            assert watcher.number == watcher.seen[-1].seq
            assert {picture.rendition for picture in other.seen} == {"enhanced"}
            watcher.viewing.choose("enhanced")
            watcher.viewing.choose("enhanced")
            await asyncio.sleep(0.55)
            await turned(air, other, watcher, to="enhanced")
            before = air.encodes
            await shown(air, following(watcher, 5), other, watcher)
            assert air.encodes - before == 5
            for each in (watcher, other):
                assert is_rising([picture.pts for picture in each.seen])

    asyncio.run(run())


def following(watcher: Watcher, count: int) -> range:
    """The numbers of the next pictures."""
    return range(watcher.seen[-1].seq + 1, watcher.seen[-1].seq + 1 + count)


async def turned(air: OnAir, other: Watcher, watcher: Watcher, *, to: str) -> None:
    """Shows pictures until the watcher's are of the rendition that it chose."""
    renditions = [picture.rendition for picture in watcher.seen]
    while to not in renditions[-2:]:
        number = other.seen[-1].seq + 1
        air.show(number)
        await other.live(number)
        # The picture of the turn may come in both.
        await watcher.live(number)
        renditions = [picture.rendition for picture in watcher.seen]
    first = next(index for index in reversed(range(len(renditions))) if renditions[index] != to) + 1
    assert watcher.seen[first].is_key


def test_a_waiting_stream_shows_the_last_picture_dimmed_and_comes_back() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher, comparing = air.view(), air.view("compare")
            await began(air, watcher, comparing)
            frame = air.show(1, height=360, width=640)
            await watcher.live(1)
            bright = watcher.planes[0]
            air.broadcast.wait("Waiting for the camera: connection refused")
            slates = [await watcher.until(slate="Waiting for the camera: connection refused") for _ in range(3)]
            assert not slates[0].facts["faces"]
            luma = watcher.planes[0]
            dimmed = 16 + 0.35 * (frame.y[:120].astype(float) - 16)
            assert psnr(luma[:120], np.rint(dimmed).astype(np.uint8)) > 34
            # The band in the middle: dark, with bright letters.
            band = luma[168:192].astype(int)
            assert np.median(band) < 40
            assert (band > 200).sum() > 200
            assert slates[-1].captured_at - slates[0].captured_at > 0.5
            below = await comparing.until(slate="Waiting for the camera: connection refused")
            assert below.layout.original == (0, 360, 320, 180)
            assert comparing.planes[0][360:, :320].mean() < 0.6 * bright.mean()
            air.show(2, height=360, width=640)
            await watcher.live(2)
            assert watcher.number == 2
            assert is_rising([picture.pts for picture in watcher.seen])

    asyncio.run(run())


def test_a_stream_that_never_had_a_picture_says_so_at_once() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            first = await watcher.next()
            assert (first.is_key, first.facts["slate"]) == (True, "Waiting for the first picture")
            assert (first.layout.width, first.layout.height) == (640, 360)
            air.broadcast.wait("No such path on the camera; check the address")
            other = await watcher.until(slate="No such path on the camera; check the address")
            assert other.pts > first.pts
            luma = watcher.planes[0].astype(int)
            assert np.median(luma) < 40
            assert (luma > 200).sum() > 500

    asyncio.run(run())


def test_a_full_stream_refuses_and_a_place_that_is_left_is_free() -> None:
    async def run() -> None:
        async with on_air(max_viewers=2) as air:
            first, _ = air.view(), air.view("compare")
            with pytest.raises(FullError, match="2 viewers"):
                air.view()
            first.viewing.close()
            air.view()
            assert (air.broadcast.viewers, air.count("viewers")) == (2, 2)
            await air.broadcast.aclose()
            with pytest.raises(UnknownStreamError):
                air.view()

    asyncio.run(run())


def test_what_pages_measure_reaches_the_meter() -> None:
    async def run() -> None:
        async with on_air() as air:
            air.view().viewing.shown(0.08)
            assert air.meter.snapshot().glass_p50_ms == pytest.approx(80)

    asyncio.run(run())
