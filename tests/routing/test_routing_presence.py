"""Restorations begin and end step by step in mid-scene; at the beginning of a scene they are there at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routing.gate import GateSettings
from routing.presence import Presence, PresenceSettings
from routing.pyramid import Image
from routing.router import Router, Routing, RoutingSettings
from routing.tracker import TrackerSettings
from routing.types import Box, Detection, Lane, Route

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
    assert (first.reason, first.fading) == ("lost: fading", True)
    assert not any(route.fading for routing in found[:3] for route in routing.routes)


def test_a_face_that_comes_back_is_the_same_and_rises_from_where_it_was() -> None:
    found = run([[face(100)], [face(100)], [], [face(100)], [face(100)]])
    back = [routing.routes[0] for routing in found[2:]]
    assert [route.presence for route in back] == pytest.approx([2 / 3, 11 / 12, 1.0], abs=1e-5)
    assert {route.face.track_id for route in back} == {0}


def test_a_face_hidden_for_longer_rises_from_nothing() -> None:
    found = run([[face(100)], *[[]] * 5, [face(100)], [face(100)]])
    assert [routing.routes[0].presence for routing in found[6:]] == pytest.approx([0.25, 0.5])


def test_what_was_not_restored_does_not_linger() -> None:
    found = run([[face(100, width=200)], []])
    assert found[0].routes[0].lane is Lane.RESIZE
    assert found[1].routes == ()


def lanes(routing: Routing) -> list[tuple[Lane, float, bool]]:
    return [(route.lane, round(route.presence, 3), route.fading) for route in routing.routes]


@pytest.mark.parametrize(
    ("width", "lane", "last"), [(200.0, Lane.RESIZE, Lane.FREQUENCY), (30.0, Lane.SKIP, Lane.TRANSFORMER)]
)
def test_a_face_that_leaves_its_restoring_lane_fades_beside_the_new_one(width: float, lane: Lane, last: Lane) -> None:
    left = face(120, width=width)
    found, fading = change_of_lane(left)
    assert [lanes(routing) for routing in found] == [
        [(last, 1.0, False)],
        [(lane, 1.0, False), (last, 0.667, True)],
        [(lane, 1.0, False), (last, 0.333, True)],
        [(lane, 1.0, False)],
    ]
    assert all(route.reason == "fading" and route.face.box == left.box for route in fading)


def change_of_lane(left: Detection) -> tuple[list[Routing], list[Route]]:
    """A face that is restored, until in one frame the next lane's width is measured, for good."""
    last = face(100, width=120 if left.box.width > 120 else 52)
    found = run([[last], *[[left]] * 30])
    start = next(i for i, routing in enumerate(found) if routing.routes[0].lane in {Lane.RESIZE, Lane.SKIP})
    shown = found[start - 1 : start + 3]
    return shown, [route for routing in shown for route in routing.routes if route.fading]


def test_a_face_that_turns_to_a_restoring_lane_and_back_never_jumps() -> None:
    presence = Presence(SETTINGS)
    wanted = [False, True, True, True, False, True, False, False, False]
    levels = [presence.update(restored=on, seconds=i * PERIOD) for i, on in enumerate(wanted)]
    assert levels == pytest.approx([0.0, 0.25, 0.5, 0.75, 0.417, 0.667, 0.333, 0.0, 0.0], abs=1e-3)
    assert levels[-2:] == [0.0, 0.0]


def test_time_that_runs_back_changes_nothing() -> None:
    presence = Presence(SETTINGS)
    assert presence.update(restored=True, seconds=1.0, at_once=True) == 1.0
    assert presence.update(restored=False, seconds=0.5) == 1.0


def test_no_fading_where_none_is_wanted() -> None:
    presence = Presence(PresenceSettings(fade_in_seconds=0.0, fade_out_seconds=0.0))
    assert presence.update(restored=True, seconds=5.0) == 1.0
    assert presence.update(restored=False, seconds=5.0) == 0.0
    with pytest.raises(ValueError, match="fade_in_seconds"):
        PresenceSettings(fade_in_seconds=-1.0)


def spared(script: Sequence[Sequence[Detection]], most: Sequence[int | None]) -> list[Routing]:
    settings = RoutingSettings(
        tracker=TrackerSettings(detect_every=1), gate=GateSettings(sharpness=0.0), presence=SETTINGS
    )
    router = Router(Script(script), settings)
    image = np.full((360, 640, 3), 90, np.uint8)
    return [router.route(image, seconds=i * PERIOD, most=limit) for i, limit in enumerate(most)]


def restoring(routing: Routing) -> dict[int, float]:
    return {route.face.track_id: route.presence for route in routing.routes if route.lane is not Lane.SKIP}


def test_where_not_all_can_be_restored_the_widest_are_and_the_others_fade() -> None:
    found = spared([[face(100, 60), face(300, 90), face(500, 75)]] * 5, [None, 2, 2, 2, 2])
    assert restoring(found[0]) == {0: 1.0, 1: 1.0, 2: 1.0}
    assert restoring(found[1])[0] < 1.0
    assert restoring(found[-1]) == {1: 1.0, 2: 1.0}
    assert [route.reason for route in found[-1].routes if route.lane is Lane.SKIP] == ["spared"]


def test_who_is_restored_keeps_the_place_against_the_slightly_wider_only() -> None:
    script = [
        [face(100, 70), face(300, 60)],
        *[[face(100, 70), face(300, 80)]] * 4,
        *[[face(100, 70), face(300, 140)]] * 8,
    ]
    found = spared(script, [1] * len(script))
    assert [max(restoring(routing), key=restoring(routing).__getitem__) for routing in found[:5]] == [0] * 5
    assert restoring(found[-1]) == {1: 1.0}


def test_faces_that_were_spared_come_back_when_there_is_time() -> None:
    found = spared([[face(100), face(300, 90)]] * 12, [0, 0, *[None] * 10])
    assert restoring(found[1]) == {}
    levels = [restoring(routing).get(1, 0.0) for routing in found[2:]]
    assert levels == sorted(levels)
    assert levels[-1] == 1.0
