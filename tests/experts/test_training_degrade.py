"""What a photograph goes through before a network sees it, and that the pair still shows the same square."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from experts.contract import ExpertError
from experts.training import photos
from experts.training.codec import Codec, h264, through, vp8
from experts.training.degrade import draw_codec, tile
from experts.training.pairs import Pair, clip, draw
from experts.training.settings import DegradationSettings, WidthBand
from tests.helpers.portraits import FACE, album, landmarks, portrait

CLEAN = DegradationSettings(
    antialias=(0.45, 0.45),
    blur_share=0.0,
    defocus_share=0.0,
    motion_share=0.0,
    noise_share=0.0,
    jpeg_share=0.0,
    halo_share=0.0,
    relay_share=0.0,
    grade=0.0,
    codec_share=0.0,
    landmark_noise=0.0,
)
HARSH = DegradationSettings(crf=(38.0, 38.0), codec_share=1.0, vp8_share=0.0, noise_luma=(9.0, 9.0), noise_share=1.0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[photos.Photo]:
    return list(photos.index(album(tmp_path_factory.mktemp("data") / "album", count=4)))


def pairs_of(faces: list[photos.Photo], settings: DegradationSettings, *, seed: int = 0) -> list[Pair]:
    random = np.random.default_rng(seed)
    return list(clip(faces, [90.0] * len(faces), settings, size=160, scale=2, random=random))


def psnr(pair: Pair) -> float:
    return float(cv2.PSNR(cv2.resize(pair.low, (320, 320), interpolation=cv2.INTER_CUBIC), pair.high))


def test_index_reads_the_table(faces: list[photos.Photo]) -> None:
    assert [face.path.name for face in faces] == [f"face{seed}.png" for seed in range(4)]
    assert faces[0].width == FACE
    np.testing.assert_allclose(faces[0].landmarks, landmarks())
    assert np.array_equal(faces[0].read()[..., ::-1], portrait(0))


def test_index_refuses_what_is_no_album(tmp_path: Path) -> None:
    with pytest.raises(ExpertError, match=r"no faces\.csv"):
        photos.index(tmp_path)
    (tmp_path / "faces.csv").write_text("file,box_w\na.png,10\n")
    with pytest.raises(ExpertError, match="right_eye_x"):
        photos.index(tmp_path)
    (tmp_path / "faces.csv").write_text("file,box_w\n")
    with pytest.raises(ExpertError, match="no photograph"):
        photos.index(tmp_path)


def test_photo_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ExpertError, match=r"a\.png"):
        photos.Photo(tmp_path / "a.png", 10.0, landmarks()).read()


@pytest.mark.parametrize("seed", [0, 1])
def test_both_pictures_of_a_pair_show_the_same_square(faces: list[photos.Photo], seed: int) -> None:
    for pair in pairs_of(faces, CLEAN, seed=seed):
        large = cv2.resize(pair.low, (320, 320), interpolation=cv2.INTER_CUBIC)
        soft = cv2.GaussianBlur(pair.high, (0, 0), 2.0)
        gray, expected = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) for picture in (large, soft))
        shift, _ = cv2.phaseCorrelate(gray, expected, cv2.createHanningWindow((320, 320), cv2.CV_32F))
        assert max(map(abs, shift)) < 0.12
        # What is left of the error is detail that 90 px cannot hold.
        assert psnr(pair) > 24.0
        assert abs(float(large.mean()) - float(pair.high.mean())) < 0.5


def test_harsher_settings_leave_less(faces: list[photos.Photo]) -> None:
    clean = np.mean([psnr(pair) for pair in pairs_of(faces, CLEAN)])
    harsh = np.mean([psnr(pair) for pair in pairs_of(faces, HARSH)])
    assert harsh < clean - 0.5


@pytest.mark.parametrize(
    "step",
    [
        {"blur_share": 1.0, "blur": (2.0, 2.0)},
        {"defocus_share": 1.0},
        {"motion_share": 1.0},
        {"noise_share": 1.0, "noise_luma": (8.0, 8.0)},
        {"jpeg_share": 1.0, "jpeg": (20.0, 20.0)},
        {"halo_share": 1.0, "halo": (2.0, 2.0)},
        {"relay_share": 1.0},
        {"codec_share": 1.0, "vp8_share": 0.0, "crf": (36.0, 36.0)},
        {"codec_share": 1.0, "vp8_share": 1.0, "vp8_bits": (0.03, 0.03)},
    ],
    ids=["blur", "defocus", "motion", "noise", "jpeg", "halo", "relay", "h264", "vp8"],
)
def test_every_step_changes_the_small_picture_only(
    faces: list[photos.Photo], step: dict[str, float | tuple[float, float]]
) -> None:
    changed = replace(CLEAN, speed=(0.0, 0.0), **step)  # type: ignore[arg-type]  # the fields' types differ
    for before, after in zip(
        pairs_of(faces[:1], replace(CLEAN, speed=(0.0, 0.0))), pairs_of(faces[:1], changed), strict=True
    ):
        assert np.abs(before.low.astype(int) - after.low).mean() > 0.5
        assert np.array_equal(before.high, after.high)


def test_landmark_noise_moves_both_alike(faces: list[photos.Photo]) -> None:
    exact, noisy = pairs_of(faces[:1], CLEAN)[0], pairs_of(faces[:1], replace(CLEAN, landmark_noise=0.05))[0]
    assert np.abs(exact.high.astype(int) - noisy.high).mean() > 1.0
    assert psnr(noisy) > psnr(exact) - 2.0


def test_tile_holds_the_face_at_the_width_asked_for(faces: list[photos.Photo]) -> None:
    random = np.random.default_rng(4)
    made = tile(faces[0], 80.0, side=160, length=3, settings=replace(CLEAN, speed=(2.0, 2.0)), random=random)
    assert made.frames.shape == (3, 160, 160, 3)
    for move in made.from_photo:
        assert np.hypot(move[0, 0], move[1, 0]) == pytest.approx(80.0 / FACE, rel=0.05)
        points = made.landmarks @ move[:, :2].T + move[:, 2]
        assert np.abs(points.mean(axis=0) - 80.0).max() < 12.0
    assert not np.array_equal(made.from_photo[0], made.from_photo[2])


def test_draw_is_the_same_for_the_same_seed(faces: list[photos.Photo]) -> None:
    settings = DegradationSettings(widths=(WidthBand(40, 60),))

    def first(seed: int) -> list[Pair]:
        return list(itertools.islice(draw(faces, settings, size=160, scale=2, random=np.random.default_rng(seed)), 3))

    again = list(zip(first(1), first(1), strict=True))
    assert all(np.array_equal(a.low, b.low) and np.array_equal(a.high, b.high) for a, b in again)
    assert not np.array_equal(first(1)[0].low, first(2)[0].low)
    assert all(40 <= pair.width <= 60 for pair in first(1))


def moving_square(length: int) -> list[np.ndarray]:
    frames = [np.full((96, 160, 3), 60, np.uint8) for _ in range(length)]
    for t, frame in enumerate(frames):
        frame[30:60, 10 + 20 * t : 40 + 20 * t] = (220, 180, 60)
    return frames


@pytest.mark.parametrize(
    "codec",
    [
        h264(crf=24.0, preset="ultrafast", zero_latency=True),
        h264(crf=24.0, preset="medium", zero_latency=False),
        vp8(bits_a_pixel=0.3),
    ],
    ids=["h264 call", "h264 file", "vp8"],
)
def test_codec_gives_every_frame_back_in_order(codec: Codec) -> None:
    sent = moving_square(6)
    seen = through(codec, sent)
    assert len(seen) == len(sent)
    for before, after in zip(sent, seen, strict=True):
        assert not np.array_equal(before, after)
        assert cv2.PSNR(before, after) > 24.0


def test_higher_crf_costs_quality() -> None:
    sent = [portrait(1)] * 3
    fine, coarse = (
        cv2.PSNR(sent[2], through(h264(crf=crf, preset="veryfast", zero_latency=True), sent)[2]) for crf in (18.0, 38.0)
    )
    assert fine > coarse + 2.0


def test_codecs_are_drawn_in_their_shares() -> None:
    random = np.random.default_rng(3)
    settings = DegradationSettings(codec_share=0.8, vp8_share=0.25)
    drawn = [draw_codec(settings, random) for _ in range(800)]
    assert drawn.count(None) == pytest.approx(160, abs=40)
    assert sum(codec is not None and codec.encoder == "libvpx" for codec in drawn) == pytest.approx(160, abs=40)
