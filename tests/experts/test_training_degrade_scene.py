"""Light and covers are in both pictures of a pair; what a sensor loses and what is small, in the input alone."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from experts.contract import Image
from experts.training.camera import Camera
from experts.training.covers import cover
from experts.training.degradation import COVERS, DegradationSettings, spotless
from experts.training.degrade import tile
from experts.training.light import GAMMA, Light
from experts.training.pairs import Pair, clip
from experts.training.photos import Photo, index
from experts.training.specks import lose, sprinkle
from tests.helpers.portraits import FACE, album, landmarks, portrait

CLEAN = replace(spotless(DegradationSettings()), speed=(0.0, 0.0), sway=(0.0, 0.0), landmark_noise=0.0)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Photo:
    return index(album(tmp_path_factory.mktemp("data") / "album", count=1))[0]


def one(face: Photo, settings: DegradationSettings, *, seed: int = 0) -> Pair:
    return next(clip([face], [90.0], settings, size=160, scale=2, random=np.random.default_rng(seed)))


def large(pair: Pair) -> Image:
    return np.asarray(cv2.resize(pair.low, (320, 320), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(
    "step",
    [
        {"light_share": 1.0, "exposure": (-1.5, -1.5)},
        {"light_share": 1.0, "exposure": (0.0, 0.0), "cast": (0.2, 0.2)},
        {"gradient_share": 1.0, "gradient": (1.5, 1.5)},
        {"backlight_share": 1.0, "backlight": (1.2, 1.2)},
        *({"cover_share": 1.0, "cover": (0.5, 0.5), "covers": (kind,)} for kind in COVERS),
    ],
    ids=["exposure", "cast", "gradient", "backlight", *COVERS],
)
def test_scene_is_the_same_in_both_pictures(face: Photo, step: dict[str, object]) -> None:
    plain, lit = one(face, CLEAN), one(face, replace(CLEAN, **step))  # type: ignore[arg-type]  # types differ
    assert np.abs(lit.high.astype(int) - plain.high).mean() > 2.0
    soft_high, soft_low = (cv2.GaussianBlur(image, (0, 0), 5.0).astype(int) for image in (lit.high, large(lit)))
    assert np.abs(soft_high - soft_low).mean() < 1.0


def test_light_adds_up_in_linear_light() -> None:
    grey = np.full((60, 60, 3), 120, np.uint8)
    darker = Light(exposure=-1.0).shine(grey, landmarks() * 0 + 30.0, 30.0)
    assert (darker[0, 0] / 120.0) ** GAMMA == pytest.approx(0.5, abs=0.01)


def test_backlight_darkens_the_face_before_a_brighter_wall() -> None:
    grey = np.full((480, 480, 3), 120, np.uint8)
    lit = Light(backlight=1.0).shine(grey, landmarks(), FACE)
    assert lit[240, 240, 0] < 100
    assert lit[10, 10, 0] > 140


def test_gradient_leaves_the_middle_and_grows_one_way() -> None:
    grey = np.full((480, 480, 3), 120, np.uint8)
    lit = Light(gradient=1.0, towards=0.0).shine(grey, landmarks(), FACE)[240, :, 0].astype(int)
    assert lit[landmarks().mean(axis=0).astype(int)[0]] == pytest.approx(120, abs=3)
    assert lit[400] > lit[240] + 15
    assert lit[80] < lit[240] - 15


def test_weak_light_makes_more_noise() -> None:
    assert Light().weakness == Light(exposure=1.0).weakness == 1.0
    assert Light(exposure=-2.0).weakness == pytest.approx(2.0)


def flat(level: int) -> Image:
    return np.full((200, 200, 3), level, np.uint8)


def deviation(level: int, camera: Camera) -> float:
    shot = camera.shoot(flat(level), np.random.default_rng(1))
    return float(shot.astype(np.float64).std())


def test_noise_is_as_strong_as_told_at_middle_grey() -> None:
    for strength in (2.0, 5.0, 8.0):
        assert deviation(128, Camera(noise=strength)) == pytest.approx(strength, rel=0.06)
    assert camera_mean(128) == pytest.approx(128.0, abs=0.3)


def camera_mean(level: int) -> float:
    return float(Camera(noise=5.0).shoot(flat(level), np.random.default_rng(1)).mean())


def test_variance_follows_the_light_as_photons_do() -> None:
    """In linear light: read noise is the same in any light, shot noise's variance is proportional to the light."""

    def linear_variance(level: int, read: float) -> float:
        slope = (0.45 * 1.099 ** (1 / 0.45)) * (level / 255.0 + 0.099) ** (1 - 1 / 0.45)
        return float((deviation(level, Camera(noise=3.0, read=read)) / slope) ** 2)

    def light(level: int) -> float:
        return float(((level / 255.0 + 0.099) / 1.099) ** (1 / 0.45))

    for bright, dark in ((200, 128), (128, 70)):
        shot = linear_variance(bright, 0.0) / linear_variance(dark, 0.0)
        assert shot == pytest.approx(light(bright) / light(dark), rel=0.08)
        assert linear_variance(bright, 1.0) / linear_variance(dark, 1.0) == pytest.approx(1.0, abs=0.08)


def test_channels_and_frames_have_noise_of_their_own() -> None:
    random, camera = np.random.default_rng(2), Camera(noise=6.0)
    first, second = (camera.shoot(flat(128), random).astype(np.float64) - 128.0 for _ in range(2))
    assert abs(np.corrcoef(first[..., 0].ravel(), first[..., 1].ravel())[0, 1]) < 0.05
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.05


def test_full_sensor_clips_highlights_and_nothing_else() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    shot = Camera(clip=0.5).shoot(ramp, np.random.default_rng(0))[0, :, 0].astype(int)
    assert np.array_equal(shot[:170], np.arange(170))
    assert len(set(shot[195:])) == 1


def test_stray_light_lifts_the_dark_most() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    lift = Camera(veil=0.02).shoot(ramp, np.random.default_rng(0))[0, :, 0].astype(int) - np.arange(256)
    assert lift[0] > 15
    assert lift[0] > lift[60] > lift[180] >= 0
    assert lift[255] == 0


def test_denoiser_smears_noise_and_keeps_edges() -> None:
    noisy = Camera(noise=6.0).shoot(flat(128), np.random.default_rng(3))
    calm = Camera(noise=6.0, denoise=1.0).shoot(flat(128), np.random.default_rng(3))
    assert calm.std() < 0.5 * noisy.std()
    step = np.full((40, 40, 3), 40, np.uint8)
    step[:, 20:] = 200
    kept = Camera(denoise=1.0).shoot(step, np.random.default_rng(0)).astype(int)
    assert kept[20, 21, 1] - kept[20, 18, 1] > 130


@pytest.mark.parametrize("kind", COVERS)
def test_covers_hide_a_good_part_of_the_face_and_stay_near_it(kind: str) -> None:
    picture = np.ascontiguousarray(portrait(2)[..., ::-1])
    settings = replace(CLEAN, cover_share=1.0, cover=(0.5, 0.5), covers=(kind,))
    for seed in range(4):
        hidden = cover(picture, landmarks(), FACE, settings, np.random.default_rng(seed))
        differs = np.abs(hidden.astype(int) - picture).max(axis=2) > 12
        part = differs[120:380, 140:340].mean()
        assert 0.03 < part < 0.6
        assert not differs[:100].any()


def test_covers_of_faces_at_the_rim_are_drawn() -> None:
    picture = np.ascontiguousarray(portrait(2)[:300, :260, ::-1])
    for kind in COVERS:
        settings = replace(CLEAN, cover_share=1.0, covers=(kind,))
        for shift in (-150.0, 60.0, 400.0):
            made = cover(picture, landmarks() + shift, FACE, settings, np.random.default_rng(1))
            assert made.shape == picture.shape


def test_specks_are_thin_and_still() -> None:
    frames = [np.full((160, 160, 3), 128, np.uint8) for _ in range(3)]
    settings = replace(CLEAN, speck_share=1.0, speck=(1.5, 1.5))
    for seed in range(5):
        made = sprinkle(frames, 80.0, settings, np.random.default_rng(seed))
        differs = np.abs(made[0].astype(int) - 128).max(axis=2) > 8
        assert 15 < differs.sum() < 0.04 * 160 * 160
        assert all(np.array_equal(frame, made[0]) for frame in made)


def test_lost_blocks_lie_on_the_codec_grid() -> None:
    picture = portrait(1)[:160, :160]
    settings = replace(CLEAN, lost_share=1.0, lost=(2.0, 2.0))
    for width, block in ((60.0, 8), (120.0, 16)):
        for seed in range(4):
            made = lose([picture], width, settings, np.random.default_rng(seed))[0]
            rows, columns = np.nonzero(np.any(made != picture, axis=2))
            assert len(rows)
            assert rows.min() // block == rows.max() // block
            assert columns.max() // block - columns.min() // block <= 1
    assert np.array_equal(lose([picture], 60.0, CLEAN, np.random.default_rng(0))[0], picture)


def test_what_is_small_is_not_in_the_truth(face: Photo) -> None:
    settings = replace(CLEAN, lost_share=1.0, speck_share=1.0, lost=(3.0, 3.0))
    plain, spoiled = one(face, CLEAN), one(face, settings)
    assert np.array_equal(plain.high, spoiled.high)
    assert (np.abs(plain.low.astype(int) - spoiled.low).max(axis=2) > 10).sum() > 30


def test_leaving_a_step_out_changes_no_other_draw(face: Photo) -> None:
    """So that a sheet shows one range at a time, and a share can change without all seeds meaning something else."""
    for step in ("cover_share", "speck_share", "light_share", "gradient_share", "noise_share"):
        with_step = replace(CLEAN, **{step: 1.0})  # type: ignore[arg-type]  # a share each
        paths = [
            tile(face, 80.0, side=160, length=2, settings=s, random=np.random.default_rng(3)).from_photo
            for s in (CLEAN, with_step)
        ]
        assert np.array_equal(np.stack(paths[0]), np.stack(paths[1]))
