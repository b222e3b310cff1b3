"""An image in, its faces with their lanes out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from routing.detector import Detector, DetectorSettings
from routing.gate import GateSettings, decide
from routing.presence import RESTORED, Presence, PresenceSettings
from routing.scene import SceneCut
from routing.tracker import Track, Tracker, TrackerSettings
from routing.traits import TraitsFilter, sharpness
from routing.types import Detection, Face, Lane, Route, Traits

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """All settings of this room."""

    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    presence: PresenceSettings = field(default_factory=PresenceSettings)


@dataclass(frozen=True, slots=True, eq=False)
class Routing:
    """The faces of one frame. `seconds`: time taken by "detect" or
    "track", whichever found the faces, and by "gate". `scene_cut`: a new scene
    begins here. A face has one route; a second, `fading`, while it leaves a restoring lane."""

    routes: tuple[Route, ...]
    seconds: Mapping[str, float]
    scene_cut: bool = False


_FAVOUR = 1.3
"""How much wider a face must be to take the place of one that is being restored, where not all can be."""


class _Memory:
    """What the router keeps of a track from frame to frame."""

    def __init__(self, presence: PresenceSettings) -> None:
        self.traits = TraitsFilter()
        self.presence = Presence(presence)
        self.lane: Lane | None = None
        self.is_restored = False
        self.restored: Route | None = None

    def fade(self, face: Face, seconds: float, *, reason: str) -> Iterator[Route]:
        """The last restoring route, over `face` now, while anything is left of it."""
        presence = self.presence.update(restored=False, seconds=seconds)
        if self.restored is not None and presence > 0.0:
            yield replace(self.restored, face=face, reason=reason, presence=presence, fading=True)


class Router:
    """The routes of one stream's frames, given in order. It remembers tracks: every stream needs its own."""

    def __init__(self, detector: Detector, settings: RoutingSettings) -> None:
        self._detector = detector
        self._settings = settings
        self._tracker = Tracker(settings.tracker)
        self._scene = SceneCut()
        self._memories: dict[int, _Memory] = {}
        self._restored: frozenset[int] = frozenset()
        self._missed: frozenset[int] = frozenset()
        self._size = (0, 0)
        self._until_detection = 0
        self._until_early = 0
        self._scene_begins = True

    def reset(self) -> None:
        """Forgets everything: the next image is taken for the first of a stream."""
        self._scene.reset()
        self._end_tracks()

    def route(
        self, image: Image, *, seconds: float, most: int | None = None, detect_every: int | None = None
    ) -> Routing:
        """The faces of `image`, (H, W, 3) uint8 RGB, shown at `seconds`.

        `most`: so many faces at most are to be restored, the widest, with favour for those that are already; the
        others are routed to be left alone, as "spared". `detect_every`: in the place of the setting's, from the next
        detection on; who gives it is short of time, so that a lost face waits until half of it is over.

        An image of another size than the last begins afresh. A face shows in `routes` when it was measured in this very
        image, and, `fading`, for a moment after it is lost; one that is new waits for the next
        detection, which comes after `detect_every` frames, at a scene cut, and early where a face that was being
        restored is lost.
        """
        started = time.perf_counter()
        if image.shape[:2] != self._size:
            self._size = (image.shape[0], image.shape[1])
            self.reset()
        cut = self._scene.is_cut(image)
        if cut:
            self._end_tracks()
        followed = self._until_detection > 0 and self._follow(image, seconds)
        if not followed:
            self._detect(image, seconds, detect_every)
        found = time.perf_counter()
        routes = self._gate(image, seconds, most)
        self._scene_begins = False
        spent = {"track" if followed else "detect": found - started, "gate": time.perf_counter() - found}
        return Routing(routes, spent, cut)

    def _end_tracks(self) -> None:
        self._tracker.reset()
        self._memories.clear()
        self._missed = frozenset()
        self._until_detection = 0
        self._scene_begins = True

    def _detect(self, image: Image, seconds: float, every: int | None) -> None:
        """Faces anywhere. Those that the detector misses are looked for once more where they are expected."""
        pairs, missed, new = self._tracker.assign(self._detector.detect(image), seconds=seconds)
        found = self._look_for(missed, image, seconds, taken=[*(face for _, face in pairs), *new])
        self._tracker.update([*pairs, *found], seconds=seconds, new=new)
        self._until_detection = (every or self._settings.tracker.detect_every) - 1
        # A stream that is late drops frames, so faces move far and are lost: a detection for each would make it later.
        self._until_early = 0 if every is None else every // 2 - 1
        self._missed = frozenset()

    def _follow(self, image: Image, seconds: float) -> bool:
        """Faces where they are expected. False, and nothing done, when one that was being restored is not there, and a
        detection may come early: its viewers would see it change. One that is left alone can wait, or a crowd would be
        detected in every frame.
        """
        found = self._look_for(self._tracker.tracks, image, seconds)
        wanted = self._restored | self._missed
        missed = frozenset(track.id for track, face in found if face is None and track.id in wanted)
        if missed and self._until_early <= 0:
            return False
        self._tracker.update(found, seconds=seconds)
        self._missed = missed
        self._until_detection -= 1
        self._until_early -= 1
        return True

    def _look_for(
        self, tracks: Sequence[Track], image: Image, seconds: float, *, taken: Sequence[Detection] = ()
    ) -> list[tuple[Track, Detection | None]]:
        """Each track with the face where it is expected, unless that is another's or one of `taken`."""
        found = self._detector.detect_at(image, [track.expected(seconds) for track in tracks])
        return self._tracker.settle(zip(tracks, found, strict=True), seconds=seconds, taken=taken)

    def _gate(self, image: Image, seconds: float, most: int | None) -> tuple[Route, ...]:
        faces = self._tracker.faces
        alive = {track.id for track in self._tracker.tracks}
        self._memories = {key: memory for key, memory in self._memories.items() if key in alive}
        decided = self._spare([self._decide(image, face, seconds) for face in faces], most)
        seen = [self._present(route, seconds) for route in decided]
        self._restored = frozenset(route.face.track_id for route in seen if route.lane in RESTORED)
        return (*seen, *self._left(faces, seconds), *self._lost(seconds))

    def _decide(self, image: Image, face: Face, seconds: float) -> Route:
        """The lane that the gate gives a face."""
        memory = self._memories.setdefault(face.track_id, _Memory(self._settings.presence))
        measured = Traits(face.box.width, sharpness(image, face.box, face.landmarks))
        traits = memory.traits.update(measured, seconds=seconds)
        memory.lane, reason = decide(traits, self._settings.gate, memory.lane)
        return Route(face, traits, memory.lane, reason)

    def _spare(self, routes: Sequence[Route], most: int | None) -> Sequence[Route]:
        """The routes with no more than `most` on restoring lanes."""
        restored = [route for route in routes if route.lane in RESTORED]
        if most is None or len(restored) <= most:
            return routes
        spared = {id(route) for route in sorted(restored, key=self._claim, reverse=True)[most:]}
        return [replace(route, lane=Lane.SKIP, reason="spared") if id(route) in spared else route for route in routes]

    def _claim(self, route: Route) -> float:
        """What speaks for restoring a face where not all can be; who has the place keeps it against the slightly
        wider, or two faces of one width would flicker."""
        favour = _FAVOUR if self._memories[route.face.track_id].is_restored else 1.0
        return route.traits.width_px * favour

    def _present(self, route: Route, seconds: float) -> Route:
        """The route with how present its restoration is by now."""
        memory = self._memories[route.face.track_id]
        memory.is_restored = route.lane in RESTORED
        if not memory.is_restored:
            return route
        presence = memory.presence.update(restored=True, seconds=seconds, at_once=self._scene_begins)
        memory.restored = replace(route, presence=presence)
        return memory.restored

    def _left(self, faces: Sequence[Face], seconds: float) -> Iterator[Route]:
        """What is left of the restoration of those `faces` that took another lane."""
        for face in faces:
            memory = self._memories[face.track_id]
            if not memory.is_restored:
                yield from memory.fade(face, seconds, reason="fading")

    def _lost(self, seconds: float) -> Iterator[Route]:
        """The faces just lost that were being restored, each on the lane that it had."""
        for face in self._tracker.lost_faces(seconds):
            memory = self._memories.get(face.track_id)
            if memory is not None:
                yield from memory.fade(face, seconds, reason="lost: fading")
