"""The frame: pixels and their time, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from streamer.color import ColorSpec, to_rgb

if TYPE_CHECKING:
    from routing.types import Route

Plane = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a stream: 8-bit YUV 4:2:0 planes with their colour description and their time.

    Planes, not RGB: what nobody restores is then never converted, so that a film passes through exactly; and scaling
    three planes takes half the time of scaling RGB.

    `y`: (H, W); `u`, `v`: (ceil(H / 2), ceil(W / 2)); all uint8, made not writeable. `pts` and `duration` count in
    `time_base` seconds; `duration` is 0 where unknown. `seq` counts frames from 0 as they leave the source.
    `captured_at`: monotonic seconds at which the source had it.
    """

    y: Plane
    u: Plane
    v: Plane
    color: ColorSpec
    pts: int
    time_base: Fraction
    seq: int
    captured_at: float
    duration: int = 0

    def __post_init__(self) -> None:
        height, width = self.y.shape
        half = ((height + 1) // 2, (width + 1) // 2)
        if self.u.shape != half or self.v.shape != half:
            raise ValueError(f"chroma of {height}x{width} luma is {half}, not {self.u.shape} and {self.v.shape}")
        for plane in (self.y, self.u, self.v):
            if plane.dtype != np.uint8:
                raise ValueError(f"planes are uint8, not {plane.dtype}")
            plane.flags.writeable = False

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        return self.y, self.u, self.v

    def rgb(self, x0: int = 0, y0: int = 0, x1: int | None = None, y1: int | None = None) -> Plane:
        """The (h, w, 3) uint8 RGB of a region, by the frame's own matrix and range; `x0` and `y0` must be even."""
        return to_rgb(
            self.planes, self.color, (x0, y0, self.width if x1 is None else x1, self.height if y1 is None else y1)
        )

    def __repr__(self) -> str:
        return f"Frame({self.width}x{self.height} {self.color} pts={self.pts} x {self.time_base} seq={self.seq})"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a track stands with its judge: the cosine of its last judgement, and the share of its lane's strength that it
    may have now, 0 to 1."""

    similarity: float
    share: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What became known, with one frame, of how far restored faces of earlier ones are still the same persons.

    `similarities`: lane and cosine of each judgement; `lowered`, `raised`: steps that tracks' strengths took for them;
    `unjudged`: faces that should have been judged and were not, since newer ones came or the judge failed. `verdicts`:
    how the tracks stand by now that were ever judged.
    """

    similarities: tuple[tuple[str, float], ...] = ()
    lowered: int = 0
    raised: int = 0
    unjudged: int = 0
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)


NOTHING_JUDGED = Judged()


@dataclass(frozen=True, slots=True)
class FrameReport:
    """What happened to one frame.

    `stage_seconds`: time in each stage of the way. `degraded`: what was done less well than asked, as reasons that a
    report can count. `age_seconds`: from capture to the end of the way. `learned_background`: whether a network
    enlarged the background. `strengths`: by track, how much of each restoration was laid on, 0 to 1.
    """

    seq: int
    stage_seconds: Mapping[str, float]
    routes: tuple[Route, ...] = ()
    degraded: tuple[str, ...] = ()
    age_seconds: float = 0.0
    batches: Mapping[str, int] = field(default_factory=dict)
    learned_background: bool = False
    identity: Judged = NOTHING_JUDGED
    strengths: Mapping[int, float] = field(default_factory=dict)
