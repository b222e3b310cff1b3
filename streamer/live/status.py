"""A stream's status as JSON has it: schema Stream of `web/openapi.json`."""

from __future__ import annotations

import time

from streamer.live.figures import MeterSnapshot
from streamer.live.standing import Standing
from web.feeds import Status


def stream_status(
    name: str,
    *,
    kind: str,
    address: str,
    standing: Standing,
    meter: MeterSnapshot,
    size: tuple[int, int] | None,
    scale: int | None,
    has_sound: bool,
    decoder: str,
    viewers: int,
    max_viewers: int,
    trouble: str,
) -> Status:
    """`address`: without credentials. `size`: of the source's pictures. `trouble`: why frames fail, if they do."""
    source = standing.status
    retry_at = source.retry_at
    width, height = size or (None, None)
    return {
        "name": name,
        "source": {"kind": kind, "address": address},
        "state": source.state.value,
        "cause": source.cause.value,
        "message": f"frames fail: {trouble}" if trouble else source.message,
        "retry_in_s": None if retry_at is None else _rounded(max(0.0, retry_at - time.monotonic()), 1),
        "since": _rounded(standing.seconds, 1),
        "width": width,
        "height": height,
        "output_width": None if width is None or scale is None else width * scale,
        "output_height": None if height is None or scale is None else height * scale,
        "scale": scale,
        "has_sound": has_sound,
        "decoder": decoder or None,
        "viewers": viewers,
        "max_viewers": max_viewers,
        **_figures(meter),
    }


def _figures(meter: MeterSnapshot) -> Status:
    return {
        "fps_in": _rounded(meter.fps_in, 1),
        "fps_out": _rounded(meter.fps_out, 1),
        "latency_ms": {"p50": _rounded(meter.latency_p50_ms, 1), "p95": _rounded(meter.latency_p95_ms, 1)},
        "stages_ms": {stage: round(value, 2) for stage, value in meter.stages_ms.items()},
        "faces": dict(meter.faces),
        "drops": dict(meter.drops),
        "effort": {"name": meter.effort, "level": meter.effort_level, "of": meter.effort_of},
        "bitrate_kbps": _rounded(meter.bitrate_kbps, 0),
        "reconnects": meter.reconnects,
        "mended": dict(meter.mended),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
