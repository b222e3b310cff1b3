"""Where a face lies in the frames of a clip: it drifts, sways, turns and grows slowly, as heads and hands do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experts.training.degradation import DegradationSettings
from experts.training.draws import between

Affine = npt.NDArray[np.float64]
"""(2, 3): maps pixels to pixels, centres at whole numbers."""
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """In pixels, frames and radians: `step` a frame, `sway` (its ends to both sides of it) of `period`, `turn` a frame,
    `growth` a frame; `tilt` at first; `offset` of the face from the middle."""

    offset: Points
    step: Points
    sway: Points
    period: float
    phase: float
    tilt: float
    turn: float
    growth: float

    @classmethod
    def draw(cls, settings: DegradationSettings, random: np.random.Generator) -> Motion:
        direction = _direction(random)
        return cls(
            offset=random.uniform(-0.5, 0.5, 2),
            step=between(settings.speed, random) * direction,
            sway=between(settings.sway, random) * _direction(random),
            period=float(random.uniform(10.0, 30.0)),
            phase=float(random.uniform(0.0, 2 * np.pi)),
            tilt=float(np.deg2rad(random.uniform(-settings.tilt_degrees, settings.tilt_degrees))),
            turn=float(random.normal(0.0, 0.006)),
            growth=float(1.0 + random.normal(0.0, 0.004)),
        )

    @property
    def towards(self) -> float:
        """The direction of the drift in the photograph, which lies tilted in the frames."""
        return float(np.arctan2(self.step[1], self.step[0])) - self.tilt

    def path(self, landmarks: Points, scale: float, *, side: int, length: int) -> list[Affine]:
        """The photograph's map into each of `length` square frames of `side` px, its face about their middle.

        A clip too long for its drift turns back: the face stays within its square.
        """
        middle = landmarks.mean(axis=0)
        start = self.offset + (side - 1) / 2 + [0.0, 0.03 * side]
        room = 0.06 * side
        maps = []
        for t in range(length):
            drift = _bounded(self.step * (t - (length - 1) / 2), room)
            sway = self.sway * np.sin(self.phase + 2 * np.pi * t / self.period)
            size, angle = scale * self.growth ** min(t, 24), self.tilt + self.turn * min(t, 24)
            maps.append(similarity(size, angle, middle, start + drift + sway))
        return maps


def similarity(scale: float, angle: float, origin: Points, target: Points) -> Affine:
    """Scales and turns about `origin`, and takes `origin` to `target`."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[c, -s], [s, c]])
    return np.hstack([linear, (target - linear @ origin)[:, None]])


def _bounded(shift: Points, room: float) -> Points:
    """The same way while it is short; longer ones fold back evenly, so that they never reach beyond `room`."""
    length = float(np.hypot(*shift))
    if length <= room:
        return shift
    folded = room - abs((length + room) % (4 * room) - 2 * room)
    return np.asarray(shift * (folded / length))


def _direction(random: np.random.Generator) -> Points:
    angle = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
