"""What is remembered of the faces that are restored, so that they neither tremble nor flicker."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from blending import align
from experts.steadiness import Memory, Steadier, SteadinessSettings
from routing.types import Lane, Route
from streamer.frame import Frame, Plane

Affine = npt.NDArray[np.float64]

LONGEST_GAP_SECONDS = 0.25
"""A face that was not restored for longer begins afresh."""
_CORNERS = np.array([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]])
"""Of the face in a crop, as shares of its side."""


@dataclass(slots=True)
class _Kept:
    """Of one track: when it was last restored, where it was cut out, and what its steadying needs."""

    lane: Lane
    seconds: float
    to_crop: Affine
    memory: Memory | None = None


class Steadying:
    """Of one stream's faces, frame by frame: `begin`, then for each face `place` and, once it is restored, `steady`.

    Kept by track, so that nothing survives a cut, at which tracks end; nor a change of lane or of the frame's size, nor
    a gap. A track has one restored face in a frame.
    """

    def __init__(self, settings: SteadinessSettings) -> None:
        self._off = settings.strength == 0.0
        self._hold = settings.hold
        self._steadier = Steadier(settings)
        self._kept: dict[int, _Kept] = {}
        self._size = (0, 0)
        self._seconds = 0.0

    def __len__(self) -> int:
        """Faces that something is kept of."""
        return len(self._kept)

    def begin(self, frame: Frame) -> None:
        """Forgets what says nothing of the faces of `frame`."""
        size = (frame.height, frame.width)
        self._seconds = float(frame.pts * frame.time_base)
        if size != self._size:
            self._size = size
            self._kept.clear()
        self._kept = {track: kept for track, kept in self._kept.items() if self._follows(kept)}

    def _follows(self, kept: _Kept) -> bool:
        return 0.0 < self._seconds - kept.seconds <= LONGEST_GAP_SECONDS

    def place(self, route: Route, to_crop: Affine, size: int) -> Affine:
        """The map to cut the face out with: the last one while `to_crop` strays from it by no more than `hold`.

        Then a face at rest comes out of its expert to the bit as before. Networks do not answer to part of a pixel's
        shift with the same shift, and rounding does not either.
        """
        if self._off:
            return to_crop
        kept = self._kept.get(route.face.track_id)
        if kept is None or kept.lane is not route.lane:
            kept = self._kept[route.face.track_id] = _Kept(route.lane, self._seconds, to_crop)
        elif _stray(kept.to_crop, to_crop, size) > self._hold:
            kept.to_crop = to_crop
        return kept.to_crop

    def steady(self, route: Route, crop: Plane, restored: Plane, *, light: bool) -> Plane:
        """The restored face in the light of its last; for a `light` effort as it is, and the next begins afresh."""
        if self._off:
            return restored
        kept = self._kept[route.face.track_id]
        kept.seconds = self._seconds
        if light:
            kept.memory = None
            return restored
        steadied, kept.memory = self._steadier.steady(crop, restored, kept.memory)
        return steadied


def _stray(one: Affine, other: Affine, size: int) -> float:
    """How far apart two maps to a crop of `size` pixels put a part of the face at most, in shares of its side."""
    places = _CORNERS * size
    moved = align.compose(other, align.invert(one))
    return float(np.linalg.norm(places @ moved[:, :2].T + moved[:, 2] - places, axis=1).max()) / size
