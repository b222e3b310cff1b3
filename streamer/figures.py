"""A sample of a film's restored faces, each as it was and as it finally lies in the picture, to be measured later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from blending import align
from experts.background import BackgroundSettings, make_upscaler
from routing.types import Route
from streamer.enlarging import enlarge
from streamer.frame import Frame, Plane
from streamer.restoring import Affine, aligned_crop

MOST_FACES = 48
"""That are measured; 120 MB at most."""
SIDES = 64, 640
"""Pixels of a crop, at least and at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A face `before` and `after`, both (S, S, 3) RGB, aligned to "ffhq" at the size that it has in the output: of the
    frame enlarged by bicubic interpolation alone, and of the film as it came out."""

    before: Plane
    after: Plane

    def faces(self) -> tuple[Plane, Plane]:
        """What `align.TEMPLATE` would have cut."""
        x, y, side = align.face_part(self.before.shape[0], "ffhq")
        part = np.s_[y : y + side, x : x + side]
        return self.before[part], self.after[part]


@dataclass(frozen=True, slots=True)
class _Taken:
    """`track` counts the tracks that were restored, `number` the restored faces of this one, both from 0."""

    track: int
    number: int
    pair: Pair


class FaceSampler:
    """Keeps `most` restored faces of a film at most, spread evenly over every track, whatever its length.

    Of each track every n-th face is kept; when they get too many, every second of them goes and n doubles, and where
    each track has only one left, every second track goes. Faces that are fading in or out are none of them, nor are
    those of which the guard left nothing. It changes nothing that it is shown.
    """

    def __init__(self, scale: int, *, most: int = MOST_FACES) -> None:
        self.restored = 0
        self._upscaler = make_upscaler(BackgroundSettings(method="bicubic"), scale)
        self._scale = scale
        self._most = most
        self._every_face = 1
        self._every_track = 1
        self._tracks: dict[int, tuple[int, int]] = {}
        self._taken: list[_Taken] = []

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(taken.pair for taken in self._taken)

    @property
    def tracks(self) -> int:
        """That the kept faces belong to."""
        return len({taken.track for taken in self._taken})

    def look(self, frame: Frame, result: Frame, routes: Sequence[Route], strengths: Mapping[int, float]) -> None:
        """`result` is what became of `frame`; `strengths`: of what was laid on for each track, see `Restored`."""
        shown = [route for route in routes if route.presence >= 1.0 and not route.fading]
        placed = [(route, *self._place(route)) for route in shown if strengths.get(route.face.track_id, 0.0) > 0.0]
        wanted = [each for each in placed if self._is_wanted(each[1], each[2])]
        if not wanted:
            return
        y, u, v = enlarge(frame, self._upscaler)
        scaled = replace(frame, y=y, u=u, v=v)
        for route, track, number in wanted:
            self._taken.append(_Taken(track, number, self._pair(route, scaled, result)))
        while len(self._taken) > self._most:
            self._thin()

    def _place(self, route: Route) -> tuple[int, int]:
        """The track's number and the face's in it."""
        track, number = self._tracks.get(route.face.track_id, (len(self._tracks), 0))
        self._tracks[route.face.track_id] = track, number + 1
        self.restored += 1
        return track, number

    def _is_wanted(self, track: int, number: int) -> bool:
        return track % self._every_track == 0 and number % self._every_face == 0

    def _thin(self) -> None:
        if any(taken.number for taken in self._taken):
            self._every_face *= 2
        else:
            self._every_track *= 2
        self._taken = [taken for taken in self._taken if self._is_wanted(taken.track, taken.number)]

    def _pair(self, route: Route, scaled: Frame, result: Frame) -> Pair:
        to_crop, side = self._to_crop(route)
        return Pair(aligned_crop(scaled, to_crop, side), aligned_crop(result, to_crop, side))

    def _to_crop(self, route: Route) -> tuple[Affine, int]:
        """From the output's pixels to a crop whose pixels are as large, or nearly so."""
        low, high = SIDES
        unit = align.similarity(route.face.landmarks, high, "ffhq")
        native = self._scale * high / float(np.hypot(unit[0, 0], unit[1, 0]))
        side = round(min(max(native, low), high))
        to_source = align.invert(align.scaling(self._scale))
        return align.compose(align.similarity(route.face.landmarks, side, "ffhq"), to_source), side
