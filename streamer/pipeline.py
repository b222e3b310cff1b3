"""The way of one frame of one stream: route, restore, upscale the background, compose."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from blending import align
from blending.blender import Blender
from blending.compose import Region, regions
from blending.patch import Patch
from experts.contract import Expert, ExpertError
from routing.router import Routing
from routing.types import Lane, Route
from streamer.color import detection_rgb, paste_delta, to_rgb
from streamer.frame import Frame, FrameReport, Plane

logger = logging.getLogger(__name__)

# Bicubic needs two pixels around a crop's footprint; more costs little and keeps the region's origin even.
FOOTPRINT_MARGIN_PX = 4
Planes = tuple[Plane, Plane, Plane]


class Routes(Protocol):
    """Finds faces and puts each on its lane; `Router` is the one in use."""

    def route(self, image: Plane, *, seconds: float) -> Routing: ...


class PlaneUpscaler(Protocol):
    """Upscales the planes of a frame, chroma where its samples really lie."""

    def upscale(self, image: Plane) -> Plane: ...

    def upscale_chroma(self, image: Plane, *, luma_size: tuple[int, int]) -> Plane: ...


@dataclass(frozen=True, slots=True)
class LaneWork:
    """Who restores the faces of a lane, and how much of the result is laid on (0 to 1)."""

    expert: Expert
    strength: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Processed:
    """A frame after its way: the result, the same frame only scaled (for comparison; None unless asked for), and the
    report."""

    frame: Frame
    baseline: Frame | None
    report: FrameReport


class Stopwatch:
    """Seconds by stage, of one frame."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What has passed since the last lap counts for `stage`."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


class Pipeline:
    """`process` is the way for one frame: synchronous, no files, no network. What it remembers from frame to frame is
    in the router.

    `lanes`: the work for each lane that is restored; faces on other lanes stay as the background has them.
    `keep_baseline`: also hand out the frame as it was before any face was laid on.
    """

    def __init__(
        self,
        router: Routes,
        lanes: Mapping[Lane, LaneWork],
        upscaler: PlaneUpscaler,
        blender: Blender,
        *,
        scale: int,
        keep_baseline: bool = False,
    ) -> None:
        self._router = router
        self._lanes = lanes
        self._upscaler = upscaler
        self._blender = blender
        self._scale = scale
        self._keep_baseline = keep_baseline

    def process(self, frame: Frame) -> Processed:
        watch = Stopwatch()
        routing = self._router.route(detection_rgb(frame.planes), seconds=float(frame.pts * frame.time_base))
        watch.lap("route")
        patches, degraded, batches = self._restore(frame, routing.routes, watch)
        canvas = self._upscale(frame)
        watch.lap("background")
        baseline = self._framed(frame, canvas) if self._keep_baseline else None
        result = self._compose(frame, canvas, patches, watch)
        report = FrameReport(
            seq=frame.seq,
            stage_seconds=_stages(watch.seconds, routing.seconds),
            routes=tuple(routing.routes),
            degraded=tuple(degraded),
            age_seconds=time.monotonic() - frame.captured_at,
            batches=batches,
        )
        return Processed(result, baseline, report)

    def _restore(
        self, frame: Frame, routes: Sequence[Route], watch: Stopwatch
    ) -> tuple[list[Patch], list[str], dict[str, int]]:
        patches: list[Patch] = []
        degraded: list[str] = []
        batches: dict[str, int] = {}
        for lane, work in self._lanes.items():
            mine = [route for route in routes if route.lane is lane and route.presence > 0.0]
            if not mine or work.strength == 0.0:
                continue
            crops, maps = self._align(frame, mine, work.expert.info.input_size)
            watch.lap("align")
            try:
                restored = work.expert.restore(crops)
            except ExpertError as error:
                logger.error("frame %d: %d face(s) left as the background has them: %s", frame.seq, len(mine), error)
                degraded.extend([f"expert {lane.value} failed"] * len(mine))
            else:
                patches.extend(map(partial(self._patch, work), mine, restored, maps))
                batches[lane.value] = len(mine)
            watch.lap(f"expert.{lane.value}")
        return patches, degraded, batches

    @staticmethod
    def _align(
        frame: Frame, routes: Sequence[Route], size: int
    ) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.float64]]]:
        crops = np.empty((len(routes), size, size, 3), np.uint8)
        maps = []
        for i, route in enumerate(routes):
            to_crop = align.similarity(route.face.landmarks, size)
            crops[i] = aligned_crop(frame, to_crop, size)
            maps.append(to_crop)
        return crops, maps

    def _patch(
        self, work: LaneWork, route: Route, image: npt.NDArray[np.uint8], to_crop: npt.NDArray[np.float64]
    ) -> Patch:
        to_source = align.compose(align.invert(to_crop), align.scaling(1.0 / work.expert.info.scale))
        return Patch(image, align.compose(align.scaling(self._scale), to_source), work.strength * route.presence)

    def _upscale(self, frame: Frame) -> Planes:
        size = (frame.height, frame.width)
        return (
            self._upscaler.upscale(frame.y),
            self._upscaler.upscale_chroma(frame.u, luma_size=size),
            self._upscaler.upscale_chroma(frame.v, luma_size=size),
        )

    def _compose(self, frame: Frame, canvas: Planes, patches: Sequence[Patch], watch: Stopwatch) -> Frame:
        height, width = canvas[0].shape
        places = regions(patches, width=width, height=height)
        if not places:
            return self._framed(frame, canvas)
        # At scale 1 the canvas is the frame itself, and a baseline shares it: paste into a copy then.
        if self._keep_baseline or canvas[0] is frame.y:
            canvas = (canvas[0].copy(), canvas[1].copy(), canvas[2].copy())
        for place in places:
            self._blend(frame, canvas, patches, place)
        watch.lap("blend")
        return self._framed(frame, canvas)

    def _blend(self, frame: Frame, canvas: Planes, patches: Sequence[Patch], place: Region) -> None:
        area = (place.x0, place.y0, place.x1, place.y1)
        before = to_rgb(canvas, frame.color, area)
        mine = [patches[i].shifted(-place.x0, -place.y0) for i in place.patches]
        after = self._blender.blend(before, mine)
        paste_delta(canvas, frame.color, area, before=before, after=after)

    @staticmethod
    def _framed(frame: Frame, canvas: Planes) -> Frame:
        return replace(frame, y=canvas[0], u=canvas[1], v=canvas[2])


def aligned_crop(frame: Frame, to_crop: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.uint8]:
    """The (size, size, 3) RGB crop that `to_crop` (source to crop pixels) cuts out of a frame.

    Only the crop's footprint is converted to RGB.
    """
    x0, y0, x1, y1 = _footprint(to_crop, size, frame.width, frame.height)
    shifted = align.compose(to_crop, np.array([[1.0, 0.0, x0], [0.0, 1.0, y0]]))
    return align.crop(frame.rgb(x0, y0, x1, y1), shifted, size)


def _footprint(to_crop: npt.NDArray[np.float64], size: int, width: int, height: int) -> tuple[int, int, int, int]:
    back = align.invert(to_crop)
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) @ back[:, :2].T + back[:, 2]
    low = np.floor(corners.min(0)).astype(int) - FOOTPRINT_MARGIN_PX
    high = np.ceil(corners.max(0)).astype(int) + FOOTPRINT_MARGIN_PX
    # A face far outside still gives a region of the nearest pixels, never an empty one.
    x0 = min(max(int(low[0]), 0), max(width - 2, 0)) & ~1
    y0 = min(max(int(low[1]), 0), max(height - 2, 0)) & ~1
    return x0, y0, max(min(int(high[0]), width), x0 + 1), max(min(int(high[1]), height), y0 + 1)


def _stages(own: Mapping[str, float], routing: Mapping[str, float]) -> dict[str, float]:
    """The pipeline's stages with routing's own in the place of their sum; what routing didn't name stays "route"."""
    stages = {name: seconds for name, seconds in own.items() if name != "route"}
    rest = own["route"] - sum(routing.values())
    return {**routing, "route.other": max(rest, 0.0), **stages}
