"""What the router speaks in: boxes, faces, their traits, and the lane that each is sent on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class RoutingError(Exception):
    """Root of what can go wrong in this room."""


class Box(NamedTuple):
    """An axis-aligned rectangle in source pixels; `x1` and `y1` lie one past the last pixel."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; 0 where both are empty."""
        shared = Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))
        inter = shared.area if shared.width > 0 and shared.height > 0 else 0.0
        union = self.area + other.area - inter
        return inter / union if union > 0 else 0.0

    def clip(self, width: int, height: int) -> Box:
        """The part of the box inside an image of `width` x `height` pixels."""
        return Box(
            min(max(self.x0, 0.0), width),
            min(max(self.y0, 0.0), height),
            min(max(self.x1, 0.0), width),
            min(max(self.y1, 0.0), height),
        )


class Lane(Enum):
    """The kinds of work that a face can need."""

    SKIP = "skip"
    RESIZE = "resize"
    TRANSFORMER = "transformer"
    FREQUENCY = "frequency"


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face as a detector measured it, unsmoothed.

    `landmarks`: (5, 2) float32 in source pixels, x before y: the subject's right eye (left in the image), left eye,
    nose tip, right and left mouth corner. `score`: the detector's confidence, 0 to 1.
    """

    box: Box
    landmarks: npt.NDArray[np.float32]
    score: float

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2) or self.landmarks.dtype != np.float32:
            raise ValueError(f"landmarks must be (5, 2) float32, not {self.landmarks.shape} {self.landmarks.dtype}")


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of one frame, with the identity of its track; `landmarks` are smoothed, `box` is as measured.

    `lost_seconds`: 0 for a face seen in this frame; else how long ago it was last seen, and box and landmarks are
    where its movement leads it.
    """

    track_id: int
    box: Box
    landmarks: npt.NDArray[np.float32]
    score: float
    lost_seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.landmarks.shape != (5, 2) or self.landmarks.dtype != np.float32:
            raise ValueError(f"landmarks must be (5, 2) float32, not {self.landmarks.shape} {self.landmarks.dtype}")


@dataclass(frozen=True, slots=True)
class Traits:
    """What the gate decides by: width in source pixels; variance of the Laplacian of the luma at one size."""

    width_px: float
    sharpness: float


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A face, the lane that it takes, and why, in a few words that a report can count.

    `presence`: from 0, leave the face as it is, to 1, lay on what the lane makes of it; between them while a face
    appears, is lost, or is no longer to be restored. `fading`: what is left of a restoration that has ended, for a face
    that is lost or has another route beside this one; no face to count.
    """

    face: Face
    traits: Traits
    lane: Lane
    reason: str
    presence: float = 1.0
    fading: bool = False
