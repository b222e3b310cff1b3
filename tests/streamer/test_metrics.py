"""The meter of a live stream: what Prometheus reads, and what the status shows."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from routing.types import Lane
from streamer.effort import LADDER
from streamer.frame import Judged
from streamer.live.families import MOST_VALUES
from streamer.live.meter import DROP_REASONS, StreamMeter
from streamer.live.ports import Cause, SourceState, SourceStatus
from streamer.live.recent import MOST_EVENTS, Recent
from streamer.metrics import LiveMetrics
from tests.helpers.metered import frame_through, live_through_everything, report, route


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def metrics(clock: Clock) -> LiveMetrics:
    return LiveMetrics(clock=clock)


@pytest.fixture
def meter(metrics: LiveMetrics) -> Iterator[StreamMeter]:
    meter = metrics.stream("door")
    yield meter
    meter.close()


def value(metrics: LiveMetrics, name: str, **labels: str) -> float | None:
    """Of the one sample with this name and these labels (and `stream="door"`); None where there is none."""
    wanted = {"stream": "door", **labels}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == wanted:
                return float(sample.value)
    return None


def run_frames(meter: StreamMeter, clock: Clock, count: int, *, rate: float = 25.0) -> None:
    for _ in range(count):
        frame_through(meter, route())
        clock.now += 1 / rate


def test_counts_every_frame_in_out_and_dropped(metrics: LiveMetrics, meter: StreamMeter, clock: Clock) -> None:
    run_frames(meter, clock, 10)
    meter.dropped("superseded")
    meter.dropped("late", 4)
    meter.viewer_dropped(7)
    assert value(metrics, "facelane_frames_in_total") == 10
    assert value(metrics, "facelane_frames_out_total", rendition="enhanced") == 10
    assert value(metrics, "facelane_frames_dropped_total", reason="superseded") == 1
    assert value(metrics, "facelane_frames_dropped_total", reason="late") == 4
    assert value(metrics, "facelane_viewer_frames_dropped_total", reason="slow_viewer") == 7
    assert value(metrics, "facelane_picture_bytes_total", rendition="enhanced") == 200_000
    assert value(metrics, "facelane_sound_bytes_total") == 1600
    assert meter.snapshot().drops == {"superseded": 1, "late": 4}
    assert meter.snapshot().viewer_drops == 7


def test_begins_at_nought_so_that_a_first_rise_is_seen(metrics: LiveMetrics, meter: StreamMeter) -> None:
    for reason in DROP_REASONS:
        assert value(metrics, "facelane_frames_dropped_total", reason=reason) == 0
    assert value(metrics, "facelane_source_reconnects_total", cause="timed_out") == 0


def test_sorts_times_into_buckets(metrics: LiveMetrics, meter: StreamMeter) -> None:
    for seconds in (0.03, 0.07, 0.35):
        meter.frame_out(latency_seconds=seconds, size_bytes=1)
    counts = {
        bound: value(metrics, "facelane_latency_seconds_bucket", le=bound) for bound in ("0.02", "0.04", "0.4", "+Inf")
    }
    assert counts == {"0.02": 0, "0.04": 1, "0.4": 3, "+Inf": 3}
    assert value(metrics, "facelane_latency_seconds_sum") == pytest.approx(0.45)


def test_times_every_stage(metrics: LiveMetrics, meter: StreamMeter) -> None:
    meter.stage("queue", 0.004)
    meter.report(report(route()))
    for stage in ("queue", "detect.rgb", "track", "gate", "expert.transformer", "background", "blend"):
        assert value(metrics, "facelane_stage_seconds_count", stage=stage) == 1, stage
    assert meter.snapshot().stages_ms["expert.transformer"] == pytest.approx(12)


def test_counts_faces_by_lane_and_reason_but_not_what_only_fades(metrics: LiveMetrics, meter: StreamMeter) -> None:
    fading = route(Lane.FREQUENCY, "fading", fading=True)
    meter.report(report(route(), route(), route(Lane.SKIP, "under 50 px"), fading))
    assert value(metrics, "facelane_faces_total", lane="transformer", reason="50 to 100 px") == 2
    assert value(metrics, "facelane_faces_total", lane="skip", reason="under 50 px") == 1
    assert value(metrics, "facelane_faces_total", lane="frequency", reason="fading") is None
    assert value(metrics, "facelane_batch_faces_sum", lane="transformer") == 4


def test_counts_likenesses_and_the_guards_steps(metrics: LiveMetrics, meter: StreamMeter) -> None:
    assert value(metrics, "facelane_identity_guard_steps_total", direction="down") == 0
    judged = Judged(
        (("transformer", 0.97), ("transformer", 0.91), ("frequency", 0.95)), lowered=2, raised=1, unjudged=4
    )
    meter.report(replace(report(), identity=judged))
    for bound, count in (("0.9", 0), ("0.92", 1), ("0.98", 2)):
        name = "facelane_identity_similarity_bucket"
        assert value(metrics, name, lane="transformer", le=bound) == count
    assert value(metrics, "facelane_identity_similarity_count", lane="frequency") == 1
    assert value(metrics, "facelane_identity_guard_steps_total", direction="down") == 2
    assert value(metrics, "facelane_identity_guard_steps_total", direction="up") == 1
    assert value(metrics, "facelane_identity_unjudged_total") == 4


def test_shows_the_faces_of_the_last_second(meter: StreamMeter, clock: Clock) -> None:
    meter.report(report(route(), route(), route()))
    clock.now += 1.5
    for _ in range(10):
        meter.report(report(route(), route(Lane.RESIZE, "150 px or wider")))
        clock.now += 0.04
    assert meter.snapshot().faces == {"skip": 0, "resize": 1, "transformer": 1, "frequency": 0}


def test_tells_the_rates_of_the_last_seconds(metrics: LiveMetrics, meter: StreamMeter, clock: Clock) -> None:
    assert meter.snapshot().fps_in is None
    assert math.isnan(value(metrics, "facelane_input_frame_rate_hertz") or 0.0)
    run_frames(meter, clock, 250)
    now = meter.snapshot()
    assert now.fps_in == pytest.approx(25, rel=0.02)
    assert now.fps_out == pytest.approx(25, rel=0.02)
    assert value(metrics, "facelane_output_frame_rate_hertz") == pytest.approx(25, rel=0.02)
    assert now.bitrate_kbps == pytest.approx(25 * 20_160 * 8 / 1000, rel=0.02)
    clock.now += 6
    assert meter.snapshot().fps_out == 0


def test_the_comparison_is_no_second_stream(metrics: LiveMetrics, meter: StreamMeter, clock: Clock) -> None:
    for _ in range(50):
        for rendition, size in (("enhanced", 1000), ("compare", 3000)):
            again = rendition == "compare"
            meter.frame_out(latency_seconds=0.03, size_bytes=size, rendition=rendition, again=again)
        clock.now += 0.04
    now = meter.snapshot()
    assert value(metrics, "facelane_frames_shown_total") == value(metrics, "facelane_latency_seconds_count") == 50
    assert value(metrics, "facelane_frames_out_total", rendition="compare") == 50
    assert now.fps_out == pytest.approx(25)
    assert now.bitrate_kbps == pytest.approx(25 * 3000 * 8 / 1000)


def test_tells_percentiles_of_the_last_seconds(meter: StreamMeter, clock: Clock) -> None:
    for milliseconds in range(1, 101):
        meter.frame_out(latency_seconds=milliseconds / 1000, size_bytes=1)
        clock.now += 0.01
    now = meter.snapshot()
    assert now.latency_p50_ms == pytest.approx(51)
    assert now.latency_p95_ms == pytest.approx(96)
    clock.now += 6
    assert meter.snapshot().latency_p50_ms is None


def test_the_age_of_the_newest_picture_rises_while_none_comes(
    metrics: LiveMetrics, meter: StreamMeter, clock: Clock
) -> None:
    assert math.isnan(value(metrics, "facelane_frame_age_seconds") or 0.0)
    meter.frame_out(latency_seconds=0.03, size_bytes=1)
    clock.now += 4
    assert value(metrics, "facelane_frame_age_seconds") == pytest.approx(4.03)


def test_the_source_is_in_one_state(metrics: LiveMetrics, meter: StreamMeter) -> None:
    meter.source(SourceStatus(SourceState.CONNECTING))
    meter.source(SourceStatus(SourceState.RETRYING, Cause.TIMED_OUT))
    states = {state: value(metrics, "facelane_source_state", state=state.value) for state in SourceState}
    assert [state for state, on in states.items() if on] == [SourceState.RETRYING]
    assert None not in states.values()


def test_counts_a_reconnect_under_what_had_ended_it(metrics: LiveMetrics, meter: StreamMeter) -> None:
    meter.source(SourceStatus(SourceState.RETRYING, Cause.REFUSED))
    meter.source(SourceStatus(SourceState.LIVE))
    meter.reconnected()
    assert value(metrics, "facelane_source_reconnects_total", cause="refused") == 1
    assert meter.snapshot().reconnects == 1


@pytest.mark.parametrize("level", range(len(LADDER)))
def test_tells_the_effort_as_a_step(metrics: LiveMetrics, meter: StreamMeter, level: int) -> None:
    assert value(metrics, "facelane_effort_level") is None
    meter.effort(LADDER[level].name)
    assert value(metrics, "facelane_effort_level") == level
    assert (meter.snapshot().effort, meter.snapshot().effort_level) == (LADDER[level].name, level)
    meter.idle()
    meter.idle()
    assert value(metrics, "facelane_effort_level") is None


@pytest.mark.parametrize("nonsense", [-0.1, 61.0, math.nan, math.inf])
def test_believes_no_page_that_measures_nonsense(metrics: LiveMetrics, meter: StreamMeter, nonsense: float) -> None:
    meter.glass(nonsense)
    meter.glass(0.1)
    assert value(metrics, "facelane_glass_to_glass_seconds_count") == 1
    assert meter.snapshot().glass_p50_ms == pytest.approx(100)


def test_a_stream_that_goes_takes_its_series_along(metrics: LiveMetrics, meter: StreamMeter) -> None:
    other = metrics.stream("yard")
    live_through_everything(meter)
    live_through_everything(other)
    meter.close()
    meter.close()
    live_through_everything(meter)  # a thread that hasn't heard of it yet
    assert b'stream="door"' not in metrics.render()
    assert b'stream="yard"' in metrics.render()
    assert b"facelane_streams 1.0" in metrics.render()


def test_a_name_has_one_meter_at_a_time(metrics: LiveMetrics, meter: StreamMeter) -> None:
    with pytest.raises(ValueError, match="'door' has a meter already"):
        metrics.stream("door")
    meter.frame_in()
    meter.close()
    again = metrics.stream("door")
    assert value(metrics, "facelane_frames_in_total") == 0
    again.close()


def test_labels_are_bounded_whatever_is_put_into_them(metrics: LiveMetrics, meter: StreamMeter) -> None:
    for number in range(10 * MOST_VALUES):
        meter.dropped(f"frame {number} is late")
    rendered = metrics.render().decode()
    assert rendered.count("facelane_frames_dropped_total{") <= MOST_VALUES + 1
    assert (value(metrics, "facelane_frames_dropped_total", reason="other") or 0) > 9 * MOST_VALUES


def test_names_that_need_quoting_are_quoted(metrics: LiveMetrics) -> None:
    metrics.stream('a "b"\\c\n').frame_in()
    families = list(text_string_to_metric_families(metrics.render().decode()))
    names = {sample.labels.get("stream") for family in families for sample in family.samples}
    assert 'a "b"\\c\n' in names


def test_many_threads_lose_no_count(metrics: LiveMetrics, meter: StreamMeter) -> None:
    def work() -> None:
        for _ in range(300):
            frame_through(meter, route())
            meter.dropped("late")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.render()
        meter.snapshot()
    assert value(metrics, "facelane_frames_in_total") == 1200
    assert value(metrics, "facelane_stage_seconds_count", stage="blend") == 1200
    assert meter.snapshot().drops == {"late": 1200}


def test_tells_of_the_process(metrics: LiveMetrics) -> None:
    families = {family.name: family for family in text_string_to_metric_families(metrics.render().decode())}
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    assert {"process_cpu_seconds", "process_open_fds", "process_start_time_seconds"} <= set(families)
    assert set(families["facelane_build_info"].samples[0].labels) == {"version", "python"}
    assert not [name for name in families if name.startswith("python_gc")]


def test_keeps_no_more_than_the_window() -> None:
    recent = Recent()
    for index in range(5 * MOST_EVENTS):
        recent.add(index / 1000)
    assert len(recent._events) == MOST_EVENTS
    assert recent.rate(5 * MOST_EVENTS / 1000) == pytest.approx(1000, rel=0.01)
