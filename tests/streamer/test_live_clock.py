from __future__ import annotations

import itertools
import random

import pytest

from streamer.live.clock import ArrivalClock


def placed(clock: ArrivalClock, times: list[tuple[float, float]]) -> list[float]:
    return [clock.place(media, arrived) for media, arrived in times]


def steps(values: list[float]) -> list[float]:
    return [b - a for a, b in itertools.pairwise(values)]


def test_a_constant_rate_gives_constant_steps_however_unevenly_it_arrives() -> None:
    noise = random.Random(1)
    times = [(i * 0.04, 100 + i * 0.04 + 0.02 + noise.expovariate(1 / 0.015)) for i in range(1500)]
    captured = placed(ArrivalClock(), times)
    assert all(at <= arrived + 1e-9 for at, (_, arrived) in zip(captured, times, strict=True))
    settled = steps(captured[500:])
    assert min(settled) == pytest.approx(0.04, abs=0.002)
    assert max(settled) == pytest.approx(0.04, abs=0.0005)
    ages = [arrived - at for at, (_, arrived) in zip(captured, times, strict=True)]
    assert sum(ages) / len(ages) == pytest.approx(0.015, abs=0.004)


def test_what_was_held_up_is_older_than_what_was_not() -> None:
    clock = ArrivalClock()
    placed(clock, [(i * 0.04, 50 + i * 0.04) for i in range(100)])
    burst = placed(clock, [(4 + i * 0.04, 56.0) for i in range(50)])
    assert burst[0] == pytest.approx(54.0, abs=0.02)
    assert burst[-1] == pytest.approx(55.96, abs=0.02)


@pytest.mark.parametrize("drift", [-0.0005, 0.0005])
def test_it_follows_a_senders_clock_that_drifts(drift: float) -> None:
    times = [(i * 0.04, 10 + i * 0.04 * (1 + drift)) for i in range(25 * 600)]
    captured = placed(ArrivalClock(), times)
    assert max(arrived - at for at, (_, arrived) in zip(captured, times, strict=True)) < 0.012
    assert max(abs(step - 0.04) for step in steps(captured)) < 0.0003


def test_a_slower_way_is_followed_without_a_step() -> None:
    before = [(i * 0.04, 10 + i * 0.04) for i in range(500)]
    after = [(20 + i * 0.04, 30.1 + i * 0.04) for i in range(1000)]
    captured = placed(ArrivalClock(), before + after)
    assert max(steps(captured)) < 0.0403
    assert captured[-1] == pytest.approx(after[-1][1], abs=1e-6)


def test_a_sender_that_paused_its_clock_is_believed_after_a_window() -> None:
    before = [(i * 0.04, 10 + i * 0.04) for i in range(500)]
    after = [(20 + i * 0.04, 90 + i * 0.04) for i in range(300)]
    captured = placed(ArrivalClock(), before + after)
    assert captured[-1] == pytest.approx(after[-1][1], abs=1e-6)


@pytest.mark.parametrize("origin", [-1e6, -10.0, 1e6])
def test_a_media_time_that_jumps_either_way_does_not_make_anything_old(origin: float) -> None:
    clock = ArrivalClock()
    placed(clock, [(i * 0.04, 10 + i * 0.04) for i in range(100)])
    assert clock.place(origin, 14.0) == pytest.approx(14.0, abs=1e-6)
    assert clock.place(origin + 0.04, 14.04) == pytest.approx(14.04, abs=1e-6)
    assert clock.begins == (origin < 0)


def test_one_wild_time_spoils_nothing_after_it() -> None:
    clock = ArrivalClock()
    placed(clock, [(i * 0.04, 10 + i * 0.04) for i in range(100)])
    clock.place(5000.0, 14.0)
    assert clock.place(4.04, 14.04) == pytest.approx(14.04, abs=1e-6)


@pytest.mark.parametrize("shorter", [0.05, 0.2, 0.4, 1.0])
def test_a_way_that_gets_quicker_lets_no_time_go_back(shorter: float) -> None:
    """A queue on the way empties: what was in it arrives at once, and what follows comes sooner than ever."""
    noise = random.Random(3)
    before = [(i * 0.04, 10 + i * 0.04 + shorter + noise.uniform(0, 0.06)) for i in range(500)]
    last = max(arrived for _, arrived in before)
    after = [(20 + i * 0.04, max(last, 30 + i * 0.04)) for i in range(500)]
    times = [(media, max(arrived for _, arrived in before[: i + 1])) for i, (media, _) in enumerate(before)] + after
    captured = placed(ArrivalClock(), times)
    assert all(at <= arrived for at, (_, arrived) in zip(captured, times, strict=True))
    # But in the first second nothing goes back; nor does it stand where frames came one by one.
    assert min(steps(captured[30:])) >= 0
    assert min(steps(captured[550:])) > 0.019
    assert captured[-1] == pytest.approx(times[-1][1], abs=1e-6)


@pytest.mark.parametrize("ahead", [0.3, 1.0, 2.9, 100.0])
def test_one_time_too_far_ahead_changes_nothing(ahead: float) -> None:
    times = [(i * 0.04 + (ahead if i == 200 else 0), 10 + i * 0.04) for i in range(400)]
    captured = placed(ArrivalClock(), times)
    assert captured == pytest.approx([arrived for _, arrived in times], abs=1e-6)


def test_a_clock_that_was_set_ahead_is_believed_soon() -> None:
    times = [(i * 0.04 + (0.5 if i >= 200 else 0), 10 + i * 0.04 + 0.01 * (i % 3)) for i in range(400)]
    captured = placed(ArrivalClock(), times)
    assert min(steps(captured[30:])) > 0
    assert max(abs(step - 0.04) for step in steps(captured[230:])) < 0.021
    assert times[-1][1] - captured[-1] < 0.03


def test_sound_that_begins_later_and_comes_sooner_brings_the_pictures_along() -> None:
    clock = ArrivalClock()
    pictures = placed(clock, [(i * 0.04, 10 + i * 0.04 + 0.4) for i in range(100)])
    sound = []
    for i in range(100, 400):
        sound.append(clock.place(i * 0.04, 10 + i * 0.04))
        pictures.append(clock.place(i * 0.04, 10 + i * 0.04 + 0.4))
    assert min(steps(pictures)) > 0.019
    assert pictures[-1] == pytest.approx(sound[-1], abs=1e-6)


def test_sound_and_picture_stay_in_step_on_one_clock() -> None:
    clock = ArrivalClock()
    picture, sound = [], []
    for i in range(500):
        picture.append(clock.place(i * 0.04, 10 + i * 0.04 + 0.08))
        sound.append(clock.place(i * 0.04, 10 + i * 0.04 + 0.01))
    assert picture[-1] == pytest.approx(sound[-1], abs=1e-6)


def test_a_reset_clock_knows_nothing() -> None:
    clock = ArrivalClock()
    clock.place(100.0, 10.0)
    clock.reset()
    assert clock.place(99.0, 11.0) == 11.0
    assert clock.begins == 0


def test_its_memory_is_bounded() -> None:
    clock = ArrivalClock()
    placed(clock, [(i * 0.001, i * 0.001 * 1.0001) for i in range(100_000)])
    assert len(clock._least) <= 22
