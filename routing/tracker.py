"""Faces that keep their identity from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from routing.checks import require_between, require_not_negative
from routing.smoothing import LandmarkFilter, SmoothingSettings
from routing.types import Box, Detection, Face

IMPOSSIBLE = 1e6
VELOCITY_SHARE = 0.5
"""How much of a track's velocity is the newest measurement's."""
SHORTEST_STEP = 0.002
"""Seconds: in less than that nothing moves, and times that a source mended make no speeds."""
SAME_FACE_OVERLAP = 0.6
"""Share of the smaller of two boxes from which they are one face."""
LOST_COST = 0.3
"""What a lost track pays, in face widths: while one face hides another, it keeps the one in front to its own track."""


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How faces are followed.

    `detect_every`: frames from one full detection to the next; between them faces are followed, and new ones wait. 1
    detects in every frame. `keep_lost_seconds`: how long a face that is not seen keeps its identity. `sure_score`: a
    new face of this score counts at once; of less, when it is seen a second time. `reach`: how far a face may move
    between two frames beyond what its velocity foretells, in face widths.
    """

    detect_every: int = 3
    keep_lost_seconds: float = 0.8
    sure_score: float = 0.95
    reach: float = 0.7
    smoothing: SmoothingSettings = field(default_factory=SmoothingSettings)

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise ValueError(f"detect_every = {self.detect_every!r}: 1 or more frames are wanted")
        require_not_negative(keep_lost_seconds=self.keep_lost_seconds, reach=self.reach)
        require_between(0.0, 1.0, sure_score=self.sure_score)


class Track:
    """One face through time. Its box is always the last one measured: neither padded nor smoothed."""

    def __init__(self, track_id: int, detection: Detection, *, seconds: float, settings: TrackerSettings) -> None:
        self.id = track_id
        self.face = Face(track_id, detection.box, detection.landmarks, detection.score)
        self.seen_at = seconds
        self.confirmed = detection.score >= settings.sure_score
        self._filter = LandmarkFilter(detection.landmarks, seconds=seconds, settings=settings.smoothing)
        self._velocity = (0.0, 0.0)

    def expected(self, seconds: float) -> Box:
        """Where the face should be at `seconds`, at constant velocity."""
        elapsed = max(seconds - self.seen_at, 0.0)
        dx, dy = self._velocity[0] * elapsed, self._velocity[1] * elapsed
        x0, y0, x1, y1 = self.face.box
        return Box(x0 + dx, y0 + dy, x1 + dx, y1 + dy)

    def lost(self, seconds: float) -> Face:
        """The face as it should be at `seconds`, not having been seen since."""
        box = self.expected(seconds)
        shift = np.array([box.x0 - self.face.box.x0, box.y0 - self.face.box.y0], np.float32)
        return replace(self.face, box=box, landmarks=self.face.landmarks + shift, lost_seconds=seconds - self.seen_at)

    def see(self, detection: Detection, *, seconds: float) -> None:
        """Takes `detection` for where the face is at `seconds`."""
        self._velocity = self._velocity_to(detection.box, seconds)
        landmarks = self._filter.update(detection.landmarks, seconds=seconds, width_px=detection.box.width)
        self.face = Face(self.id, detection.box, landmarks, detection.score)
        self.seen_at, self.confirmed = seconds, True

    def _velocity_to(self, box: Box, seconds: float) -> tuple[float, float]:
        """Pixels a second, mixed from the last velocity and that of the step to `box`; the last where times tell
        nothing."""
        elapsed = seconds - self.seen_at
        if elapsed < SHORTEST_STEP:
            return self._velocity
        (x, y), (last_x, last_y) = _center(box), _center(self.face.box)
        old_x, old_y = self._velocity
        keep = 1.0 - VELOCITY_SHARE
        return (
            keep * old_x + VELOCITY_SHARE * (x - last_x) / elapsed,
            keep * old_y + VELOCITY_SHARE * (y - last_y) / elapsed,
        )


class Assignment(NamedTuple):
    """How the faces that a detector found go with the tracks: each with its track, tracks and faces left alone."""

    pairs: list[tuple[Track, Detection]]
    missed: list[Track]
    new: list[Detection]


class Tracker:
    """The tracks of one stream, told once of each frame by `update`. Identities count up and are never given twice."""

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._tracks: list[Track] = []
        self._seen: set[int] = set()
        self._next_id = 0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The live tracks, oldest first, lost ones among them."""
        return tuple(self._tracks)

    @property
    def faces(self) -> tuple[Face, ...]:
        """The faces seen in the last update, oldest track first, without those yet to be confirmed."""
        return tuple(track.face for track in self._tracks if track.confirmed and track.id in self._seen)

    def lost_faces(self, seconds: float) -> tuple[Face, ...]:
        """The confirmed faces that the last update did not see, where their movement leads them."""
        return tuple(t.lost(seconds) for t in self._tracks if t.confirmed and t.id not in self._seen)

    def reset(self) -> None:
        """Ends all tracks."""
        self._tracks, self._seen = [], set()

    def assign(self, detections: Sequence[Detection], *, seconds: float) -> Assignment:
        """The assignment of least total cost; what is too far apart for one face stays alone. Changes nothing."""
        if not self._tracks or not detections:
            return Assignment([], list(self._tracks), list(detections))
        cost = np.array([[self._cost(track, d.box, seconds) for d in detections] for track in self._tracks])
        rows, columns = linear_sum_assignment(cost)
        partners = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if cost[r, c] < IMPOSSIBLE}
        taken = set(partners.values())
        return Assignment(
            [(self._tracks[row], detections[column]) for row, column in partners.items()],
            [track for row, track in enumerate(self._tracks) if row not in partners],
            [detection for column, detection in enumerate(detections) if column not in taken],
        )

    def settle(
        self,
        found: Iterable[tuple[Track, Detection | None]],
        *,
        seconds: float,
        taken: Iterable[Detection] = (),
    ) -> list[tuple[Track, Detection | None]]:
        """`found` with every face given once: where tracks were looked for one by one, a hidden face's track is
        answered with the face in front.

        Of several tracks on one face, that which expects it nearest keeps it and the others have None, as have all that
        were given one of `taken`. Changes nothing.
        """
        given = [detection.box for detection in taken]
        settled: dict[Track, Detection | None] = dict(found)
        answered = [(track, detection) for track, detection in settled.items() if detection is not None]
        for track, detection in sorted(answered, key=lambda pair: self._cost(pair[0], pair[1].box, seconds)):
            if any(_same_face(detection.box, other) for other in given):
                settled[track] = None
            else:
                given.append(detection.box)
        return list(settled.items())

    def update(
        self, found: Iterable[tuple[Track, Detection | None]], *, seconds: float, new: Iterable[Detection] = ()
    ) -> None:
        """Continues each track of `found` with what is there at `seconds`, if anything is, and begins one for each face
        of `new` that lies on none seen already."""
        self._seen = set()
        for track, detection in found:
            if detection is not None:
                track.see(detection, seconds=seconds)
                self._seen.add(track.id)
        for detection in new:
            if any(_same_face(detection.box, track.face.box) for track in self._tracks if track.id in self._seen):
                continue
            self._tracks.append(Track(self._next_id, detection, seconds=seconds, settings=self._settings))
            self._seen.add(self._next_id)
            self._next_id += 1
        self._end_some(seconds)

    def _end_some(self, seconds: float) -> None:
        """Ends tracks lost for too long, and unconfirmed ones not seen again at once."""
        self._tracks = [track for track in self._tracks if track.id in self._seen or self._waits(track, seconds)]

    def _waits(self, lost: Track, seconds: float) -> bool:
        return seconds - lost.seen_at < (self._settings.keep_lost_seconds if lost.confirmed else 0.0)

    def _cost(self, track: Track, found: Box, seconds: float) -> float:
        """Centre distance in face widths, less the overlap: the distance decides where boxes no longer touch."""
        expected = track.expected(seconds)
        (ax, ay), (bx, by) = _center(expected), _center(found)
        distance = float(np.hypot(ax - bx, ay - by)) / max(expected.width, found.width, 1.0)
        grown = max(expected.width, found.width) / max(min(expected.width, found.width), 1.0)
        if distance > self._settings.reach or grown > 2.0:
            return IMPOSSIBLE
        return 1.0 + distance - expected.iou(found) + LOST_COST * (track.id not in self._seen)


def _center(box: Box) -> tuple[float, float]:
    return (box.x0 + box.x1) / 2.0, (box.y0 + box.y1) / 2.0


def _same_face(a: Box, b: Box) -> bool:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return False
    return width * height > SAME_FACE_OVERLAP * min(a.area, b.area)
