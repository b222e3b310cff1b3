"""Restored faces from frame to frame: noise is lowered, what happens is shown at once, and motion is not blurred."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from experts.contract import ExpertError
from experts.quality.metrics import high_frequencies, luma
from experts.steadiness import Memory, Steadier, SteadinessSettings
from tests.helpers.portraits import portrait

Image = npt.NDArray[np.uint8]
Clip = list[tuple[Image, Image]]

SIDE = 160
FACE = np.s_[64:256, 64:256]
"""Of a restored crop."""


@cache
def _drawn(seed: int) -> Image:
    return portrait(seed)


def pair(*, shift: tuple[float, float] = (0.0, 0.0), seed: int = 3) -> tuple[Image, Image]:
    """A crop and what an expert could make of it: a drawn face, moved by pixels of the restored crop."""
    move = np.array([[0.85, 0.0, -44.0 + shift[0]], [0.0, 0.85, -44.0 + shift[1]]])
    large = cv2.warpAffine(_drawn(seed), move, (2 * SIDE, 2 * SIDE), flags=cv2.INTER_CUBIC)
    low = cv2.resize(large, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(low, np.uint8), np.asarray(large, np.uint8)


def steadied(clip: Clip, *, strength: float = 1.0) -> list[Image]:
    steadier, memory, shown = Steadier(SteadinessSettings(strength=strength)), None, []
    for low, restored in clip:
        picture, memory = steadier.steady(low, restored, memory)
        shown.append(picture)
    return shown


def noisy(picture: Image, levels: float, random: np.random.Generator) -> Image:
    """Grain, the same in the three channels."""
    noise = cv2.GaussianBlur(random.normal(0.0, 1.0, picture.shape[:2]), (0, 0), 0.7)
    return np.asarray(np.clip(picture + levels / noise.std() * noise[..., None] + 0.5, 0, 255), np.uint8)


def tremble(pictures: list[Image]) -> float:
    """Mean change from frame to frame within the face, in levels."""
    return float(np.abs(np.diff([luma(picture)[FACE] for picture in pictures], axis=0)).mean())


def test_noise_on_a_face_at_rest_is_lowered_by_half() -> None:
    random = np.random.default_rng(1)
    low, restored = pair()
    clip = [(noisy(low, 1.0, random), noisy(restored, 2.0, random)) for _ in range(12)]
    plain, steady = [each[1] for each in clip], steadied(clip)
    assert tremble(steady[2:]) < 0.5 * tremble(plain[2:])
    error = [float(np.abs(luma(clips[-1])[FACE] - luma(restored)[FACE]).mean()) for clips in (plain, steady)]
    assert error[1] < 0.75 * error[0]


def test_a_face_at_rest_without_noise_stays_to_the_bit() -> None:
    low, restored = pair()
    assert all(np.array_equal(picture, restored) for picture in steadied([(low, restored)] * 5))


def blinking() -> tuple[tuple[Image, Image], tuple[Image, Image]]:
    """An open and a closed eye."""
    low, restored = pair()
    closed = restored.copy()
    # The left eye's place in the picture, as `portrait` and `pair` put it.
    cv2.ellipse(closed, ((200.0, 137.5), (40.0, 24.0), 0.0), (200, 160, 150), -1, cv2.LINE_AA)
    shut = cv2.resize(closed, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (low, restored), (np.asarray(shut, np.uint8), closed)


@pytest.mark.parametrize("what", ["blink", "another face"])
def test_what_happens_at_once_is_shown_at_once(what: str) -> None:
    before, after = blinking() if what == "blink" else (pair(seed=3), pair(seed=8))
    shown = luma(steadied([before] * 6 + [after])[-1])
    changed = np.abs(luma(after[1]) - luma(before[1])) > 20.0
    assert changed.sum() > 300
    share = (shown - luma(before[1]))[changed] / (luma(after[1]) - luma(before[1]))[changed]
    assert share.mean() > 0.9
    assert (share > 0.8).mean() > 0.9


def test_a_moving_face_keeps_its_fine_detail() -> None:
    clip = [pair(shift=(0.37 * t, 6.0 * np.sin(t / 5))) for t in range(40)]
    last, true = steadied(clip)[-1], clip[-1][1]
    kept = high_frequencies(luma(last)[FACE], luma(true)[FACE])
    assert kept == pytest.approx(1.0, abs=0.08)
    assert np.abs(luma(last)[FACE] - luma(true)[FACE]).mean() < 1.5


def test_light_that_changes_is_followed_within_a_level() -> None:
    low, restored = pair()
    clip = [(np.asarray(low - np.minimum(low, t)), np.asarray(restored - np.minimum(restored, t))) for t in range(20)]
    behind = luma(steadied(clip)[-1])[FACE] - luma(clip[-1][1])[FACE]
    assert float(np.abs(behind).mean()) < 2.5


def test_no_strength_is_no_change() -> None:
    random = np.random.default_rng(2)
    low, restored = pair()
    clip = [(noisy(low, 2.0, random), noisy(restored, 2.0, random)) for _ in range(3)]
    for picture, (_, plain) in zip(steadied(clip, strength=0.0), clip, strict=True):
        assert np.array_equal(picture, plain)


def test_colours_are_those_of_the_new_result() -> None:
    random = np.random.default_rng(4)
    low, restored = pair()
    clip = [(low, noisy(restored, 3.0, random)) for _ in range(4)]
    shown, plain = steadied(clip)[-1].astype(int), clip[-1][1].astype(int)
    change = (shown - plain)[FACE]
    assert np.abs(change).max() > 1
    unclipped = (plain[FACE] > 20).all(axis=2) & (plain[FACE] < 235).all(axis=2)
    assert (np.ptp(change, axis=2) == 0)[unclipped].all()


def test_memory_of_other_sizes_and_wrong_settings_are_refused() -> None:
    low, restored = pair()
    other = Memory(np.zeros((80, 80), np.uint8), np.zeros((160, 160), np.float32))
    with pytest.raises(ValueError, match="memory"):
        Steadier(SteadinessSettings()).steady(low, restored, other)
    with pytest.raises(ExpertError, match="strength lies between 0 and 1"):
        SteadinessSettings(strength=1.5)
    with pytest.raises(ExpertError, match="hold lies between"):
        SteadinessSettings(hold=-0.1)
