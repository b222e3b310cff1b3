"""Samples, methods and the table of the bench."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from experts.contract import ExpertError, Image
from experts.ncnn_network import NcnnNetwork
from experts.pictures import Rescaled
from experts.quality import plots, stills
from experts.quality.clips import recipe, shoot, shrink
from experts.quality.measure import Instruments, Measurement, measure
from experts.quality.methods import (
    Absent,
    Enlarged,
    ExpertMethod,
    NetworkMethod,
    PictureMethod,
    RoutedMethod,
    bicubic,
    kernels,
)
from experts.quality.report import Report
from experts.quality.row import rows_of
from experts.quality.sample import SCALE, Group, Routed, Sample, band_of, enlarged
from experts.quality.sheet import CELL, FACES, Sheet
from experts.resize import ResizeExpert
from experts.training import photos
from experts.training.degradation import DegradationSettings, middle, spotless
from tests.helpers.portraits import album, landmarks, portrait

MIDDLE = middle(DegradationSettings(presets=("ultrafast",)))
CLEAN = replace(spotless(DegradationSettings()), landmark_noise=0.0)

LANE = {"weights": "small 0123", "runtime": "OpenVINO", "precision": "bf16"}

UPSCALER = """7767517
2 2
Input    picture  0 1 data
Interp   enlarge  1 1 data output 0=1 1=4.0 2=4.0
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> list[photos.Photo]:
    return list(photos.index(album(tmp_path_factory.mktemp("data") / "album", count=3)))


def made(people: list[photos.Photo], settings: DegradationSettings, seed: int = 5) -> list[Sample]:
    return list(stills.stills(people, settings, seed=seed, route=None))


def drawn(frames: int = 1, source: str = "pictures") -> Sample:
    """A portrait of 480 px, halved without any harm."""
    high = portrait(3)
    low = np.asarray(cv2.resize(high, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    points = (landmarks() + 0.5) / 2 - 0.5
    return Sample(
        name="drawn",
        group=Group(source, (100, 150), "sharp"),
        width=100.0,
        low=np.stack([low] * frames),
        high=np.stack([high] * frames),
        landmarks=np.stack([points] * frames),
        true_landmarks=np.stack([points] * frames),
    )


def ignore(_sample: Sample, _results: dict[str, Enlarged]) -> None:
    return


def test_every_photograph_is_in_each_band_that_it_is_wide_enough_for(people: list[photos.Photo]) -> None:
    samples = made(people, MIDDLE)
    # The drawn faces are 200 px wide: enough to be the truth of 100 px.
    assert len(samples) == stills.count(people) == 3 * 3 * 2
    for sample in samples:
        low, high = sample.group.band
        assert low <= sample.width <= high
        assert sample.width <= 100.0
        assert sample.high.shape[1:3] == tuple(SCALE * side for side in sample.low.shape[1:3])
    narrow = [replace(photo, width=120.0) for photo in people]
    assert {sample.group.band for sample in made(narrow, CLEAN)} == {(50, 75)}


def test_samples_are_the_same_for_the_same_seed_alone(people: list[photos.Photo]) -> None:
    one, again, other = made(people[:1], MIDDLE), made(people[:1], MIDDLE), made(people[:1], MIDDLE, seed=6)
    assert all(np.array_equal(a.low, b.low) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0].low, other[0].low)
    # Nor does it matter who else is there.
    beside = [sample for sample in made(people, MIDDLE) if sample.name == one[0].name]
    assert all(np.array_equal(a.low, b.low) for a, b in zip(one, beside, strict=True))


def test_truth_lies_where_the_small_face_does_and_sharp_is_sharper(people: list[photos.Photo]) -> None:
    for sample in made(people[:1], CLEAN):
        area = sample.area(0)
        assert cv2.PSNR(bicubic(sample.low[0])[area], sample.high[0][area]) > 28.0
        moved = np.roll(sample.high[0], 3, axis=1)
        assert cv2.PSNR(bicubic(sample.low[0])[area], moved[area]) < 26.0
        height = area[0].stop - area[0].start
        assert height == pytest.approx(SCALE * sample.width * 0.85 / 0.6, rel=0.15)
    soft, sharp = made(people[:1], MIDDLE)[:2]
    assert (soft.group.sharpness, sharp.group.sharpness) == ("soft", "sharp")
    detail = [cv2.Laplacian(sample.low[0], cv2.CV_64F).var() for sample in (soft, sharp)]
    assert detail[1] > 1.2 * detail[0]


def test_a_clip_is_halved_in_its_place() -> None:
    frame = shrink(portrait(2), 0.73)
    assert frame.shape[0] % 4 == 0
    truth = np.stack([frame] * 3)
    low = shoot(truth, CLEAN, seed=1)
    assert {small.shape for small in low} == {(frame.shape[0] // 2, frame.shape[1] // 2, 3)}
    assert cv2.PSNR(bicubic(low[1]), frame) > 26.0
    assert np.array_equal(low, shoot(truth, CLEAN, seed=1))


def test_a_clip_is_slightly_blurred_and_noised_and_a_soft_one_more() -> None:
    still = np.stack([shrink(portrait(2), 0.73)] * 3)
    clean, sharp, soft = (shoot(still, settings, seed=1) for settings in (CLEAN, recipe("sharp"), recipe("soft")))
    noise = np.subtract(sharp[1], sharp[2], dtype=np.float64).std(axis=2).mean()
    assert np.array_equal(clean[1], clean[2])
    assert 1.0 < noise < 4.0
    detail = [cv2.Laplacian(cv2.GaussianBlur(np.mean(each, axis=0), (0, 0), 0.7), cv2.CV_64F).var()
              for each in (clean, sharp, soft)]  # fmt: skip
    assert detail[0] > detail[1] > 1.5 * detail[2]
    assert cv2.PSNR(sharp[0], clean[0]) > 27.0


def test_bands_hold_their_lower_bound() -> None:
    assert [band_of(width) for width in (49.9, 50, 75, 149.9, 150)] == [None, (50, 75), (75, 100), (100, 150), None]
    assert enlarged(np.array([[0.0, 10.0]])).tolist() == [[0.5, 20.5]]


def test_an_expert_is_laid_on_where_the_face_is() -> None:
    sample = drawn()
    result = ExpertMethod("resize", ResizeExpert()).enlarge(sample, 1)
    area = sample.area(0)
    assert cv2.PSNR(result.pictures[0][area], bicubic(sample.low[0])[area]) > 34.0
    assert cv2.PSNR(result.pictures[0][area], sample.high[0][area]) > 28.0
    assert result.seconds[0] > 0.0


def test_a_network_for_four_times_is_averaged_down(tmp_path: Path) -> None:
    param = tmp_path / "up.param"
    param.write_text(UPSCALER)
    param.with_suffix(".bin").write_bytes(b"")
    network = Rescaled(NcnnNetwork(param, param.with_suffix(".bin"), id="up", scale=4), 2)
    picture = np.asarray(np.random.default_rng(1).integers(0, 256, (12, 20, 3)), np.uint8)
    assert np.array_equal(network.upscale(picture), picture.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "is no file"),
        ("nothing", "not a network"),
        (UPSCALER.replace("output", "other"), "none of Real-ESRGAN's"),
    ],
)
def test_other_files_are_no_network(tmp_path: Path, text: str | None, complaint: str) -> None:
    param, weights = tmp_path / "up.param", tmp_path / "up.bin"
    weights.write_bytes(b"")
    if text is not None:
        param.write_text(text)
    with pytest.raises(ExpertError, match=complaint):
        NcnnNetwork(param, weights, id="up", scale=4)


def test_a_network_sees_the_face_and_little_else() -> None:
    sample, seen = drawn(), []

    def upscale(picture: Image) -> Image:
        seen.append(picture.shape)
        return np.asarray(255 - bicubic(picture), np.uint8)

    picture = NetworkMethod("network", upscale).enlarge(sample, 1).pictures[0]
    area, plain = sample.area(0), bicubic(sample.low[0])
    assert np.abs(picture[area].astype(int) + plain[area] - 255).mean() < 1.0
    assert np.array_equal(picture[:40], plain[:40])
    assert seen[0][0] < (area[0].stop - area[0].start) / SCALE + 28


def test_a_method_is_as_good_as_its_pictures() -> None:
    sample = drawn()
    truth = PictureMethod("truth", lambda _: sample.high[0])
    plain = kernels()[0]
    perfect, simple = measure([sample], [truth, plain], plain, Instruments(), measured=ignore)
    assert perfect.own.psnr == float("inf")
    assert perfect.own.haarpsi == pytest.approx(1.0)
    assert perfect.own.high_frequencies == pytest.approx(1.0)
    assert perfect.own.identity is None
    assert perfect.own.flicker is None
    assert perfect.bicubic.psnr == simple.own.psnr < 45.0


def test_heavy_methods_see_few_faces_and_frames_and_are_compared_on_those() -> None:
    clip = drawn(frames=5, source="clips")
    low = clip.low.copy()
    low[3:] //= 2
    clip = replace(clip, low=low)
    slow = PictureMethod("slow", bicubic, heavy=True)
    found = measure([clip] * 3, [kernels()[0], slow], kernels()[0], Instruments(), heavy_faces=2, measured=ignore)
    assert [each.method for each in found].count("slow") == 2
    quick, heavy = found[0], found[1]
    assert heavy.own.psnr == heavy.bicubic.psnr > quick.own.psnr
    assert quick.own.flicker is not None
    assert heavy.own.flicker is not None
    assert quick.own.flicker > heavy.own.flicker


def test_flicker_of_a_trembling_method_is_seen() -> None:
    clip = drawn(frames=4, source="clips")
    turns = iter([0, 0, 6, 0, 6])

    def tremble(low: Image) -> Image:
        return np.asarray(np.clip(bicubic(low).astype(int) + next(turns), 0, 255), np.uint8)

    steady, trembling = measure(
        [clip], [kernels()[0], PictureMethod("tremble", tremble)], kernels()[0], Instruments(), measured=ignore
    )
    assert steady.own.flicker == 0.0
    assert trembling.own.flicker == pytest.approx(6.0, abs=0.2)


def measured_drawn() -> tuple[list[Measurement], Sheet]:
    sample = drawn()
    pictures = bicubic(sample.low[0])[None]
    sample = replace(sample, routed=Routed(pictures, ("frequency",), (0.01,)))
    methods = [*kernels(), RoutedMethod()]
    sheet = Sheet([method.name for method in methods])
    samples = [sample] * (FACES + 1)
    return measure(samples, methods, methods[0], Instruments(), measured=sheet.add), sheet


def test_report_names_what_is_absent_and_how_many_faces_each_row_saw() -> None:
    absent = [Absent("realesrgan-x4plus", "install it")]
    report = Report.of(measured_drawn()[0], grouped={}, absent=absent, notes=["identity is not measured"], settings={})
    text = report.to_markdown()
    assert "realesrgan-x4plus: install it" in text
    assert "identity is not measured" in text
    head, *lines = report.details("pictures")
    assert [line[head.index("method")] for line in lines] == ["bicubic", "lanczos", "as routed", "realesrgan-x4plus"]
    assert [line[head.index("faces")] for line in lines] == ["3", "3", "3", "absent"]
    assert lines[2][head.index("lanes taken")] == "frequency 100 %"
    assert "identity" not in head
    head, plain, lanczos, _ = report.gains("pictures")
    assert plain[head.index("PSNR dB")] == lines[0][4]
    assert "Measured with" not in text
    assert lanczos[head.index("PSNR dB")][0] in "+-"
    assert lanczos[head.index("high freq.")] == lines[1][7]
    assert report.people("pictures") is None
    assert [row["method"] for row in report.to_dict()["rows"]] == ["bicubic", "lanczos", "as routed"]


def test_who_saw_fewer_faces_is_marked_and_compared_on_those() -> None:
    slow = PictureMethod("slow", bicubic, heavy=True)
    methods = [*kernels(), slow]
    found = measure([drawn()] * 3, methods, methods[0], Instruments(), heavy_faces=1, measured=ignore)
    report = Report.of(found, grouped={}, absent=[], notes=[], settings={"seed": 5, "lanes": {"frequency": LANE}})
    head, *lines = report.details("pictures")
    told = {line[head.index("method")]: dict(zip(head, line, strict=True)) for line in lines}
    assert [told[name]["faces"] for name in ("bicubic", "lanczos", "slow")] == ["3", "3", "1 of 3"]
    assert told["bicubic"]["dB +"] == told["slow"]["dB +"] == "+0.00"
    assert float(told["lanczos"]["dB +"]) == pytest.approx(
        float(told["lanczos"]["PSNR dB"]) - float(told["bicubic"]["PSNR dB"]), abs=0.011
    )
    for text in (report.to_markdown(), report.to_card(["lanczos"])):
        assert "Measured with frequency: small 0123 (OpenVINO, bf16); seed 5." in text
    assert "slow" not in report.to_card(["lanczos"])


def test_sheet_and_plot_show_every_method() -> None:
    measurements, sheet = measured_drawn()
    picture = sheet.picture()
    # Source, three methods and the truth beside the labels.
    assert picture.shape[1] - 5 * CELL == pytest.approx(120, abs=20)
    assert picture.shape[0] - FACES * CELL == pytest.approx(30, abs=10)
    plot = cv2.imdecode(np.frombuffer(plots.draw(rows_of(measurements), "pictures"), np.uint8), cv2.IMREAD_COLOR)
    assert plot is not None
    assert min(plot.shape[:2]) > 300
