"""Clips as samples to measure on: made small and coded as a file, sent through the whole pipeline as `process` sends
it, and cut about each face."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from experts.contract import Image
from experts.quality.clips import BLUR, CRF, recipe, shoot, shrink
from experts.quality.groups import skin
from experts.quality.sample import SCALE, Group, Points, Routed, Sample, Subject, band_of
from routing.detector import Detector
from routing.types import Detection, Route
from streamer import bench_film
from streamer.color import ColorSpec, from_rgb
from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.media.reader import FileReader
from streamer.pipeline import Pipeline, Processed

LEAD = 10
"""Frames before those that are measured: in them faces are found, and a restoration fades in."""
FRAMES = 16
"""Frames that are measured."""
WIDTHS = (60.0, 85.0, 115.0)
"""Of the widest face of a clip, in source pixels, one for each band."""
_ROOM = 0.7
"""How much of a face's width is kept around it on each side."""

MakePipeline = Callable[[], Pipeline]


@dataclass(frozen=True, slots=True)
class Processing:
    """A small clip `low`, (T, H, W, 3), what the pipeline made of it, (T, 2H, 2W, 3), where its faces are, and what its
    experts took of each frame's time."""

    low: Image
    pictures: Image
    routes: Sequence[Sequence[Route]]
    seconds: Sequence[float]


@dataclass(frozen=True, slots=True)
class ClipBench:
    """Makes samples of clips; `note` is told what can't be made and why. Raises as `FileReader` and `Pipeline` do."""

    seed: int
    detector: Detector
    pipeline: MakePipeline
    note: Callable[[str], None]

    def samples(self, path: Path) -> Iterator[Sample]:
        truth = read(path, LEAD + FRAMES)
        if len(truth) < LEAD + 2:
            raise SourceError(f"{path} has {len(truth)} frames: give a clip of {LEAD + 2} or more")
        widest = self._widest(truth)
        if not widest:
            self.note(f"{path.name}: no face is seen in its first frames")
            return
        width = statistics.median(face.box.width for _, face in widest)
        frame, face = widest[0]
        # Of one clip, one person: who else is in it is not told apart.
        subject = Subject(path.stem, skin(frame, face.landmarks.astype(np.float64)))
        for target in WIDTHS:
            if SCALE * target > width:
                self.note(
                    f"{path.name}: its face of {width:.0f} px is too small to be the truth of one of {target:.0f}"
                )
                continue
            true = np.stack([shrink(frame, SCALE * target / width) for frame in truth])
            for sharpness in BLUR:
                yield from (replace(sample, subject=subject) for sample in self._sized(path.stem, true, sharpness))

    def _widest(self, truth: Sequence[Image]) -> list[tuple[Image, Detection]]:
        """The widest face of each of a few frames, with the frame, where there is one."""
        seen = [(frame, self.detector.detect(frame)) for frame in truth[LEAD :: max(1, FRAMES // 3)]]
        return [(frame, max(faces, key=lambda face: face.box.width)) for frame, faces in seen if faces]

    def _sized(self, name: str, true: Image, sharpness: str) -> Iterator[Sample]:
        with tempfile.TemporaryDirectory() as folder:
            small = Path(folder) / "small.mp4"
            bench_film.write(small, shoot(true, recipe(sharpness), seed=self.seed), crf=CRF)
            with FileReader(small) as reader:
                processed = process(reader, self.pipeline())
        faces = tracks(processed.routes[LEAD:])
        if not faces:
            self.note(f"{name}, {true.shape[2] // SCALE} px wide, {sharpness}: no face is followed through it")
        for track, routes in faces.items():
            sample = _sample(f"{name} {track}", true, processed, routes, sharpness)
            if sample is None:
                self.note(f"{name}, {true.shape[2] // SCALE} px wide: a face is in none of the bands")
            else:
                yield sample


def read(path: Path, count: int) -> list[Image]:
    """The first `count` frames as (H, W, 3) uint8 RGB, fewer where there are no more."""
    with FileReader(path) as reader:
        return [frame.rgb() for frame in islice(reader, count)]


def process(frames: Iterable[Frame], pipeline: Pipeline) -> Processing:
    """Every frame through the pipeline, as those of a stream."""
    low, done = [], []
    for frame in frames:
        low.append(frame.rgb())
        done.append(pipeline.process(frame))
    return Processing(
        low=np.stack(low),
        pictures=np.stack([each.frame.rgb() for each in done]),
        routes=[each.report.routes for each in done],
        seconds=[_seconds(each) for each in done],
    )


def routed(low: Image, pipeline: Pipeline) -> Routed:
    """The same of a clip of one face, as a still's sample wants it. A face that was not found is on the lane "none"."""
    done = process(_framed(low), pipeline)
    lanes = tuple(_lane(routes) for routes in done.routes)
    return Routed(done.pictures, lanes, tuple(done.seconds))


def _framed(pictures: Image) -> Iterator[Frame]:
    color = ColorSpec()
    for number, picture in enumerate(pictures):
        planes = from_rgb(picture, color)
        yield Frame(*planes, color, number, Fraction(1, bench_film.RATE), number, time.monotonic())


def tracks(frames: Sequence[Sequence[Route]]) -> dict[int, list[Route]]:
    """The faces that are in every frame, with their routes."""
    found: dict[int, list[Route]] = {}
    for routes in frames:
        for route in routes:
            if not route.fading:
                found.setdefault(route.face.track_id, []).append(route)
    return {track: routes for track, routes in found.items() if len(routes) == len(frames)}


def _sample(name: str, true: Image, done: Processing, routes: Sequence[Route], sharpness: str) -> Sample | None:
    """One face, cut out of the frames after the lead at one place that holds it in all of them."""
    width = statistics.median(route.face.box.width for route in routes)
    band = band_of(width)
    if band is None:
        return None
    down, across = _window(routes, width, done.low.shape[1:3])
    large = tuple(slice(SCALE * part.start, SCALE * part.stop) for part in (down, across))
    landmarks = np.stack([route.face.landmarks.astype(np.float64) for route in routes])
    landmarks -= [across.start, down.start]
    lanes = tuple(route.lane.value for route in routes)
    return Sample(
        name=name,
        group=Group("clips", band, sharpness),
        width=width,
        low=np.ascontiguousarray(done.low[LEAD:, down, across]),
        high=np.ascontiguousarray(true[(slice(LEAD, None), *large)]),
        landmarks=landmarks,
        true_landmarks=landmarks,
        routed=Routed(
            np.ascontiguousarray(done.pictures[(slice(LEAD, None), *large)]), lanes, tuple(done.seconds[LEAD:])
        ),
    )


def _window(routes: Sequence[Route], width: float, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of the picture, both even at either end, that hold the face and what is around it."""
    points: Points = np.concatenate([np.array(route.face.box).reshape(2, 2) for route in routes])
    room = _ROOM * width
    low = np.maximum(np.floor((points.min(axis=0) - room) / 2) * 2, 0).astype(int)
    limit = np.array(shape[::-1]) // 2 * 2
    end = np.minimum(np.ceil((points.max(axis=0) + room) / 2) * 2, limit).astype(int)
    return slice(int(low[1]), int(end[1])), slice(int(low[0]), int(end[0]))


def _seconds(processed: Processed) -> float:
    """What the experts took for a frame, over its faces."""
    report = processed.report
    faces = sum(report.batches.values())
    spent = sum(seconds for stage, seconds in report.stage_seconds.items() if stage.startswith("expert."))
    return spent / max(faces, 1)


def _lane(routes: Sequence[Route]) -> str:
    there = [route for route in routes if not route.fading]
    return max(there, key=lambda route: route.face.box.area).lane.value if there else "none"
