"""What a photograph goes through before a network sees it: each step does what it says, and only where it may."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from experts.contract import ExpertError, Image
from experts.training import lens, photos
from experts.training.degradation import DegradationSettings, WidthBand, middle, names_of_ranges, spotless
from experts.training.degrade import draw_codec, tile
from experts.training.motion import Motion
from experts.training.pairs import Pair, clip
from experts.training.settings import load
from tests.helpers.portraits import FACE, album, landmarks, portrait

CLEAN = replace(spotless(DegradationSettings()), speed=(0.0, 0.0), sway=(0.0, 0.0), landmark_noise=0.0)
HARSH = replace(CLEAN, crf=(38.0, 38.0), codec_share=1.0, noise=(9.0, 9.0), noise_share=1.0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[photos.Photo]:
    return list(photos.index(album(tmp_path_factory.mktemp("data") / "album", count=4)))


def pairs_of(faces: list[photos.Photo], settings: DegradationSettings, *, seed: int = 0) -> list[Pair]:
    random = np.random.default_rng(seed)
    return list(clip(faces, [90.0] * len(faces), settings, size=160, scale=2, random=random))


def psnr(pair: Pair) -> float:
    return float(cv2.PSNR(cv2.resize(pair.low, (320, 320), interpolation=cv2.INTER_CUBIC), pair.high))


def sharpness(image: Image) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def changed(settings: DegradationSettings, step: dict[str, object]) -> DegradationSettings:
    return replace(settings, **step)  # type: ignore[arg-type]  # the fields' types differ


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


def test_near_cuts_and_shrinks_about_the_face(faces: list[photos.Photo], tmp_path: Path) -> None:
    whole, close = faces[0].read(), photos.near(faces[0], 0.8, 100.0)
    assert close.width == pytest.approx(100.0)
    assert max(close.picture.shape) == pytest.approx(160, abs=2)
    # The landmarks lie on the same parts: the pupils are dark in both.
    for (x, y), (near_x, near_y) in zip(faces[0].landmarks[:2], close.landmarks[:2], strict=True):
        one, other = whole[round(y), round(x)], close.picture[round(near_y), round(near_x)]
        assert np.abs(one.astype(int) - other).max() < 25
    assert np.array_equal(photos.near(faces[0], 9.0).picture, whole)
    outside = replace(faces[0], landmarks=faces[0].landmarks + 5000.0)
    with pytest.raises(ExpertError, match="outside"):
        photos.near(outside, 0.8)


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
        {"clip_share": 1.0, "clip": (0.3, 0.3)},
        {"veil_share": 1.0, "veil": (0.02, 0.02)},
        {"noise_share": 1.0, "noise": (8.0, 8.0)},
        {"denoise_share": 1.0, "denoise": (1.0, 1.0)},
        {"jpeg_share": 1.0, "jpeg": (20.0, 20.0)},
        {"halo_share": 1.0, "halo": (2.0, 2.0)},
        {"speck_share": 1.0, "speck": (2.0, 2.0)},
        {"lost_share": 1.0},
        {"codec_share": 1.0, "crf": (36.0, 36.0)},
        {"codec_share": 1.0, "rate_share": 1.0, "rate_bits": (0.06, 0.06)},
        {"codec_share": 1.0, "vp8_share": 1.0, "vp8_bits": (0.03, 0.03)},
        {"codec_share": 1.0, "vp9_share": 1.0, "vp9_bits": (0.03, 0.03)},
    ],
    ids=lambda step: "-".join(name for name in step if name.endswith("_share")),
)
def test_damage_changes_the_small_picture_only(faces: list[photos.Photo], step: dict[str, object]) -> None:
    for before, after in zip(pairs_of(faces[:1], CLEAN), pairs_of(faces[:1], changed(CLEAN, step)), strict=True):
        assert np.abs(before.low.astype(int) - after.low).mean() > 0.15
        assert np.array_equal(before.high, after.high)


def test_relay_costs_more_than_the_last_encode_alone(faces: list[photos.Photo]) -> None:
    once = replace(CLEAN, codec_share=1.0, crf=(26.0, 26.0))
    twice = replace(once, relay_share=1.0, relay=(1.6, 1.6))
    for before, after in zip(pairs_of(faces, once), pairs_of(faces, twice), strict=True):
        assert np.array_equal(before.high, after.high)
        assert sharpness(after.low) < sharpness(before.low)


@pytest.mark.parametrize("name", ["blur", "defocus", "motion"])
def test_blur_lowers_sharpness_step_by_step(faces: list[photos.Photo], name: str) -> None:
    strengths = (0.6, 1.2, 2.4, 4.8)
    steps = [{name: (strength, strength), f"{name}_share": 1.0} for strength in strengths]
    found = [sharpness(pairs_of(faces[:1], changed(CLEAN, step))[0].low) for step in steps]
    assert all(after < 0.9 * before for before, after in itertools.pairwise(found)), found


def test_uneven_blur_is_longer_one_way() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    point = np.asarray(cv2.GaussianBlur(point, (0, 0), 1.0), np.uint8) * np.uint8(6)
    across, down = (np.asarray(lens.gaussian(point, 3.0, 2.0, upright=up))[..., 0] for up in (False, True))
    assert (across[32] > 0).sum() > 1.4 * (across[:, 32] > 0).sum()
    assert (down[:, 32] > 0).sum() > 1.4 * (down[32] > 0).sum()


@pytest.mark.parametrize("name", ["area", "bicubic", "lanczos"])
def test_kernels_pass_what_they_should(name: str) -> None:
    taps = lens.taps(name, 2.0)
    assert taps is not None
    assert taps.sum() == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_allclose(taps, taps[::-1])
    response = np.abs(np.fft.rfft(taps, 256))
    # Half the sampling rate is a quarter of the fine one: what lies below is kept more than what would alias.
    assert response[24] > 0.7
    assert response[112:].max() < 0.45
    assert (taps.min() < 0) == (name in ("bicubic", "lanczos"))


def test_kernels_go_from_soft_to_sharp(faces: list[photos.Photo]) -> None:
    def found(name: str) -> float:
        return float(np.mean([sharpness(pair.low) for pair in pairs_of(faces, replace(CLEAN, kernels=(name,)))]))

    assert found("gaussian") < found("area") < found("bicubic") < found("lanczos") < found("bilinear")


def test_smear_follows_the_motion(faces: list[photos.Photo]) -> None:
    for seed in range(5):
        motion = Motion.draw(replace(CLEAN, speed=(2.0, 2.0)), np.random.default_rng(seed))
        path = motion.path(faces[0].landmarks, 0.5, side=400, length=2)
        middle_of_face = faces[0].landmarks.mean(axis=0)
        along = [np.cos(motion.towards), np.sin(motion.towards)]
        moved = (path[1] - path[0])[:, :2] @ middle_of_face + (path[1] - path[0])[:, 2]
        seen = path[0][:, :2] @ along
        assert moved @ seen / (np.hypot(*moved) * np.hypot(*seen)) > 0.999


def test_tile_holds_the_face_at_the_width_asked_for(faces: list[photos.Photo]) -> None:
    random = np.random.default_rng(4)
    moving = replace(CLEAN, speed=(2.0, 2.0), sway=(1.5, 1.5))
    made = tile(faces[0], 80.0, side=160, length=40, settings=moving, random=random)
    assert made.frames.shape == (40, 160, 160, 3)
    places = [made.landmarks @ move[:, :2].T + move[:, 2] for move in made.from_photo]
    for points in places:
        assert np.abs(points.mean(axis=0) - 80.0).max() < 18.0
    for before, after in itertools.pairwise(places):
        assert np.abs(after - before).max() < 4.0
    assert not np.array_equal(made.from_photo[0], made.from_photo[2])


def test_codecs_are_drawn_in_their_shares() -> None:
    random = np.random.default_rng(3)
    settings = DegradationSettings(codec_share=0.8, vp8_share=0.25, vp9_share=0.1, key_share=0.5, relay_share=0.2)
    drawn = [draw_codec(settings, random, used=(2, 5)) for _ in range(800)]
    codecs = [codec for codec in drawn if codec is not None]
    assert drawn.count(None) == pytest.approx(160, abs=40)
    assert sum(codec.encoder == "libvpx" for codec in codecs) == pytest.approx(160, abs=40)
    assert sum(codec.encoder == "libvpx-vp9" for codec in codecs) == pytest.approx(64, abs=30)
    assert sum(codec.keys in ((2,), (5,)) for codec in codecs) == pytest.approx(320, abs=50)
    assert sum(codec.before is not None for codec in codecs) == pytest.approx(128, abs=40)
    assert {codec.before_size < 1 for codec in codecs if codec.before} == {True, False}


def test_middle_fixes_every_range_and_step(faces: list[photos.Photo]) -> None:
    settings = DegradationSettings(blur=(1.0, 2.0), blur_share=0.6, halo_share=0.2, presets=("a", "b", "c"))
    fixed = middle(settings)
    assert fixed.blur == (1.5, 1.5)
    assert (fixed.blur_share, fixed.halo_share, fixed.presets) == (1.0, 0.0, ("b",))
    assert fixed.widths == settings.widths
    for name in names_of_ranges():
        low, high = getattr(fixed, name)
        assert low == high == sum(getattr(settings, name)) / 2
    assert middle(fixed) == fixed
    fixed = middle(DegradationSettings())
    one, again = pairs_of(faces[:2], fixed, seed=5), pairs_of(faces[:2], fixed, seed=5)
    assert all(np.array_equal(a.low, b.low) for a, b in zip(one, again, strict=True))


def test_middle_lies_between_spotless_and_harsh(faces: list[photos.Photo]) -> None:
    settings = replace(DegradationSettings(), landmark_noise=0.0)
    clean, fair = (np.mean([psnr(p) for p in pairs_of(faces, s)]) for s in (spotless(settings), middle(settings)))
    assert clean - 9.0 < fair < clean - 1.0


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"blur": (2.0, 1.0)}, r"blur .*low to high"),
        ({"blur": 2.0}, r"blur .*\[low, high\]"),
        ({"blur_share": 1.5}, "blur_share"),
        ({"kernels": ("area", "cubic")}, "kernels are one or more of"),
        ({"covers": ()}, "covers"),
        ({"widths": ()}, "widths"),
    ],
)
def test_wrong_strengths_are_named(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ExpertError, match=complaint):
        changed(DegradationSettings(), wrong)


def test_every_configuration_states_every_strength() -> None:
    tables = [path for path in Path(photos.__file__).parent.glob("*.toml") if path.stem != "evaluation"]
    assert tables
    for path in tables:
        text, settings = path.read_text(encoding="utf-8"), load(path).degradation
        assert all(f"\n{name} = " in text for name in DegradationSettings.__dataclass_fields__), path
        assert all(isinstance(band, WidthBand) for band in settings.widths)
