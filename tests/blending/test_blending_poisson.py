"""The spectral Poisson solver against the equation that it solves, and against OpenCV's own."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blending.multiband import levels_for, multiband
from blending.poisson import poisson

Planes = npt.NDArray[np.float32]


def scene(height: int, width: int) -> tuple[Planes, Planes, Planes]:
    """A background, a patch of other light, and a mask: an ellipse well inside."""
    rng = np.random.default_rng(5)

    def noise(cell: int) -> npt.NDArray[np.float64]:
        coarse = rng.uniform(60, 190, (height // cell + 2, width // cell + 2, 3))
        return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float64)

    background, patch = noise(40), noise(16) * 0.8 + 30
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (width // 2, height // 2), (width // 3, height // 3), 0, 0, 360, 1.0, -1)
    return background.astype(np.float32), patch.astype(np.float32), mask


@pytest.mark.parametrize("size", [(64, 64), (97, 130), (61, 53), (256, 255)])
def test_the_solution_solves_the_equation(size: tuple[int, int]) -> None:
    background, patch, mask = scene(*size)
    weight = np.asarray(cv2.GaussianBlur(mask, (9, 9), 2.0), np.float32)
    difference = (patch - background)[..., 0].copy()
    solved = poisson(difference.copy(), weight).astype(np.float64)

    # div(w grad d), written out by hand: fluxes between neighbours, weights averaged.
    flux_x = np.diff(difference, axis=1) * (weight[:, 1:] + weight[:, :-1]) / 2
    flux_y = np.diff(difference, axis=0) * (weight[1:] + weight[:-1]) / 2
    wanted = np.diff(flux_x, axis=1)[1:-1] + np.diff(flux_y, axis=0)[:, 1:-1]
    got = cv2.Laplacian(solved, cv2.CV_64F, ksize=1)[1:-1, 1:-1]
    assert np.abs(got - wanted).max() < 2e-2
    # And it dies away towards the border.
    border = np.concatenate([solved[0], solved[-1], solved[:, 0], solved[:, -1]])
    assert np.abs(border).max() < 0.1 * np.abs(solved).max()


def test_it_agrees_with_opencv() -> None:
    """Within 5 levels at most and 0.6 on average, where cloning moves pixels by up to 125.

    What is left: seamlessClone rounds to 8 bits, weighs each step by one of its ends, not by both, and holds the
    values of the outermost pixels of the rectangle, not of half a pixel beyond.
    """
    background, patch, mask = scene(200, 220)
    under, over = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (background, patch))
    # seamlessClone shrinks the mask by three pixels before it solves. The two specks, which that swallows, give it a
    # rectangle with room around the face, as the mask of a patch has it.
    theirs_mask = np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8), iterations=3) * 255).astype(np.uint8)
    theirs_mask[12, 12] = theirs_mask[187, 207] = 255
    theirs = cv2.seamlessClone(over, under, theirs_mask, (110, 100), cv2.NORMAL_CLONE).astype(int)

    box = (slice(12, 188), slice(12, 208))
    difference = over[box].astype(np.float32) - under[box]
    ours = under.astype(np.float64)
    ours[box] += poisson(difference, np.ascontiguousarray(mask[box]))

    error = np.abs(np.clip(np.rint(ours), 0, 255) - theirs)
    assert np.abs(theirs - under).max() > 100
    assert error.max() <= 5
    assert error.mean() < 0.6


@pytest.mark.parametrize(("side", "levels"), [(1, 0), (8, 0), (15, 0), (16, 1), (160, 4), (320, 5), (5000, 7)])
def test_the_pyramid_deepens_with_the_face(side: int, levels: int) -> None:
    assert levels_for(side) == levels


def test_bands_add_up_to_the_whole_under_a_full_mask() -> None:
    difference = np.random.default_rng(0).uniform(-80, 80, (101, 77, 3)).astype(np.float32)
    assert np.abs(multiband(difference.copy(), np.ones((101, 77), np.float32)) - difference).max() < 1e-3


def test_fine_bands_cross_over_faster_than_coarse_ones() -> None:
    """At a hard edge of the mask a fine grating ends within a few pixels, a broad wave goes on for longer."""
    x = np.arange(256)
    weight = np.ascontiguousarray(np.broadcast_to(np.where(x < 128, 1.0, 0.0).astype(np.float32), (256, 256)))

    def reach(period: float) -> float:
        wave = np.cos(2 * np.pi * (x - 128) / period).astype(np.float32)
        blended = multiband(np.ascontiguousarray(np.broadcast_to(wave, (256, 256))), weight)[128]
        return float(np.abs(blended[128:]).sum())

    assert reach(4) < 1.5
    assert reach(64) > 4 * reach(4)
