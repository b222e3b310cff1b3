"""What a stream keeps of its restored faces, and when it forgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from blending import align
from experts.steadiness import SteadinessSettings
from routing.types import Lane, Route
from streamer.color import ColorSpec, from_rgb
from streamer.frame import Frame
from streamer.restoring import FaceRestorer, LaneWork
from streamer.steadying import LONGEST_GAP_SECONDS, Steadying
from streamer.stopwatch import Stopwatch
from tests.helpers.clips import natural
from tests.streamer.test_pipeline import Whitener, route_at

Image = npt.NDArray[np.uint8]

SIDE = 64
STEADY = SteadinessSettings()


@cache
def _natural(height: int) -> npt.NDArray[np.float64]:
    return natural(height, 320)


def frame_at(number: int, *, height: int = 240, grain: float = 0.0, apart: float = 0.04) -> Frame:
    """The same picture, with grain of its own in each frame."""
    noise = np.random.default_rng(number).normal(0.0, 1.0, (height, 320, 1)) * grain
    picture = np.clip(_natural(height) + noise, 0, 255).astype(np.uint8)
    y, u, v = from_rgb(picture, ColorSpec("bt709"))
    return Frame(y, u, v, ColorSpec("bt709"), number, Fraction(apart).limit_denominator(1000), number, 0.0)


class Trembling(Whitener):
    """An expert whose brightness goes up and down by two levels from frame to frame."""

    def restore(self, crops: Image) -> Image:
        lift = 2 * (len(self.batches) % 2)
        return np.asarray(np.minimum(super().restore(crops).astype(int) + lift, 255), np.uint8)


def restored(frames: Sequence[Frame], routes: Sequence[Route], settings: SteadinessSettings) -> list[Image]:
    """What is laid on of one face, frame by frame."""
    lanes = {lane: LaneWork(Trembling()) for lane in (Lane.TRANSFORMER, Lane.FREQUENCY)}
    restorer = FaceRestorer(lanes, scale=2, steadiness=settings)
    return [
        restorer.restore(frame, [route], Stopwatch()).patches[0].image
        for frame, route in zip(frames, routes, strict=True)
    ]


def is_fresh(frames: Sequence[Frame], routes: Sequence[Route]) -> bool:
    """Whether the last face is shown as if none had been before."""
    plain = restored(frames, routes, SteadinessSettings(strength=0.0))
    return np.array_equal(restored(frames, routes, STEADY)[-1], plain[-1])


HERE = route_at(160, 120, 60, Lane.TRANSFORMER)
"""A face at rest."""


def test_a_face_that_goes_on_is_steadied() -> None:
    frames = [frame_at(t, grain=1.0) for t in range(8)]
    plain = restored(frames, [HERE] * 8, SteadinessSettings(strength=0.0))
    steady = restored(frames, [HERE] * 8, STEADY)
    assert np.array_equal(plain[0], steady[0])
    shares = [np.abs(np.diff(np.stack(clip[1:]).astype(int), axis=0)).mean() for clip in (steady, plain)]
    assert shares[0] < 0.75 * shares[1]


def test_strength_0_leaves_crops_and_results_as_they_are() -> None:
    steadying = Steadying(SteadinessSettings(strength=0.0))
    steadying.begin(frame_at(0))
    to_crop = align.similarity(HERE.face.landmarks, SIDE)
    assert steadying.place(HERE, to_crop, SIDE) is to_crop
    picture = np.zeros((128, 128, 3), np.uint8)
    assert steadying.steady(HERE, picture[:64, :64], picture, light=False) is picture
    assert len(steadying) == 0


@pytest.mark.parametrize("change", ["track", "lane", "size", "gap", "time that stands still"])
def test_what_is_another_face_begins_afresh(change: str) -> None:
    frames, routes = [frame_at(t, grain=1.0) for t in range(4)], [HERE] * 4
    assert not is_fresh(frames, routes)
    if change == "track":
        routes[3] = route_at(160, 120, 60, Lane.TRANSFORMER, 1)
    elif change == "lane":
        routes[3] = replace(HERE, lane=Lane.FREQUENCY)
    elif change == "size":
        frames[3] = frame_at(3, height=242, grain=1.0)
    elif change == "gap":
        frames[3] = replace(frames[3], pts=3 + int(LONGEST_GAP_SECONDS / 0.04))
    else:
        frames[3] = replace(frames[3], pts=2)
    assert is_fresh(frames, routes)


def test_a_face_that_is_gone_is_forgotten() -> None:
    steadying = Steadying(STEADY)
    crop, large = np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)
    for number in range(40):
        route = route_at(160, 120, 60, Lane.TRANSFORMER, number)
        steadying.begin(frame_at(number))
        steadying.place(route, align.similarity(route.face.landmarks, SIDE), SIDE)
        steadying.steady(route, crop, large, light=False)
        assert len(steadying) <= 1 + LONGEST_GAP_SECONDS / 0.04
    steadying.begin(frame_at(100))
    assert len(steadying) == 0


def placed(shifts: Sequence[float]) -> list[npt.NDArray[np.float64]]:
    """The maps of a face that moves by pixels of a crop."""
    steadying, maps = Steadying(STEADY), []
    for number, shift in enumerate(shifts):
        steadying.begin(frame_at(number))
        to_crop = align.similarity(HERE.face.landmarks, SIDE) + np.array([[0, 0, shift], [0, 0, 0]])
        maps.append(steadying.place(HERE, to_crop, SIDE))
        steadying.steady(HERE, np.zeros((SIDE, SIDE, 3), np.uint8), np.zeros((128, 128, 3), np.uint8), light=True)
    return maps


def test_a_crop_is_held_while_landmarks_tremble_and_follows_when_they_go() -> None:
    held = STEADY.hold * SIDE
    trembling = placed([0.0, 0.9 * held, -0.9 * held, 0.4 * held])
    assert all(np.array_equal(each, trembling[0]) for each in trembling)
    moving = placed([0.0, 1.5 * held, 3.0 * held])
    assert [each[0, 2] - moving[0][0, 2] for each in moving] == pytest.approx([0.0, 1.5 * held, 3.0 * held])


def test_a_light_effort_is_not_spent_on_steadying() -> None:
    lanes = {Lane.TRANSFORMER: LaneWork(Trembling())}
    restorer = FaceRestorer(lanes, scale=2, steadiness=STEADY)
    plain = restored([frame_at(t) for t in range(3)], [HERE] * 3, SteadinessSettings(strength=0.0))
    for number in range(3):
        done = restorer.restore(frame_at(number), [HERE], Stopwatch(), light_steadying=True)
        assert np.array_equal(done.patches[0].image, plain[number])
