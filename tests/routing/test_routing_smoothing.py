"""The 1-euro filter: steady at rest, prompt in motion, alike at every size and frame rate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from routing.smoothing import LandmarkFilter, SmoothingSettings, smoothing_factor

FACE = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)
WIDTH = 100.0


def smoothed(frames: npt.NDArray[np.float32], *, fps: float = 25.0, width_px: float = WIDTH) -> npt.NDArray[np.float32]:
    settings = SmoothingSettings()
    landmarks = LandmarkFilter(frames[0], seconds=0.0, settings=settings)
    rest = [landmarks.update(frame, seconds=(i + 1) / fps, width_px=width_px) for i, frame in enumerate(frames[1:])]
    return np.stack([frames[0], *rest])


def noisy(count: int, *, seed: int = 0) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 0.5, (count, 5, 2))
    return (FACE + noise).astype(np.float32)


def test_the_factor_is_the_papers() -> None:
    cutoff, period = 2.0, 0.04
    tau = 1 / (2 * math.pi * cutoff)
    assert smoothing_factor(period, cutoff) == pytest.approx(1 / (1 + tau / period))


def test_a_face_at_rest_shakes_less_than_half_as_much() -> None:
    raw = noisy(300)
    assert smoothed(raw)[50:].std(axis=0).mean() < 0.5 * raw[50:].std(axis=0).mean()


def test_a_moving_face_is_followed_closely() -> None:
    """At a face width a second, the lag stays under 2 % of the width."""
    path = FACE + np.arange(60, dtype=np.float32)[:, None, None] * np.array([4.0, 0.0], np.float32)
    lag = (path - smoothed(path))[30:, :, 0]
    assert 0.0 < lag.mean() < 2.0


def test_a_face_that_stops_is_reached() -> None:
    path = np.repeat(FACE[None], 80, axis=0)
    path[:20] -= 5 * np.arange(20, 0, -1, dtype=np.float32)[:, None, None]
    np.testing.assert_allclose(smoothed(path)[-1], FACE, atol=0.05)


def test_small_and_large_faces_are_smoothed_alike() -> None:
    raw = noisy(50)
    np.testing.assert_allclose(smoothed(raw * 3, width_px=3 * WIDTH), 3 * smoothed(raw), rtol=1e-4)


def test_twice_the_frames_show_the_same_motion() -> None:
    slow = FACE + 40 * np.sin(np.arange(50) / 25)[:, None, None].astype(np.float32)
    fast = FACE + 40 * np.sin(np.arange(100) / 50)[:, None, None].astype(np.float32)
    assert np.abs(smoothed(slow)[10:] - smoothed(fast, fps=50.0)[::2][10:]).max() < 1.0


def test_one_point_that_jumps_does_not_free_the_others() -> None:
    raw = noisy(100)
    raw[:, 4] += 3 * (-1.0) ** np.arange(100, dtype=np.float32)[:, None]
    assert smoothed(raw)[20:, 0].std(axis=0).mean() < 0.75 * raw[20:, 0].std(axis=0).mean()


@pytest.mark.parametrize("seconds", [1.0, 0.2])
def test_without_time_between_it_starts_afresh(seconds: float) -> None:
    landmarks = LandmarkFilter(FACE, seconds=1.0, settings=SmoothingSettings())
    np.testing.assert_array_equal(landmarks.update(FACE + 9, seconds=seconds, width_px=WIDTH), FACE + 9)


@pytest.mark.parametrize("key", ["min_cutoff_hz", "speed_cutoff_hz", "beta"])
def test_settings_that_make_no_sense_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} = -1.0"):
        SmoothingSettings(**{key: -1.0})
