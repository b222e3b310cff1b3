"""High dynamic range to BT.709: PQ (SMPTE ST 2084) and HLG (ARIB STD-B67), as ITU-R BT.2100 defines them.

Light above what a standard screen shows is rolled off by the curve of ITU-R BT.2390-10, section 5.4 (EETF), on the
largest of R, G and B, so that hues stay. A standard screen's white stands for HDR's diffuse white, 203 cd/m2 (BT.2408).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideData

from streamer.color import ColorSpec, Matrix, Plane, to_rgb_matrix
from streamer.media.sidedata import payload

Real = npt.NDArray[np.float32]
BT709 = ColorSpec("bt709", False, 1, 1, 1)
PQ, HLG = 16, 18
HDR_TRANSFERS = {PQ: "pq", HLG: "hlg"}

_STEPS = 4096
_PQ_PEAK = 10000.0
_WHITE = 203.0
USUAL_PEAK = 1000.0
_HLG_GAMMA = 1.2
_CHROMATICITIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)
_BT709_PRIMARIES, _BT2020_PRIMARIES = 1, 9


@dataclass(frozen=True, slots=True, eq=False)
class Deep:
    """Samples as they were coded, `bits` deep, one array a channel: Y; Y, U, V, chroma at its own size; or R, G, B."""

    channels: Sequence[npt.NDArray[Any]]
    bits: int
    rgb: bool
    matrix: Matrix
    full_range: bool


def tone_map(deep: Deep, frame: av.VideoFrame, *, peak: float) -> Plane:
    """The (h, w, 3) uint8 RGB, BT.709 primaries and gamma, of a PQ or HLG picture.

    `frame` has its tags; `peak`, in cd/m2, is the brightest light that a PQ film uses.
    """
    codes = np.clip(np.rint(_codes(deep) * (_STEPS - 1)), 0, _STEPS - 1).astype(np.uint16)
    if frame.color_trc == HLG:
        light, peak = _hlg_light(codes), USUAL_PEAK
    else:
        light = _pq_curve()[codes]
    light *= _roll_off(peak)[_curve_index(cv2.max(cv2.max(light[..., 0], light[..., 1]), light[..., 2]))][..., None]
    shown = cv2.transform(light, _gamut(frame.color_primaries))
    return _display_curve()[_index(np.sqrt(np.clip(shown, 0.0, 1.0)))]


def _codes(deep: Deep) -> Real:
    """R'G'B' (h, w, 3), 0 to 1. Chroma is level with the top left luma sample, as BT.2100 places it."""
    height, width = deep.channels[0].shape
    scale = 1.0 / ((1 << deep.bits) - 1) if deep.full_range else 1.0 / (255 << (deep.bits - 8))
    planes = [channel.astype(np.float32) * np.float32(scale) for channel in deep.channels]
    if len(planes) == 1:
        planes += [np.full_like(planes[0], scale * (1 << (deep.bits - 1)))] * 2
    # 8-bit chroma has its middle at 128 of 255; full range puts it elsewhere at other depths.
    middle = np.float32(0.0 if deep.rgb else 128 / 255 - scale * (1 << (deep.bits - 1)))
    planes = [planes[0], *(_enlarge(plane, height, width) + middle for plane in planes[1:])]
    stacked = cv2.merge(planes)
    if deep.rgb:
        return stacked.astype(np.float32, copy=False)
    matrix = to_rgb_matrix(deep.matrix, deep.full_range).copy()
    matrix[:, 3] /= 255.0
    return cv2.transform(stacked, matrix).astype(np.float32, copy=False)


def _enlarge(plane: Real, height: int, width: int) -> Real:
    if plane.shape == (height, width):
        return plane
    across, down = round(width / plane.shape[1]), round(height / plane.shape[0])
    shrink = np.array([[1 / across, 0.0, 0.0], [0.0, 1 / down, 0.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    enlarged = cv2.warpAffine(plane, shrink, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return enlarged.astype(np.float32, copy=False)


def _hlg_light(codes: npt.NDArray[np.uint16]) -> Real:
    """Light of a 1000 cd/m2 screen: the inverse OETF, then the OOTF (BT.2100-2, table 5)."""
    scene = _hlg_curve()[codes]
    luma = cv2.transform(scene, np.array([[0.2627, 0.6780, 0.0593]] * 3))
    return np.asarray(scene * cv2.pow(luma, _HLG_GAMMA - 1.0) * USUAL_PEAK, np.float32)


def mastering_peak(frame: av.VideoFrame) -> float:
    """The brightest light of the screen that the film was graded on, in cd/m2; 1000 where it isn't stated."""
    mastering = payload(frame, SideData.MASTERING_DISPLAY_METADATA)
    if mastering is None:
        return USUAL_PEAK
    numerator, denominator, _, has_luminance = struct.unpack_from("=4i", mastering, 72)
    if not has_luminance or denominator <= 0 or numerator <= 0:
        return USUAL_PEAK
    return float(np.clip(round(numerator / denominator), _WHITE, _PQ_PEAK))


def _index(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    return np.asarray(np.rint(values * (_STEPS - 1)), np.uint16)


def _curve_index(light: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Where a light level stands in a table that is even in its fourth root, which is nearly even to the eye."""
    return _index(np.sqrt(np.sqrt(np.clip(light, 0.0, _PQ_PEAK) / _PQ_PEAK)))


def _from_pq(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Light in cd/m2 of PQ codes 0 to 1 (ST 2084, eq. 4.1)."""
    root = code ** (32 / 2523)
    return np.asarray(_PQ_PEAK * (np.maximum(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305))


def _to_pq(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """PQ codes of light in cd/m2 (ST 2084, eq. 5.2)."""
    power = (light / _PQ_PEAK) ** (1305 / 8192)
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1.0 + 18.6875 * power)) ** (2523 / 32))


@lru_cache
def _pq_curve() -> Real:
    return _from_pq(np.linspace(0.0, 1.0, _STEPS)).astype(np.float32)


@lru_cache
def _hlg_curve() -> Real:
    """Scene light 0 to 1 of HLG codes (BT.2100-2, table 5)."""
    code = np.linspace(0.0, 1.0, _STEPS)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3.0, (np.exp((code - c) / a) + b) / 12.0).astype(np.float32)


@lru_cache
def _roll_off(peak: float) -> Real:
    """Factors from light to what the screen shows, 0 to 1, for light up to `peak`: BT.2390 with a black of 0."""
    light = np.linspace(0.0, 1.0, _STEPS) ** 4 * _PQ_PEAK
    top, white = _to_pq(np.array([peak, _WHITE]))
    code, limit = np.minimum(_to_pq(light) / top, 1.0), white / top
    knee = 1.5 * limit - 0.5
    t = (code - knee) / max(1.0 - knee, 1e-9)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1.0 - knee) + (-2 * t**3 + 3 * t**2) * limit
    shown = _from_pq(np.where(code < knee, code, np.minimum(spline, limit)) * top)
    return (np.divide(shown, light, out=np.ones_like(light), where=light > 0) / _WHITE).astype(np.float32)


@lru_cache
def _display_curve() -> Plane:
    """8-bit codes of a BT.1886 screen (gamma 2.4), by the square root of its light."""
    root = np.linspace(0.0, 1.0, _STEPS)
    return np.rint(255.0 * root ** (2 / 2.4)).astype(np.uint8)


@lru_cache
def _gamut(primaries: int) -> npt.NDArray[np.float64]:
    """The (3, 3) matrix from linear RGB of these primaries to that of BT.709; BT.2020 where they are not stated."""
    source = _CHROMATICITIES.get(primaries, _CHROMATICITIES[_BT2020_PRIMARIES])
    return np.asarray(np.linalg.inv(_to_xyz(_CHROMATICITIES[_BT709_PRIMARIES])) @ _to_xyz(source))


def _to_xyz(chromaticities: Sequence[tuple[float, float]]) -> npt.NDArray[np.float64]:
    """Linear RGB to CIE XYZ for these primaries and D65 (SMPTE RP 177)."""
    columns = np.array([[x / y, 1.0, (1.0 - x - y) / y] for x, y in (*chromaticities, _D65)]).T
    return np.asarray(columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3]))
