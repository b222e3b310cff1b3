"""Cuts, and what is none."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from routing.scene import SceneCut

Image = npt.NDArray[np.uint8]


def cuts_in(images: list[Image]) -> list[int]:
    scene = SceneCut()
    return [i for i, image in enumerate(images) if scene.is_cut(image)]


def view(image: Image, x: int, y: int = 0) -> Image:
    return np.ascontiguousarray(image[y : y + 480, x : x + 640])


def test_another_picture_is_a_cut(six_people: Image) -> None:
    here, there = view(six_people, 0), (view(six_people, 600, 400) // 3).astype(np.uint8)
    assert cuts_in([here, here, there, there, here]) == [2, 4]


def test_another_picture_of_the_same_tones_is_a_cut_too() -> None:
    rng = np.random.default_rng(1)
    pictures = [cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (640, 360)).astype(np.uint8) for _ in range(2)]
    mirrored = np.ascontiguousarray(pictures[0][:, ::-1])
    assert cuts_in([pictures[0], mirrored]) == [1]


def test_a_fast_pan_is_none(six_people: Image) -> None:
    assert cuts_in([view(six_people, 16 * i) for i in range(40)]) == []


def test_a_fade_is_none(six_people: Image) -> None:
    assert cuts_in([(view(six_people, 0) * (1 - i / 30)).astype(np.uint8) for i in range(30)]) == []


def test_noise_is_none(six_people: Image) -> None:
    rng = np.random.default_rng(3)
    still = view(six_people, 0).astype(np.float64)
    assert cuts_in([np.clip(still + rng.normal(0, 15, still.shape), 0, 255).astype(np.uint8) for _ in range(6)]) == []


def test_the_first_image_and_the_first_after_a_reset_are_none(six_people: Image) -> None:
    scene = SceneCut()
    assert not scene.is_cut(view(six_people, 0))
    scene.reset()
    assert not scene.is_cut(np.zeros((480, 640, 3), np.uint8))


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (700, 3, 3)])
def test_images_of_any_size_will_do(shape: tuple[int, int, int]) -> None:
    assert cuts_in([np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)]) == [1]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("clip", "cuts"),
    [
        ("stage_360p_cuts.mp4", [20, 82, 211]),
        ("talking_d12.mp4", []),
        ("talking_d20.mp4", []),
        ("sign_vga.mkv", []),
        ("talking_pose.mp4", []),
    ],
)
def test_real_films(clip: str, cuts: list[int], shared_data: Path) -> None:
    scene = SceneCut()
    with av.open(str(shared_data / "videos" / clip)) as film:
        frames = (frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False) for frame in film.decode(video=0))
        assert [i for i, image in enumerate(frames) if scene.is_cut(image)] == cuts
