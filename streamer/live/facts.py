"""What a viewer's page may be told of one picture: its faces, and where its time went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from routing.presence import RESTORED
from routing.types import Route
from streamer.frame import Frame, FrameReport, Verdict


@dataclass(frozen=True, slots=True)
class FaceFacts:
    """One face. `box`: (x0, y0, x1, y1) as shares of the picture, 0 to 1. `width_px`: of the face, in pixels of the
    source. `strength`: 0 where it is shown as it came, 1 where all that its lane made of it is laid on. `similarity`:
    the cosine between the face and its restoration when they were last judged; None where they were not."""

    track: int
    box: tuple[float, float, float, float]
    lane: str
    reason: str
    width_px: float
    strength: float
    similarity: float | None = None

    @classmethod
    def of(cls, route: Route, frame: Frame, verdict: Verdict | None = None) -> FaceFacts:
        """`frame`: the one that the face was found in. `verdict`: on its restorations so far."""
        box = route.face.box.clip(frame.width, frame.height)
        return cls(
            track=route.face.track_id,
            box=(box.x0 / frame.width, box.y0 / frame.height, box.x1 / frame.width, box.y1 / frame.height),
            lane=route.lane.value,
            reason=route.reason,
            width_px=route.traits.width_px,
            strength=route.presence if verdict is None else route.presence * verdict.share,
            similarity=None if verdict is None or route.lane not in RESTORED else verdict.similarity,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "track": self.track,
            "box": [round(share, 4) for share in self.box],
            "lane": self.lane,
            "reason": self.reason,
            "width_px": round(self.width_px, 1),
            "strength": round(self.strength, 2),
            "similarity": None if self.similarity is None else round(self.similarity, 3),
        }


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """`seq`: of the source's frame. `captured_at`: monotonic seconds. `stages_ms`: milliseconds in each stage so far.
    `effort`: the name of what was spent on it (`streamer.effort.LADDER`)."""

    seq: int
    captured_at: float
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    faces: tuple[FaceFacts, ...] = ()
    effort: str = "full"

    @classmethod
    def of(
        cls,
        report: FrameReport,
        source: Frame,
        *,
        effort: str = "full",
        extra_seconds: Mapping[str, float] | None = None,
    ) -> PictureFacts:
        """Of a frame as it came from its source and what the pipeline reported of it. `extra_seconds`: time in stages
        outside the pipeline, as "queue" and "decode"."""
        seconds = {**(extra_seconds or {}), **report.stage_seconds}
        verdicts = report.identity.verdicts
        # What is left of a restoration that has ended is no face to count.
        routes = [route for route in report.routes if not route.fading]
        return cls(
            seq=source.seq,
            captured_at=source.captured_at,
            stages_ms={name: 1000 * value for name, value in seconds.items()},
            faces=tuple(FaceFacts.of(route, source, verdicts.get(route.face.track_id)) for route in routes),
            effort=effort,
        )

    def as_json(self, *, later_ms: Mapping[str, float] = MappingProxyType({})) -> dict[str, Any]:
        """`later_ms`: milliseconds in the stages that come after this was made, as "encode"."""
        stages = {**self.stages_ms, **later_ms}
        return {
            "seq": self.seq,
            "captured_ms": round(1000 * self.captured_at, 1),
            "effort": self.effort,
            "stages_ms": {name: round(value, 2) for name, value in stages.items()},
            "faces": [face.as_json() for face in self.faces],
        }
