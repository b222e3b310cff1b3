from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from experts.resize import ResizeExpert
from streamer.effort import FULL, LADDER, Effort
from streamer.frame import Frame, FrameReport
from streamer.live.enhancer import FAILURES, Enhancer
from streamer.live.names import check_name
from streamer.live.warmup import warm_up
from streamer.pipeline import Processed
from tests.helpers.living import CostlyWay, numbered_frames
from web.feeds import BadRequestError

FRAME = numbered_frames(1)[0]


def frame_at(seconds: float, frame: Frame = FRAME) -> Frame:
    return replace(frame, pts=round(seconds * 90000), time_base=Fraction(1, 90000))


class Made:
    """Makes ways and keeps them."""

    def __init__(self, *, fails: int = 0, seconds: float = 0.0) -> None:
        self.ways: list[tuple[int, CostlyWay]] = []
        self._fails = fails
        self._seconds = seconds

    def __call__(self, scale: int) -> CostlyWay:
        way = CostlyWay(self._seconds, fails=self._fails)
        self.ways.append((scale, way))
        return way


@pytest.mark.parametrize(
    ("height", "most", "max_height", "scale"),
    [(360, 2, 1080, 2), (540, 2, 1080, 2), (720, 2, 1080, 1), (2160, 2, 1080, 1), (360, 1, 1080, 1), (360, 4, 1080, 2)],
)
def test_the_scale_is_the_largest_that_stays_low_enough(height: int, most: int, max_height: int, scale: int) -> None:
    assert Enhancer(Made(), most_scale=most, max_height=max_height).scale_for(height) == scale


def test_the_way_is_made_at_the_first_frame_and_anew_for_another_scale_or_after_a_pause() -> None:
    made = Made()
    enhancer = Enhancer(made, most_scale=2, max_height=200)
    tall = numbered_frames(1, height=160)[0]
    frames = [(frame_at(0), 0), (frame_at(0.04), 0), (frame_at(0.08, tall), 0), (frame_at(3, tall), 0)]
    for frame, run in (*frames, (frame_at(5, tall), 1)):
        assert enhancer.enhance(frame, interval=0.04, share=1.0, run=run).effort is FULL
    assert [scale for scale, _ in made.ways] == [2, 1, 1]
    assert [len(way.seen) for _, way in made.ways] == [2, 2, 1]


def test_a_way_that_keeps_failing_is_made_anew_and_one_that_fails_once_is_not() -> None:
    made = Made(fails=1)
    enhancer = Enhancer(made, most_scale=2, max_height=1080)
    with pytest.raises(RuntimeError):
        enhancer.enhance(frame_at(0), interval=0.04, share=1.0)
    enhancer.enhance(frame_at(0.1), interval=0.04, share=1.0)
    assert len(made.ways) == 1
    made.ways[0][1].fails = FAILURES
    for number in range(FAILURES):
        with pytest.raises(RuntimeError):
            enhancer.enhance(frame_at(0.2 + number / 10), interval=0.04, share=1.0)
    made._fails = 0
    enhancer.enhance(frame_at(0.9), interval=0.04, share=1.0)
    assert len(made.ways) == 2


@pytest.mark.parametrize("streams", [2, 4, 8])
def test_every_stream_of_too_many_gets_less_effort_however_seldom_it_is_served(
    streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In simulated time: a frame at full effort takes 0.3 s, so that each of eight streams waits 2.4 s for its next."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    made: list[object] = []

    class Slow:
        def process(self, frame: Frame, effort: Effort) -> Processed:
            clock[0] += 0.3 / (1 + LADDER.index(effort))
            return Processed(frame, None, FrameReport(frame.seq, {}))

    def make(_scale: int) -> Slow:
        made.append(None)
        return Slow()

    enhancers = [Enhancer(make, most_scale=1, max_height=1080) for _ in range(streams)]
    while clock[0] < 130:
        for enhancer in enhancers:
            enhancer.enhance(frame_at(clock[0]), interval=1 / 30, share=1 / streams)
    assert len(made) == streams
    assert all(enhancer.level > 2 for enhancer in enhancers)


def test_frames_that_take_too_long_get_less_effort() -> None:
    made = Made(seconds=0.1)
    enhancer = Enhancer(made, most_scale=2, max_height=1080)
    for number in range(10):
        enhancer.enhance(frame_at(number / 10), interval=0.04, share=1.0)
    assert made.ways[0][1].seen[-1][2] in LADDER[1:]
    assert enhancer.level > 0


@pytest.mark.parametrize("name", ["door", "a", "A-1_b", "x" * 40, "0"])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 41, "a b", "a/b", "..", "-a", "Tür", "a\n", 'a"'])
def test_names_that_could_not_be_part_of_an_address(name: str) -> None:
    with pytest.raises(BadRequestError, match="letters"):
        check_name(name)


def test_warming_up_asks_every_expert_for_every_batch() -> None:
    sizes: list[int] = []

    class Counting(ResizeExpert):
        def restore(
            self, crops: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
        ) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
            sizes.append(len(crops))
            return super().restore(crops)

    class Detector:
        prepared = 0

        def prepare(self) -> None:
            self.prepared += 1

    detector = Detector()
    warm_up([Counting(), Counting()], detector)
    assert sizes == [1, 2, 3, 4] * 2
    assert detector.prepared == 1
