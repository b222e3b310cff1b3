"""The composition root of `facelane bench detectors`: the same pictures through every detector that is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from experts.training.files import write_whole
from routing.crops import Image
from routing.detector import METHODS, DetectorSettings
from routing.detectors import LoadedDetector, check_packages, make_detector, weights_of
from routing.types import Detection, RoutingError
from streamer.color import detection_rgb
from streamer.config import Settings
from streamer.errors import SourceError, UsageError
from streamer.machinery import Say, make_store
from streamer.media.probe import sample_frames
from streamer.media.target import check_writable, writing
from weights.store import Store, WeightsError
from weights.unfetched import find_unfetched

AGREED = 0.5
"""Intersection over union from which two boxes are of one face."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
HEADINGS = ("detector", "faces", "agreed", "missed", "extra", "width", "landmarks", "ms", "device")


@dataclass(frozen=True, slots=True)
class Row:
    """What a detector found, beside MTCNN: `agreed` faces have boxes that overlap by `AGREED`, `missed` are MTCNN's
    alone, `extra` the detector's alone. `width`: of agreed boxes over MTCNN's; `landmarks`: mean distance of the five
    from MTCNN's, in face widths; both medians, None where no face is agreed. `ms`: median of a picture."""

    detector: str
    faces: int
    agreed: int
    missed: int
    extra: int
    width: float | None
    landmarks: float | None
    ms: float
    device: str

    def cells(self) -> tuple[str, ...]:
        counts = (str(self.faces), str(self.agreed), str(self.missed), str(self.extra))
        width = "" if self.width is None else f"{self.width:.3f}"
        landmarks = "" if self.landmarks is None else f"{self.landmarks:.3f}"
        return (self.detector, *counts, width, landmarks, f"{self.ms:.1f}", self.device)


@dataclass(frozen=True, slots=True)
class DetectorReport:
    """`absent`: why a detector is not among the rows, by its name."""

    pictures: int
    rows: tuple[Row, ...]
    absent: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> Iterator[str]:
        yield f"{self.pictures} pictures; agreed, missed and extra beside mtcnn; landmarks' distance in face widths"
        table = [HEADINGS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
        for line in table:
            yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for name, reason in self.absent.items():
            yield f"absent: {name}: {reason}"


def bench_detectors(
    sources: Sequence[Path],
    settings: Settings,
    *,
    frames: int,
    out: Path | None,
    say: Say,
    show: Callable[[DetectorReport], None],
) -> DetectorReport:
    """Compares on `frames` pictures of each clip, evenly spread, and on all of each folder; `out`: a file for the
    figures, as JSON. The setting `file` counts for the detector that the settings name, and no other. MTCNN's weights
    alone are fetched.

    `show` has the report before it is written: a disk that is full by then takes no figures away. Raises UsageError,
    SourceError and SinkError for what can't be read or written, and WeightsError where MTCNN's weights are missing.
    """
    if frames < 1:
        raise UsageError(f"--frames {frames}: look at 1 frame or more")
    if out is not None:
        check_writable(out)
    pictures = [picture for source in sources for picture in pictures_of(source, frames)]
    if not pictures:
        raise SourceError("there is no picture to look at: give clips, or folders of pictures")
    rows: list[Row] = []
    absent: dict[str, str] = {}
    known: list[list[Detection]] = []
    store = make_store(settings, say)
    for method in METHODS:
        chosen = _settings(method, settings)
        if method != METHODS[0] and (missing := _missing(chosen, store)):
            absent[method] = missing
            continue
        try:
            detector = make_detector(store, chosen, settings.runtime)
        except (RoutingError, WeightsError) as error:
            if method == METHODS[0]:
                raise
            absent[method] = str(error)
            continue
        found, milliseconds = _looked(detector, pictures)
        known = known or found
        rows.append(_row(method, found, known, milliseconds, detector.taken.device))
    report = DetectorReport(len(pictures), tuple(rows), absent)
    show(report)
    if out is not None:
        with writing(out):
            write_whole(out, (json.dumps(report.to_dict(), indent=2) + "\n").encode())
    return report


def _settings(method: str, settings: Settings) -> DetectorSettings:
    chosen = settings.routing.detector
    return replace(chosen, method=method, file=chosen.file if chosen.method == method else None)


def _missing(chosen: DetectorSettings, store: Store) -> str:
    """All that keeps a detector from running here, its package and its weights; empty where nothing does."""
    found: list[str] = []
    try:
        check_packages(chosen)
    except RoutingError as error:
        found.append(str(error))
    for name in weights_of(chosen):
        try:
            find_unfetched(store, name)
        except WeightsError as error:
            found.append(str(error))
    return "; ".join(found)


def pictures_of(source: Path, frames: int) -> Iterator[Image]:
    """RGB pictures: some of a clip, evenly spread, or all of a folder. Raises SourceError for what can't be read."""
    if not source.exists():
        raise SourceError(f"{source} is not there: give clips, and folders of pictures")
    if not source.is_dir():
        yield from (np.ascontiguousarray(detection_rgb(frame.planes)) for frame in sample_frames(source, frames))
        return
    for path in sorted(path for path in source.iterdir() if path.suffix.lower() in PICTURES):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise SourceError(f"{path} can't be read as a picture; take it out of the folder")
        yield np.ascontiguousarray(picture[:, :, ::-1]).astype(np.uint8, copy=False)


def _looked(detector: LoadedDetector, pictures: Sequence[Image]) -> tuple[list[list[Detection]], float]:
    """The faces of each picture, and the median of the milliseconds that one takes."""
    detector.prepare()
    found, taken = [], []
    for picture in pictures:
        started = time.perf_counter()
        found.append(detector.detect(picture))
        taken.append(1e3 * (time.perf_counter() - started))
    return found, median(taken)


def _row(name: str, found: Sequence[list[Detection]], known: Sequence[list[Detection]], ms: float, device: str) -> Row:
    pairs = [pair for faces, others in zip(found, known, strict=True) for pair in _agreed(faces, others)]
    counts = {"faces": sum(map(len, found)), "agreed": len(pairs)}
    widths = [face.box.width / other.box.width for face, other in pairs]
    distances = [
        float(np.linalg.norm(face.landmarks - other.landmarks, axis=1).mean()) / other.box.width
        for face, other in pairs
    ]
    return Row(
        detector=name,
        **counts,
        missed=sum(map(len, known)) - len(pairs),
        extra=counts["faces"] - len(pairs),
        width=median(widths) if pairs else None,
        landmarks=median(distances) if pairs else None,
        ms=ms,
        device=device,
    )


def _agreed(faces: Sequence[Detection], others: Sequence[Detection]) -> Iterator[tuple[Detection, Detection]]:
    """Pairs of the same face, the closest first, each face in one pair at most."""
    pairs = [(face.box.iou(other.box), i, j) for i, face in enumerate(faces) for j, other in enumerate(others)]
    used: set[tuple[str, int]] = set()
    for overlap, i, j in sorted(pairs, reverse=True):
        if overlap >= AGREED and ("face", i) not in used and ("other", j) not in used:
            used |= {("face", i), ("other", j)}
            yield faces[i], others[j]
