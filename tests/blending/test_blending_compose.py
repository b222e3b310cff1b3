"""Regions, masks, and patches: where they lie, and that all a patch can change is inside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from blending.align import FFHQ, TEMPLATE, compose, crop, face_part, invert, scaling, shift, similarity
from blending.blender import BlendSettings, make_blender
from blending.compose import Region, regions
from blending.mask import face_mask, footprint
from blending.patch import Patch


def square(
    x: float, y: float, *, size: int = 64, scale: float = 1.0, angle: float = 0.0, strength: float = 1.0
) -> Patch:
    turn = np.deg2rad(angle)
    c, s = np.cos(turn) * scale, np.sin(turn) * scale
    image = np.random.default_rng(abs(int(x))).integers(0, 256, (size, size, 3), np.uint8)
    return Patch(image, np.array([[c, -s, x], [s, c, y]]), strength)


def test_patches_that_overlap_share_a_region_and_others_do_not() -> None:
    patches = [square(20, 20), square(400, 200), square(60, 30), square(105, 35)]
    found = regions(patches, width=640, height=360, margin=2)
    # The first and the last do not touch; the one between brings them together.
    assert [region.patches for region in found] == [(0, 2, 3), (1,)]
    for a, b in pairwise(found):
        assert a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0


def test_merging_two_regions_may_swallow_a_third() -> None:
    corner, far, across = square(20, 20), square(200, 200), square(140, 60)
    joint = square(60, 60, size=180)
    found = regions([corner, far, across, joint], width=640, height=360)
    assert [region.patches for region in found] == [(0, 1, 2, 3)]


@pytest.mark.parametrize(("width", "height"), [(640, 360), (641, 359)])
@pytest.mark.parametrize("margin", [0, 1, 5])
def test_regions_are_whole_in_chroma_and_inside_the_frame(width: int, height: int, margin: int) -> None:
    patches = [square(x, y) for x, y in ((-30, 100), (611, 33), (301, -25), (201, 330))]
    found = regions(patches, width=width, height=height, margin=margin)
    assert len(found) == 4
    for region in found:
        assert 0 <= region.x0 < region.x1 <= width
        assert 0 <= region.y0 < region.y1 <= height
        assert region.x0 % 2 == region.y0 % 2 == 0
        assert region.x1 % 2 == 0 or region.x1 == width
        assert region.y1 % 2 == 0 or region.y1 == height


@pytest.mark.parametrize("x", [-200.0, 700.0, 1e7, -1e7])
def test_a_patch_outside_is_in_no_region(x: float) -> None:
    assert regions([square(x, 100)], width=640, height=360, margin=4) == []


def test_patches_of_no_strength_alone_need_no_region_but_stand_by_their_neighbours() -> None:
    assert regions([square(20, 20, strength=0.0)], width=640, height=360) == []
    (region,) = regions([square(20, 20, strength=0.0), square(50, 20)], width=640, height=360)
    assert region.patches == (0, 1)


@pytest.mark.parametrize("method", ["multiband", "poisson", "feather"])
@pytest.mark.parametrize("angle", [0.0, 33.0])
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.7])
def test_blending_a_region_is_blending_the_frame(method: str, angle: float, scale: float) -> None:
    background = np.random.default_rng(1).integers(0, 256, (260, 300, 3), np.uint8)
    patches = [square(90.3, 40.6, scale=scale, angle=angle), square(130.1, 60.2, scale=scale)]
    blender = make_blender(BlendSettings(method=method))  # type: ignore[arg-type]
    whole = blender.blend(background, patches)
    pieced = background.copy()
    for region in regions(patches, width=300, height=260):
        part = background[region.y0 : region.y1, region.x0 : region.x1]
        mine = [patches[i].shifted(-region.x0, -region.y0) for i in region.patches]
        pieced[region.y0 : region.y1, region.x0 : region.x1] = blender.blend(part, mine)
    changed = np.abs(whole.astype(int) - background).max(axis=2) > 0
    assert changed.any()
    # Moved coordinates may round differently in the last digit of a warp.
    assert np.abs(pieced.astype(int) - whole).max() <= 2
    assert np.abs(pieced.astype(int) - whole).mean() < 0.01


@pytest.mark.parametrize("size", [64, 256, 320])
def test_the_mask_is_whole_on_the_face_and_ends_before_the_border(size: int) -> None:
    weight, fade, depth, _ = np.moveaxis(face_mask(size, 0.65), 2, 0)
    for plane in (weight, fade, depth):
        assert not plane[0].any()
        assert not plane[-1].any()
        assert not plane[:, 0].any()
        assert not plane[:, -1].any()
    landmarks = np.rint(TEMPLATE * size - 0.5).astype(int)
    assert (weight[landmarks[:, 1], landmarks[:, 0]] == 1).all()
    middle = size // 2
    # The face box spans 0.20 to 0.80 by 0.07 to 0.92 of the crop.
    assert weight[middle, int(0.2 * size) + 1 : int(0.8 * size) - 1].min() == 1
    assert weight[int(0.1 * size) + 1 : int(0.89 * size) - 1, middle].min() > 0.9
    assert (fade[weight > 0] > 0.999).all()
    assert (depth[fade > 0] > 0).all()


def test_the_mask_is_smooth_and_made_once() -> None:
    mask = face_mask(320, 0.65)
    assert face_mask(320, 0.65) is mask
    assert not mask.flags.writeable
    weight = mask[..., 0]
    assert max(np.abs(np.diff(weight, axis=0)).max(), np.abs(np.diff(weight, axis=1)).max()) < 0.12
    softer = face_mask(320, 1.0)[..., 0]
    assert np.abs(np.diff(softer, axis=1)).max() < np.abs(np.diff(weight, axis=1)).max()


def test_the_footprint_moves_and_grows_with_the_patch() -> None:
    x0, y0, x1, y1 = footprint(square(100, 50, size=200))
    assert 90 <= x0 <= 103
    assert 40 <= y0 <= 53
    assert 297 <= x1 <= 310
    assert 247 <= y1 <= 260
    assert footprint(square(100, 50, size=200).shifted(7, -3)) == (x0 + 7, y0 - 3, x1 + 7, y1 - 3)
    larger = footprint(square(100, 50, size=200, scale=2.0))
    assert 1.9 < (larger[2] - larger[0]) / (x1 - x0) < 2.0


def test_a_shifted_patch_shares_its_image() -> None:
    patch = square(10, 20, strength=0.5)
    moved = patch.shifted(-4, 6)
    assert moved.image is patch.image
    assert moved.strength == 0.5
    assert moved.to_frame[:, 2].tolist() == [6, 26]
    assert patch.to_frame[:, 2].tolist() == [10, 20]


def test_scale_and_side_are_those_of_the_map() -> None:
    patch = square(0, 0, size=100, scale=1.7, angle=25)
    assert patch.scale == pytest.approx(1.7)
    assert patch.side == pytest.approx(170)
    assert repr(patch) == "Patch(100 px, strength=1.00)"


@pytest.mark.parametrize(
    ("image", "to_frame", "strength", "message"),
    [
        (np.zeros((8, 9, 3), np.uint8), np.eye(2, 3), 1.0, r"a patch is \(N, N\) or \(N, N, C\) uint8"),
        (np.zeros((8, 8, 3), np.float32), np.eye(2, 3), 1.0, r"a patch is \(N, N\) or \(N, N, C\) uint8"),
        (np.zeros((8, 8, 5), np.uint8), np.eye(2, 3), 1.0, r"a patch is \(N, N\) or \(N, N, C\) uint8"),
        (np.zeros((8, 8, 3), np.uint8), np.eye(3), 1.0, r"to_frame is \(2, 3\)"),
        (np.zeros((8, 8, 3), np.uint8), np.full((2, 3), np.nan), 1.0, "finite"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((2, 3)), 1.0, "squeezes the patch to nothing"),
        (np.zeros((8, 8, 3), np.uint8), np.eye(2, 3), 1.5, "strength lies between 0 and 1"),
    ],
)
def test_what_is_no_patch_is_refused(image: np.ndarray, to_frame: np.ndarray, strength: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Patch(image, to_frame, strength)


def test_a_region_prints_as_what_it_is() -> None:
    assert repr(Region(0, 2, 4, 6, (1,))) == "Region(x0=0, y0=2, x1=4, y1=6, patches=(1,))"


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (25.0, 0.4), (-170.0, 3.0)])
def test_similarity_finds_the_map_that_moved_the_template(angle: float, scale: float) -> None:
    turn = np.deg2rad(angle)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = (TEMPLATE * 256 - 0.5) @ linear.T + [40.0, -12.0]
    found = similarity(landmarks, 256)
    assert np.abs(compose(found, np.hstack([linear, [[40.0], [-12.0]]])) - np.eye(2, 3)).max() < 1e-9
    assert np.abs(compose(found, invert(found)) - np.eye(2, 3)).max() < 1e-9


def test_landmarks_that_coincide_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="coincide"):
        similarity(np.full((5, 2), 3.0), 128)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_a_crop_shows_what_lies_there_at_any_scale(factor: float) -> None:
    """A linear ramp stays the ramp that the map says, whether averaged down first or not."""
    y, x = np.mgrid[:400, :400]
    image = np.stack([x * 0.5 + 20, y * 0.5 + 20, (x + y) * 0.25 + 20], axis=2).astype(np.uint8)
    to_crop = compose(scaling(factor), np.array([[1.0, 0.0, -100.0], [0.0, 1.0, -100.0]]))
    size = int(200 * factor)
    got = crop(image, to_crop, size).astype(float)
    at = invert(to_crop)[0, 0] * np.arange(size) + invert(to_crop)[0, 2]
    assert np.abs(got[..., 0] - (at * 0.5 + 19.75)[None, :]).max() < 1


def test_a_crop_of_the_fields_template_holds_that_of_ours() -> None:
    """Cut as GFPGAN wants it and then down to the face, a picture is what `TEMPLATE` cuts, to less than a pixel."""
    x, y, side = face_part(512, "ffhq")
    landmarks = (TEMPLATE * 180 - 0.5) + [70.0, 40.0] + np.random.default_rng(3).normal(0.0, 1.5, (5, 2))
    through = compose(shift(-x, -y), similarity(landmarks, 512, "ffhq"))
    corners = np.array([[70.0, 40.0], [250.0, 40.0], [70.0, 220.0], [250.0, 220.0]])
    there, directly = (corners @ affine[:, :2].T + affine[:, 2] for affine in (through, similarity(landmarks, side)))
    # The part begins at whole pixels.
    assert np.abs(there - directly).max() < 1.0
    assert face_part(240, "face") == (0, 0, 240)


def test_the_fields_template_is_facexlibs_to_the_pixel() -> None:
    pixels = np.array([[192.98138, 239.94708], [318.90277, 240.1936], [256.63416, 314.01935]])
    assert np.abs(similarity(FFHQ * 512 - 0.5, 512, "ffhq") - [[1, 0, 0], [0, 1, 0]]).max() < 1e-9
    assert np.abs((FFHQ * 512 - 0.5)[:3] - pixels).max() < 1e-9
