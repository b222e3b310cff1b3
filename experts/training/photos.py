"""A folder of face photographs with a `faces.csv` that says where each face is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from experts.contract import ExpertError, Image

LANDMARKS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """One photograph and its face: `width` of the face in pixels of the photograph, `landmarks` (5, 2)."""

    path: Path
    width: float
    landmarks: npt.NDArray[np.float64]

    def read(self) -> Image:
        """The picture, (H, W, 3) uint8 RGB; ExpertError where it cannot be read."""
        image = cv2.imread(str(self.path), cv2.IMREAD_COLOR)
        if image is None:
            raise ExpertError(f"{self.path} is listed in faces.csv but cannot be read as a picture")
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class CloseUp:
    """A photograph's face and what is around it: `picture` (H, W, 3) uint8 RGB; the rest as a `Photo`'s, in its
    pixels."""

    picture: Image
    width: float
    landmarks: npt.NDArray[np.float64]


def near(photo: Photo, reach: float, finest: float | None = None) -> CloseUp:
    """A photograph, cut to `reach` face widths about the landmarks' middle, and shrunk so that the face is `finest` px
    wide at most: a camera's whole picture costs a hundred times what its face needs."""
    picture = photo.read()
    shrink = 1.0 if finest is None else min(1.0, finest / photo.width)
    middle = photo.landmarks.mean(axis=0)
    corner = np.maximum(0, np.floor(middle - reach * photo.width)).astype(int)
    end = np.minimum(picture.shape[1::-1], np.ceil(middle + reach * photo.width).astype(int))
    cut = picture[corner[1] : end[1], corner[0] : end[0]]
    if cut.size == 0:
        raise ExpertError(f"the face that is listed for {photo.path} lies outside it")
    if shrink == 1.0:
        return CloseUp(np.ascontiguousarray(cut), photo.width, photo.landmarks - corner)
    size = (max(8, round(cut.shape[1] * shrink)), max(8, round(cut.shape[0] * shrink)))
    small = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    by = np.array(size) / cut.shape[1::-1]
    return CloseUp(small, photo.width * shrink, (photo.landmarks - corner + 0.5) * by - 0.5)


def index(folder: Path) -> Sequence[Photo]:
    """The photographs of a folder, in the order of its `faces.csv`.

    Columns: `file`, `box_w`, and `_x` and `_y` of right_eye, left_eye (the subject's), nose, right_mouth, left_mouth.
    """
    table = folder / "faces.csv"
    if not table.is_file():
        raise ExpertError(f"{folder} has no faces.csv; give a folder of photographs with one")
    with table.open(newline="", encoding="utf-8") as lines:
        photos = [_photo(folder, row) for row in csv.DictReader(lines)]
    if not photos:
        raise ExpertError(f"{table} lists no photograph")
    return photos


def _photo(folder: Path, row: dict[str, str]) -> Photo:
    try:
        points = [[float(row[f"{name}_x"]), float(row[f"{name}_y"])] for name in LANDMARKS]
        return Photo(folder / row["file"], float(row["box_w"]), np.array(points))
    except (KeyError, ValueError) as error:
        raise ExpertError(f"{folder / 'faces.csv'}: a row lacks {error} or has no number there") from error
