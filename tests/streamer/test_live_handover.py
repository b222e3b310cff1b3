"""What the encoding thread is given, and what becomes of what it is not given."""

from __future__ import annotations

import pytest

from streamer.live.facts import PictureFacts
from streamer.live.handover import Handover, Job, Shown
from tests.helpers.living import numbered_frames

SHOWN = [Shown(frame, frame, PictureFacts(frame.seq, 0.0)) for frame in numbered_frames(4)]


class Lost(list[tuple[int, str]]):
    def __call__(self, shown: Shown, reason: str) -> None:
        self.append((shown.facts.seq, reason))


@pytest.fixture
def lost() -> Lost:
    return Lost()


@pytest.fixture
def handover(lost: Lost) -> Handover:
    return Handover(message="first", key_seconds=10.0, lost=lost)


def taken(handover: Handover) -> Job:
    job = handover.take()
    assert job is not None
    return job


def test_every_picture_is_taken_or_lost_for_a_reason(handover: Handover, lost: Lost) -> None:
    handover.put(SHOWN[0])
    handover.want({"enhanced"})
    handover.put(SHOWN[1])
    handover.put(SHOWN[2])
    assert taken(handover).shown is SHOWN[2]
    handover.put(SHOWN[3])
    handover.want(())
    assert lost == [(0, "unwatched"), (1, "encoder_busy"), (3, "unwatched")]


def test_a_picture_of_before_a_wait_does_not_end_it(handover: Handover, lost: Lost) -> None:
    handover.want({"enhanced"})
    before = handover.epoch
    assert handover.put(SHOWN[0], epoch=before)
    assert taken(handover).shown is SHOWN[0]
    handover.wait("gone")
    assert not handover.put(SHOWN[1], epoch=before)
    job = taken(handover)
    assert (job.shown, job.message) == (SHOWN[0], "gone")
    assert handover.put(SHOWN[2], epoch=handover.epoch)
    job = taken(handover)
    assert (job.shown, job.message) == (SHOWN[2], None)
    assert lost == []


def test_when_the_last_viewer_leaves_the_encoders_may_rest_once(handover: Handover) -> None:
    handover.want({"enhanced"})
    handover.put(SHOWN[0])
    assert taken(handover).renditions == ("enhanced",)
    handover.want(())
    assert taken(handover).renditions == ()
    handover.want({"compare"})
    handover.want(())
    handover.want({"compare"})
    handover.put(SHOWN[1])
    assert taken(handover).renditions == ("compare",)
