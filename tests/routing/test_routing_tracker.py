"""Identity through motion, loss, crossing and false faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routing.tracker import Tracker, TrackerSettings
from routing.types import Box, Detection

PERIOD = 0.04


def face_at(x: float, y: float, *, width: float = 80.0, score: float = 0.99) -> Detection:
    height = 1.25 * width
    shape = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    landmarks = (shape * (width, height) + (x - width / 2, y - height / 2)).astype(np.float32)
    return Detection(Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), landmarks, score)


def tell(tracker: Tracker, detections: Sequence[Detection], seconds: float) -> list[int]:
    """One frame in which a detector looked everywhere; the identities shown, in the order of `detections`."""
    pairs, missed, new = tracker.assign(detections, seconds=seconds)
    tracker.update([*pairs, *((track, None) for track in missed)], seconds=seconds, new=new)
    shown = {face.box: face.track_id for face in tracker.faces}
    return [shown.get(detection.box, -1) for detection in detections]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker(TrackerSettings())


def test_faces_keep_their_identity_in_whatever_order_they_are_found(tracker: Tracker) -> None:
    left, right = [face_at(100 + 4 * i, 100) for i in range(20)], [face_at(400 - 2 * i, 120) for i in range(20)]
    for i in range(20):
        found = [left[i], right[i]] if i % 2 else [right[i], left[i]]
        assert sorted(tell(tracker, found, i * PERIOD)) == [0, 1]
    assert tell(tracker, [left[19], right[19]], 20 * PERIOD) == tell(tracker, [left[19], right[19]], 21 * PERIOD)


def test_each_identity_stays_with_its_own_face_when_two_pass_close_by(tracker: Tracker) -> None:
    """They cross at 70 px a frame's distance, too close for position alone, but each keeps its course."""
    ids = []
    for i in range(30):
        ids.append(tell(tracker, [face_at(100 + 12 * i, 150), face_at(460 - 12 * i, 235)], i * PERIOD))
    assert all(pair == ids[0] for pair in ids)


def test_the_search_window_goes_ahead_of_a_moving_face(tracker: Tracker) -> None:
    for i in range(10):
        tell(tracker, [face_at(100 + 20 * i, 100)], i * PERIOD)
    expected = tracker.tracks[0].expected(10 * PERIOD)
    assert expected.x0 + expected.width / 2 == pytest.approx(300, abs=1)
    assert expected.width == pytest.approx(80)


def test_a_lost_face_is_known_again_where_it_was_heading(tracker: Tracker) -> None:
    for i in range(10):
        tell(tracker, [face_at(100 + 10 * i, 100)], i * PERIOD)
    for i in range(10, 18):
        assert tell(tracker, [], i * PERIOD) == []
        assert tracker.faces == ()
    assert tell(tracker, [face_at(280, 100)], 18 * PERIOD) == [0]


def test_a_face_that_is_lost_for_long_is_another_when_it_comes_back(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100)], 0.0)
    for i in range(1, 25):
        tell(tracker, [], i * PERIOD)
    assert tracker.tracks == ()
    assert tell(tracker, [face_at(100, 100)], 25 * PERIOD) == [1]


@pytest.mark.parametrize(("x", "width"), [(200.0, 80.0), (100.0, 200.0)])
def test_a_face_too_far_off_or_too_large_is_another(tracker: Tracker, x: float, width: float) -> None:
    tell(tracker, [face_at(100, 100)], 0.0)
    assert tell(tracker, [face_at(x, 100, width=width)], PERIOD) != [0]


def test_a_sure_face_counts_at_once(tracker: Tracker) -> None:
    assert tell(tracker, [face_at(100, 100, score=0.96)], 0.0) == [0]


def test_a_doubtful_face_counts_when_it_is_seen_again(tracker: Tracker) -> None:
    assert tell(tracker, [face_at(100, 100, score=0.92)], 0.0) == [-1]
    assert tell(tracker, [face_at(100, 100, score=0.92)], PERIOD) == [0]


def test_a_false_face_of_one_frame_never_shows(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100, score=0.92)], 0.0)
    tell(tracker, [], PERIOD)
    assert tracker.tracks == ()


def test_two_tracks_on_one_face_leave_it_to_the_nearer(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100), face_at(190, 100)], 0.0)
    left, right = tracker.tracks
    there, beside = face_at(150, 100), face_at(153, 100)
    assert tracker.settle([(left, there), (right, beside)], seconds=PERIOD) == [(left, None), (right, beside)]
    assert tracker.settle([(left, face_at(140, 100)), (right, None)], seconds=PERIOD)[1] == (right, None)


def test_a_face_that_is_taken_is_no_answer(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100)], 0.0)
    (track,) = tracker.tracks
    assert tracker.settle([(track, face_at(104, 100))], seconds=PERIOD, taken=[face_at(110, 100)]) == [(track, None)]


def test_a_lost_track_leaves_the_face_in_front_to_the_one_that_was_seen(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100), face_at(200, 100)], 0.0)
    for i in range(1, 4):
        tell(tracker, [face_at(100, 100)], i * PERIOD)
    for x in (110, 125, 145, 170, 198):
        i += 1
        assert tell(tracker, [face_at(x, 100)], i * PERIOD) == [0]
    assert [track.id for track in tracker.tracks] == [0, 1]


def test_the_box_is_as_measured_and_only_landmarks_are_smoothed(tracker: Tracker) -> None:
    rng = np.random.default_rng(7)
    for i in range(40):
        seen = face_at(100 + float(rng.normal(0, 1)), 100 + float(rng.normal(0, 1)))
        tell(tracker, [seen], i * PERIOD)
        assert tracker.faces[0].box == seen.box
    assert not np.array_equal(tracker.faces[0].landmarks, seen.landmarks)


def test_a_time_that_was_mended_makes_no_speed(tracker: Tracker) -> None:
    """Of a source that set its clock back, a few frames come a tick after each other."""
    seconds = 0.0
    for frame in range(20):
        seconds += 0.04 if frame < 10 else 1 / 90000
        assert tell(tracker, [face_at(100 + 6.0 * frame, 100)], seconds) == [0]
    expected = tracker.tracks[0].expected(seconds + 0.04)
    assert expected.x0 - tracker.tracks[0].face.box.x0 == pytest.approx(6.0, abs=0.5)
    assert tell(tracker, [face_at(100 + 6.0 * 20, 100)], seconds + 0.04) == [0]


def test_identities_are_not_given_twice(tracker: Tracker) -> None:
    tell(tracker, [face_at(100, 100)], 0.0)
    tracker.reset()
    assert tracker.faces == ()
    assert tell(tracker, [face_at(100, 100)], PERIOD) == [1]


def test_time_that_stands_still_or_runs_back_does_no_harm(tracker: Tracker) -> None:
    for seconds in (1.0, 1.0, 0.5, 0.54):
        assert tell(tracker, [face_at(100, 100)], seconds) == [0]
    assert tell(tracker, [], 0.54) == []
    assert tracker.faces == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"detect_every": 0}, "detect_every = 0"),
        ({"keep_lost_seconds": -1.0}, "keep_lost_seconds = -1.0"),
        ({"sure_score": 1.5}, "sure_score = 1.5"),
        ({"reach": float("inf")}, "reach = inf"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrackerSettings(**settings)  # type: ignore[arg-type]  # one of them is an int
