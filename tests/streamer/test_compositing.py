"""Patches laid on planes: where RGB says they belong, in the colour that they have, and nothing else touched."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from blending import align
from blending.blender import BlendSettings, make_blender
from blending.patch import Patch
from streamer.color import ColorSpec, Planes, from_rgb, to_rgb
from streamer.compositing import lay_on
from streamer.frame import Frame
from streamer.restoring import aligned_crop
from tests.helpers.clips import natural

SPECS = [ColorSpec("bt601"), ColorSpec("bt709"), ColorSpec("bt709", full_range=True), ColorSpec("bt2020")]
PLAIN = BlendSettings("feather", color_match=0.0)


def planes_of(height: int, width: int, color: ColorSpec, *, level: float = 1.0) -> Planes:
    image = natural(height, width) * level
    return from_rgb(image.astype(np.uint8), color)


def rgb_of(planes: Planes, color: ColorSpec) -> np.ndarray:
    height, width = planes[0].shape
    return to_rgb(planes, color, (0, 0, width, height))


def blended_rgb(planes: Planes, patch: Patch, color: ColorSpec, settings: BlendSettings) -> np.ndarray:
    """The same done the long way, in RGB."""
    return make_blender(settings).blend(rgb_of(planes, color), [patch])


def turned(scale: float, x: float, y: float) -> np.ndarray:
    cos, sin = scale * np.cos(0.2), scale * np.sin(0.2)
    return np.array([[cos, -sin, x], [sin, cos, y]])


@pytest.mark.parametrize("color", SPECS, ids=str)
@pytest.mark.parametrize("settings", [BlendSettings(), PLAIN], ids=["multiband", "plain"])
def test_it_is_what_blending_in_rgb_gives(color: ColorSpec, settings: BlendSettings) -> None:
    planes = planes_of(241, 321, color)
    image = natural(161, 161)[::-1, ::-1].astype(np.uint8)
    patch = Patch(np.ascontiguousarray(image), turned(0.9, 91.3, 30.8))
    wanted = blended_rgb(planes, patch, color, settings).astype(float)
    lay_on(planes, [patch], color=color, blender=make_blender(settings))
    error = rgb_of(planes, color) - wanted
    inner = error[60:160, 110:210]
    assert np.abs(inner.mean(axis=(0, 1))).max() < 0.5
    assert 10 * np.log10(255**2 / (inner**2).mean()) > 36


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.25)])
def test_color_lies_where_brightness_does(dx: float, dy: float) -> None:
    """A red square in grey: the centres of gravity of Y and V agree, at odd places too."""
    color = ColorSpec("bt709")
    planes = from_rgb(np.full((200, 200, 3), 90, np.uint8), color)
    image = np.full((120, 120, 3), 90, np.uint8)
    image[45:75, 45:75] = (200, 40, 40)
    lay_on(
        planes,
        [Patch(image, np.array([[1.0, 0.0, 40.0 + dx], [0.0, 1.0, 30.0 + dy]]))],
        color=color,
        blender=make_blender(PLAIN),
    )
    v = planes[2].astype(float) - planes[2][0, 0]
    rows, columns = np.indices(v.shape)
    at = (columns * v).sum() / v.sum() * 2, (rows * v).sum() / v.sum() * 2 + 0.5
    assert at == pytest.approx((99.5 + dx, 89.5 + dy), abs=0.12)


@pytest.mark.parametrize("size", [(97, 65), (96, 64), (33, 31)])
@pytest.mark.parametrize("place", [(-30.0, -30.0), (10.0, 5.0), (60.0, 40.0)])
def test_odd_sizes_and_edges_are_reached_and_nothing_beyond(size: tuple[int, int], place: tuple[float, float]) -> None:
    color = ColorSpec("bt601")
    planes = planes_of(size[1], size[0], color)
    before = [plane.copy() for plane in planes]
    patch = Patch(np.full((64, 64, 3), 255, np.uint8), np.array([[1.0, 0.0, place[0]], [0.0, 1.0, place[1]]]))
    lay_on(planes, [patch], color=color, blender=make_blender(PLAIN))
    rows, columns = np.indices(before[0].shape)
    inside = (abs(columns - place[0] - 31.5) < 34) & (abs(rows - place[1] - 31.5) < 34)
    assert np.array_equal(planes[0][~inside], before[0][~inside])
    middle = (abs(columns - place[0] - 31.5) < 12) & (abs(rows - place[1] - 31.5) < 12)
    assert (planes[0][middle] > 225).all()


def test_numbers_stay_within_the_legal_range_or_where_they_were() -> None:
    color = ColorSpec("bt709")
    planes = from_rgb(np.full((120, 120, 3), 128, np.uint8), color)
    planes[0][50:60] = 250
    planes[1][20:30] = 5
    stripes = np.zeros((80, 80, 3), np.uint8)
    stripes[:, ::2] = 255
    lay_on(
        planes,
        [Patch(stripes, np.array([[1.3, 0.0, 10.0], [0.0, 1.3, 10.0]]))],
        color=color,
        blender=make_blender(BlendSettings()),
    )
    assert planes[0].min() >= 16
    assert (planes[0][:50].max(), planes[0].max() <= 250) == (235, True)
    assert planes[1].min() >= 5
    assert planes[1][:20].min() >= 16


def test_luma_alone_leaves_the_chroma_planes() -> None:
    color = ColorSpec("bt709")
    planes = planes_of(120, 120, color)
    before = [plane.copy() for plane in planes]
    patch = Patch(natural(80, 80).astype(np.uint8)[::-1].copy(), np.array([[1.0, 0.0, 20.0], [0.0, 1.0, 20.0]]))
    lay_on(planes, [patch], color=color, blender=make_blender(BlendSettings(channels="luma")))
    assert not np.array_equal(planes[0], before[0])
    assert np.array_equal(planes[1], before[1])
    assert np.array_equal(planes[2], before[2])


def test_a_crop_laid_back_where_it_was_cut_changes_next_to_nothing() -> None:
    color = ColorSpec("bt709")
    planes = planes_of(240, 320, color)
    frame = Frame(planes[0].copy(), planes[1].copy(), planes[2].copy(), color, 0, Fraction(1, 25), 0, 0.0)
    to_crop = np.array([[1.0, 0.0, -100.0], [0.0, 1.0, -60.0]])
    patch = Patch(aligned_crop(frame, to_crop, 128), align.invert(to_crop))
    lay_on(planes, [patch], color=color, blender=make_blender(BlendSettings()))
    for after, before in zip(planes, frame.planes, strict=True):
        assert np.abs(after.astype(float) - before).mean() < 0.4
