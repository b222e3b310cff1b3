"""Width and sharpness, and what they must not depend on."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from routing.detector import MtcnnDetector
from routing.traits import TraitsFilter, sharpness
from routing.types import Box, Detection, Traits

Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def portrait(detector: MtcnnDetector, six_people: Image) -> tuple[Image, Detection]:
    """The sample's surest face, 149 px wide, and its picture."""
    face = detector.detect(six_people)[0]
    return brought_to(149.0, six_people, face)


def brought_to(width: float, image: Image, face: Detection) -> tuple[Image, Detection]:
    scale = width / face.box.width
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return resized, Detection(Box(*(v * scale for v in face.box)), face.landmarks * np.float32(scale), face.score)


def sharpness_of(image: Image, face: Detection) -> float:
    return sharpness(image, face.box, face.landmarks)


def test_more_blur_is_less_sharp(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    blurred = [cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8) for sigma in (0.7, 1.2, 2.0, 4.0)]
    values = [sharpness_of(picture, face) for picture in (image, *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 4 * values[-2]


def test_the_number_means_the_same_at_every_width(portrait: tuple[Image, Detection]) -> None:
    """Once a blur as wide as a share of the face has taken the finest detail, only the share counts."""
    image, face = portrait
    soft = cv2.GaussianBlur(image, (0, 0), 3.0).astype(np.uint8)
    values = [sharpness_of(*brought_to(width, soft, face)) for width in (100.0, 120.0, 149.0)]
    assert max(values) < 1.25 * min(values)


def test_brightness_does_not_count(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    dim = (image // 2 + 20).astype(np.uint8)
    assert sharpness_of((dim + 60).astype(np.uint8), face) == pytest.approx(sharpness_of(dim, face), rel=0.01)


def test_what_is_outside_the_face_does_not_count(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    noisy = np.random.default_rng(2).integers(0, 256, image.shape, np.uint8)
    x0, y0, x1, y1 = (round(v) for v in face.box)
    margin = round(0.3 * face.box.width)
    area = np.s_[y0 - margin : y1 + margin, x0 - margin : x1 + margin]
    noisy[area] = image[area]
    assert sharpness_of(noisy, face) == pytest.approx(sharpness_of(image, face), rel=1e-3)


@pytest.mark.parametrize(("shift", "measured"), [(0.2, True), (0.8, False), (3.0, False)])
def test_a_face_that_is_hardly_in_the_picture_is_not_called_sharp(shift: float, measured: bool) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (200, 200, 3), np.uint8)
    x = -shift * 100.0
    landmarks = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32) + np.array([x, 40], np.float32)
    assert (sharpness(noise, Box(x, 40, x + 100, 160), landmarks) > 0.0) is measured


@pytest.mark.parametrize("width", [0.5, 2.0, 8.0])
def test_tiny_faces_can_be_measured(width: float) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    landmarks = np.full((5, 2), 20.0, np.float32)
    assert sharpness(image, Box(20, 20, 20 + width, 20 + width), landmarks) == 0.0


class TestFilter:
    def test_the_first_measurement_counts_whole(self) -> None:
        assert TraitsFilter().update(Traits(80.0, 90.0), seconds=5.0) == Traits(80.0, 90.0)

    def test_a_box_that_breathes_gives_a_steady_width(self) -> None:
        settled = TraitsFilter()
        widths = [settled.update(Traits(100.0 + 5 * (-1) ** i, 90.0), seconds=i / 25).width_px for i in range(60)]
        assert max(widths[20:]) - min(widths[20:]) < 1.5

    def test_a_face_that_comes_closer_is_followed_within_a_second(self) -> None:
        settled = TraitsFilter()
        settled.update(Traits(60.0, 10.0), seconds=0.0)
        for i in range(1, 26):
            traits = settled.update(Traits(120.0, 200.0), seconds=i / 25)
        assert traits.width_px > 118.0
        assert traits.sharpness > 190.0

    def test_the_frame_rate_does_not_matter(self) -> None:
        ends = []
        for fps in (10, 60):
            settled = TraitsFilter()
            settled.update(Traits(60.0, 10.0), seconds=0.0)
            for i in range(1, fps + 1):
                last = settled.update(Traits(120.0, 10.0), seconds=i / fps)
            ends.append(last.width_px)
        assert ends[0] == pytest.approx(ends[1], abs=3.0)
