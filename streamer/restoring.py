"""Faces of a frame to patches: cut out aligned, restored in one batch for each lane, and told where they belong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from blending import align
from blending.patch import Patch
from experts.contract import Expert, ExpertError
from routing.types import Lane, Route
from streamer.frame import Frame, Plane
from streamer.stopwatch import Stopwatch

logger = logging.getLogger(__name__)

Affine = npt.NDArray[np.float64]

# Bicubic needs two pixels around a crop's footprint; more costs little and keeps the region's origin even.
FOOTPRINT_MARGIN_PX = 4


@dataclass(frozen=True, slots=True)
class LaneWork:
    """Who restores the faces of a lane, and how much of the result is laid on (0 to 1)."""

    expert: Expert
    strength: float = 1.0


@dataclass(slots=True)
class Restored:
    """What became of a frame's faces: `patches` to lay on, why faces were left alone that should not have been, and the
    size of each lane's batch."""

    patches: list[Patch] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A lane's faces, each with its map to a crop."""

    lane: Lane
    work: LaneWork
    placed: Sequence[tuple[Route, Affine]]


class FaceRestorer:
    """Sends the faces on each lane through its expert. Faces on lanes without one stay as the background has them.

    `scale`: output pixels for one of the source. A face that an expert fails on is left alone and counted.
    """

    def __init__(self, lanes: Mapping[Lane, LaneWork], *, scale: int) -> None:
        self._lanes = lanes
        self._scale = scale
        self._told: set[Lane] = set()

    def restore(self, frame: Frame, routes: Sequence[Route], watch: Stopwatch) -> Restored:
        """Where faces are on several lanes, all are begun before the first is waited for: the time of a lane is then
        what was waited for it."""
        restored = Restored()
        batches = [batch for lane in self._lanes if (batch := self._batch(lane, routes, restored))]
        begun = [(batch, self._begin(frame, batch, len(batches) > 1, watch)) for batch in batches]
        for batch, outcome in begun:
            self._finish(frame, batch, outcome, restored)
            watch.lap(f"expert.{batch.lane.value}")
        return restored

    def _batch(self, lane: Lane, routes: Sequence[Route], restored: Restored) -> _Batch | None:
        work = self._lanes[lane]
        mine = [route for route in routes if route.lane is lane and route.presence * work.strength > 0.0]
        placed = _placed(mine, work.expert.info.input_size)
        restored.degraded += ["landmarks coincide"] * (len(mine) - len(placed))
        return _Batch(lane, work, placed) if placed else None

    def _begin(self, frame: Frame, batch: _Batch, beside: bool, watch: Stopwatch) -> Callable[[], Plane]:
        """Beside another lane's or, alone, when the outcome is asked for: then with all cores."""
        expert = batch.work.expert
        crops = _crops(frame, [to_crop for _, to_crop in batch.placed], expert.info.input_size)
        watch.lap("align")
        if not beside:
            return partial(expert.restore, crops)
        try:
            return expert.begin(crops)
        except ExpertError as error:
            return partial(_fail, error)

    def _finish(self, frame: Frame, batch: _Batch, outcome: Callable[[], Plane], restored: Restored) -> None:
        try:
            images = outcome()
        except ExpertError as error:
            self._tell(batch.lane, frame, error)
            restored.degraded += [f"expert {batch.lane.value} failed"] * len(batch.placed)
            return
        restored.batches[batch.lane.value] = len(batch.placed)
        restored.patches += [
            self._patch(image, route, to_crop, batch.work)
            for image, (route, to_crop) in zip(images, batch.placed, strict=True)
        ]

    def _patch(self, image: Plane, route: Route, to_crop: Affine, work: LaneWork) -> Patch:
        to_source = align.compose(align.invert(to_crop), align.scaling(1.0 / work.expert.info.scale))
        return Patch(image, align.compose(align.scaling(self._scale), to_source), work.strength * route.presence)

    def _tell(self, lane: Lane, frame: Frame, error: ExpertError) -> None:
        """Once a lane: a film has many frames, and the report counts them."""
        if lane not in self._told:
            self._told.add(lane)
            logger.error("from frame %d on, faces are left as the background has them: %s", frame.seq, error)


def _fail(error: ExpertError) -> Plane:
    raise error


def _placed(routes: Sequence[Route], size: int) -> list[tuple[Route, Affine]]:
    """The faces that a similarity fits, each with its map to a `size` px crop."""
    placed = []
    for route in routes:
        try:
            placed.append((route, align.similarity(route.face.landmarks, size)))
        except ValueError as error:
            logger.info("track %d: %s", route.face.track_id, error)
    return placed


def _crops(frame: Frame, maps: Sequence[Affine], size: int) -> Plane:
    crops = np.empty((len(maps), size, size, 3), np.uint8)
    for crop, to_crop in zip(crops, maps, strict=True):
        crop[:] = aligned_crop(frame, to_crop, size)
    return crops


def aligned_crop(frame: Frame, to_crop: Affine, size: int) -> Plane:
    """The (size, size, 3) RGB crop that `to_crop` (source to crop pixels) cuts out of a frame.

    Only the crop's footprint is converted to RGB.
    """
    x0, y0, x1, y1 = _footprint(to_crop, size, frame.width, frame.height)
    shifted = align.compose(to_crop, np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]]))
    return align.crop(frame.rgb(x0, y0, x1, y1), shifted, size)


def _footprint(to_crop: Affine, size: int, width: int, height: int) -> tuple[int, int, int, int]:
    back = align.invert(to_crop)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) @ back[:, :2].T + back[:, 2]
    low = np.floor(corners.min(0)).astype(int) - FOOTPRINT_MARGIN_PX
    high = np.ceil(corners.max(0)).astype(int) + FOOTPRINT_MARGIN_PX
    # A face far outside still gives a region of the nearest pixels, never an empty one.
    x0 = min(max(int(low[0]), 0), max(width - 2, 0)) & ~1
    y0 = min(max(int(low[1]), 0), max(height - 2, 0)) & ~1
    return x0, y0, max(min(int(high[0]), width), x0 + 1), max(min(int(high[1]), height), y0 + 1)
