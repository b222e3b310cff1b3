"""A folder of photographs, looked through for faces to learn from: what each shows, and why it is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from experts.training import photos
from experts.training.files import write_whole
from experts.training.photos import Photo
from routing.detector import DetectorSettings
from routing.types import Detection
from streamer.errors import SourceError

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".jp2", ".avif"})
MIN_FACE_PX = 100.0
"""A face that is narrower has less detail than an expert is to give."""
DETECTED_SIDE = 1024
"""Faces are looked for in photographs of at most this side: large ones are shrunk for it."""
_GREY_LEVELS = 2.0
_CACHE = "faces-found.json"

Image = npt.NDArray[np.uint8]
Detect = Callable[[Image], Sequence[Detection]]
"""Finds the faces of an (H, W, 3) uint8 RGB image."""


@dataclass(frozen=True, slots=True)
class Album:
    """`photos`: those with a face that can be learned from. `refused`: the others, name and reason. `upright`: how
    many lay on a side and were turned as their EXIF says."""

    photos: Sequence[Photo]
    refused: Sequence[tuple[str, str]]
    upright: int

    def lines(self) -> list[str]:
        """What there is to say, a line for each reason with its count and names."""
        lines = [f"{len(self.photos)} photograph(s) to learn from"]
        if self.upright:
            lines.append(f"{self.upright} turned upright, as their EXIF says")
        for reason, count in Counter(reason for _, reason in self.refused).most_common():
            names = [name for name, why in self.refused if why == reason]
            more = f" and {count - 5} more" if count > 5 else ""
            lines.append(f"left out, {reason}: {count} ({', '.join(names[:5])}{more})")
        return lines


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of one file, as the cache holds it; `refused` is empty for a face to learn from."""

    stamp: tuple[int, int]
    refused: str
    width: float
    landmarks: list[list[float]]
    turned: bool


def look_through(
    folder: Path, cache: Path, *, detect: Detect, looked: Callable[[int, int], None], finder: str = "mtcnn"
) -> Album:
    """The photographs in `folder`; those that its `faces.csv` lists with the faces stated there, if it has one, else
    all of them with the largest face that `detect` finds.

    What was found is kept in the folder `cache`, so that only new files are looked at again, and all of them where it
    was another `finder` that found. `looked` is told how many of how many are done. Raises SourceError where nothing
    can be learned from, ExpertError for a wrong `faces.csv`, OSError where the cache can't be written.
    """
    stated = _stated(folder)
    paths = _pictures(folder) if stated is None else list(stated)
    known, found = _load(cache / _CACHE), {}
    try:
        for number, path in enumerate(paths, start=1):
            face = None if stated is None else stated[path]
            key = _key(path, face, finder)
            stamp = _stamp(path)
            old = known.get(key)
            found[key] = old if old is not None and old.stamp == stamp else _look(path, stamp, face, detect)
            looked(number, len(paths))
    finally:
        _save(cache / _CACHE, known | found)
    album = _album(dict(zip(paths, found.values(), strict=True)))
    if not album.photos:
        reasons = "; ".join(album.lines()[1:]) or "it holds no picture"
        raise SourceError(f"{folder} has no photograph of a face to learn from: {reasons}")
    return album


def finder_of(settings: DetectorSettings) -> str:
    """Which detector that is, to tell what it found from what others did."""
    return settings.method if settings.file is None else f"{settings.method} {settings.file}"


def _pictures(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    except OSError as error:
        raise SourceError(f"{folder} can't be read ({error.strerror}): name a folder of photographs") from error


def _stated(folder: Path) -> dict[Path, Photo] | None:
    """The faces of the folder's table, None where it has none."""
    if not (folder / "faces.csv").is_file():
        return None
    return {photo.path: photo for photo in photos.index(folder)}


def _key(path: Path, face: Photo | None, finder: str) -> str:
    if face is None:
        return f"{path.name} by {finder}"
    return f"{path.name} {face.width:.2f} {face.landmarks.round(2).tolist()}"


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time; (0, 0) for a file that a table lists but that is not there."""
    if not path.is_file():
        return (0, 0)
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns)


def _look(path: Path, stamp: tuple[int, int], face: Photo | None, detect: Detect) -> _Found:
    if stamp == (0, 0):
        return _refused(stamp, "not there")
    whole = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if whole is None or image is None:
        return _refused(stamp, "unreadable")
    if whole.ndim == 3 and whole.shape[2] == 4 and int(whole[..., 3].min()) < int(np.iinfo(str(whole.dtype)).max):
        return _refused(stamp, "partly transparent")
    if float(np.ptp(image.astype(np.int16), axis=2).mean()) < _GREY_LEVELS:
        return _refused(stamp, "grey")
    if min(image.shape[:2]) < MIN_FACE_PX:
        return _refused(stamp, "tiny")
    if face is None:
        face = _detect(path, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), detect)
    if face is None:
        return _refused(stamp, "without a face")
    if face.width < MIN_FACE_PX:
        return _refused(stamp, f"a face under {MIN_FACE_PX:.0f} px wide")
    return _Found(stamp, "", face.width, face.landmarks.tolist(), _is_turned(path))


def _refused(stamp: tuple[int, int], reason: str) -> _Found:
    return _Found(stamp, reason, 0.0, [], turned=False)


def _detect(path: Path, image: Image, detect: Detect) -> Photo | None:
    """The photograph with its largest face."""
    scale = min(1.0, DETECTED_SIDE / max(image.shape[:2]))
    if scale < 1.0:
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    faces = detect(image)
    if not faces:
        return None
    largest = max(faces, key=lambda face: face.box.area)
    return Photo(path, largest.box.width / scale, largest.landmarks.astype(np.float64) / scale)


def _is_turned(path: Path) -> bool:
    """Whether reading turns the picture as its EXIF says; seen at an eighth of its size, which is soon read."""
    small = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_8)
    as_stored = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION)
    return small is None or as_stored is None or not np.array_equal(small, as_stored)


def _album(found: dict[Path, _Found]) -> Album:
    taken = {path: each for path, each in found.items() if not each.refused}
    return Album(
        photos=[Photo(path, each.width, np.array(each.landmarks)) for path, each in taken.items()],
        refused=[(path.name, each.refused) for path, each in found.items() if each.refused],
        upright=sum(each.turned for each in taken.values()),
    )


def _load(path: Path) -> dict[str, _Found]:
    if not path.is_file():
        return {}
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {
        key: _Found((each[0], each[1]), refused=each[2], width=each[3], landmarks=each[4], turned=each[5])
        for key, each in told.items()
    }


def _save(path: Path, found: dict[str, _Found]) -> None:
    told = {key: [*each.stamp, each.refused, each.width, each.landmarks, each.turned] for key, each in found.items()}
    write_whole(path, json.dumps(told).encode())
