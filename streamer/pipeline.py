"""The way of one frame of one stream: route, restore, upscale the background, compose."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from blending.blender import LIGHT, Blender, make_blender
from blending.patch import Patch
from experts.steadiness import SteadinessSettings
from routing.router import Routing
from routing.types import Lane
from streamer.color import Planes, detection_rgb
from streamer.compositing import lay_on
from streamer.effort import FULL, Effort
from streamer.enlarging import FrameUpscaler, enlarge
from streamer.figures import FaceSampler
from streamer.frame import Frame, FrameReport, Judged, Plane
from streamer.guarding import UNGUARDED, Guarding
from streamer.media.mark import draw_mark
from streamer.media.overlay import draw_overlay
from streamer.restoring import UNSTEADIED, FaceRestorer, LaneWork
from streamer.stopwatch import Stopwatch


class Routes(Protocol):
    """Finds faces and puts each on its lane; `Router` is the one in use."""

    def route(
        self, image: Plane, *, seconds: float, most: int | None = None, detect_every: int | None = None
    ) -> Routing: ...


@dataclass(frozen=True, slots=True, eq=False)
class Processed:
    """A frame after its way: the result, the same frame only scaled (for comparison; None unless asked for), and the
    report."""

    frame: Frame
    baseline: Frame | None
    report: FrameReport


class Pipeline:
    """`process` is the way for one frame: synchronous, no files, no network. What it remembers from frame to frame is
    in the router and in the restorer.

    `lanes`: the work for each lane that is restored; faces on other lanes stay as the background has them.
    `light_blender`: for frames on which less is to be spent.
    `guard`: over this stream's restored faces. `keep_baseline`: also hand out the frame as it was before any face was
    laid on. `overlay`: draw what was decided. `mark`: say in a corner what was done to the picture. `sampler`: is shown
    every result before anything is drawn over faces.
    """

    def __init__(
        self,
        router: Routes,
        lanes: Mapping[Lane, LaneWork],
        upscaler: FrameUpscaler,
        blender: Blender,
        *,
        scale: int,
        steadiness: SteadinessSettings = UNSTEADIED,
        light_blender: Blender | None = None,
        guard: Guarding = UNGUARDED,
        keep_baseline: bool = False,
        overlay: bool = False,
        mark: bool = False,
        sampler: FaceSampler | None = None,
    ) -> None:
        self._router = router
        self._restorer = FaceRestorer(lanes, scale=scale, steadiness=steadiness, guard=guard)
        self._upscaler = upscaler
        self._light_upscaler = upscaler.lighter()
        self._blender = blender
        self._light_blender = light_blender or make_blender(LIGHT)
        self._scale = scale
        self._keep_baseline = keep_baseline
        self._overlay = overlay
        self._mark = mark
        self._sampler = sampler
        self._guard = guard

    def process(self, frame: Frame, effort: Effort = FULL) -> Processed:
        watch = Stopwatch()
        image = detection_rgb(frame.planes)
        watch.lap("detect.rgb")
        routing = self._router.route(
            image,
            seconds=float(frame.pts * frame.time_base),
            most=effort.faces,
            detect_every=effort.detect_every,
        )
        watch.lap("route")
        restored = self._restorer.restore(frame, routing.routes, watch, light_steadying=effort.light_blending)
        halved = self._upscaler.degraded
        upscaler = self._light_upscaler if effort.light_background else self._upscaler
        canvas = enlarge(frame, upscaler)
        watch.lap("background")
        baseline = _framed(frame, canvas) if self._keep_baseline else None
        blender = self._light_blender if effort.light_blending else self._blender
        result = self._compose(frame, canvas, restored.patches, blender)
        watch.lap("blend")
        if self._sampler is not None:
            self._sampler.look(frame, result, routing.routes, restored.strengths)
            watch.lap("figures")
        if self._overlay:
            result = draw_overlay(result, routing.routes, scale=self._scale)
            watch.lap("overlay")
        report = FrameReport(
            seq=frame.seq,
            stage_seconds=_stages(watch.seconds, routing.seconds),
            routes=routing.routes,
            degraded=(*restored.degraded, *["tile halved for want of memory"] * (self._upscaler.degraded - halved)),
            age_seconds=time.monotonic() - frame.captured_at,
            batches=restored.batches,
            identity=restored.identity,
            strengths=restored.strengths,
            learned_background=upscaler is not self._light_upscaler,
        )
        return Processed(result, baseline, report)

    def rest(self) -> Judged:
        """After a film's last frame: what came to light of its faces' identity since."""
        return self._guard.rest()

    def _compose(self, frame: Frame, canvas: Planes, patches: Sequence[Patch], blender: Blender) -> Frame:
        # At scale 1 planes of the canvas are the frame's own, and a baseline shares all: lay on a copy then.
        is_shared = any(plane is own for plane, own in zip(canvas, frame.planes, strict=True))
        if (patches or self._mark) and (self._keep_baseline or is_shared):
            canvas = (canvas[0].copy(), canvas[1].copy(), canvas[2].copy())
        lay_on(canvas, patches, color=frame.color, blender=blender)
        if self._mark:
            draw_mark(canvas, frame.color)
        return _framed(frame, canvas)


def _framed(frame: Frame, canvas: Planes) -> Frame:
    return replace(frame, y=canvas[0], u=canvas[1], v=canvas[2])


def _stages(own: Mapping[str, float], routing: Mapping[str, float]) -> dict[str, float]:
    """The pipeline's stages with routing's own in the place of their sum; what routing didn't name is "route.other"."""
    stages = {name: seconds for name, seconds in own.items() if name != "route"}
    return {**routing, "route.other": own["route"] - sum(routing.values()), **stages}
