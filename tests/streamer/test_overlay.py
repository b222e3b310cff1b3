"""What is drawn over a film: boxes and words where the router saw faces, and nothing elsewhere."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from routing.types import Box, Face, Lane, Route, Traits
from streamer.color import ColorSpec
from streamer.frame import Frame
from streamer.media.caption import plate, stamp, yuv_of
from streamer.media.overlay import LANE_COLORS, draw_overlay, label_of


def grey(width: int = 640, height: int = 360, *, color: ColorSpec | None = None) -> Frame:
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    y = np.full((height, width), 90, np.uint8)
    return Frame(y, chroma, chroma.copy(), color or ColorSpec(), 5, Fraction(1, 25), 3, 1.5, 1)


def route(box: tuple[float, float, float, float], lane: Lane = Lane.TRANSFORMER, track: int = 3) -> Route:
    face = Face(track, Box(*box), np.zeros((5, 2), np.float32), 0.9)
    return Route(face, Traits(86.6, 41.2), lane, "because")


def test_without_routes_the_frame_itself_comes_back() -> None:
    frame = grey()
    assert draw_overlay(frame, (), scale=2) is frame


def test_the_frame_given_is_not_drawn_on() -> None:
    frame = grey()
    drawn = draw_overlay(frame, [route((100, 100, 200, 200))], scale=1)
    np.testing.assert_array_equal(frame.y, 90)
    assert (drawn.pts, drawn.seq, drawn.time_base, drawn.captured_at) == (5, 3, Fraction(1, 25), 1.5)


@pytest.mark.parametrize("lane", list(Lane))
@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec(matrix="bt709", full_range=True)])
def test_the_box_has_its_lane_s_colour_in_the_film_s_own_numbers(lane: Lane, color: ColorSpec) -> None:
    drawn = draw_overlay(grey(color=color), [route((100, 120, 200, 240), lane)], scale=1)
    paint = yuv_of(LANE_COLORS[lane], color)
    for x, y in ((100, 180), (199, 180), (150, 120), (150, 239)):
        found = (drawn.y[y, x], drawn.u[y // 2, x // 2], drawn.v[y // 2, x // 2])
        assert tuple(int(number) for number in found) == paint


@pytest.mark.parametrize("rgb", [*LANE_COLORS.values(), (0, 0, 0), (255, 255, 255)])
@pytest.mark.parametrize("color", [ColorSpec(), ColorSpec(matrix="bt709", full_range=True)])
def test_colours_mean_in_planes_what_they_mean_on_a_screen(rgb: tuple[int, int, int], color: ColorSpec) -> None:
    y, u, v = (
        np.full(shape, n, np.uint8) for shape, n in zip(((4, 4), (2, 2), (2, 2)), yuv_of(rgb, color), strict=True)
    )
    shown = Frame(y, u, v, color, 0, Fraction(1), 0, 0.0).rgb().astype(int)
    # Eight bits of luma and chroma hold a colour to within a few steps.
    assert np.abs(shown - np.array(rgb)).max() <= 3


def test_lanes_can_be_told_apart() -> None:
    colors = [np.array(color) for color in LANE_COLORS.values()]
    assert set(LANE_COLORS) == set(Lane)
    assert min(np.abs(a - b).max() for i, a in enumerate(colors) for b in colors[:i]) > 60


def test_only_the_box_and_its_label_are_drawn() -> None:
    drawn = draw_overlay(grey(), [route((100, 120, 200, 240))], scale=1)
    changed = drawn.y != 90
    assert not changed[124:236, 104:196].any()
    outside = changed.copy()
    outside[100:240, 100:400] = False
    assert not outside.any()


@pytest.mark.parametrize("scale", [1.0, 2.0, 4.0])
def test_boxes_scale_with_the_picture(scale: float) -> None:
    frame = grey(int(320 * scale), int(180 * scale))
    drawn = draw_overlay(frame, [route((50, 60, 110, 130))], scale=scale)
    column = np.flatnonzero(drawn.y[int(100 * scale)] != 90)
    assert column[0] == 50 * scale
    assert column[-1] == 110 * scale - 1


@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, 40, 40),
        (600, 330, 700, 400),
        (-20, 100, 800, 200),
        (100, 3, 200, 357),
        (-300, -300, -200, -200),
        (900, 900, 950, 950),
        (0, 0, 640, 360),
        (10.3, 20.7, 11.1, 21.2),
    ],
)
@pytest.mark.parametrize("size", [(640, 360), (641, 359)])
def test_boxes_anywhere_are_drawn_as_far_as_they_lie_inside(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    drawn = draw_overlay(grey(*size), [route(box)], scale=1)
    assert (drawn.width, drawn.height) == size


def test_the_label_stays_inside_and_off_the_face() -> None:
    for box in ((560.0, 200.0, 640.0, 300.0), (10.0, 0.0, 90.0, 100.0)):
        changed = draw_overlay(grey(), [route(box)], scale=1).y != 90
        # The label is wider than the box: what is drawn beside the box is the label.
        changed[:, int(box[0]) : int(box[2])] = False
        rows = np.flatnonzero(changed.any(axis=1))
        assert rows.size == 14
        assert (rows < box[1]).all() or (rows >= box[3]).all()


def test_the_label_says_what_decided() -> None:
    assert label_of(route((0, 0, 1, 1), Lane.FREQUENCY, track=12)) == "#12 87px s41 frequency"


@pytest.mark.parametrize("height", [14, 20, 30])
def test_words_fit_their_plate(height: int) -> None:
    y, u, v = plate(
        "#12 87px s41 frequency gjpq|", height, yuv_of((0, 0, 0), ColorSpec()), yuv_of((255,) * 3, ColorSpec())
    )
    assert y.shape[0] == height
    assert u.shape == v.shape == (y.shape[0] // 2, y.shape[1] // 2)
    paper = 235
    assert (y < 120).any()
    for edge in (y[0], y[:, 0], y[:, -1]):
        np.testing.assert_array_equal(edge, paper)


def test_different_words_look_different() -> None:
    ink, paper = yuv_of((0, 0, 0), ColorSpec()), yuv_of((255, 255, 255), ColorSpec())
    plates = [plate(f"#{n}", 20, ink, paper)[0] for n in range(10)]
    assert len({p.tobytes() for p in plates}) == 10


def test_a_plate_is_cut_at_the_picture_s_edges() -> None:
    planes = (np.zeros((20, 20), np.uint8), np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8))
    patch = (np.full((8, 8), 9, np.uint8), np.full((4, 4), 9, np.uint8), np.full((4, 4), 9, np.uint8))
    for x, y, filled in ((-4, -4, 16), (16, 16, 16), (7, 7, 64), (40, 0, 0), (-40, 0, 0)):
        for plane in planes:
            plane[:] = 0
        stamp(planes, patch, x, y)
        assert [np.count_nonzero(plane) for plane in planes] == [filled, filled // 4, filled // 4]
