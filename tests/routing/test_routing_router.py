"""The router on real pictures and a real film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from routing.detector import MtcnnDetector
from routing.gate import GateSettings
from routing.pyramid import Image
from routing.router import Router, Routing, RoutingSettings
from routing.tracker import TrackerSettings
from routing.types import Box, Detection, Lane
from weights.store import Store

PERIOD = 0.04


class CountingDetector:
    """The real detector, and how often each of its ways was gone."""

    def __init__(self, detector: MtcnnDetector) -> None:
        self._detector = detector
        self.full = 0
        self.followed: list[int] = []

    def detect(self, image: Image) -> list[Detection]:
        self.full += 1
        return self._detector.detect(image)

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        self.followed.append(len(boxes))
        return self._detector.detect_at(image, boxes)


def routed(router: Router, images: Sequence[Image], *, start: float = 0.0) -> list[Routing]:
    return [router.route(image, seconds=start + i * PERIOD) for i, image in enumerate(images)]


def ids(routing: Routing) -> set[int]:
    return {route.face.track_id for route in routing.routes}


def with_one_gone(picture: Image) -> Image:
    """The six people without the one at the left: what is below her instead."""
    picture = picture.copy()
    picture[230:420, 20:190] = picture[600:790, 20:190]
    return picture


def every(frames: int) -> RoutingSettings:
    return RoutingSettings(tracker=TrackerSettings(detect_every=frames))


@pytest.fixture
def counting(detector: MtcnnDetector) -> CountingDetector:
    return CountingDetector(detector)


@pytest.fixture(scope="module")
def carphone(store: Store) -> list[tuple[Image, float]]:
    """A real talking head filmed in a car: 176x144, 120 frames."""
    with av.open(str(store.find("sample-carphone"))) as film:
        return [
            (frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False), float(frame.time or 0.0))
            for frame in film.decode(video=0)
        ]


def test_a_still_shows_all_its_faces_at_once(detector: MtcnnDetector, six_people: Image) -> None:
    routing = Router(detector, RoutingSettings()).route(six_people, seconds=0.0)
    assert len(routing.routes) == 6
    assert ids(routing) == set(range(6))
    for route in routing.routes:
        assert route.traits.width_px == pytest.approx(route.face.box.width)
        assert route.traits.sharpness > 0
        assert route.lane in {Lane.FREQUENCY, Lane.TRANSFORMER}
        assert route.reason.startswith(("50 to 100 px", "100 to 150 px"))


def test_a_film_of_one_person_is_one_track_in_every_frame(
    detector: MtcnnDetector, carphone: list[tuple[Image, float]]
) -> None:
    router = Router(detector, RoutingSettings())
    found = [router.route(image, seconds=seconds) for image, seconds in carphone]
    assert len(found) == 120
    assert all(ids(routing) == {0} for routing in found)
    assert not any(routing.scene_cut for routing in found)
    changes = sum(a.routes[0].lane is not b.routes[0].lane for a, b in pairwise(found))
    assert changes <= 2


@pytest.mark.parametrize("k", [1, 4])
def test_it_detects_every_k_frames_and_follows_between(counting: CountingDetector, six_people: Image, k: int) -> None:
    found = routed(Router(counting, every(k)), [six_people] * 8)
    assert counting.full == 8 // k
    assert [("detect" in routing.seconds) for routing in found] == [i % k == 0 for i in range(8)]
    assert all(ids(routing) == set(range(6)) for routing in found)
    assert all(seconds >= 0.0 for routing in found for seconds in routing.seconds.values())


def test_faces_are_followed_through_a_pan(counting: CountingDetector, six_people: Image) -> None:
    views = [np.ascontiguousarray(six_people[40:500, 8 * i : 8 * i + 640]) for i in range(8)]
    found = routed(Router(counting, every(100)), views)
    assert counting.full == 1
    first, last = ({r.face.track_id: r.face.box for r in routing.routes} for routing in (found[0], found[-1]))
    assert len(last) >= 3
    for key, box in last.items():
        assert box.x0 == pytest.approx(first[key].x0 - 56, abs=0.15 * box.width)


def test_a_new_face_shows_within_k_frames(detector: MtcnnDetector, six_people: Image) -> None:
    alone = six_people.copy()
    alone[:, 420:] = 90
    found = routed(Router(detector, every(4)), [alone, alone, *[six_people] * 4])
    assert len(ids(found[1])) == 2
    assert len(ids(found[-1])) == 6 or found[2].scene_cut


def test_a_lost_face_sets_off_a_detection(counting: CountingDetector, six_people: Image) -> None:
    without = with_one_gone(six_people)
    found = routed(Router(counting, every(100)), [six_people, six_people, without, without, without])
    assert counting.full == 2
    assert [sum(route.face.lost_seconds == 0.0 for route in routing.routes) for routing in found] == [6, 6, 5, 5, 5]
    assert not any(routing.scene_cut for routing in found)


def test_a_lost_face_that_was_left_alone_waits_for_the_next_detection(
    counting: CountingDetector, six_people: Image
) -> None:
    """Or a crowd, of which one is lost in nearly every frame, would be detected in nearly every frame."""
    without = with_one_gone(six_people)
    router = Router(counting, every(100))
    images = [six_people, six_people, without, without]
    found = [router.route(image, seconds=i / 25, most=0) for i, image in enumerate(images)]
    assert counting.full == 1
    assert [len(routing.routes) for routing in found] == [6, 6, 5, 5]


def test_short_of_time_a_lost_face_waits_until_half_way(counting: CountingDetector, six_people: Image) -> None:
    """Late streams drop frames, by which faces are lost: a detection at once for each would make them later still."""
    without = with_one_gone(six_people)
    router = Router(counting, every(3))
    images = [six_people, *[without] * 13]
    found = [router.route(image, seconds=i / 25, detect_every=8) for i, image in enumerate(images)]
    # Lost in frame 1, looked for in frame 4 and found to be gone: from there it is eight frames again.
    assert [i for i, routing in enumerate(found) if "detect" in routing.seconds] == [0, 4, 12]
    assert [sum(not route.fading for route in routing.routes) for routing in found] == [6, *[5] * 13]


def test_a_face_that_is_found_again_while_it_waits_needs_no_detection(
    counting: CountingDetector, six_people: Image
) -> None:
    without = with_one_gone(six_people)
    router = Router(counting, every(3))
    images = [six_people, without, *[six_people] * 5]
    found = [router.route(image, seconds=i / 25, detect_every=8) for i, image in enumerate(images)]
    assert counting.full == 1
    assert [sum(not route.fading for route in routing.routes) for routing in found] == [6, 5, *[6] * 5]


def test_a_cut_ends_all_tracks_and_detects_at_once(counting: CountingDetector, six_people: Image) -> None:
    dark = (np.roll(six_people, 400, axis=1) // 3).astype(np.uint8)
    found = routed(Router(counting, every(100)), [six_people, six_people, dark])
    assert [routing.scene_cut for routing in found] == [False, False, True]
    assert counting.full == 2
    assert found[2].routes
    assert not ids(found[2]) & ids(found[1])


def test_another_size_begins_afresh(counting: CountingDetector, six_people: Image) -> None:
    half = np.ascontiguousarray(six_people[::2, ::2])
    router = Router(counting, RoutingSettings(tracker=TrackerSettings(detect_every=100)))
    found = routed(router, [six_people, half])
    assert counting.full == 2
    assert not ids(found[1]) & ids(found[0])
    assert not found[1].scene_cut


def test_after_a_reset_the_next_image_is_the_first(counting: CountingDetector, six_people: Image) -> None:
    router = Router(counting, RoutingSettings())
    before = router.route(six_people, seconds=5.0)
    router.reset()
    after = router.route(six_people, seconds=1.0)
    assert counting.full == 2
    assert not ids(after) & ids(before)
    assert [r.traits for r in after.routes] == [r.traits for r in before.routes]


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (23, 23), (360, 640)])
def test_images_without_faces_have_no_routes(detector: MtcnnDetector, shape: tuple[int, int]) -> None:
    router = Router(detector, RoutingSettings())
    assert all(routing.routes == () for routing in routed(router, [np.zeros((*shape, 3), np.uint8)] * 5))


def test_the_image_is_left_as_it_was(detector: MtcnnDetector, six_people: Image) -> None:
    image = six_people.copy()
    image.flags.writeable = False
    Router(detector, RoutingSettings()).route(image, seconds=0.0)
    np.testing.assert_array_equal(image, six_people)


def test_the_lane_of_the_frame_before_counts(detector: MtcnnDetector, six_people: Image) -> None:
    """A face that grows past a bound by less than the margin keeps its lane; new there, it would take the next."""
    face = max(Router(detector, every(1)).route(six_people, seconds=0.0).routes, key=lambda r: r.traits.width_px).face
    zoom = np.array([[1.05, 0.0, -0.05 * face.box.x0], [0.0, 1.05, -0.05 * face.box.y0]])
    nearer = cv2.warpAffine(six_people, zoom, six_people.shape[1::-1]).astype(np.uint8, copy=False)
    gate = GateSettings(resize_from_px=1.02 * face.box.width, width_margin=0.12, frequency_from_px=60.0)
    settings = replace(every(1), gate=gate)

    new = Router(detector, settings).route(nearer, seconds=0.0)
    grown = routed(Router(detector, settings), [six_people, *[nearer] * 25])[-1]
    lanes = {frozenset(r.lane for r in routing.routes if r.face.box.iou(face.box) > 0.5) for routing in (new, grown)}
    assert lanes == {frozenset({Lane.RESIZE}), frozenset({Lane.FREQUENCY})}
    assert any(route.reason == "stays frequency: within the margin of a bound" for route in grown.routes)


@pytest.mark.shared
def test_a_film_with_cuts_keeps_one_identity_a_face_and_scene(detector: MtcnnDetector, shared_data: Path) -> None:
    router = Router(detector, RoutingSettings())
    starts: list[int] = []
    seen: dict[int, list[int]] = {}
    with av.open(str(shared_data / "videos" / "stage_360p_cuts.mp4")) as film:
        for i, frame in enumerate(film.decode(video=0)):
            image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            routing = router.route(image, seconds=float(frame.time or 0.0))
            starts += [i] * routing.scene_cut
            for route in routing.routes:
                seen.setdefault(route.face.track_id, []).append(i)
    assert starts == [20, 82, 211]
    assert len(seen) <= 9
    scenes = [sum(start <= i for start in starts) for i in range(400)]
    assert all(len({scenes[i] for i in frames}) == 1 for frames in seen.values())
