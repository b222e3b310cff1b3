"""The way of one frame: what goes on which lane, what is laid on, and what happens when an expert fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blending import align
from blending.blender import BlendSettings, make_blender
from blending.patch import Patch
from experts.background import BackgroundSettings, make_upscaler
from experts.contract import ExpertError, ExpertInfo
from experts.resize import ResizeExpert
from routing.router import Routing
from routing.types import Box, Face, Lane, Route, Traits
from streamer.color import ColorSpec, from_rgb
from streamer.effort import Effort
from streamer.frame import Frame
from streamer.pipeline import Pipeline
from streamer.restoring import LaneWork, aligned_crop
from tests.helpers.clips import natural

Image = npt.NDArray[np.uint8]


class FixedRoutes:
    """A router that sees the same faces in every frame."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        self.asked: list[tuple[int | None, int | None]] = []

    def route(
        self, image: Image, *, seconds: float, most: int | None = None, detect_every: int | None = None
    ) -> Routing:
        self.asked.append((most, detect_every))
        return Routing(self._routes, {"detect": 0.0})


class Whitener:
    """An expert whose work can't be overlooked; `fail` makes it give up."""

    def __init__(self, *, fail: bool = False) -> None:
        self._fail = fail
        self.batches: list[int] = []
        self.info = ExpertInfo("whitener", 64, 2, "none", "none needed", "cpu", "numpy", "uint8")

    def restore(self, crops: Image) -> Image:
        self.batches.append(len(crops))
        if self._fail:
            raise ExpertError("gave up")
        enlarged = crops.repeat(2, axis=1).repeat(2, axis=2)
        return np.asarray(np.minimum(enlarged.astype(np.int16) + 60, 255), np.uint8)

    def begin(self, crops: Image) -> Callable[[], Image]:
        return partial(self.restore, crops)


def route_at(x: float, y: float, width: float, lane: Lane, track_id: int = 0) -> Route:
    points = align.TEMPLATE * (width / align.FACE_WIDTH_SHARE)
    landmarks = (points - points.mean(0) + (x, y)).astype(np.float32)
    box = Box(x - width / 2, y - 0.7 * width, x + width / 2, y + 0.7 * width)
    return Route(Face(track_id, box, landmarks, 0.99), Traits(width, 50.0), lane, "test")


def picture(width: int = 321, height: int = 241) -> Frame:
    """Odd sides, natural picture."""
    color = ColorSpec("bt709")
    y, u, v = from_rgb(natural(height, width).astype(np.uint8), color)
    return Frame(y, u, v, color, 7, Fraction(1, 25), 0, 0.0)


def pipeline_of(
    routes: Sequence[Route], expert: Whitener | ResizeExpert, *, scale: int = 2, keep_baseline: bool = True
) -> Pipeline:
    return Pipeline(
        FixedRoutes(routes),
        {Lane.TRANSFORMER: LaneWork(expert)},
        make_upscaler(BackgroundSettings(), scale),
        make_blender(BlendSettings(color_match=0.0)),
        scale=scale,
        keep_baseline=keep_baseline,
    )


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_only_the_face_changes_and_where_it_is(scale: int) -> None:
    frame = picture()
    before = [plane.copy() for plane in frame.planes]
    done = pipeline_of([route_at(160, 120, 60, Lane.TRANSFORMER)], Whitener(), scale=scale).process(frame)
    assert done.baseline is not None
    assert done.frame.y.shape == (241 * scale, 321 * scale)
    lift = done.frame.y.astype(int) - done.baseline.y
    assert 40 < lift[118 * scale : 122 * scale, 158 * scale : 162 * scale].mean() < 60
    outside = np.ones_like(lift, bool)
    outside[50 * scale : 190 * scale, 100 * scale : 220 * scale] = False
    assert not lift[outside].any()
    assert all(np.array_equal(old, new) for old, new in zip(before, frame.planes, strict=True))
    assert (done.frame.pts, done.frame.time_base) == (7, Fraction(1, 25))


def test_faces_on_other_lanes_stay_as_the_background_has_them() -> None:
    routes = [route_at(80, 120, 40, Lane.SKIP), route_at(220, 120, 160, Lane.RESIZE)]
    done = pipeline_of(routes, Whitener()).process(picture())
    assert done.baseline is not None
    assert np.array_equal(done.frame.y, done.baseline.y)
    assert len(done.report.routes) == 2


def test_all_faces_of_a_lane_go_in_one_batch() -> None:
    expert = Whitener()
    routes = [route_at(60 + 90 * i, 120, 55, Lane.TRANSFORMER, i) for i in range(3)]
    done = pipeline_of(routes, expert).process(picture())
    assert expert.batches == [3]
    assert done.report.batches == {"transformer": 3}


def test_a_failed_expert_leaves_the_background_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    routes = [route_at(80, 120, 55, Lane.TRANSFORMER), route_at(220, 120, 55, Lane.TRANSFORMER, 1)]
    done = pipeline_of(routes, Whitener(fail=True)).process(picture())
    assert done.baseline is not None
    assert np.array_equal(done.frame.y, done.baseline.y)
    assert done.report.degraded == ("expert transformer failed",) * 2
    assert "gave up" in caplog.text


class Waiting(Whitener):
    """Tells when it began and when somebody waited."""

    def __init__(self, told: list[str], *, fail: bool = False) -> None:
        super().__init__(fail=fail)
        self._told = told

    def begin(self, crops: Image) -> Callable[[], Image]:
        self._told.append("begun")
        return partial(self._wait, crops)

    def _wait(self, crops: Image) -> Image:
        self._told.append("waited")
        return self.restore(crops)


class Refusing(Whitener):
    """Can't even begin."""

    def begin(self, crops: Image) -> Callable[[], Image]:
        raise ExpertError("won't begin")


def both_lanes(transformer: Whitener, frequency: Whitener) -> Pipeline:
    return Pipeline(
        FixedRoutes([route_at(80, 120, 55, Lane.TRANSFORMER), route_at(220, 120, 60, Lane.FREQUENCY, 1)]),
        {Lane.TRANSFORMER: LaneWork(transformer), Lane.FREQUENCY: LaneWork(frequency)},
        make_upscaler(BackgroundSettings(), 2),
        make_blender(BlendSettings(color_match=0.0)),
        scale=2,
    )


def test_both_lanes_have_begun_before_one_is_waited_for() -> None:
    told: list[str] = []
    done = both_lanes(Waiting(told), Waiting(told)).process(picture())
    assert told == ["begun", "begun", "waited", "waited"]
    assert done.report.batches == {"transformer": 1, "frequency": 1}
    assert {"align", "expert.transformer", "expert.frequency"} <= set(done.report.stage_seconds)


@pytest.mark.parametrize("failing", [Whitener(fail=True), Refusing()])
def test_a_lane_that_fails_leaves_the_other_its_faces(failing: Whitener) -> None:
    done = both_lanes(failing, Whitener()).process(picture())
    assert done.report.degraded == ("expert transformer failed",)
    assert done.report.batches == {"frequency": 1}
    # Left of the middle is the face of the lane that failed.
    alone = pipeline_of([], Whitener()).process(picture())
    changed = done.frame.y != alone.frame.y
    assert not changed[:, :300].any()
    assert changed[:, 300:].any()


def test_a_pipeline_without_baseline_gives_the_same_picture() -> None:
    routes = [route_at(160, 120, 60, Lane.TRANSFORMER)]
    with_it = pipeline_of(routes, Whitener()).process(picture())
    without = pipeline_of(routes, Whitener(), keep_baseline=False).process(picture())
    assert without.baseline is None
    for one, other in zip(with_it.frame.planes, without.frame.planes, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("place", [(0, 0), (320, 240), (0, 240), (-30, 120), (160, 260), (-500, -500)])
def test_faces_at_the_edge_and_outside_are_no_trouble(place: tuple[int, int]) -> None:
    route = route_at(place[0], place[1], 80, Lane.TRANSFORMER)
    done = pipeline_of([route], Whitener()).process(picture())
    assert done.frame.y.shape == (482, 642)
    assert done.report.degraded == ()


def test_stage_times_are_told_and_add_up() -> None:
    pipeline = pipeline_of([route_at(160, 120, 60, Lane.TRANSFORMER)], Whitener())
    frame = picture()
    started = time.perf_counter()
    done = pipeline.process(frame)
    elapsed = time.perf_counter() - started
    stages = done.report.stage_seconds
    work = {"align", "expert.transformer", "steady", "background", "blend"}
    assert set(stages) == {"detect.rgb", "detect", "route.other", *work}
    assert 0.0 < sum(stages.values()) <= elapsed


def test_a_face_whose_landmarks_coincide_is_left_and_counted() -> None:
    route = route_at(160, 120, 60, Lane.TRANSFORMER)
    bad = replace(route, face=replace(route.face, landmarks=np.full((5, 2), 9.0, np.float32)))
    done = pipeline_of([bad], Whitener()).process(picture())
    assert done.baseline is not None
    assert np.array_equal(done.frame.y, done.baseline.y)
    assert done.report.degraded == ("landmarks coincide",)


def test_an_expert_that_keeps_failing_is_counted_always_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = pipeline_of([route_at(160, 120, 60, Lane.TRANSFORMER)], Whitener(fail=True))
    reports = [pipeline.process(picture()).report for _ in range(3)]
    assert [report.degraded for report in reports] == [("expert transformer failed",)] * 3
    assert caplog.text.count("gave up") == 1


def test_the_overlay_is_drawn_on_the_result_alone() -> None:
    routes = [route_at(160, 120, 60, Lane.SKIP)]
    pipeline = Pipeline(
        FixedRoutes(routes),
        {},
        make_upscaler(BackgroundSettings(), 2),
        make_blender(BlendSettings()),
        scale=2,
        keep_baseline=True,
        overlay=True,
    )
    done = pipeline.process(picture())
    assert done.baseline is not None
    assert not np.array_equal(done.frame.y, done.baseline.y)
    assert "overlay" in done.report.stage_seconds


def test_a_crop_is_what_the_whole_picture_would_give() -> None:
    """Converting the footprint alone gives the pixels that converting the whole frame gives."""
    frame = picture(320, 240)
    to_crop = align.similarity(route_at(150, 110, 70, Lane.TRANSFORMER).face.landmarks, 96)
    whole = cv2.warpAffine(frame.rgb(), to_crop, (96, 96), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(aligned_crop(frame, to_crop, 96).astype(int) - whole).max() <= 1


def test_an_untouched_face_survives_cutting_out_and_laying_on() -> None:
    """With an expert that only enlarges, the way there and back costs little: it is in the right place."""
    routes = [route_at(160, 120, 90, Lane.TRANSFORMER)]
    done = pipeline_of(routes, ResizeExpert(160, 2)).process(picture())
    assert done.baseline is not None
    error = (done.frame.y.astype(float) - done.baseline.y)[160:320, 240:400]
    assert 10 * np.log10(255**2 / max(float((error**2).mean()), 1e-9)) > 38


def test_presence_is_the_share_that_is_laid_on() -> None:
    half = replace(route_at(160, 120, 60, Lane.TRANSFORMER), presence=0.5)
    absent = replace(half, presence=0.0)
    full = pipeline_of([route_at(160, 120, 60, Lane.TRANSFORMER)], Whitener()).process(picture())
    done = pipeline_of([half], Whitener()).process(picture())
    expert = Whitener()
    gone = pipeline_of([absent], expert).process(picture())
    assert done.baseline is not None
    middle = np.s_[230:250, 310:330]
    whole = (full.frame.y.astype(float) - done.baseline.y)[middle].mean()
    assert (done.frame.y.astype(float) - done.baseline.y)[middle].mean() == pytest.approx(whole / 2, abs=1.5)
    assert np.array_equal(gone.frame.y, done.baseline.y)
    assert expert.batches == []


class CountingBlender:
    """A real blender, and how often it was asked."""

    def __init__(self) -> None:
        self._blender = make_blender(BlendSettings("feather"))
        self.calls = 0

    def blend(self, background: Image, patches: Sequence[Patch]) -> Image:
        self.calls += 1
        return self._blender.blend(background, patches)


def test_less_is_spent_on_a_frame_that_asks_for_it() -> None:
    routes, full, light = FixedRoutes([route_at(160, 120, 60, Lane.TRANSFORMER)]), CountingBlender(), CountingBlender()
    lanes = {Lane.TRANSFORMER: LaneWork(Whitener())}
    upscaler = make_upscaler(BackgroundSettings(), 2)
    pipeline = Pipeline(routes, lanes, upscaler, full, light_blender=light, scale=2)
    pipeline.process(picture())
    assert (full.calls > 0, light.calls) == (True, 0)
    full.calls = 0
    pipeline.process(picture(), Effort("less", faces=3, detect_every=9, light_blending=True))
    assert (full.calls, light.calls > 0) == (0, True)
    assert routes.asked == [(None, None), (3, 9)]


class White:
    """A network in name: it enlarges to white."""

    info = ExpertInfo("white", 0, 2, "none", "none needed", "cpu", "numpy", "uint8")

    def upscale(self, image: Image) -> Image:
        return np.full((2 * image.shape[0], 2 * image.shape[1]), 255, np.uint8)


def test_the_backgrounds_network_gives_way_to_the_kernel_where_less_is_to_be_spent() -> None:
    blender = make_blender(BlendSettings("feather"))
    learned = make_upscaler(BackgroundSettings(method="compact"), 2, White())
    plain = make_upscaler(BackgroundSettings(), 2)
    pipeline = Pipeline(FixedRoutes([]), {}, learned, blender, scale=2)
    full = pipeline.process(picture())
    less = pipeline.process(picture(), Effort("less", light_background=True))
    assert (full.frame.y == 255).all()
    np.testing.assert_array_equal(less.frame.y, plain.upscale(picture().y))
    np.testing.assert_array_equal(less.frame.u, full.frame.u)
    assert (full.report.learned_background, less.report.learned_background) == (True, False)
    kernel = Pipeline(FixedRoutes([]), {}, plain, blender, scale=2).process(picture())
    assert not kernel.report.learned_background


@pytest.mark.parametrize("scale", [1, 2])
def test_the_mark_stands_small_in_a_corner_of_the_result_alone(scale: int) -> None:
    frame = picture()
    parts = (make_upscaler(BackgroundSettings(), scale), make_blender(BlendSettings()))
    done = Pipeline(FixedRoutes([]), {}, *parts, scale=scale, keep_baseline=True, mark=True).process(frame)
    plain = Pipeline(FixedRoutes([]), {}, *parts, scale=scale).process(frame)
    assert done.baseline is not None
    np.testing.assert_array_equal(done.baseline.y, plain.frame.y)
    changed = done.frame.y != plain.frame.y
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    height, width = changed.shape
    assert 10 <= rows[-1] - rows[0] + 1 <= height / 15
    assert columns[-1] - columns[0] + 1 <= width / 3
    assert rows[0] > 0.9 * height
    assert columns[0] > 0.6 * width
    mark = done.frame.y[rows[0] : rows[-1], columns[0] : columns[-1]]
    assert mark.max() > 190, "light letters"
    assert np.median(mark) < 60, "on a dark ground"


class Echo:
    """Returns what it is given, as the field's restorers want it cut: what is laid on is then the picture itself."""

    info = ExpertInfo("echo", 256, 1, "none", "none needed", "cpu", "numpy", "uint8", template="ffhq")

    def restore(self, crops: Image) -> Image:
        return crops.copy()

    def begin(self, crops: Image) -> Callable[[], Image]:
        return partial(self.restore, crops)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_face_cut_by_the_fields_template_lies_where_it_was(scale: int) -> None:
    routes = [route_at(150, 110, 120, Lane.TRANSFORMER)]
    frame = picture()

    def luma(lanes: dict[Lane, LaneWork]) -> npt.NDArray[np.float64]:
        upscaler = make_upscaler(BackgroundSettings(), scale)
        made = Pipeline(FixedRoutes(routes), lanes, upscaler, make_blender(BlendSettings()), scale=scale)
        return made.process(frame).frame.y.astype(float)

    plain, laid = luma({}), luma({Lane.TRANSFORMER: LaneWork(Echo())})
    # Against one pixel of the source beside it.
    face = np.s_[60 * scale : 160 * scale, 110 * scale : 190 * scale]
    moved = np.abs(plain[face] - np.roll(plain, scale, axis=1)[face]).mean()
    assert np.abs(laid[face] - plain[face]).mean() < 0.25 * moved
