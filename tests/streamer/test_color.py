"""Colour conversion against the formulas of the standards, written out slowly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streamer.color import (
    ColorSpec,
    Matrix,
    Plane,
    Planes,
    allocate,
    detection_rgb,
    from_rgb,
    to_rgb,
)
from tests.helpers.clips import natural

MATRICES: list[Matrix] = ["bt601", "bt709", "bt2020"]
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
SPECS = [ColorSpec(matrix, full) for matrix in MATRICES for full in (False, True)]

every_spec = pytest.mark.parametrize(
    "spec", SPECS, ids=[f"{s.matrix}-{'full' if s.full_range else 'limited'}" for s in SPECS]
)


def yuv_by_formula(rgb: npt.NDArray[np.float64], spec: ColorSpec) -> npt.NDArray[np.float64]:
    """Y, U, V at full size, not rounded, of R, G, B 0 to 255 (BT.601-7, BT.709-6, BT.2020-2)."""
    kr, kb = WEIGHTS[spec.matrix]
    red, green, blue = np.moveaxis(rgb / 255.0, -1, 0)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    if spec.full_range:
        return np.stack([255 * luma, 128 + 255 * u, 128 + 255 * v], -1)
    return np.stack([16 + 219 * luma, 128 + 224 * u, 128 + 224 * v], -1)


def flat(color: npt.NDArray[np.uint8], size: int = 8) -> Plane:
    return np.broadcast_to(color, (size, size, 3)).copy()


def psnr(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else np.inf


def whole(planes: Planes) -> tuple[int, int, int, int]:
    return 0, 0, planes[0].shape[1], planes[0].shape[0]


@every_spec
def test_flat_colors_become_the_formula_rounded(spec: ColorSpec) -> None:
    for color in np.random.default_rng(1).integers(0, 256, (60, 3), np.uint8):
        wanted = yuv_by_formula(color.astype(np.float64), spec)
        planes = from_rgb(flat(color), spec)
        for plane, level in zip(planes, wanted, strict=True):
            assert np.ptp(plane) == 0
            # Chroma keeps an eighth of a level until it is averaged, so it may round the other way that near a half.
            assert abs(float(plane[0, 0]) - np.clip(level, 0, 255)) <= 0.5 + 1 / 16


@every_spec
def test_colors_come_back_within_what_8_bits_of_yuv_can_say(spec: ColorSpec) -> None:
    for color in np.random.default_rng(2).integers(0, 256, (60, 3), np.uint8):
        planes = from_rgb(flat(color), spec)
        back = to_rgb(planes, spec, whole(planes))
        assert np.abs(back.astype(int) - color).max() <= 2


@pytest.mark.parametrize(("full_range", "black", "white"), [(False, 16, 235), (True, 0, 255)])
@pytest.mark.parametrize("matrix", MATRICES)
def test_black_and_white_are_where_the_range_has_them(matrix: Matrix, full_range: bool, black: int, white: int) -> None:
    spec = ColorSpec(matrix, full_range)
    for luma, level in ((black, 0), (white, 255)):
        planes = np.full((4, 6), luma, np.uint8), np.full((2, 3), 128, np.uint8), np.full((2, 3), 128, np.uint8)
        assert (to_rgb(planes, spec, (0, 0, 6, 4)) == level).all()
        for plane, wanted in zip(from_rgb(np.full((4, 6, 3), level, np.uint8), spec), (luma, 128, 128), strict=True):
            assert (plane == wanted).all()
    assert spec.black == (black, 128, 128)


@every_spec
def test_a_round_trip_keeps_luma_and_every_mean(spec: ColorSpec) -> None:
    planes = from_rgb(np.rint(natural(181, 243)).astype(np.uint8), spec)
    again = from_rgb(to_rgb(planes, spec, whole(planes)), spec)
    assert psnr(planes[0], again[0]) >= 60
    for plane, back in zip(planes, again, strict=True):
        assert psnr(plane, back) >= 45
        assert abs(plane.astype(float).mean() - back.mean()) < 0.1


def test_chroma_is_interpolated_where_mpeg2_sites_it() -> None:
    u = np.random.default_rng(3).integers(60, 200, (9, 11), np.uint8)
    luma, v = np.full((17, 21), 120, np.uint8), np.full((9, 11), 128, np.uint8)
    spec = ColorSpec("bt601", True)
    blue = to_rgb((luma, u, v), spec, (0, 0, 21, 17))[..., 2].astype(float)
    rows, columns = np.clip((np.arange(17) - 0.5) / 2, 0, 8), np.clip(np.arange(21) / 2, 0, 10)
    across = np.stack([np.interp(columns, np.arange(11), line) for line in u.astype(float)])
    smooth = np.stack([np.interp(rows, np.arange(9), line) for line in across.T], 1)
    wanted = np.clip(120 + 1.772 * (smooth - 128), 0, 255)
    # Two roundings of chroma, half a level each, and one of blue.
    assert np.abs(blue - wanted).max() <= 1.772 + 0.5
    assert abs((blue - wanted).mean()) < 0.1


def test_chroma_is_reduced_where_mpeg2_sites_it() -> None:
    image = np.rint(natural(16, 22, seed=4)).astype(np.uint8)
    spec = ColorSpec("bt709", False)
    full = yuv_by_formula(image.astype(np.float64), spec)[..., 1]
    padded = np.pad(full, ((0, 0), (1, 0)), mode="edge")
    across = (padded[:, 0:-1:2] + 2 * padded[:, 1::2] + np.pad(padded, ((0, 0), (0, 1)), mode="edge")[:, 2::2]) / 4
    wanted = (across[0::2] + across[1::2]) / 2
    assert np.abs(from_rgb(image, spec)[1] - wanted).max() <= 0.5 + 1 / 16


@pytest.mark.parametrize("region", [(0, 0, 2, 2), (10, 8, 33, 31), (20, 30, 53, 47), (0, 46, 1, 47), (52, 0, 53, 1)])
def test_a_region_is_the_same_alone_as_in_the_whole(region: tuple[int, int, int, int]) -> None:
    planes = from_rgb(np.rint(natural(47, 53)).astype(np.uint8), ColorSpec())
    x0, y0, x1, y1 = region
    assert np.array_equal(
        to_rgb(planes, ColorSpec(), region), to_rgb(planes, ColorSpec(), (0, 0, 53, 47))[y0:y1, x0:x1]
    )


@pytest.mark.parametrize(
    "region",
    [(1, 0, 10, 10), (0, 3, 10, 10), (0, 0, 33, 10), (0, 0, 10, 25), (-2, 0, 4, 4), (4, 4, 4, 8), (6, 4, 4, 8)],
)
def test_a_region_that_makes_no_sense_is_refused(region: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="region"):
        to_rgb(allocate(24, 32), ColorSpec(), region)


def random_planes(height: int, width: int, seed: int = 5) -> Planes:
    planes = allocate(height, width)
    for plane in planes:
        plane[:] = np.random.default_rng(seed).integers(0, 256, plane.shape, np.uint8)
    return planes


def test_the_detector_sees_the_picture_whatever_its_planes_lie_in() -> None:
    image = np.rint(natural(48, 64)).astype(np.uint8)
    planes = from_rgb(image, ColorSpec())
    seen = detection_rgb(planes)
    apart = detection_rgb((planes[0].copy(), planes[1].copy(), planes[2].copy()))
    assert np.array_equal(seen, apart)
    assert psnr(seen, image) > 30


def test_the_detector_leaves_out_an_odd_row_and_column() -> None:
    planes = from_rgb(np.rint(natural(33, 47)).astype(np.uint8), ColorSpec())
    assert detection_rgb(planes).shape == (32, 46, 3)


@pytest.mark.parametrize(
    ("spec", "tag"), [(ColorSpec("bt601"), 6), (ColorSpec("bt709"), 1), (ColorSpec("bt601", space=5), 5)]
)
def test_the_matrix_tag_states_what_is_used(spec: ColorSpec, tag: int) -> None:
    assert spec.matrix_tag == tag


@pytest.mark.parametrize("size", [(1, 1), (1, 64), (64, 1)])
def test_a_detector_gets_a_picture_of_one_row_or_column_too(size: tuple[int, int]) -> None:
    planes = from_rgb(np.full((*size, 3), 200, np.uint8), ColorSpec())
    assert np.array_equal(detection_rgb(planes), np.zeros((*size, 3), np.uint8))
