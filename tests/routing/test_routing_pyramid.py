"""One canvas gives what every size on its own would."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from routing.networks import PNet
from routing.pyramid import Canvas, plan, windows_along

SIZES = [(640, 360), (1920, 1080), (360, 640), (177, 145), (61, 300)]


def canvas_of(width: int, height: int) -> Canvas:
    canvas = plan(width, height, cell_px=50, step=0.709)
    assert canvas is not None
    return canvas


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_levels_lie_inside_and_apart(width: int, height: int) -> None:
    canvas = canvas_of(width, height)
    used = np.zeros((canvas.height, canvas.width), int)
    for level in canvas.levels:
        assert level.x % 2 == 0
        assert level.y % 2 == 0
        assert level.x + level.width <= canvas.width
        assert level.y + level.height <= canvas.height
        used[level.y : level.y + level.height, level.x : level.x + level.width] += 1
    assert used.max() == 1
    if len(canvas.levels) > 4:
        assert used.mean() > 0.75


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_each_level_owns_the_windows_that_fit_it(width: int, height: int) -> None:
    canvas = canvas_of(width, height)
    for index, level in enumerate(canvas.levels):
        assert (canvas.windows == index).sum() == windows_along(level.width) * windows_along(level.height)


def test_a_window_on_the_canvas_answers_as_on_its_own_level() -> None:
    torch.manual_seed(3)
    network = PNet().eval()
    canvas = canvas_of(320, 181)
    image = np.random.default_rng(0).integers(0, 256, (181, 320, 3), np.uint8)
    with torch.inference_mode():
        together, _ = network(torch.from_numpy(canvas.draw(image)))
        for index, level in enumerate(canvas.levels):
            part = canvas.pixels[:, level.y : level.y + level.height, level.x : level.x + level.width]
            alone, _ = network(torch.from_numpy(np.ascontiguousarray(part)))
            rows, columns = windows_along(level.height), windows_along(level.width)
            mine = together[0, : canvas.windows.shape[0], : canvas.windows.shape[1]].numpy()[canvas.windows == index]
            np.testing.assert_allclose(mine, alone[0, :rows, :columns].numpy().ravel(), atol=1e-5)


def test_the_first_level_fits_the_smallest_face() -> None:
    first = canvas_of(1000, 500).levels[0]
    assert (first.width, first.height) == (240, 120)
    assert first.scale_x == pytest.approx(50 / 12)


def test_every_level_shows_the_whole_image() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    image[:, 300:] = 200
    canvas = canvas_of(600, 400)
    canvas.draw(image)
    for level in canvas.levels:
        row = canvas.pixels[0, level.y + level.height // 2, level.x : level.x + level.width, 1]
        assert row[: level.width // 2 - 2].max() == 0
        assert row[level.width // 2 + 2 :].min() == 200


@pytest.mark.parametrize(("width", "height"), [(1, 1), (49, 400), (400, 20)])
def test_an_image_smaller_than_a_face_needs_no_canvas(width: int, height: int) -> None:
    assert plan(width, height, cell_px=50, step=0.709) is None
