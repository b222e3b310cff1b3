"""What is shown of what comes, in simulated time: the clock of arrivals, the intake, and a conductor that is free."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from streamer.live.arrivals import Arrivals
from streamer.live.clock import ArrivalClock
from streamer.live.intake import Intake
from streamer.live.retiming import Retimer
from tests.helpers.living import numbered_frames

FRAME = numbered_frames(1)[0]
INTERVAL = 0.04
MAX_AGE = 0.2

Way = Callable[[float], float]


@dataclass
class Played:
    """What became of a source's frames. `shown`: when, and which. `captured`: the times of all that came."""

    shown: list[tuple[float, int]] = field(default_factory=list)
    captured: list[float] = field(default_factory=list)
    late: int = 0
    superseded: int = 0

    @property
    def longest_gap(self) -> float:
        return max(b - a for (a, _), (b, _) in pairwise(self.shown))

    @property
    def steps(self) -> list[float]:
        return [b - a for a, b in pairwise(self.captured)]


def play(times: list[tuple[float, float]], *, work: float = 0.004) -> Played:
    """`times`: of each frame, what its source says and when it arrives. `work`: the seconds that one takes."""
    clock, intake, played = ArrivalClock(), Intake(max_age_seconds=MAX_AGE), Played()
    free_at = 0.0

    def show(until: float, since: float) -> float:
        at = max(free_at, since)
        if at > until or (arrived := intake.take()) is None:
            return free_at
        if intake.is_late(arrived, at):
            played.late += 1
            return at
        intake.shown(at + work)
        played.shown.append((at + work, arrived.frame.seq))
        return at + work

    for number, (media, at) in enumerate(times):
        frame = replace(FRAME, captured_at=clock.place(media, at))
        arrived = intake.place(frame, now=at, decode_seconds=0.0, epoch=0)
        played.captured.append(arrived.frame.captured_at)
        played.superseded += intake.put(arrived) is not None
        free_at = show(times[number + 1][1] if number + 1 < len(times) else at + 1, at)
    return played


def over(way: Way, *, seconds: float = 40.0) -> list[tuple[float, float]]:
    """A source of 25 fps over a way that takes `way(seconds)`, and keeps the order."""
    times: list[tuple[float, float]] = []
    for number in range(round(seconds / INTERVAL)):
        media = number * INTERVAL
        times.append((media, max(100 + media + way(media), times[-1][1] if times else 0.0)))
    return times


@pytest.mark.parametrize("longer", [0.05, 0.22, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("seconds", [5.0, 100.0])
def test_a_way_that_gets_longer_costs_nothing_but_its_length_once(longer: float, seconds: float) -> None:
    played = play(over(lambda at: 0.02 + (longer if 10 <= at < 10 + seconds else 0.0)))
    assert played.late == 0
    assert played.longest_gap == pytest.approx(longer + INTERVAL, abs=1e-6)


@pytest.mark.parametrize("slip", [0.3, 1.0, 2.5])
def test_one_wrong_time_freezes_nothing(slip: float) -> None:
    times = [(media + (slip if number == 200 else 0.0), at) for number, (media, at) in enumerate(over(lambda _: 0.02))]
    played = play(times)
    assert len(played.shown) == len(times)
    assert played.longest_gap == pytest.approx(INTERVAL, abs=1e-6)


@pytest.mark.parametrize("by", [-2.0, -0.5, -0.1, 0.1, 0.5, 2.0])
def test_a_source_that_sets_its_clock_freezes_nothing_and_makes_no_time_stand(by: float) -> None:
    times = [(media + (by if media >= 10 else 0.0), at) for media, at in over(lambda _: 0.02)]
    played = play(times)
    assert len(played.shown) == len(times)
    assert played.longest_gap == pytest.approx(INTERVAL, abs=1e-6)
    assert min(played.steps) > INTERVAL / 5


def test_on_a_way_of_great_jitter_the_newest_is_shown_whenever_there_is_one() -> None:
    noise = random.Random(2)
    times = over(lambda _: noise.expovariate(1 / 0.15))
    played = play(times)
    silences = [b - a for (_, a), (_, b) in pairwise(times)]
    assert played.longest_gap < max(silences) + 2 * INTERVAL
    assert played.late < 0.05 * len(times)


def test_a_backlog_is_skipped_to_the_newest() -> None:
    """2 s of frames were held up, and come 5 ms apart, with work of 3 ms: all could be shown, and none should."""
    held = over(lambda at: max(0.02, 12.0 - at + 0.005 * (at - 10) / INTERVAL) if 10 <= at < 12.5 else 0.02)
    played = play(held, work=0.003)
    assert played.late > 40
    old = [number for at, number in played.shown if 100 + number * INTERVAL < at - 2 * MAX_AGE]
    assert len(old) <= 4
    # All the while something moves, and in the end every frame is on time again.
    assert played.longest_gap < 2.1
    assert [number for _, number in played.shown][-600:] == list(range(400, 1000))


def test_the_last_frame_of_all_is_shown_however_old_it_is() -> None:
    played = play([*over(lambda _: 0.02, seconds=10), (10.0, 113.0)])
    assert played.shown[-1][1] == 250


def test_more_frames_than_there_is_time_for_give_way_to_newer_ones() -> None:
    times = over(lambda _: 0.02)
    played = play(times, work=0.1)
    assert played.late == 0
    assert played.superseded + len(played.shown) == len(times)
    assert all(at - (100.02 + number * INTERVAL) < 0.1 + INTERVAL + 1e-6 for at, number in played.shown)


def test_a_constant_delay_is_not_late_though_frames_come_in_pairs() -> None:
    """As decoders give them that reorder: two at once."""
    times = [
        (media, at + 0.6 + (INTERVAL if number % 2 else 0.0)) for number, (media, at) in enumerate(over(lambda _: 0.0))
    ]
    paired = [
        (media, max(at, times[number - 1][1]) if number % 2 == 0 and number else at)
        for number, (media, at) in enumerate(times)
    ]
    assert play(paired, work=0.001).late == 0


def test_arrivals_tell_the_rate_and_what_is_usual() -> None:
    arrivals = Arrivals()
    assert arrivals.interval == 0.04
    for number in range(100):
        if number % 10:
            arrivals.add(10 + number / 50, 10.3 + number / 50 + 0.005 * (number % 3))
    assert arrivals.interval == pytest.approx(0.02)
    assert arrivals.usual_age == pytest.approx(0.3, abs=0.006)


def test_a_pause_or_a_jump_is_no_interval_but_begins_another_run() -> None:
    arrivals, runs = Arrivals(), []
    for at in (0.0, 0.1, 0.2, 60.0, 60.1, 60.2, 5.0, 5.1, 5.2):
        arrivals.add(at, at)
        runs.append(arrivals.run)
    assert arrivals.interval == pytest.approx(0.1)
    assert runs == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize("interval", [0.5, 1.0, 2.0, 5.0])
def test_a_slow_camera_does_not_pause(interval: float) -> None:
    noise, arrivals = random.Random(1), Arrivals()
    for number in range(100):
        arrivals.add(number * interval + noise.uniform(-0.02, 0.02), number * interval + 0.1)
    assert arrivals.run == 0
    assert arrivals.interval == pytest.approx(interval, abs=0.04)


def test_a_camera_that_gets_slow_has_paused_once() -> None:
    arrivals = Arrivals()
    at = 0.0
    for number in range(100):
        at += 0.04 if number < 50 else 4.0
        arrivals.add(at, at)
    assert arrivals.run == 1
    assert arrivals.interval == pytest.approx(4.0)


def test_times_rise_whatever_their_source_says_and_are_never_of_the_future() -> None:
    retimer = Retimer()
    placed = [
        retimer.place(replace(FRAME, captured_at=at), interval=0.04, now=now)
        for at, now in ((1.0, 1.1), (1.04, 1.14), (0.54, 1.18), (0.58, 1.22), (9.0, 1.26), (9.0, 1.26), (1.28, 1.3))
    ]
    assert [frame.captured_at for frame in placed] == pytest.approx([1.0, 1.04, 1.05, 1.06, 1.26, 1.26, 1.28])
    assert [frame.seq for frame in placed] == list(range(7))
    assert all(a.pts < b.pts for a, b in pairwise(placed))
