"""Photographs of faces that never were: drawn, with a `faces.csv` beside them."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

SIDE = 480
FACE = 200.0
"""Width of the drawn face, in pixels."""
POINTS = {
    "right_eye": (-0.24, -0.13),
    "left_eye": (0.24, -0.13),
    "nose": (0.0, 0.13),
    "right_mouth": (-0.2, 0.35),
    "left_mouth": (0.2, 0.35),
}
"""Where the parts are, in widths of the face from its middle."""


def portrait(seed: int) -> Image:
    """A drawn face with textured skin, a hairline and spots, so that there is detail to lose."""
    random = np.random.default_rng(seed)
    picture = np.empty((SIDE, SIDE, 3), np.uint8)
    picture[:] = random.integers(60, 200, 3)
    skin = tuple(int(level) for level in random.integers(110, 230, 3))
    _ellipse(picture, (0.0, 0.0), (0.5, 0.66), skin)
    _ellipse(picture, (0.0, -0.5), (0.46, 0.22), tuple(level // 3 for level in skin))
    for name, place in POINTS.items():
        if name.endswith("eye"):
            _ellipse(picture, place, (0.1, 0.05), (240, 240, 240))
            _ellipse(picture, place, (0.045, 0.045), (60, 40, 30))
    _ellipse(picture, (0.0, 0.35), (0.2, 0.05), (170, 60, 70))
    _ellipse(picture, (0.0, 0.13), (0.07, 0.05), tuple(int(0.8 * level) for level in skin))
    for _ in range(12):
        _ellipse(picture, tuple(random.uniform(-0.45, 0.45, 2)), tuple(random.uniform(0.02, 0.05, 2)), (90, 60, 50))
    fine = cv2.GaussianBlur(random.normal(0.0, 6.0, (SIDE, SIDE)), (0, 0), 1.0)
    return np.asarray(np.clip(picture + fine[..., None], 0, 255), np.uint8)


def landmarks() -> npt.NDArray[np.float64]:
    """(5, 2), in the order of a detector."""
    return np.array([_pixel(place) for place in POINTS.values()])


def album(folder: Path, *, count: int) -> Path:
    """A folder of `count` portraits with their table."""
    folder.mkdir()
    header = ["file", "box_w", *(f"{name}_{axis}" for name in POINTS for axis in "xy")]
    with (folder / "faces.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        for seed in range(count):
            name = f"face{seed}.png"
            cv2.imwrite(str(folder / name), portrait(seed))
            table.writerow([name, FACE, *landmarks().ravel()])
    return folder


def _pixel(place: tuple[float, float]) -> tuple[float, float]:
    return (SIDE / 2 + place[0] * FACE, SIDE / 2 + place[1] * FACE)


def _ellipse(picture: Image, place: tuple[float, float], radii: tuple[float, float], color: tuple[int, ...]) -> None:
    box = (_pixel(place), (2 * radii[0] * FACE, 2 * radii[1] * FACE), 0.0)
    cv2.ellipse(picture, box, color, -1, cv2.LINE_AA)
