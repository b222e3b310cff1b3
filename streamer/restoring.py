"""Faces of a frame to patches: cut out aligned, restored in one batch for each lane, and told where they belong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from blending import align
from blending.patch import Patch
from experts.contract import Expert, ExpertError, ExpertInfo
from experts.steadiness import SteadinessSettings
from routing.types import Lane, Route
from streamer.frame import NOTHING_JUDGED, Frame, Judged, Plane
from streamer.guarding import HELD_BACK, UNGUARDED, Guarding
from streamer.judging import Case
from streamer.steadying import Steadying
from streamer.stopwatch import Stopwatch

logger = logging.getLogger(__name__)

Affine = npt.NDArray[np.float64]

# Bicubic needs two pixels around a crop's footprint; more costs little and keeps the region's origin even.
FOOTPRINT_MARGIN_PX = 4

UNSTEADIED = SteadinessSettings(strength=0.0)


@dataclass(frozen=True, slots=True)
class LaneWork:
    """Who restores the faces of a lane, and how much of the result is laid on (0 to 1)."""

    expert: Expert
    strength: float = 1.0


@dataclass(slots=True)
class Restored:
    """What became of a frame's faces: `patches` to lay on, why faces were left alone that should not have been, the
    size of each lane's batch, what came to light of earlier faces' identity, and by track the strength with which each
    face that was to be restored is laid on: 0 where nothing came of it."""

    patches: list[Patch] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)
    batches: dict[str, int] = field(default_factory=dict)
    identity: Judged = NOTHING_JUDGED
    strengths: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A lane's faces, each with its map to a crop."""

    lane: Lane
    work: LaneWork
    placed: Sequence[tuple[Route, Affine]]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A batch with its faces cut out, and what to wait with for the result."""

    batch: _Batch
    crops: Plane
    outcome: Callable[[], Plane]


class FaceRestorer:
    """Sends the faces on each lane through its expert. Faces on lanes without one stay as the background has them.

    `scale`: output pixels for one of the source. A face that an expert fails on is left alone and counted. It remembers
    the last results of a stream's faces, to steady the next: every stream needs its own, and its own `guard`.
    """

    def __init__(
        self,
        lanes: Mapping[Lane, LaneWork],
        *,
        scale: int,
        steadiness: SteadinessSettings = UNSTEADIED,
        guard: Guarding = UNGUARDED,
    ) -> None:
        self._lanes = lanes
        self._scale = scale
        self._steadying = Steadying(steadiness)
        self._guard = guard
        self._told: set[Lane] = set()

    def restore(
        self, frame: Frame, routes: Sequence[Route], watch: Stopwatch, *, light_steadying: bool = False
    ) -> Restored:
        """`light_steadying`: crops are still held, but no result is mixed with its last.

        Where faces are on several lanes, all are begun before the first is waited for: the time of a lane is then
        what was waited for it."""
        restored = Restored()
        self._steadying.begin(frame)
        self._guard.begin(frame)
        batches = [batch for lane in self._lanes if (batch := self._batch(lane, routes, restored))]
        begun = [self._begin(frame, batch, len(batches) > 1, watch) for batch in batches]
        for each in begun:
            images = self._finish(frame, each, restored)
            watch.lap(f"expert.{each.batch.lane.value}")
            if images is not None:
                self._lay_on(each, images, restored, light_steadying)
                watch.lap("steady")
        restored.identity = self._guard.told()
        return restored

    def _batch(self, lane: Lane, routes: Sequence[Route], restored: Restored) -> _Batch | None:
        work = self._lanes[lane]
        asked = [route for route in routes if route.lane is lane and route.presence * work.strength > 0.0]
        restored.strengths |= {route.face.track_id: 0.0 for route in asked}
        restored.degraded += [HELD_BACK for route in asked if self._guard.share(route) < 1.0]
        mine = [route for route in asked if self._guard.wants(route)]
        info = work.expert.info
        placed = [
            (route, self._steadying.place(route, to_crop, info.input_size)) for route, to_crop in _placed(mine, info)
        ]
        restored.degraded += ["landmarks coincide"] * (len(mine) - len(placed))
        return _Batch(lane, work, placed) if placed else None

    def _begin(self, frame: Frame, batch: _Batch, beside: bool, watch: Stopwatch) -> _Begun:
        """Beside another lane's or, alone, when the outcome is asked for: then with all cores."""
        expert = batch.work.expert
        crops = _crops(frame, [to_crop for _, to_crop in batch.placed], expert.info.input_size)
        watch.lap("align")
        if not beside:
            return _Begun(batch, crops, partial(expert.restore, crops))
        try:
            return _Begun(batch, crops, expert.begin(crops))
        except ExpertError as error:
            return _Begun(batch, crops, partial(_fail, error))

    def _finish(self, frame: Frame, begun: _Begun, restored: Restored) -> Plane | None:
        """The restored faces; None, and counted, where the expert fails."""
        batch = begun.batch
        try:
            images = begun.outcome()
        except ExpertError as error:
            self._tell(batch.lane, frame, error)
            restored.degraded += [f"expert {batch.lane.value} failed"] * len(batch.placed)
            return None
        restored.batches[batch.lane.value] = len(batch.placed)
        return images

    def _lay_on(self, begun: _Begun, images: Plane, restored: Restored, light_steadying: bool) -> None:
        info = begun.batch.work.expert.info
        # What an expert wants to see around the face is not laid on: the masks are made for one template.
        part = align.face_part(info.input_size, info.template)
        crops, images = _cut(begun.crops, part, 1), _cut(images, part, info.scale)
        to_part = align.shift(-part.x, -part.y)
        for crop, image, (route, to_crop) in zip(crops, images, begun.batch.placed, strict=True):
            steadied = self._steadying.steady(route, crop, image, light=light_steadying)
            self._guard.look(route, Case(crop, steadied, begun.batch.work.strength))
            if (share := self._guard.share(route)) > 0.0:
                patch = self._patch(steadied, route, align.compose(to_part, to_crop), begun.batch.work)
                restored.patches.append(replace(patch, strength=share * patch.strength))
                restored.strengths[route.face.track_id] = share * patch.strength

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


def _cut(pictures: Plane, part: align.Part, scale: int) -> Plane:
    """That part of pictures that are `scale` times as large."""
    x, y, side = scale * part.x, scale * part.y, scale * part.side
    return pictures[:, y : y + side, x : x + side]


def _placed(routes: Sequence[Route], info: ExpertInfo) -> list[tuple[Route, Affine]]:
    """The faces that a similarity fits, each with its map to a crop for that expert."""
    placed = []
    for route in routes:
        try:
            placed.append((route, align.similarity(route.face.landmarks, info.input_size, info.template)))
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
