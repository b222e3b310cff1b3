"""Faces that appear or are lost in mid-scene do so step by step; at the beginning of a scene they are there at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routing.gate import GateSettings
from routing.presence import FadeIn, PresenceSettings, fade_out
from routing.pyramid import Image
from routing.router import Router, Routing, RoutingSettings
from routing.tracker import TrackerSettings
from routing.types import Box, Detection, Lane

PERIOD = 0.05
SETTINGS = PresenceSettings(fade_in_seconds=0.2, fade_out_seconds=0.15)


class Script:
    """A detector that sees what the script says, frame by frame."""

    def __init__(self, script: Sequence[Sequence[Detection]]) -> None:
        self._frames = iter(script)

    def detect(self, image: Image) -> list[Detection]:
        return list(next(self._frames))

    def detect_at(self, image: Image, boxes: Sequence[Box]) -> list[Detection | None]:
        return [None] * len(boxes)


def face(x: float, width: float = 70.0) -> Detection:
    box = Box(x, 100.0, x + width, 100.0 + 1.3 * width)
    grid = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])
    landmarks = (grid * (box.width, box.height) + (box.x0, box.y0)).astype(np.float32)
    return Detection(box, landmarks, 0.99)


def run(script: Sequence[Sequence[Detection]]) -> list[Routing]:
    settings = RoutingSettings(
        tracker=TrackerSettings(detect_every=1), gate=GateSettings(sharpness=0.0), presence=SETTINGS
    )
    router = Router(Script(script), settings)
    image = np.full((360, 640, 3), 90, np.uint8)
    return [router.route(image, seconds=i * PERIOD) for i in range(len(script))]


def test_a_scene_begins_with_its_faces_in_full() -> None:
    assert [routing.routes[0].presence for routing in run([[face(100)]] * 3)] == [1.0, 1.0, 1.0]


def test_a_face_that_comes_later_rises() -> None:
    found = run([[], *[[face(100)]] * 5])
    assert [routing.routes[0].presence for routing in found[1:]] == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


def test_a_lost_face_fades_and_moves_on() -> None:
    found = run([[face(100)], [face(110)], [face(120)], [], [], [], []])
    assert [len(routing.routes) for routing in found] == [1, 1, 1, 1, 1, 0, 0]
    first, second = found[3].routes[0], found[4].routes[0]
    assert (first.presence, second.presence) == pytest.approx((2 / 3, 1 / 3))
    assert 120 < first.face.box.x0 < second.face.box.x0
    assert first.face.landmarks[0, 0] - found[2].routes[0].face.landmarks[0, 0] > 0
    assert first.reason == "lost: fading"


def test_a_face_that_comes_back_is_the_same_and_in_full() -> None:
    found = run([[face(100)], [face(100)], [], [face(100)]])
    assert found[3].routes[0].presence == 1.0
    assert found[3].routes[0].face.track_id == found[0].routes[0].face.track_id


def test_what_was_not_restored_does_not_linger() -> None:
    found = run([[face(100, width=200)], []])
    assert found[0].routes[0].lane is Lane.RESIZE
    assert found[1].routes == ()


def test_a_face_that_grows_onto_a_restoring_lane_rises() -> None:
    rise = FadeIn(SETTINGS)
    assert rise.update(Lane.SKIP, seconds=0.0, at_once=True) == 1.0
    assert rise.update(Lane.TRANSFORMER, seconds=1.0, at_once=False) == 0.0
    assert rise.update(Lane.FREQUENCY, seconds=1.1, at_once=False) == pytest.approx(0.5)
    assert rise.update(Lane.FREQUENCY, seconds=9.0, at_once=False) == 1.0


def test_no_fading_where_none_is_wanted() -> None:
    at_once = PresenceSettings(fade_in_seconds=0.0, fade_out_seconds=0.0)
    assert FadeIn(at_once).update(Lane.FREQUENCY, seconds=5.0, at_once=False) == 1.0
    assert fade_out(0.0, at_once) == 0.0
    with pytest.raises(ValueError, match="fade_in_seconds"):
        PresenceSettings(fade_in_seconds=-1.0)
