"""An image in, its faces with their lanes out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from routing.detector import Detector, DetectorSettings
from routing.gate import GateSettings, decide
from routing.scene import SceneCut
from routing.tracker import Tracker, TrackerSettings
from routing.traits import TraitsFilter, sharpness
from routing.types import Face, Lane, Route, Traits

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """All settings of this room."""

    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    gate: GateSettings = field(default_factory=GateSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Routing:
    """The faces of one frame. `seconds`: time taken by "detect", "track" and "gate". `scene_cut`: a new scene
    begins here."""

    routes: tuple[Route, ...]
    seconds: Mapping[str, float]
    scene_cut: bool = False


class _Memory:
    """What the router keeps of a track from frame to frame."""

    def __init__(self) -> None:
        self.traits = TraitsFilter()
        self.lane: Lane | None = None


class Router:
    """The routes of one stream's frames, given in order. It remembers tracks: every stream needs its own."""

    def __init__(self, detector: Detector, settings: RoutingSettings) -> None:
        self._detector = detector
        self._settings = settings
        self._tracker = Tracker(settings.tracker)
        self._scene = SceneCut()
        self._memories: dict[int, _Memory] = {}
        self._shown: frozenset[int] = frozenset()
        self._size = (0, 0)
        self._until_detection = 0

    def reset(self) -> None:
        """Forgets everything: the next image is taken for the first of a stream."""
        self._scene.reset()
        self._end_tracks()

    def route(self, image: Image, *, seconds: float) -> Routing:
        """The faces of `image`, (H, W, 3) uint8 RGB, shown at `seconds`.

        An image of another size than the last begins afresh. A face shows in `routes` when it was measured in this very
        image; one that is new may wait for up to `detect_every` frames, except after a scene cut.
        """
        started = time.perf_counter()
        if image.shape[:2] != self._size:
            self._size = (image.shape[0], image.shape[1])
            self.reset()
        cut = self._scene.is_cut(image)
        if cut:
            self._end_tracks()
        stage = "detect" if self._until_detection <= 0 else "track"
        if stage == "detect":
            self._detect(image, seconds)
        else:
            self._follow(image, seconds)
        found = time.perf_counter()
        routes = self._gate(image, seconds)
        return Routing(routes, {stage: found - started, "gate": time.perf_counter() - found}, cut)

    def _end_tracks(self) -> None:
        self._tracker.reset()
        self._memories.clear()
        self._until_detection = 0

    def _detect(self, image: Image, seconds: float) -> None:
        """Faces anywhere. Those that the detector misses are looked for once more where they are expected."""
        detections = self._detector.detect(image)
        missed = self._tracker.unmatched(detections, seconds=seconds)
        boxes = [track.expected(seconds) for track in missed]
        followed = self._detector.detect_at(image, boxes)
        self._tracker.match(detections, seconds=seconds)
        self._tracker.follow(zip(missed, followed, strict=True), seconds=seconds)
        self._until_detection = self._settings.tracker.detect_every - 1

    def _follow(self, image: Image, seconds: float) -> None:
        """Faces where they are expected; all of the image when one has just gone from there."""
        tracks = self._tracker.tracks
        boxes = [track.expected(seconds) for track in tracks]
        found = self._detector.detect_at(image, boxes)
        if any(face is None and track.id in self._shown for track, face in zip(tracks, found, strict=True)):
            self._detect(image, seconds)
            return
        self._tracker.follow(zip(tracks, found, strict=True), seconds=seconds)
        self._until_detection -= 1

    def _gate(self, image: Image, seconds: float) -> tuple[Route, ...]:
        faces = self._tracker.faces(seconds=seconds)
        self._shown = frozenset(face.track_id for face in faces)
        alive = {track.id for track in self._tracker.tracks}
        self._memories = {key: memory for key, memory in self._memories.items() if key in alive}
        return tuple(self._route(image, face, seconds) for face in faces)

    def _route(self, image: Image, face: Face, seconds: float) -> Route:
        memory = self._memories.setdefault(face.track_id, _Memory())
        measured = Traits(face.box.width, sharpness(image, face.box, face.landmarks))
        traits = memory.traits.update(measured, seconds=seconds)
        memory.lane, reason = decide(traits, self._settings.gate, memory.lane)
        return Route(face, traits, memory.lane, reason)
