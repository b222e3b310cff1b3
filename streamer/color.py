"""Colour as streams describe it, and exact conversion between YUV 4:2:0 planes and RGB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Matrix = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How 8-bit YUV numbers mean colour: the matrix, full or limited range, and the tags to hand on.

    `primaries`, `transfer` and `space` are FFmpeg's numbers, kept so that a sink writes what the source said (2: not
    stated); `matrix` is what conversion uses when `space` is not stated.
    """

    matrix: Matrix = "bt601"
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    space: int = 2


def to_rgb(planes: tuple[Plane, Plane, Plane], color: ColorSpec, region: tuple[int, int, int, int]) -> Plane:
    """The RGB (h, w, 3) uint8 of `region` (x0, y0, x1, y1), x0 and y0 even."""
    raise NotImplementedError


def from_rgb(image: Plane, color: ColorSpec) -> tuple[Plane, Plane, Plane]:
    """The planes of an RGB image."""
    raise NotImplementedError
