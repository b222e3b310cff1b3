"""Colour as streams describe it, and exact conversion between YUV 4:2:0 planes and RGB.

Chroma is sited as MPEG-2 has it: level with every second luma column, half-way between two luma rows. It is enlarged by
linear interpolation and reduced by the matching filter (1 2 1 across, 1 1 down). Numbers and matrices: ITU-R BT.601-7,
BT.709-6 and BT.2020-2 (non-constant luminance), ITU-T H.273 for the tags.

Arithmetic is rounded once, half to even, so that nothing darkens: a picture that goes to RGB and back keeps its mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
Matrix = Literal["bt601", "bt709", "bt2020"]
Region = tuple[int, int, int, int]
Signed = npt.NDArray[np.int16]

_LUMA_WEIGHTS: dict[Matrix, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}
# Lowest and highest level by `full_range`.
LEGAL_LUMA: dict[bool, tuple[int, int]] = {False: (16, 235), True: (0, 255)}
LEGAL_CHROMA: dict[bool, tuple[int, int]] = {False: (16, 240), True: (0, 255)}
SPACE_TAG: dict[Matrix, int] = {"bt601": 6, "bt709": 1, "bt2020": 9}
NOT_STATED = 2
# Fractions of a level that chroma keeps until it has been averaged; the eight that are then summed still fit 16 bits.
_CHROMA_GAIN = 8
_SUM_BITS = 6


@dataclass(frozen=True, slots=True)
class ColorSpec:
    """How 8-bit YUV numbers mean colour: the matrix, full or limited range, and the tags to hand on.

    `primaries`, `transfer` and `space` are FFmpeg's numbers (H.273), kept so that a sink writes what the source said
    (2: not stated); `matrix` is what conversion uses, whether stated or guessed.
    """

    matrix: Matrix = "bt601"
    full_range: bool = False
    primaries: int = NOT_STATED
    transfer: int = NOT_STATED
    space: int = NOT_STATED

    @property
    def matrix_tag(self) -> int:
        """The tag that states the matrix in use. A sink that changes a film's size writes it even where the source
        stated none: players guess the matrix by the size."""
        return SPACE_TAG[self.matrix] if self.space == NOT_STATED else self.space

    @property
    def black(self) -> tuple[int, int, int]:
        """Black in Y, U and V."""
        return (0 if self.full_range else 16), 128, 128


def chroma_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the chroma planes of 4:2:0 luma."""
    return (height + 1) // 2, (width + 1) // 2


def allocate(height: int, width: int) -> Planes:
    """Three empty planes, one behind the other in one buffer: what `detection_rgb` reads without a copy."""
    rows, columns = chroma_size(height, width)
    luma, chroma = height * width, rows * columns
    buffer = np.empty(luma + 2 * chroma, np.uint8)
    return (
        buffer[:luma].reshape(height, width),
        buffer[luma : luma + chroma].reshape(rows, columns),
        buffer[luma + chroma :].reshape(rows, columns),
    )


def to_rgb(planes: Planes, color: ColorSpec, region: Region) -> Plane:
    """The (h, w, 3) uint8 RGB of `region` (x0, y0, x1, y1); a region has the same pixels alone as in the whole picture.

    Raises ValueError where x0 or y0 is odd or negative, or the region is empty or reaches beyond the picture.
    """
    luma, u, v = planes
    x0, y0, x1, y1 = _checked(region, luma)
    stacked = cv2.merge((luma[y0:y1, x0:x1], _enlarge(u, region), _enlarge(v, region)))
    return _plane(cv2.transform(stacked, to_rgb_matrix(color.matrix, color.full_range)))


def from_rgb(image: Plane, color: ColorSpec) -> Planes:
    """The planes of an (h, w, 3) uint8 RGB image, contiguous as `allocate` makes them."""
    planes = allocate(*image.shape[:2])
    luma, *chroma = _yuv(_even(image, cv2.BORDER_REPLICATE).astype(np.int16), color)
    cv2.convertScaleAbs(luma[: image.shape[0], : image.shape[1]], dst=planes[0], beta=color.black[0])
    for plane, channel in zip(planes[1:], chroma, strict=True):
        cv2.convertScaleAbs(_reduce(channel, repeat_left=True), dst=plane, beta=128)
    return planes


def detection_rgb(planes: Planes) -> Plane:
    """The whole picture as RGB for a detector: fast, not exact.

    Always the limited BT.601 matrix with the nearest chroma, whatever the stream says: colours are off by a few levels
    at most, which no face detector minds. An odd last row or column is left out. Planes that `allocate` made are not
    copied. A picture of one row or one column, which no detector takes and which has no whole chroma, is black.
    """
    luma = planes[0]
    if min(luma.shape) < 2:
        return np.zeros((*luma.shape, 3), np.uint8)
    return _plane(cv2.cvtColor(_as_i420(planes), cv2.COLOR_YUV2RGB_I420))


def _checked(region: Region, luma: Plane) -> Region:
    x0, y0, x1, y1 = region
    if x0 % 2 or y0 % 2:
        raise ValueError(f"a region begins at even x and y, not at {x0}, {y0}")
    if not (0 <= x0 < x1 <= luma.shape[1] and 0 <= y0 < y1 <= luma.shape[0]):
        raise ValueError(f"region {region} does not lie in a picture of {luma.shape[1]}x{luma.shape[0]}")
    return region


def _enlarge(chroma: Plane, region: Region) -> Plane:
    """Chroma at luma size over the region, its neighbours beyond it taken into account."""
    x0, y0, x1, y1 = region
    part = _with_neighbours(chroma, x0 // 2, y0 // 2, (x1 + 1) // 2, (y1 + 1) // 2)
    rows, columns = part.shape[0] - 2, part.shape[1] - 1
    wide = np.empty((rows + 2, columns, 2), np.uint8)
    wide[..., 0] = part[:, :-1]
    wide[..., 1] = cv2.addWeighted(part[:, :-1], 0.5, part[:, 1:], 0.5, 0.0)
    wide = wide.reshape(rows + 2, 2 * columns)
    tall = np.empty((2 * rows, 2 * columns), np.uint8)
    # Not cv2.resize: it rounds halves up, which lifts the mean by an eighth of a level.
    cv2.addWeighted(wide[1:-1], 0.75, wide[:-2], 0.25, 0.0, dst=tall[0::2])
    cv2.addWeighted(wide[1:-1], 0.75, wide[2:], 0.25, 0.0, dst=tall[1::2])
    return tall[: y1 - y0, : x1 - x0]


def _with_neighbours(chroma: Plane, x0: int, y0: int, x1: int, y1: int) -> Plane:
    """A part with one row more above and below and one column more to the right, repeated at the plane's edge."""
    height, width = chroma.shape
    part = chroma[max(y0 - 1, 0) : y1 + 1, x0 : x1 + 1]
    missing = int(y0 == 0), int(y1 == height), 0, int(x1 == width)
    return _plane(cv2.copyMakeBorder(part, *missing, cv2.BORDER_REPLICATE)) if any(missing) else part


def _even(image: npt.NDArray[Any], border: int) -> npt.NDArray[Any]:
    """The image with an even number of rows and columns."""
    rows, columns = image.shape[0] % 2, image.shape[1] % 2
    return cv2.copyMakeBorder(image, 0, rows, 0, columns, border) if rows or columns else image


def _yuv(rgb: Signed, color: ColorSpec) -> Sequence[Signed]:
    """Y, and `_CHROMA_GAIN` times U and V, of an RGB image or difference (h, w, 3), before any offset."""
    gain = np.array([[1.0], [_CHROMA_GAIN], [_CHROMA_GAIN]])
    linear = from_rgb_matrix(color.matrix, color.full_range)[:, :3]
    # Three extractions take half the time of cv2.split.
    mixed = cv2.transform(rgb, linear * gain)
    return [cast("Signed", cv2.extractChannel(mixed, channel)) for channel in range(3)]


def _reduce(chroma: Signed, *, repeat_left: bool) -> Signed:
    """Chroma (2h, 2w) times `_CHROMA_GAIN` at its own size (h, w): 1 1 down, 1 2 1 across about the even columns."""
    pairs = cv2.add(chroma[0::2], chroma[1::2])
    even, odd = cast("Sequence[Signed]", cv2.split(pairs.reshape(pairs.shape[0], -1, 2)))
    sums = even + even
    sums += odd
    sums[:, 1:] += odd[:, :-1]
    if repeat_left:
        sums[:, 0] += even[:, 0]
    sums += np.int16(1 << (_SUM_BITS - 1))
    sums >>= np.int16(_SUM_BITS)
    return sums


def _as_i420(planes: Planes) -> Plane:
    luma, u, v = planes
    height, width = luma.shape[0] // 2 * 2, luma.shape[1] // 2 * 2
    base = luma.base
    if (
        (height, width) == luma.shape
        and base is not None
        and base is u.base
        and base is v.base
        and base.shape == (height * width * 3 // 2,)
        and all(plane.flags.c_contiguous for plane in planes)
    ):
        return base.reshape(height * 3 // 2, width)
    parts = (luma[:height, :width], u[: height // 2, : width // 2], v[: height // 2, : width // 2])
    return np.concatenate([part.ravel() for part in parts]).reshape(height * 3 // 2, width)


@lru_cache
def from_rgb_matrix(matrix: Matrix, full_range: bool) -> npt.NDArray[np.float64]:
    """(3, 4): Y, U and V of R, G, B and 1, all 0 to 255."""
    kr, kb = _LUMA_WEIGHTS[matrix]
    luma = np.array([kr, 1 - kr - kb, kb])
    blue, red = np.array([0, 0, 1.0]) - luma, np.array([1.0, 0, 0]) - luma
    luma_scale, chroma_scale, foot = (1.0, 1.0, 0.0) if full_range else (219 / 255, 224 / 255, 16.0)
    linear = np.stack([luma * luma_scale, blue * chroma_scale / (2 * (1 - kb)), red * chroma_scale / (2 * (1 - kr))])
    return np.hstack([linear, [[foot], [128.0], [128.0]]])


@lru_cache
def to_rgb_matrix(matrix: Matrix, full_range: bool) -> npt.NDArray[np.float64]:
    """(3, 4): R, G and B of Y, U, V and 1."""
    forward = from_rgb_matrix(matrix, full_range)
    linear = np.linalg.inv(forward[:, :3])
    return np.hstack([linear, -(linear @ forward[:, 3:])])


def _plane(image: npt.NDArray[Any]) -> Plane:
    return image.astype(np.uint8, copy=False)
