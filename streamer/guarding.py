"""The guard over restored faces: it has them judged behind the stream, whether they are still the same persons, and
lays less of a track's restoration on where they are not.

What is judged is the restored face as its lane lays it on, with the lane's strength, but neither faded nor held back:
else the guard would take what it does itself for a better restoration, give the strength back, and take it away again.
"""

from __future__ import annotations

import logging
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from experts.contract import ExpertError
from experts.identity import IdentitySettings
from routing.types import Route
from streamer.frame import Frame, Judged, Verdict
from streamer.judging import Case, Judge

logger = logging.getLogger(__name__)

HELD_BACK = "identity: restored face held back"
RAMP_SECONDS = 0.5
"""In which a strength goes from full to nothing at the fastest, so that no step is seen as one."""
LONGEST_GAP_SECONDS = 5.0
"""A track that was not to be restored for longer is forgotten."""
MOST_WAITING = 4
"""Faces of a live stream that wait for the judge."""
CLOSER = 4
"""So many times as often a track is judged that is in doubt."""
_NOTHING = 1e-6


class Guarding(Protocol):
    """Of one stream's faces: `begin` with each frame, `wants` and `share` for each face, `look` once it is restored,
    and `told` for what the frame brought to light."""

    def begin(self, frame: Frame) -> None: ...

    def wants(self, route: Route) -> bool:
        """Whether the face is to be restored, be it only to be judged. Once a frame for each."""
        ...

    def share(self, route: Route) -> float:
        """How much of the lane's strength the face may have, 0 to 1."""
        ...

    def look(self, route: Route, case: Case) -> None: ...

    def told(self) -> Judged: ...

    def rest(self) -> Judged:
        """After the last frame: what was still being judged, waited for."""
        ...


class Unguarded:
    """Nobody judges: every face has its full strength."""

    def begin(self, frame: Frame) -> None: ...

    def wants(self, route: Route) -> bool:
        return True

    def share(self, route: Route) -> float:
        return 1.0

    def look(self, route: Route, case: Case) -> None: ...

    def told(self) -> Judged:
        return Judged()

    def rest(self) -> Judged:
        return Judged()


UNGUARDED = Unguarded()


@dataclass(slots=True)
class _Watched:
    """A track: when it was last to be restored, how many of its faces were judged, how many frames ago, where its
    strength is and where it goes, how many judgements in a row were fine since, and what the last one was."""

    seconds: float
    judged: int = 0
    since: int = 0
    shown: float = 1.0
    target: float = 1.0
    fine: int = 0
    in_doubt: bool = False
    similarity: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        return None if self.similarity is None else Verdict(self.similarity, self.shown)


@dataclass(frozen=True, slots=True)
class _Waiting:
    frame: int
    track: int
    lane: str
    outcome: Future[float]


@dataclass(slots=True)
class _News:
    similarities: list[tuple[str, float]] = field(default_factory=list)
    lowered: int = 0
    raised: int = 0
    unjudged: int = 0


class Guard:
    """Lowers and raises the strengths of one stream's tracks by what `judge` says of them, see `IdentitySettings`.

    `patient`: for a film. A judgement takes effect exactly `delay_frames` after its frame, and is waited for if need
    be, so that the film doesn't depend on how fast the judge was. Else for a live stream: it takes effect when it is
    there, and where the judge is behind, the oldest that wait give way to newer ones, and are counted.
    """

    def __init__(self, settings: IdentitySettings, judge: Judge, *, patient: bool) -> None:
        self._settings = settings
        self._judge = judge
        self._patient = patient
        self._threshold = judge.info.threshold if settings.threshold is None else settings.threshold
        self._every = max(1, round(1.0 / settings.share))
        self._tracks: dict[int, _Watched] = {}
        self._waiting: deque[_Waiting] = deque()
        self._news = _News()
        self._frame = -1
        self._seconds: float | None = None
        self._is_told = False

    def begin(self, frame: Frame) -> None:
        now = float(frame.pts * frame.time_base)
        elapsed = 0.0 if self._seconds is None else max(0.0, now - self._seconds)
        self._seconds = now
        self._frame += 1
        while self._waiting and self._is_due(self._waiting[0]):
            self._learn(self._waiting.popleft())
        kept = {track: each for track, each in self._tracks.items() if now - each.seconds <= LONGEST_GAP_SECONDS}
        self._tracks = kept
        for each in kept.values():
            each.shown = _moved(each.shown, each.target, most=elapsed / RAMP_SECONDS)

    def wants(self, route: Route) -> bool:
        watched = self._watched(route)
        watched.seconds = self._seconds or 0.0
        if route.fading:
            return watched.shown > 0.0
        watched.since += 1
        return watched.shown > 0.0 or self._is_next(watched)

    def share(self, route: Route) -> float:
        return self._watched(route).shown

    def look(self, route: Route, case: Case) -> None:
        watched = self._watched(route)
        if route.fading or not self._is_next(watched):
            return
        watched.since = 0
        watched.judged += 1
        if not self._patient and len(self._waiting) >= MOST_WAITING:
            self._drop_oldest()
        lane = route.lane.value
        self._waiting.append(_Waiting(self._frame, route.face.track_id, lane, self._judge.begin(case)))

    def told(self) -> Judged:
        news, self._news = self._news, _News()
        verdicts = {track: verdict for track, each in self._tracks.items() if (verdict := each.verdict) is not None}
        return Judged(tuple(news.similarities), news.lowered, news.raised, news.unjudged, verdicts)

    def rest(self) -> Judged:
        while self._waiting:
            self._learn(self._waiting.popleft())
        return self.told()

    def _watched(self, route: Route) -> _Watched:
        return self._tracks.setdefault(route.face.track_id, _Watched(self._seconds or 0.0))

    def _is_next(self, watched: _Watched) -> bool:
        every = max(1, self._every // CLOSER) if watched.in_doubt else self._every
        return watched.judged < self._settings.first or watched.since >= every

    def _is_due(self, waiting: _Waiting) -> bool:
        if self._patient:
            return waiting.frame <= self._frame - self._settings.delay_frames
        return waiting.outcome.done()

    def _drop_oldest(self) -> None:
        dropped = next((each for each in self._waiting if each.outcome.cancel()), None)
        if dropped is None:
            return
        self._waiting.remove(dropped)
        self._news.unjudged += 1
        if watched := self._tracks.get(dropped.track):
            # Its turn comes again at once: where many faces wait, it would else be the same that are dropped.
            watched.since = self._every

    def _learn(self, waiting: _Waiting) -> None:
        try:
            similarity = waiting.outcome.result()
        except ExpertError as error:
            self._news.unjudged += 1
            if not self._is_told:
                self._is_told = True
                logger.error("restored faces can't be judged: %s", error)
            return
        self._news.similarities.append((waiting.lane, similarity))
        if watched := self._tracks.get(waiting.track):
            self._follow(watched, similarity)

    def _follow(self, watched: _Watched, similarity: float) -> None:
        watched.similarity = similarity
        before, step = watched.target, self._settings.step
        is_fine = similarity >= self._threshold + self._settings.margin
        if similarity < self._threshold:
            watched.fine = 0
            watched.target = _snapped(before - step)
        elif is_fine and before < 1.0:
            watched.fine += 1
            if watched.fine >= self._settings.recover_after:
                watched.fine = 0
                watched.target = _snapped(before + step)
        else:
            watched.fine = 0
        watched.in_doubt = watched.target < 1.0 or not is_fine
        self._news.lowered += watched.target < before
        self._news.raised += watched.target > before


def _moved(level: float, target: float, *, most: float) -> float:
    return level + min(max(target - level, -most), most)


def _snapped(level: float) -> float:
    """Sums of steps come to a little beside 0 and 1."""
    if level < _NOTHING:
        return 0.0
    return 1.0 if level > 1.0 - _NOTHING else level
