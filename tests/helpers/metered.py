"""A stream that did everything that can be counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routing.types import Box, Face, Lane, Route, Traits
from streamer.frame import FrameReport, Judged
from streamer.live.meter import StreamMeter
from streamer.live.ports import Cause, SourceState, SourceStatus


def route(lane: Lane = Lane.TRANSFORMER, reason: str = "50 to 100 px", *, fading: bool = False) -> Route:
    face = Face(1, Box(0, 0, 80, 80), np.zeros((5, 2), np.float32), 0.99)
    return Route(face, Traits(80.0, 100.0), lane, reason, fading=fading)


def report(*routes: Route, seq: int = 0, degraded: tuple[str, ...] = ()) -> FrameReport:
    stages = {
        "detect.rgb": 0.0004, "track": 0.003, "gate": 0.0002, "route.other": 0.0001, "align": 0.0005,
        "expert.transformer": 0.012, "background": 0.001, "blend": 0.002,
    }  # fmt: skip
    batches = {"transformer": len(routes)} if routes else {}
    return FrameReport(seq, stages, routes, degraded, 0.02, batches)


def frame_through(meter: StreamMeter, *routes: Route, latency_seconds: float = 0.03) -> None:
    """All that is counted of one frame on its way, in order."""
    meter.frame_in()
    meter.stage("decode", 0.001)
    meter.stage("queue", 0.002)
    meter.report(report(*routes))
    meter.stage("encode", 0.006)
    meter.frame_out(latency_seconds=latency_seconds, size_bytes=20_000)
    meter.sound_out(160)


def live_through_everything(meter: StreamMeter) -> None:
    """Every series that a stream can have comes to be."""
    for state in (SourceState.CONNECTING, SourceState.LIVE):
        meter.source(SourceStatus(state))
    meter.source(SourceStatus(SourceState.RETRYING, Cause.CLOSED, "the camera went away", 1.0))
    meter.reconnected()
    meter.source(SourceStatus(SourceState.LIVE))
    meter.viewers(2)
    meter.effort("four_faces")
    frame_through(meter, route(), route(Lane.SKIP, "under 50 px"))
    meter.report(report(degraded=("landmarks coincide",)))
    meter.report(replace(report(), identity=Judged((("transformer", 0.97),), lowered=1, unjudged=2)))
    meter.frame_out(latency_seconds=0.03, size_bytes=30_000, rendition="compare")
    meter.dropped("late")
    meter.packets_lost("sound", 2)
    meter.viewer_dropped(3)
    meter.mended("timestamp_jump")
    meter.glass(0.12)
