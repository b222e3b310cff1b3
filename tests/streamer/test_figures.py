"""How much restoration changed faces: figures that are known by construction, and a film that is none the wiser."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from blending import align
from blending.blender import BlendSettings, make_blender
from experts.background import BackgroundSettings, make_upscaler
from experts.contract import Expert, ExpertInfo, Image
from experts.embedding import EmbedderInfo, Points, Vectors
from experts.quality.change import EQUAL_DB, Arithmetic, agreement
from experts.resize import ResizeExpert
from routing.types import Lane, Route
from streamer.cli import main
from streamer.figures import FaceSampler
from streamer.figures_measuring import FIGURES, Figures
from streamer.frame import FrameReport
from streamer.judging import Judge
from streamer.pipeline import Pipeline
from streamer.report import RunTally, compose_report, print_table
from streamer.restoring import LaneWork
from tests.helpers.films import frames_of, talking_head
from tests.helpers.torchvision_here import make_importable
from tests.streamer.test_pipeline import FixedRoutes, picture, route_at
from tests.streamer.test_report import FACTS
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings

FRAMES = 4


class Grey:
    """Paints every face grey."""

    info = ExpertInfo("grey", 64, 2, "none", "none needed", "cpu", "numpy", "uint8")

    def restore(self, crops: Image) -> Image:
        return np.full((len(crops), 128, 128, 3), 128, np.uint8)

    def begin(self, crops: Image) -> Callable[[], Image]:
        return partial(self.restore, crops)


class Coarse:
    """An embedder that sees the means of 16 x 16 cells."""

    info = EmbedderInfo("coarse", 768, 0.5, "none", "none needed", "cpu", "numpy", "float32")

    def embed(self, crops: Image, template: Points = align.TEMPLATE) -> Vectors:
        side = crops.shape[1] // 16 * 16
        cells = crops[:, :side, :side].reshape(len(crops), 16, side // 16, 16, side // 16, 3).mean((2, 4))
        vectors = (cells - cells.mean((1, 2), keepdims=True)).reshape(len(crops), -1)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    made = Judge(Coarse())
    yield made
    made.close()


def way(expert: Expert, routes: list[Route], sampler: FaceSampler | None, *, strength: float = 1.0) -> Pipeline:
    return Pipeline(
        FixedRoutes(routes),
        {Lane.TRANSFORMER: LaneWork(expert, strength)},
        make_upscaler(BackgroundSettings(), 2),
        make_blender(BlendSettings(color_match=0.0)),
        scale=2,
        overlay=True,
        sampler=sampler,
    )


def at(number: int) -> Route:
    return route_at(160, 120, 80, Lane.TRANSFORMER, track_id=number)


def measured(sampler: FaceSampler, judge: Judge | None, folder: Path) -> dict[str, Any]:
    figures = Figures(sampler, judge)
    figures.load(Store(StoreSettings(folder=folder, offline=True)), RuntimeSettings())
    while figures.measure():
        pass
    return figures.told()


def test_a_face_that_nobody_changed_has_the_best_figures_and_a_grey_one_bad_ones(judge: Judge, tmp_path: Path) -> None:
    same, grey = FaceSampler(2), FaceSampler(2)
    way(ResizeExpert(), [at(1)], same).process(picture())
    way(Grey(), [at(1)], grey).process(picture())
    good, bad = (measured(sampler, judge, tmp_path) for sampler in (same, grey))
    assert good["psnr_db"] > 38.0 > 25.0 > bad["psnr_db"]
    assert good["ssim"] > 0.97 > 0.95 > bad["ssim"]
    assert good["identity"] > 0.995 > 0.9 > bad["identity"]
    assert (good["faces"], good["of_restored"], good["tracks"]) == (1, 1, 1)


def test_what_is_measured_is_the_face_as_it_lies_in_the_picture_before_boxes_are_drawn() -> None:
    faint, full = FaceSampler(2), FaceSampler(2)
    way(Grey(), [at(1)], faint, strength=0.1).process(picture())
    way(Grey(), [at(1)], full).process(picture())
    (weak,), (strong,) = faint.pairs, full.pairs
    np.testing.assert_array_equal(weak.before, strong.before)
    nothing = np.abs(weak.after.astype(int) - weak.before).mean()
    assert 0.0 < 5.0 * nothing < np.abs(strong.after.astype(int) - strong.before).mean() * 1.1
    # 80 px wide, enlarged twice: a crop pixel is one of the output.
    unit = align.similarity(at(1).face.landmarks * 2, weak.before.shape[0], "ffhq")
    assert np.hypot(unit[0, 0], unit[1, 0]) == pytest.approx(1.0, abs=0.01)


def test_equal_pictures_are_as_near_as_can_be() -> None:
    arithmetic, one = Arithmetic(), np.random.default_rng(0).uniform(0, 255, (40, 40))
    assert arithmetic.psnr(one, one) == EQUAL_DB
    assert arithmetic.psnr(np.zeros((20, 20)), np.full((20, 20), 25.5)) == pytest.approx(20.0)
    assert arithmetic.ssim(one, one) == pytest.approx(1.0)


def test_parsings_agree_by_their_parts_and_by_their_pixels() -> None:
    before, after = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    before[:50], after[:50] = 1, 1
    before[60:80, :50], after[70:90, :50] = 2, 2
    after[99, :5] = 3  # a speck
    found = agreement(before, after)
    assert found.iou == pytest.approx((1.0 + 1.0 / 3.0) / 2.0)
    assert found.pixels == pytest.approx(1.0 - (2 * 500 + 5) / 10_000)
    assert agreement(before * 0, before * 0) == (None, 1.0)


def test_the_sample_is_bounded_and_even_over_every_track() -> None:
    sampler, frame = FaceSampler(1, most=8), picture()
    for number in range(40):
        routes = [at(1), at(2)] if number < 20 else [at(1)]
        sampler.look(frame, replace(frame, seq=number), routes, {1: 1.0, 2: 0.5})
    kept = [(taken.track, taken.number) for taken in sampler._taken]
    assert kept == [(0, 0), (1, 0), (0, 8), (1, 8), (0, 16), (1, 16), (0, 24), (0, 32)]
    assert (sampler.restored, sampler.tracks) == (60, 2)
    for track in range(3, 40):
        sampler.look(frame, frame, [at(track)], {track: 1.0})
    assert len(sampler.pairs) <= 8
    assert sampler.tracks >= 4
    before = sampler.restored
    fading = [replace(at(1), fading=True), replace(at(2), presence=0.5)]
    sampler.look(frame, frame, [*fading, at(50)], {1: 1.0, 2: 0.5, 50: 0.0})
    assert sampler.restored == before


def test_a_missing_package_is_told_before_weights_that_are_missing_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for package in ("lpips", "facexlib"):
        monkeypatch.setitem(sys.modules, package, None)
    missing = measured(FaceSampler(2), None, tmp_path)["not_measured"]
    assert missing["lpips"].startswith("lpips is not installed; pip install")
    assert missing["parsing_iou"].startswith("facexlib is not installed; pip install")


def test_what_cannot_be_measured_says_what_to_do(tmp_path: Path) -> None:
    make_importable()
    sampler = FaceSampler(2)
    way(Grey(), [at(1)], sampler).process(picture())
    told = measured(sampler, None, tmp_path)
    missing = told["not_measured"]
    assert "--judge" in missing["identity"]
    assert "facelane weights pull parsenet --accept-licence parsenet" in missing["parsing_iou"]
    assert set(missing) == {name for name in FIGURES if told[name] is None}
    store = Store(StoreSettings(folder=tmp_path, offline=True))
    store.accept("parsenet")
    missing = measured(sampler, None, tmp_path)["not_measured"]
    assert missing["parsing_pixels"] == (
        "the weights parsenet are not here; fetch them: facelane weights pull parsenet"
    )
    console = Console(width=140, record=True, file=io.StringIO())
    print_table(compose_report(RunTally(), replace(FACTS, change=told)), console)
    shown = console.export_text()
    assert "How much restoration changed 1 of 1 restored faces" in shown
    assert "not measured: no judge is set" in shown


def test_intensity_is_what_was_really_laid_on() -> None:
    tally = RunTally()
    faint = replace(at(1), presence=0.4)
    for routes in ([at(1)], [faint]):
        tally.add(way(Grey(), routes, None, strength=0.5).process(picture()).report)
    tally.add(FrameReport(2, {}, strengths={1: 0.0}))
    assert compose_report(tally, FACTS)["enhancement_intensity"] == pytest.approx((0.5 + 0.2 + 0.0) / 3, abs=1e-4)
    assert compose_report(RunTally(), FACTS)["enhancement_intensity"] is None


def test_a_film_comes_out_the_same_to_the_bit(store: Store, tmp_path: Path) -> None:
    told = tmp_path / "report.json"
    film = talking_head(store, tmp_path / "film.mkv", times=2, frames=FRAMES)
    words = ["--codec", "ffv1", "--scale", "1", "--quiet", "--expert", "resize"]
    assert main(["process", str(film), str(tmp_path / "plain.mkv"), *words]) == 0
    measuring = [*words, "--metrics", "--report", str(told)]
    assert main(["process", str(film), str(tmp_path / "measured.mkv"), *measuring]) == 0
    for one, other in zip(frames_of(tmp_path / "plain.mkv"), frames_of(tmp_path / "measured.mkv"), strict=True):
        for plane, same in zip(one.planes, other.planes, strict=True):
            np.testing.assert_array_equal(plane, same)
    report = json.loads(told.read_text(encoding="utf-8"))
    assert report["change"]["faces"] == report["change"]["of_restored"] == FRAMES
    assert 30.0 < report["change"]["psnr_db"] < 100.0
    assert 0.9 < report["change"]["ssim"] < 1.0
    assert report["enhancement_intensity"] == 1.0
