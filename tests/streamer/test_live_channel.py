"""One live stream from its source to a viewer who decodes what comes; all real but the source and the costs."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
import tracemalloc
from collections.abc import Coroutine
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from scipy.stats import theilslopes

from streamer.effort import FULL, Effort
from streamer.frame import Frame
from streamer.live.channel import Channel
from streamer.live.conductor import Conductor
from streamer.live.meter import FRAME_REASONS, UNWATCHED
from streamer.live.ports import Cause, SourceState, SourceStatus
from streamer.live.settings import LiveSettings
from streamer.metrics import LiveMetrics
from streamer.pipeline import Processed
from tests.helpers.living import (
    LIVE,
    CostlyWay,
    Looked,
    PlayedSource,
    Watcher,
    make_channel,
    numbered_frames,
    playing,
    until,
)

FRAMES = numbered_frames(400)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


def figure(metrics: LiveMetrics, name: str, **labels: str) -> float:
    """The sum of a stream's samples of this name and these labels, as Prometheus is told them; nan where there is
    none."""
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == f"facelane_{name}" and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else math.nan


def unaccounted(metrics: LiveMetrics) -> float:
    """Frames that came in and are neither out nor dropped."""
    dropped = sum(figure(metrics, "frames_dropped_total", reason=reason) for reason in FRAME_REASONS)
    unwatched = figure(metrics, "frames_dropped_total", reason=UNWATCHED)
    dropped += 0.0 if math.isnan(unwatched) else unwatched
    return figure(metrics, "frames_in_total") - figure(metrics, "frames_shown_total") - dropped


def rises(seen: list[Looked]) -> bool:
    numbers = [each.number for each in seen if each.number is not None]
    return len(numbers) > 2 and all(earlier < later for earlier, later in pairwise(numbers))


def drops(channel: Channel, reason: str) -> int:
    found: dict[str, int] = channel.tell()["drops"]
    return found.get(reason, 0)


def test_a_viewer_sees_every_frame_in_order_soon_after_its_capture() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        async with playing(source, lambda scale: CostlyWay(0.002, doubles=scale == 2)) as (channel, _):
            viewing = channel.view("enhanced")
            seen = await Watcher(viewing).look(seconds=20, live=25)
            status = channel.tell()
            viewing.close()
        live = [each for each in seen if each.number is not None and each.is_live]
        assert rises(live)
        assert len(live) == 25
        assert sorted(each.age for each in live)[len(live) // 2] < 0.3
        assert (live[-1].width, live[-1].height) == (256, 192)
        assert (status["width"], status["output_height"], status["scale"]) == (128, 192, 2)
        assert status["state"] == "live"
        assert status["effort"]["of"] == 7
        assert status["fps_in"] == pytest.approx(25, abs=8)
        assert {"decode", "queue", "background", "encode"} <= set(status["stages_ms"])
        assert set(live[-1].coded.facts["stages_ms"]) >= {"decode", "queue", "background", "encode"}

    run(main())


def test_an_overloaded_stream_shows_the_newest_and_counts_what_it_drops() -> None:
    async def main() -> None:
        ways: list[CostlyWay] = []
        source = PlayedSource(FRAMES, rate=50)

        def make(_scale: int) -> CostlyWay:
            ways.append(CostlyWay(0.1))
            return ways[-1]

        async with playing(source, make) as (channel, _):
            viewing = channel.view("enhanced")
            seen = await Watcher(viewing).look(seconds=3.0)
            lost = drops(channel, "superseded")
            processed = sum(len(way.seen) for way in ways)
            sent = source.sent
            status = channel.tell()
            viewing.close()
        live = [each for each in seen if each.number is not None and each.is_live]
        assert rises(live)
        # One interval that the newest waits at most, 100 ms of work, coding; and a busy machine.
        assert sorted(each.age for each in live)[len(live) // 2] < 0.5
        assert max(each.age for each in live) < 1.5
        assert lost > 40
        assert abs(sent - lost - processed - drops_of_start(status)) <= 2
        assert status["effort"]["level"] > 0

    run(main())


def drops_of_start(status: Any) -> int:
    return int(status["drops"].get("unwatched", 0) + status["drops"].get("late", 0))


def test_pictures_may_change_their_size_and_scale_in_the_middle() -> None:
    async def main() -> None:
        ways: list[int] = []

        def make(scale: int) -> CostlyWay:
            ways.append(scale)
            return CostlyWay(doubles=scale == 2)

        source = PlayedSource([*numbered_frames(12), *numbered_frames(12, width=192, height=160)])
        async with playing(source, make, LiveSettings(max_height=200)) as (channel, _):
            viewing = channel.view("enhanced")
            seen = await Watcher(viewing).look(seconds=20, live=45)
            viewing.close()
        sizes = {(each.width, each.height) for each in seen if each.is_live}
        assert sizes == {(256, 192), (192, 160)}
        assert set(ways) == {1, 2}
        assert len(ways) >= 3

    run(main())


def test_of_a_backlog_most_is_dropped_before_any_work_and_a_constant_delay_is_not_late() -> None:
    async def main() -> None:
        way = CostlyWay()
        source = PlayedSource(FRAMES, delay=0.5)
        settings = LiveSettings(without_viewers=True, max_age_seconds=0.1)
        async with playing(source, lambda _: way, settings) as (channel, metrics):
            await until(lambda: len(way.seen) > 10)
            assert drops(channel, "late") == 0
            source.brings.clear()
            await until(lambda: channel.tell()["state"] == "retrying")
            channel.status(LIVE)
            begin = time.monotonic() - 0.5
            await asyncio.sleep(2.0)
            for number in range(50):
                held_up = replace(FRAMES[number], captured_at=begin + 0.04 * number)
                channel.picture(held_up, decode_seconds=0.0)
                await asyncio.sleep(0.002)
            await until(lambda: unaccounted(metrics) == 0)
            # Those that a newer one overtook had been dropped before it was asked how late they were.
            assert drops(channel, "late") >= 1
            assert drops(channel, "late") + drops(channel, "superseded") > 25

    run(main())


def test_the_newest_is_shown_however_old_it_is() -> None:
    async def main() -> None:
        way = CostlyWay()
        source = PlayedSource([])
        source.brings.clear()
        async with playing(source, lambda _: way, LiveSettings(without_viewers=True)) as (channel, _):
            channel.status(LIVE)
            for number, age in enumerate((0.0, 0.0, 0.0, 0.5, 1.0, 3.0)):
                channel.picture(replace(FRAMES[0], captured_at=time.monotonic() - age), decode_seconds=0.0)
                await until(lambda: len(way.seen) == number + 1)  # noqa: B023
            assert drops(channel, "late") == 0

    run(main())


def test_every_frame_is_out_or_dropped_for_one_reason_whatever_happens() -> None:
    """Watched in both renditions, by nobody, lost while at work, failing."""

    async def main() -> None:
        source = PlayedSource(FRAMES, rate=50)
        way = CostlyWay(0.03)
        async with playing(source, lambda _: way) as (channel, metrics):
            viewings = [channel.view("enhanced"), channel.view("compare")]
            watchers = [Watcher(viewing) for viewing in viewings]
            await asyncio.gather(*(watcher.look(seconds=10, live=15) for watcher in watchers))
            way.fails = 2
            await until(lambda: drops(channel, "failed") == 2)
            for _ in range(3):
                source.brings.clear()
                await until(lambda: channel.tell()["state"] == "retrying")
                source.brings.set()
                await until(lambda: channel.tell()["state"] == "live")
                await watchers[0].look(seconds=0.2)
            for viewing in viewings:
                viewing.close()
            unseen = drops(channel, "unwatched")
            await until(lambda: drops(channel, "unwatched") > unseen + 150)
            viewing = channel.view("enhanced")
            await Watcher(viewing).look(seconds=10, live=5)
            viewing.close()
            source.brings.clear()
            await until(lambda: channel.tell()["state"] == "retrying")
            await until(lambda: unaccounted(metrics) == 0)
            assert figure(metrics, "frames_in_total") == source.sent
            assert figure(metrics, "latency_seconds_count") == figure(metrics, "frames_shown_total")
            assert figure(metrics, "frames_out_total", rendition="compare") >= 15
            assert drops(channel, "superseded") > 10

    run(main())


def test_without_viewers_the_figures_are_those_up_to_the_encoder() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        async with playing(source, lambda _: CostlyWay(0.002), LiveSettings(without_viewers=True)) as (
            channel,
            metrics,
        ):
            await until(lambda: figure(metrics, "frames_shown_total") > 30)
            status = channel.tell()
            assert status["fps_out"] > 10
            assert 0 < status["latency_ms"]["p50"] < 1000
            assert figure(metrics, "latency_seconds_count") > 30
            assert figure(metrics, "frame_age_seconds") < 5
            assert status["drops"].get("unwatched", 0) == 0
            source.brings.clear()
            await until(lambda: unaccounted(metrics) == 0)

    run(main())


def test_who_comes_later_sees_nothing_old() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        async with playing(source, lambda _: CostlyWay(0.06)) as (channel, _):
            viewing = channel.view("enhanced")
            await Watcher(viewing).look(seconds=10, live=5)
            viewing.close()
            unseen = drops(channel, "unwatched")
            await until(lambda: drops(channel, "unwatched") > unseen + 75)
            sent = source.sent
            viewing = channel.view("enhanced")
            seen = await Watcher(viewing).look(seconds=10, live=3)
            viewing.close()
        assert seen[0].coded.facts["slate"] == "One moment"
        shown = [each.coded.seq for each in seen if "slate" not in each.coded.facts]
        assert min(shown) >= sent - 1

    run(main())


def test_a_frame_of_before_a_slate_does_not_take_it_away() -> None:
    """The source is lost while its last frame is at work, in every run."""

    async def main() -> None:
        begun, gone = threading.Event(), threading.Event()

        class Held(CostlyWay):
            def process(self, frame: Frame, effort: Effort = FULL) -> Processed:
                begun.set()
                gone.wait(10)
                return super().process(frame, effort)

        source = PlayedSource([])
        source.brings.clear()
        async with playing(source, lambda _: Held()) as (channel, metrics):
            viewing = channel.view("enhanced")
            channel.status(LIVE)
            channel.picture(replace(FRAMES[0], captured_at=time.monotonic()), decode_seconds=0.0)
            await until(begun.is_set)
            channel.status(SourceStatus(SourceState.RETRYING, Cause.CLOSED, "gone for now"))
            gone.set()
            await until(lambda: drops(channel, "source_lost") == 1)
            # Nor does one that was still in the source's own hands.
            channel.picture(replace(FRAMES[0], captured_at=time.monotonic()), decode_seconds=0.0)
            assert drops(channel, "source_lost") == 2
            seen = await Watcher(viewing).look(seconds=0.8)
            viewing.close()
            assert not any(each.is_live for each in seen)
            assert seen[-1].coded.facts["slate"] == "The other side hung up: trying again"
            assert math.isnan(figure(metrics, "effort_level"))

    run(main())


def test_nothing_is_done_while_nobody_watches() -> None:
    async def main() -> None:
        way = CostlyWay()
        async with playing(PlayedSource(FRAMES), lambda _: way) as (channel, _):
            await until(lambda: drops(channel, "unwatched") > 10)
            assert not way.seen
            assert channel.tell()["output_width"] == 256
            viewing = channel.view("enhanced")
            await until(lambda: len(way.seen) > 5)
            viewing.close()
            idle = drops(channel, "unwatched")
            await until(lambda: drops(channel, "unwatched") > idle + 75)
            done = len(way.seen)
            await asyncio.sleep(0.3)
            assert len(way.seen) == done

    run(main())


def test_a_stream_whose_source_dies_keeps_its_viewers_and_tells_them() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        async with playing(source, lambda _: CostlyWay()) as (channel, metrics):
            viewing = channel.view("enhanced")
            watcher = Watcher(viewing)
            before = await watcher.look(seconds=0.8)
            source.brings.clear()
            dead = await watcher.look(seconds=1.6)
            status = channel.tell()
            source.brings.set()
            after = await watcher.look(seconds=15, live=11)
            text = metrics.render().decode()
            viewing.close()
        assert any(each.is_live for each in before)
        slates = [each.coded.facts.get("slate") for each in dead]
        assert slates[-2:] == ["Connection refused: trying again"] * 2
        assert (status["state"], status["cause"]) == ("retrying", "refused")
        assert status["message"] == "camera refused: is it on?"
        assert 0 < status["retry_in_s"] <= 9
        assert status["viewers"] == 1
        live = [each for each in after if each.is_live]
        assert len(live) > 10
        assert 'reconnects_total{cause="refused",stream="door"} 1.0' in text
        everything = [each.coded for each in (*before, *dead, *after)]
        assert all(a.pts < b.pts for a, b in pairwise(everything))

    run(main())


def test_a_connected_source_without_pictures_has_stalled_and_prometheus_hears_of_it() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES[:1], rate=0.4)
        async with playing(source, lambda _: CostlyWay(), LiveSettings(wait_seconds=0.3)) as (channel, metrics):
            viewing = channel.view("enhanced")
            await until(lambda: channel.tell()["state"] == "stalled")
            assert figure(metrics, "source_state", state="stalled") == 1
            assert figure(metrics, "source_state", state="live") == 0
            seen = await Watcher(viewing).look(seconds=0.8)
            await until(lambda: channel.tell()["state"] == "live")
            assert figure(metrics, "source_state", state="stalled") == 0
            assert figure(metrics, "source_state", state="live") == 1
            viewing.close()
        assert "no pictures" in str(seen[-1].coded.facts["slate"])

    run(main())


def test_the_effort_is_told_only_while_there_is_any() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        async with playing(source, lambda _: CostlyWay()) as (channel, metrics):
            assert math.isnan(figure(metrics, "effort_level"))
            viewing = channel.view("enhanced")
            await until(lambda: figure(metrics, "effort_level") == 0)
            source.brings.clear()
            await until(lambda: math.isnan(figure(metrics, "effort_level")))
            source.brings.set()
            await until(lambda: figure(metrics, "effort_level") == 0)
            viewing.close()
            await until(lambda: math.isnan(figure(metrics, "effort_level")))

    run(main())


def test_times_given_to_the_way_rise_whatever_the_source_says() -> None:
    async def main() -> None:
        way = CostlyWay()
        source = PlayedSource([])
        source.brings.clear()
        async with playing(source, lambda _: way, LiveSettings(without_viewers=True)) as (channel, _):
            now = time.monotonic()
            for number, at in enumerate((0.0, 0.04, 0.03, 0.03, 0.07)):
                channel.picture(replace(FRAMES[0], captured_at=now + at - 0.1), decode_seconds=0.0)
                await until(lambda: len(way.seen) == number + 1)  # noqa: B023
        seconds = [at for at, _, _ in way.seen]
        assert seconds == sorted(set(seconds))
        assert seconds[0] == pytest.approx(now - 0.1, abs=1e-4)
        assert [seq for _, seq, _ in way.seen] == [0, 1, 2, 3, 4]

    run(main())


def test_a_way_that_fails_costs_frames_and_is_told_but_the_stream_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ways: list[CostlyWay] = []

        def make(_scale: int) -> CostlyWay:
            ways.append(CostlyWay(fails=0 if ways else 1000))
            return ways[-1]

        source = PlayedSource(FRAMES)
        async with playing(source, make, LiveSettings(without_viewers=True)) as (channel, _):
            messages: set[str] = set()

            def goes_on() -> bool:
                messages.add(channel.tell()["message"])
                return len(ways) == 2 and len(ways[1].seen) > 3

            await until(goes_on)
            assert "frames fail: RuntimeError: the way is blocked" in messages
            assert channel.tell()["message"] == ""
            assert drops(channel, "failed") == 3

    run(main())
    assert caplog.text.count("a frame failed") == 1


def test_changes_are_told_at_once_and_every_second_and_end_with_the_stream() -> None:
    async def main() -> None:
        source = PlayedSource(FRAMES)
        told: list[tuple[float, str]] = []
        async with playing(source, lambda _: CostlyWay()) as (channel, _):

            async def listen() -> None:
                async for status in channel.changes():
                    told.append((time.monotonic(), status["state"]))

            listening = asyncio.create_task(listen())
            await until(lambda: bool(told) and told[-1][1] == "live")
            source.brings.clear()
            gone = time.monotonic()
            await until(lambda: told[-1][1] == "retrying")
            assert time.monotonic() - gone < 0.7
            count = len(told)
            await until(lambda: len(told) > count, seconds=3)
        await asyncio.wait_for(listening, 2)
        assert len(channel._listeners) == 0

    run(main())


def test_two_streams_on_one_conductor_are_served_in_turn() -> None:
    async def main() -> None:
        settings, metrics, conductor = LiveSettings(without_viewers=True), LiveMetrics(), Conductor()
        conductor.start()
        served: list[str] = []

        class Noted(CostlyWay):
            def __init__(self, name: str, seconds: float) -> None:
                super().__init__(seconds)
                self._name = name

            def process(self, frame: Frame, effort: Effort = FULL) -> Processed:
                served.append(self._name)
                return super().process(frame, effort)

        ways = {"greedy": Noted("greedy", 0.08), "modest": Noted("modest", 0.004)}
        channels = [
            make_channel(name, PlayedSource(FRAMES), lambda _, way=way: way, settings, conductor, metrics)  # type: ignore[misc]
            for name, way in ways.items()
        ]
        for channel in channels:
            channel.start()
        await until(lambda: served.count("greedy") >= 30, seconds=30)
        await asyncio.gather(*(channel.aclose() for channel in channels))
        await conductor.aclose()
        # While a long frame of the one is at work, a frame of the other comes, and that is next, now and then after
        # another moment of a busy machine; and the other leaves the rest of the time to the one.
        in_a_row = sum(pair == ("greedy", "greedy") for pair in pairwise(served[4:]))
        assert in_a_row <= 6
        assert served.count("modest") <= 3 * served.count("greedy")
        assert ways["greedy"].threads == ways["modest"].threads == {"conductor"}

    run(main())


def test_it_may_be_closed_twice_and_at_once() -> None:
    async def main() -> None:
        async with playing(PlayedSource(FRAMES), lambda _: CostlyWay()) as (channel, metrics):
            viewing = channel.view("enhanced")
            await channel.aclose()
            assert b'stream="door"' not in metrics.render()
            viewing.close()

    run(main())


def test_memory_stays_flat_over_thousands_of_frames() -> None:
    """Frames of 64 x 48 pixels at 500 a second, most of them superseded, some encoded."""

    async def main() -> None:
        frames = numbered_frames(50, width=64, height=48)
        source = PlayedSource(frames, rate=500)
        # The meter keeps the last 5 s by its clock: only when that is full, growth can be told from filling.
        metrics = LiveMetrics(clock=lambda: 20 * time.monotonic())
        async with playing(source, lambda _: CostlyWay(keeps=1), metrics=metrics) as (channel, _):
            viewing = channel.view("enhanced")
            watcher = Watcher(viewing)
            tracemalloc.start()
            await watcher.look(seconds=2.0)
            sent, held = [], []
            for _ in range(9):
                await watcher.look(seconds=0.5)
                sent.append(source.sent)
                held.append(traced())
            tracemalloc.stop()
            viewing.close()
        assert sent[-1] - sent[0] > 800
        # A frame is 4.6 kB: one kept in a hundred would show. The median of slopes, since queues fill and empty.
        assert theilslopes(held, sent).slope < 46

    run(main())


def traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
