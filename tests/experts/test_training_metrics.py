"""The measures of a restored face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from blending.align import crop, similarity
from experts.training import metrics, photos
from tests.helpers.portraits import landmarks, portrait

Image = npt.NDArray[np.uint8]


def aligned(seed: int) -> Image:
    return crop(portrait(seed), similarity(landmarks(), 320), 320)


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def test_psnr_of_a_known_error() -> None:
    picture = np.full((100, 100, 3), 100, np.uint8)
    assert metrics.psnr(picture + 5, picture) == pytest.approx(20 * np.log10(255 / 5), abs=1e-6)
    assert metrics.psnr(picture, picture) == float("inf")


def test_only_the_face_counts() -> None:
    picture = aligned(1)
    other = picture.copy()
    other[:10] = 0
    other[:, :40] = 0
    assert metrics.psnr(other, picture) == float("inf")


def test_ssim_is_one_for_the_same_and_falls_with_blur() -> None:
    picture = aligned(1)
    soft, softer = blurred(picture, 1.0), blurred(picture, 3.0)
    assert metrics.ssim(picture, picture) == pytest.approx(1.0)
    assert metrics.ssim(softer, picture) < metrics.ssim(soft, picture) < 0.99


def test_ssim_matches_its_formula_on_flat_pictures() -> None:
    dark, bright = np.full((60, 60, 3), 100, np.uint8), np.full((60, 60, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert metrics.ssim(dark, bright) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-6)


def test_sharpness_falls_with_blur() -> None:
    picture = aligned(2)
    assert metrics.sharpness(blurred(picture, 1.5)) < 0.5 * metrics.sharpness(picture)


@pytest.mark.shared
def test_identity_knows_a_person_again(shared_data: Path) -> None:
    pytest.importorskip("onnxruntime", reason="identity is measured with ONNX Runtime, which is not installed")
    identity = metrics.MobileFaceNet(shared_data / "models" / "mobilefacenet" / "MobileFaceNet.onnx")
    first, second = photos.index(shared_data / "faces" / "val")[:2]
    one, other = (crop(face.read(), similarity(face.landmarks, 320), 320) for face in (first, second))
    assert identity.likeness(one, one) == pytest.approx(1.0, abs=1e-4)
    assert identity.likeness(blurred(one, 2.0), one) > 0.8
    assert identity.likeness(other, one) < 0.5
