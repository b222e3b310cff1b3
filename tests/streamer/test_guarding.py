"""The guard: a face that is no longer the person's is given back to its original, and comes again when it is."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, partial
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blending import align
from experts.contract import ExpertError, ExpertInfo
from experts.embedding import Embedder, EmbedderInfo, Points, Vectors
from experts.identity import IdentitySettings
from routing.types import Box, Face, Lane, Route, Traits
from streamer.color import ColorSpec, from_rgb
from streamer.frame import Frame, Judged
from streamer.guarding import HELD_BACK, MOST_WAITING, Guard
from streamer.judging import Judge
from streamer.restoring import FaceRestorer, LaneWork, Restored
from streamer.stopwatch import Stopwatch
from tests.helpers.clips import natural

Image = npt.NDArray[np.uint8]

EVERY = IdentitySettings("dlib", share=1.0, first=0, delay_frames=2, recover_after=2)
RATE = 25


class Thumbnail:
    """An embedder by looks: a face's vector is a small picture of it."""

    info = EmbedderInfo("thumbnail", 64, 0.6, "none", "none needed", "cpu", "numpy", "float32")

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before
        self.seen = 0

    def embed(self, crops: Image, template: Points = align.TEMPLATE) -> Vectors:
        self._before()
        self.seen += len(crops)
        small = [cv2.resize(crop, (8, 8), interpolation=cv2.INTER_AREA).mean(axis=2).ravel() for crop in crops]
        vectors = np.array(small, np.float32)
        vectors -= vectors.mean(axis=1, keepdims=True)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


class Spoiler:
    """An expert that enlarges, and makes negatives of those faces of a batch that it is told to."""

    def __init__(self, spoils: Sequence[int] = ()) -> None:
        self.spoils = tuple(spoils)
        self.restored = 0
        self.info = ExpertInfo("spoiler", 64, 2, "none", "none needed", "cpu", "numpy", "uint8")

    def restore(self, crops: Image) -> Image:
        self.restored += len(crops)
        enlarged = crops.repeat(2, axis=1).repeat(2, axis=2)
        for index in self.spoils:
            if index < len(enlarged):
                enlarged[index] = 255 - enlarged[index]
        return enlarged

    def begin(self, crops: Image) -> Callable[[], Image]:
        return partial(self.restore, crops)


def route_at(x: float, track_id: int, *, presence: float = 1.0) -> Route:
    points = align.TEMPLATE * (60 / align.FACE_WIDTH_SHARE)
    landmarks = (points - points.mean(0) + (x, 120)).astype(np.float32)
    face = Face(track_id, Box(x - 30, 80, x + 30, 160), landmarks, 0.99)
    return Route(face, Traits(60.0, 50.0), Lane.TRANSFORMER, "test", presence)


ONE, TWO = route_at(80, 0), route_at(220, 1)


@lru_cache(maxsize=1)
def picture() -> Frame:
    color = ColorSpec("bt709")
    y, u, v = from_rgb(natural(240, 320).astype(np.uint8), color)
    return Frame(y, u, v, color, 0, Fraction(1, RATE), 0, 0.0)


def frame_at(seq: int) -> Frame:
    return replace(picture(), pts=seq, seq=seq)


class Stage:
    """A guarded restorer, and what it made of the frames so far: `strengths` by track, `judged` by frame."""

    def __init__(self, guard: Guard, expert: Spoiler, *, strength: float = 1.0) -> None:
        self.expert, self.guard = expert, guard
        self._restorer = FaceRestorer({Lane.TRANSFORMER: LaneWork(expert, strength)}, scale=2, guard=guard)
        self.strengths: list[tuple[float, ...]] = []
        self.judged: list[Judged] = []
        self.last = Restored()
        self._seq = 0

    def play(self, frames: int, routes: Sequence[Route] = (ONE,)) -> Stage:
        for _ in range(frames):
            self.last = self._restorer.restore(frame_at(self._seq), routes, Stopwatch())
            self._seq += 1
            self.strengths.append(tuple(patch.strength for patch in self.last.patches))
            self.judged.append(self.last.identity)
        return self

    @property
    def alone(self) -> list[float]:
        """The strengths of the only face, 0 where it was left to the background."""
        return [each[0] if each else 0.0 for each in self.strengths]

    def total(self, what: str) -> int:
        return sum(getattr(judged, what) for judged in self.judged)


@contextmanager
def staged(
    settings: IdentitySettings = EVERY,
    *,
    spoils: Sequence[int] = (),
    embedder: Embedder | None = None,
    patient: bool = True,
    strength: float = 1.0,
) -> Iterator[Stage]:
    judge = Judge(embedder or Thumbnail())
    try:
        yield Stage(Guard(settings, judge, patient=patient), Spoiler(spoils), strength=strength)
    finally:
        judge.close()


def test_a_spoiled_face_goes_step_by_step_to_its_original_and_comes_back_when_it_is_fine() -> None:
    with staged(spoils=[0]) as stage:
        down = stage.play(40).alone
        assert down[:2] == [1.0] * 2
        assert down[2] < 1.0, "the first frame's judgement takes effect on the third"
        assert all(later <= earlier for earlier, later in pairwise(down))
        assert max(np.abs(np.diff(down))) < 0.1, "a step is seen as one"
        assert down[-1] == 0.0
        assert stage.total("lowered") == 4
        assert HELD_BACK in stage.last.degraded
        assert {lane for judged in stage.judged for lane, _ in judged.similarities} == {"transformer"}
        stage.expert.spoils = ()
        up = stage.play(60).alone[40:]
        assert up[0] == 0.0
        assert up[-1] == 1.0
        assert all(later >= earlier for earlier, later in pairwise(up))
        assert stage.total("raised") == 4
        assert stage.last.degraded == []


def test_faces_that_stay_the_persons_keep_their_strength_and_so_do_others_beside_a_spoiled_one() -> None:
    with staged(spoils=[1]) as stage:
        stage.play(40, [ONE, TWO])
        assert stage.strengths[-1] == (1.0,)
        assert stage.last.degraded == [HELD_BACK]
        fine, spoiled = (stage.last.identity.verdicts[route.face.track_id] for route in (ONE, TWO))
        assert (fine.share, spoiled.share) == (1.0, 0.0)
        assert spoiled.similarity < 0.6 < fine.similarity


def test_what_is_held_back_is_restored_only_to_be_judged() -> None:
    settings = IdentitySettings("dlib", share=0.05, first=3, delay_frames=1, step=1.0)
    with staged(settings, spoils=[0]) as stage:
        stage.play(30)
        assert stage.alone[-1] == 0.0
        before = stage.expert.restored
        stage.play(50)
        assert stage.expert.restored - before == 10  # one in twenty, four times as often in doubt


def test_a_few_of_each_track_are_judged_its_first_ones_in_any_case() -> None:
    settings = IdentitySettings("dlib", share=0.1, first=3, delay_frames=1)
    with staged(settings) as stage:
        stage.play(53, [ONE, TWO])
        rest = stage.guard.rest()
        told = [judged.similarities for judged in (*stage.judged, rest)]
        assert [frame - 1 for frame, each in enumerate(told) if each] == [0, 1, 2, 12, 22, 32, 42, 52]
        assert all(len(each) in (0, 2) for each in told)


def test_a_lane_that_lays_on_little_is_judged_by_what_is_seen_of_it() -> None:
    similarities = []
    for strength in (1.0, 0.3):
        with staged(spoils=[0], strength=strength) as stage:
            stage.play(3)
            similarities.append(stage.judged[2].similarities[0][1])
            assert stage.alone[0] == strength
    assert similarities[0] < 0.6 < similarities[1]


def test_a_face_that_fades_in_is_judged_as_it_will_be() -> None:
    with staged(spoils=[0]) as stage:
        stage.play(3, [route_at(80, 0, presence=0.1)])
        assert stage.judged[2].similarities[0][1] < 0.6


def test_a_film_does_not_depend_on_the_speed_of_the_judge() -> None:
    dice = random.Random(1)
    runs = []
    for pause in (lambda: None, lambda: time.sleep(dice.uniform(0, 0.02))):
        with staged(spoils=[0], embedder=Thumbnail(pause)) as stage:
            stage.play(20)
            stage.expert.spoils = ()
            stage.play(20)
            runs.append((stage.strengths, stage.judged, stage.guard.rest()))
    assert runs[0] == runs[1]
    assert len(runs[0][2].similarities) == 2  # of the frames whose judgement the film was too short for


def test_a_live_stream_waits_for_no_judge_and_drops_the_oldest_that_wait() -> None:
    free = threading.Event()

    def wait() -> None:
        free.wait(20)

    with staged(spoils=[0], embedder=Thumbnail(wait), patient=False) as stage:
        try:
            stage.play(20)
            assert stage.alone == [1.0] * 20
            assert stage.total("unjudged") == 20 - MOST_WAITING
        finally:
            free.set()
        rest = stage.guard.rest()
        assert len(rest.similarities) == MOST_WAITING
        assert rest.lowered == 4


def test_a_live_stream_acts_as_soon_as_there_is_a_judgement() -> None:
    with staged(spoils=[0], patient=False) as stage:
        until = time.monotonic() + 10
        while stage.alone[-1:] != [0.0] and time.monotonic() < until:
            stage.play(1)
            time.sleep(0.005)
        assert stage.alone[-1] == 0.0


def test_a_judge_that_fails_is_counted_always_told_once_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ExpertError("gave up")

    with staged(embedder=Thumbnail(fail)) as stage:
        stage.play(10)
        assert stage.alone == [1.0] * 10
        assert stage.total("unjudged") == 8
        assert caplog.text.count("gave up") == 1


def test_a_track_that_was_away_for_long_begins_afresh() -> None:
    with staged(spoils=[0]) as stage:
        stage.play(40)
        stage.play(6 * RATE, [TWO])
        assert stage.play(1).alone[-1] == 1.0
