"""Two people pass each other: each keeps its identity, though for a while only the one in front is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routing.pyramid import Image
from routing.router import Router, Routing, RoutingSettings
from routing.tracker import TrackerSettings
from routing.types import Box, Detection

PERIOD = 0.04
WIDTH = 80.0


class Scripted:
    """A detector that sees what the script says, frame by frame; near a hidden face it finds the one in front."""

    def __init__(self, script: Sequence[Sequence[Detection]]) -> None:
        self._script = script
        self.frame = 0

    def detect(self, image: Image) -> list[Detection]:
        return list(self._script[self.frame])

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        return [self._nearest(box) for box in boxes]

    def _nearest(self, box: Box) -> Detection | None:
        near = [face for face in self._script[self.frame] if face.box.iou(box) > 0.25]
        return max(near, key=lambda face: face.box.iou(box), default=None)


def face(x: float, y: float = 100.0) -> Detection:
    shape = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    landmarks = (shape * (WIDTH, 1.2 * WIDTH) + (x, y)).astype(np.float32)
    return Detection(Box(x, y, x + WIDTH, y + 1.2 * WIDTH), landmarks, 0.99)


def run(script: Sequence[Sequence[Detection]], *, detect_every: int = 3) -> list[Routing]:
    detector = Scripted(script)
    router = Router(detector, RoutingSettings(tracker=TrackerSettings(detect_every=detect_every)))
    image = np.full((360, 640, 3), 100, np.uint8)
    found = []
    for detector.frame in range(len(script)):
        found.append(router.route(image, seconds=detector.frame * PERIOD))
    return found


def seen(routing: Routing) -> dict[float, int]:
    """Whose face is seen at which x."""
    return {route.face.box.x0: route.face.track_id for route in routing.routes if route.face.lost_seconds == 0.0}


def passing(front: Sequence[float], behind: Sequence[float]) -> list[list[Detection]]:
    """The one `behind` is hidden while it lies within half a face of the one in `front`."""
    return [[face(a), *([face(b)] if abs(a - b) > 0.5 * WIDTH else [])] for a, b in zip(front, behind, strict=True)]


@pytest.mark.parametrize("detect_every", [1, 3])
@pytest.mark.parametrize("first", [264.0, 20.0])
def test_one_who_walks_past_another_changes_no_identity(detect_every: int, first: float) -> None:
    """Whichever of the two was there `first` and so has the older track."""
    mover = [20.0 + 10.0 * i for i in range(50)]
    script = passing(mover, [264.0] * 50)
    script[0] = [face(first)]
    walker, stander = (1, 0) if first == 264.0 else (0, 1)
    found = run(script, detect_every=detect_every)
    assert [len(faces) for faces in script].count(1) == 9
    for i in range(3, 50):
        both = {mover[i]: walker, 264.0: stander}
        assert seen(found[i]) == {shown.box.x0: both[shown.box.x0] for shown in script[i]}, i


@pytest.mark.parametrize("detect_every", [1, 3])
def test_two_who_walk_through_each_other_keep_their_identities(detect_every: int) -> None:
    right, left = [20.0 + 8.0 * i for i in range(60)], [500.0 - 8.0 * i for i in range(60)]
    script = passing(right, left)
    for i, routing in enumerate(run(script, detect_every=detect_every)):
        expected = {right[i]: 0} if len(script[i]) == 1 else {right[i]: 0, left[i]: 1}
        assert seen(routing) == expected, i


def test_a_face_hidden_for_too_long_is_another_when_it_comes_back() -> None:
    mover = [100.0 + 10.0 * i for i in range(14)] + [240.0] * 20 + [240.0 + 10.0 * i for i in range(12)]
    found = run(passing(mover, [260.0] * len(mover)))
    assert seen(found[0]) == {100.0: 0, 260.0: 1}
    assert seen(found[-1]) == {mover[-1]: 0, 260.0: 2}


def test_faces_that_overlap_as_the_detector_sees_them_stay_two() -> None:
    """Two thirds of each is shared, more than following would take for two."""
    script = [[face(100.0 + 2.0 * min(i, 27)), face(180.0)] for i in range(40)]
    for i, routing in enumerate(run(script)):
        assert seen(routing) == {script[i][0].box.x0: 0, 180.0: 1}


def test_a_new_face_on_one_already_seen_is_the_same() -> None:
    found = run([[face(100.0)], [face(100.0), face(120.0)], [face(100.0), face(120.0)]], detect_every=1)
    assert [seen(routing) for routing in found] == [{100.0: 0}] * 3
