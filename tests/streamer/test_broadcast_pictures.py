"""One encode for all: what viewers get of a stream, decoded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from streamer.color import ColorSpec
from tests.helpers.broadcasting import OnAir, Watcher, on_air, shown
from tests.helpers.pictures import Decoder, is_rising, kinds, number_of, numbered, planes_of, psnr
from web.feeds import EndOfFeed


async def began(air: OnAir, *watchers: Watcher) -> None:
    """Picture 0 is shown to all, as a key frame."""
    for watcher in watchers:
        await watcher.until(slate="Waiting for the first picture")
    air.show(0)
    for watcher in watchers:
        await watcher.live(0)


def test_pictures_come_in_order_sharp_and_on_the_clock_of_their_capture() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            await began(air, watcher)
            del watcher.seen[:]
            for number in range(1, 40):
                frame = air.show(number)
                picture = await watcher.next()
                assert (picture.seq, watcher.number) == (number, number)
                assert picture.captured_at == frame.captured_at
                assert picture.facts["stages_ms"]["encode"] > 0
                assert psnr(watcher.planes[0], numbered(number)[0]) > 34
            first, last = watcher.seen[0], watcher.seen[-1]
            assert is_rising([picture.pts for picture in watcher.seen])
            assert last.pts - first.pts == pytest.approx(90_000 * (last.captured_at - first.captured_at), abs=2)
            assert air.meter.snapshot().latency_p50_ms is not None

    asyncio.run(run())


def test_four_viewers_cost_one_encode() -> None:
    async def run() -> None:
        async with on_air() as air:
            watchers = [air.view() for _ in range(4)]
            await began(air, *watchers)
            before = air.encodes
            await shown(air, range(1, 26), *watchers)
            assert air.encodes - before == 25
            assert air.broadcast.viewers == 4
            for other in watchers[1:]:
                assert all(
                    mine is theirs for mine, theirs in zip(watchers[0].seen[-25:], other.seen[-25:], strict=True)
                )

    asyncio.run(run())


def test_nothing_is_encoded_while_nobody_views() -> None:
    async def run() -> None:
        async with on_air() as air:
            for number in range(10):
                air.show(number)
            air.broadcast.wait("gone")
            await asyncio.sleep(0.7)
            assert air.encodes == 0
            watcher = air.view()
            await watcher.until(slate="gone")
            watcher.viewing.close()
            watcher.viewing.close()
            await asyncio.sleep(0.2)
            before = air.encodes
            for number in range(10, 20):
                air.show(number)
            await asyncio.sleep(0.7)
            assert (air.encodes, air.broadcast.viewers) == (before, 0)
            assert air.meter.snapshot().drops == {"unwatched": 20}
            # The encoder's memory is given back at once, not when the next viewer comes.
            assert all(coder._encoder is None for coder in air.broadcast._coders.values())

    asyncio.run(run())


def test_a_key_frame_comes_within_two_pictures_of_being_asked_for() -> None:
    async def run() -> None:
        async with on_air(key_seconds=60.0) as air:
            watcher = air.view()
            await began(air, watcher)
            await asyncio.sleep(0.55)
            await shown(air, range(1, 6), watcher)
            assert not any(picture.is_key for picture in watcher.seen[-5:])
            watcher.viewing.need_key()
            await shown(air, range(6, 8), watcher)
            assert any(picture.is_key for picture in watcher.seen[-2:])

    asyncio.run(run())


def test_however_many_ask_there_is_one_key_frame_in_half_a_second() -> None:
    async def run() -> None:
        async with on_air(key_seconds=60.0) as air:
            watchers = [air.view() for _ in range(4)]
            await began(air, *watchers)
            asking = asyncio.ensure_future(ask(watchers))
            await air.show_steadily(range(1, 31), watchers)
            asking.cancel()
            each = zip(watchers[0].seen, watchers[0].arrived, strict=True)
            made = [at for picture, at in each if picture.is_key and picture.seq > 0]
            assert len(made) >= 2
            assert all(later - earlier > 0.3 for earlier, later in pairwise(made))

    asyncio.run(run())


async def ask(watchers: Sequence[Watcher]) -> None:
    while True:
        for watcher in watchers:
            watcher.viewing.need_key()
        await asyncio.sleep(0.005)


def test_a_key_frame_comes_now_and_then_unasked() -> None:
    async def run() -> None:
        async with on_air(key_seconds=0.6) as air:
            watcher = air.view()
            await began(air, watcher)
            await asyncio.sleep(0.65)
            await shown(air, range(1, 3), watcher)
            assert any(picture.is_key for picture in watcher.seen[-2:])

    asyncio.run(run())


def test_who_comes_later_begins_with_a_key_frame_though_no_picture_follows() -> None:
    async def run() -> None:
        async with on_air() as air:
            early = air.view()
            await began(air, early)
            await shown(air, range(1, 4), early)
            late = air.view()
            picture = await late.next()
            assert picture.is_key
            assert {7, 8, 5} <= set(kinds(picture.data))
            assert (picture.seq, late.number, picture.facts["repeated"]) == (3, 3, True)
            await early.next()
            await shown(air, range(4, 8), early, late)
            assert is_rising([picture.pts for picture in early.seen])

    asyncio.run(run())


def test_another_size_or_colour_gets_another_encoder() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            await began(air, watcher)
            for number, (height, width, color) in enumerate(
                [
                    (96, 128, ColorSpec()),
                    (120, 160, ColorSpec()),
                    (120, 160, ColorSpec("bt709")),
                    (95, 127, ColorSpec()),
                ],
                start=1,
            ):
                air.show(number, height=height, width=width, color=color)
                picture = await watcher.next()
                watcher.decoder = watcher.decoder if not picture.is_key else Decoder()
                decoded = watcher.decoder.decode(picture.data)
                assert picture.is_key == (number > 1)
                assert (decoded.height, decoded.width) == (height + height % 2, width + width % 2)
                assert decoded.colorspace == color.matrix_tag
                assert picture.layout.enhanced == (0, 0, width, height)
                assert number_of(planes_of(decoded)[0][:height, :width]) == number

    asyncio.run(run())


def test_pictures_that_come_too_fast_are_dropped_and_counted() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            await began(air, watcher)
            frames = [air.show(number, height=720, width=1280) for number in range(1, 5)]
            while (await watcher.next()).seq < 4:
                pass
            await asyncio.sleep(0.05)
            live = [number for number in watcher.lived if number > 0]
            dropped = air.meter.snapshot().drops.get("encoder_busy", 0)
            assert len(live) + dropped == len(frames)
            assert is_rising([picture.pts for picture in watcher.seen])

    asyncio.run(run())


def test_a_picture_that_x264_refuses_is_counted_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view()
            await began(air, watcher)
            air.show(1, height=16, width=16_400)
            while not air.meter.snapshot().drops.get("encoder_failed"):
                await asyncio.sleep(0.01)
            air.show(2)
            picture = await watcher.next()
            assert (picture.seq, picture.is_key) == (2, True)

    asyncio.run(run())
    assert "16400x16" in caplog.text


def test_the_end_reaches_all_who_wait_and_the_thread_ends() -> None:
    async def run() -> None:
        threads = set(threading.enumerate())
        async with on_air() as air:
            watcher = air.view()
            await watcher.next()
            waiting = [
                asyncio.ensure_future(watcher.viewing.sound()),
                asyncio.ensure_future(air.view().viewing.sound()),
            ]
            await asyncio.sleep(0)
            await air.broadcast.aclose()
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(result, EndOfFeed)
            with pytest.raises(EndOfFeed):
                await watcher.viewing.picture()
            await air.broadcast.aclose()
            air.show(1)
            assert air.broadcast.viewers == 0
            assert not {thread for thread in set(threading.enumerate()) - threads if thread.name == "encode"}

    asyncio.run(run())


def test_compare_has_the_original_at_its_own_size_below() -> None:
    async def run() -> None:
        async with on_air() as air:
            watcher = air.view("compare")
            await began(air, watcher)
            frame = air.show(5)
            picture = await watcher.next()
            layout = picture.layout
            assert (layout.width, layout.height) == (128, 144)
            assert (layout.enhanced, layout.original) == ((0, 0, 128, 96), (0, 96, 64, 48))
            assert picture.rendition == "compare"
            y, u, v = watcher.planes
            assert psnr(y[:96], frame.y) > 34
            assert psnr(y[96:, :64], np.ascontiguousarray(frame.y[::2, ::2])) > 30
            assert abs(float(y[100:, 70:].mean()) - 16) < 2
            assert abs(float(u[50:, 36:].mean()) - 128) < 2
            assert abs(float(v[50:, 36:].mean()) - 128) < 2

    asyncio.run(run())
