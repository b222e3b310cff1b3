"""A face to measure on: what a viewer has of it, and what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from blending.align import invert, similarity
from experts.contract import Image
from experts.quality.metrics import FACE_AREA

SCALE = 2
"""How many times wider and higher all methods make the picture: the main job's own default."""
BANDS = ((50, 75), (75, 100), (100, 150))
"""Widths of faces in source pixels, from and below."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Faces that are told of together. `source`: "pictures" or "clips". `sharpness`: "sharp", or "soft" where a lens
    blurred them."""

    source: str
    band: tuple[int, int]
    sharpness: str

    @property
    def width(self) -> str:
        return f"{self.band[0]}-{self.band[1]}"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a sample shows. `person`: the same in all samples of theirs. `groups`: theirs of each kind, like "skin
    tone": "medium"."""

    person: str
    groups: Mapping[str, str] = field(default_factory=dict)


NOBODY = Subject("")
"""Where nobody asks."""


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """What the whole pipeline made of a sample: `pictures` (K, 2H, 2W, 3), the lane taken in each frame, and the
    seconds of it that its experts took."""

    pictures: Image
    lanes: tuple[str, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One face in K successive frames, 1 of a picture; its place in them stays the same.

    `low` (K, H, W, 3) and `high` (K, 2H, 2W, 3) uint8 RGB of the same scene, edges on edges. `landmarks` (K, 5, 2): as
    measured in `low`; `true_landmarks`: as they are, as far as anybody knows. `width`: of the face in `low`.
    """

    name: str
    group: Group
    width: float
    low: Image
    high: Image
    landmarks: Points
    true_landmarks: Points
    routed: Routed | None = None
    subject: Subject = NOBODY

    @property
    def frames(self) -> int:
        return len(self.low)

    def area(self, frame: int) -> tuple[slice, slice]:
        """Where the face lies in `high`: its rows, its columns."""
        back = invert(similarity(self.true_landmarks[frame], 1000))
        top, bottom, left, right = (1000 * share for share in FACE_AREA)
        corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]]) @ back[:, :2].T + back[:, 2]
        low = np.maximum(np.floor(SCALE * corners.min(axis=0)), 0).astype(int)
        end = np.minimum(np.ceil(SCALE * corners.max(axis=0)), self.high.shape[2:0:-1]).astype(int)
        return slice(int(low[1]), int(end[1])), slice(int(low[0]), int(end[0]))


def enlarged(points: Points) -> Points:
    """Points of `low` as they lie in `high`; pixel centres at whole numbers."""
    return np.asarray(points * SCALE + (SCALE - 1) / 2)


def band_of(width: float) -> tuple[int, int] | None:
    """The band that a face of that width is in."""
    return next((band for band in BANDS if band[0] <= width < band[1]), None)
