"""The parts of a live source that need no network: waits, mended times, pace, lag, Opus lengths."""

from __future__ import annotations

import threading
import time
from collections import Counter

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from streamer.media.network.backoff import Backoff
from streamer.media.network.lag import Lag
from streamer.media.network.mending import Mender, Rising
from streamer.media.network.opus import samples_of
from streamer.media.network.pace import Pacer


def test_waits_double_up_to_the_cap_and_begin_again() -> None:
    backoff = Backoff(1.0, 10.0, jitter=0.0)
    assert [backoff.next() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.longest() == 10.0
    backoff.reset()
    assert backoff.next() == 1.0


def test_jitter_takes_a_random_share_of_all() -> None:
    draws = iter([0.0, 0.5, 1.0])
    backoff = Backoff(1.0, 60.0, draw=lambda: next(draws))
    assert [backoff.next() for _ in range(3)] == [1.0, 1.0, 0.0]
    for _ in range(5000):
        assert Backoff(1.0, 60.0).next() <= 1.0


def test_years_of_retries_stay_at_the_cap() -> None:
    backoff = Backoff(1.0, 30.0, jitter=0.0)
    waits = [backoff.next() for _ in range(100_000)]
    assert waits[-1] == 30.0


@pytest.fixture
def mended() -> Counter[str]:
    return Counter()


@pytest.fixture
def mender(mended: Counter[str]) -> Mender:
    return Mender(lambda what: mended.update([what]))


def test_good_times_are_left_alone(mender: Mender, mended: Counter[str]) -> None:
    for index in range(100):
        seconds = 5.0 + index * 0.04
        assert mender.place(0, seconds, duration=0.04, arrived_at=100 + index * 0.04) == seconds
        assert mender.place(1, seconds - 0.5, duration=0.02, arrived_at=100 + index * 0.04) == seconds - 0.5
    assert not mended


def test_a_missing_time_follows_the_last(mender: Mender, mended: Counter[str]) -> None:
    mender.place(0, 1.0, duration=0.04, arrived_at=10.0)
    assert mender.place(0, None, duration=0.04, arrived_at=10.04) == pytest.approx(1.04)
    assert mended == {"timestamp_missing": 1}


@pytest.mark.parametrize("jump", [-500.0, -2.0, 95000.0])
def test_a_jump_moves_sound_and_picture_alike(mender: Mender, mended: Counter[str], jump: float) -> None:
    placed = []
    for index in range(50):
        shift = jump if index >= 25 else 0.0
        now = 10.0 + index * 0.04
        placed.append(mender.place(0, 600 + index * 0.04 + shift, duration=0.04, arrived_at=now))
        # The sound jumps two packets later than the picture.
        late = jump if index >= 27 else 0.0
        sound = mender.place(1, 600 + index * 0.04 + late, duration=0.04, arrived_at=now)
        assert sound == pytest.approx(placed[-1], abs=0.05)
    assert np.diff(placed) == pytest.approx(np.full(49, 0.04), abs=0.01)
    assert mended == {"timestamp_jump": 1}


def test_a_pause_and_a_stalled_way_are_no_jumps(mender: Mender, mended: Counter[str]) -> None:
    mender.place(0, 1.0, duration=0.04, arrived_at=10.0)
    assert mender.place(0, 61.0, duration=0.04, arrived_at=70.0) == 61.0
    assert mender.place(0, 61.04, duration=0.04, arrived_at=90.0) == 61.04
    assert not mended


def test_times_only_rise() -> None:
    rising = Rising()
    assert [rising.place(seconds) for seconds in (1.0, 1.0, 0.5, 2.0)] == [
        (1.0, False),
        (1.001, True),
        (pytest.approx(1.002), True),
        (2.0, False),
    ]


def test_who_cannot_keep_up_is_behind_and_who_waits_is_not() -> None:
    lag = Lag(1.0)
    behind = []
    for index in range(200):
        lag.note(0.0, now=index * 0.05, age=index * 0.02)
        behind.append(lag.is_behind)
    # Ages pass a second at the fiftieth packet, 2.5 s in.
    assert not any(behind[:60])
    assert sum(behind) >= 5
    # What it skips to must be near, or it would never get there.
    near = [lag.is_near]
    lag.note(0.0, now=10.0, age=0.5)
    assert [*near, lag.is_near] == [False, True]
    lag = Lag(1.0)
    for index in range(200):
        lag.note(0.04, now=index * 0.05, age=5.0)
        assert not lag.is_behind


def test_items_come_in_the_order_and_at_the_pace_of_their_times() -> None:
    pacer: Pacer[str] = Pacer(threading.Event())
    # As muxers interleave: all of the sound of a stretch, then all of its picture.
    items = [(0.00, "a"), (0.02, "b"), (0.04, "c"), (0.01, "V"), (0.03, "W"), (0.25, "X")]
    started = time.monotonic()
    came = [(item, due) for due, item in pacer.paced(iter(items))]
    assert [item for item, _ in came] == ["a", "V", "b", "W", "c", "X"]
    assert time.monotonic() - started >= 0.24
    dues = dict(came)
    assert dues["X"] - dues["a"] == pytest.approx(0.25)


def test_a_pace_that_was_missed_is_not_hurried_after() -> None:
    now = [100.0]
    pacer: Pacer[int] = Pacer(threading.Event(), now=lambda: now[0])
    stream = pacer.paced((index * 2.0, index) for index in range(4))
    assert next(stream) == (100.0, 0)
    now[0] = 110.0
    assert next(stream) == (110.0, 1)
    assert pacer.place(4.0) == 112.0


def test_a_stopped_pace_ends_at_once() -> None:
    stopping = threading.Event()
    stopping.set()
    started = time.monotonic()
    list(Pacer[int](stopping).paced((index * 5.0, index) for index in range(10)))
    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize("milliseconds", ["2.5", "5", "10", "20", "40", "60"])
@pytest.mark.parametrize("application", ["voip", "audio", "lowdelay"])
def test_opus_packets_last_as_long_as_they_say(milliseconds: str, application: str) -> None:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "mono", "s16"
    encoder.options = {"frame_duration": milliseconds, "application": application}
    samples = round(48 * float(milliseconds))
    frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.int16), format="s16", layout="mono")
    frame.sample_rate = 48000
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    assert {samples_of(bytes(packet)) for packet in packets} == {samples}


def test_what_is_no_opus_lasts_nothing() -> None:
    assert samples_of(b"") == 0
    assert samples_of(b"\x03") == 0
