"""When there is a key frame, what a viewer's ring holds, and how a stream's rate is known: by given times."""

from __future__ import annotations

from itertools import accumulate

import pytest

from streamer.live.keys import KeyFrames
from streamer.live.rendition import Pace
from streamer.live.rings import PictureRing
from web.feeds import EncodedPicture, Layout, Rendition

LAYOUT = Layout(16, 16, (0, 0, 16, 16))


def picture(seq: int, *, key: bool = False, rendition: Rendition = "enhanced") -> EncodedPicture:
    return EncodedPicture(b"x", seq, key, seq, 0.0, rendition, LAYOUT)


def taken(ring: PictureRing, now: float) -> list[int]:
    got = []
    while (one := ring.take(now)[0]) is not None:
        got.append(one.seq)
    return got


def test_a_key_frame_is_due_when_asked_for_but_not_again_within_half_a_second() -> None:
    keys = KeyFrames(10.0)
    assert keys.due(100.0)
    keys.made(100.0)
    assert not keys.due(100.6)
    keys.ask()
    assert not keys.due(100.49)
    assert keys.due(100.5)
    keys.made(100.5)
    assert not keys.due(101.5)
    assert keys.due(110.5)


def test_one_that_was_asked_for_while_being_made_is_answered_by_it_and_a_failure_answers_nobody() -> None:
    keys = KeyFrames(10.0)
    keys.ask()
    keys.ask()
    keys.made(1.0)
    assert not keys.wanted
    keys.ask()
    keys.failed(2.0)
    assert not keys.due(2.4)
    assert keys.due(2.5)


def test_a_ring_begins_with_a_key_frame() -> None:
    ring = PictureRing("enhanced")
    assert [ring.offer(picture(seq), 0.0) for seq in range(3)] == [0, 0, 0]
    ring.offer(picture(3, key=True), 0.0)
    ring.offer(picture(4), 0.04)
    assert taken(ring, 0.05) == [3, 4]


def test_what_is_too_old_goes_and_all_up_to_a_key_frame_with_it() -> None:
    ring = PictureRing("enhanced")
    for seq in range(10):
        assert ring.offer(picture(seq, key=seq in (0, 7)), 0.04 * seq) == 0
    assert ring.offer(picture(10), 0.57) == 7
    assert not ring.needs_key
    assert taken(ring, 0.6) == [7, 8, 9, 10]


def test_without_a_key_frame_to_go_on_from_everything_goes_until_there_is_one() -> None:
    ring = PictureRing("enhanced")
    for seq in range(5):
        ring.offer(picture(seq, key=seq == 0), 0.04 * seq)
    assert ring.take(1.0) == (None, 5)
    assert ring.needs_key
    assert ring.offer(picture(5), 1.1) == 1
    assert ring.offer(picture(6, key=True), 1.2) == 0
    assert taken(ring, 1.2) == [6]


def test_another_rendition_begins_at_its_key_frame() -> None:
    ring = PictureRing("enhanced")
    ring.offer(picture(0, key=True), 0.0)
    ring.choose("compare")
    assert ring.renditions == {"enhanced", "compare"}
    ring.offer(picture(1), 0.04)
    ring.offer(picture(2, rendition="compare"), 0.04)
    ring.offer(picture(3, key=True, rendition="compare"), 0.08)
    ring.offer(picture(4), 0.12)
    ring.offer(picture(5, rendition="compare"), 0.12)
    assert taken(ring, 0.12) == [0, 1, 3, 5]
    assert ring.renditions == {"compare"}


def test_who_changes_their_mind_stays() -> None:
    ring = PictureRing("enhanced")
    ring.offer(picture(0, key=True), 0.0)
    ring.choose("compare")
    ring.choose("enhanced")
    assert (ring.renditions, ring.coming) == ({"enhanced"}, "enhanced")
    waiting = PictureRing("enhanced")
    waiting.choose("compare")
    assert waiting.renditions == {"compare"}


@pytest.mark.parametrize("rate", [10.0, 25.0, 59.94])
def test_the_rate_is_known_though_pictures_are_missing_and_the_source_paused(rate: float) -> None:
    pace = Pace()
    assert pace.rate == 25.0
    steps = [1 / rate] * 20 + [2 / rate, 30.0, 2 / rate] + [1 / rate] * 10
    for at in accumulate(steps, initial=5.0):
        pace.add(at)
    assert pace.rate == pytest.approx(rate)


def test_times_that_stand_still_make_no_endless_rate() -> None:
    pace = Pace()
    for _ in range(20):
        pace.add(5.0)
    assert pace.rate <= 120
