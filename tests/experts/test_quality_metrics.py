"""The measures of a restored face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import convolve2d

from blending.align import crop, similarity
from experts.contract import ExpertError
from experts.quality import metrics
from experts.quality.haarpsi import haarpsi
from experts.quality.identity import MobileFaceNet
from experts.training import photos
from tests.helpers.portraits import landmarks, portrait

Image = npt.NDArray[np.uint8]


def aligned(seed: int) -> Image:
    return crop(portrait(seed), similarity(landmarks(), 320), 320)


def blurred(picture: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def textured(seed: int) -> metrics.Luma:
    noise = np.random.default_rng(seed).normal(0.0, 180.0, (121, 90))
    return np.asarray(np.clip(cv2.GaussianBlur(noise, (0, 0), 1.2) + 120.0, 0.0, 255.0))


def soft(picture: metrics.Luma, sigma: float) -> metrics.Luma:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float64)


def test_psnr_of_a_known_error() -> None:
    picture = np.full((100, 100), 100.0)
    assert metrics.psnr(picture + 5, picture) == pytest.approx(20 * np.log10(255 / 5), abs=1e-6)
    assert metrics.psnr(picture, picture) == float("inf")


def test_only_the_face_counts() -> None:
    picture = aligned(1)
    other = picture.copy()
    other[:10] = 0
    other[:, :40] = 0
    assert np.array_equal(metrics.face_luma(other), metrics.face_luma(picture))


def test_ssim_is_one_for_the_same_and_falls_with_blur() -> None:
    picture = metrics.face_luma(aligned(1))
    assert metrics.ssim(picture, picture) == pytest.approx(1.0)
    assert metrics.ssim(soft(picture, 3.0), picture) < metrics.ssim(soft(picture, 1.0), picture) < 0.99


def test_ssim_matches_its_formula_on_flat_pictures() -> None:
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert metrics.ssim(np.full((60, 60), 100.0), np.full((60, 60), 150.0)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("sigma", "published"), [(0.5, 0.977854), (1.0, 0.795317), (2.0, 0.471984), (4.0, 0.213451)])
def test_haarpsi_gives_what_another_implementation_gives(sigma: float, published: float) -> None:
    """The numbers are those of piq 0.8.0 (photosynthesis-team) on the same pictures."""
    noise = np.random.default_rng(1)
    for wanted in (0.5, 1.0, 2.0, 4.0):
        smooth = np.asarray(cv2.GaussianBlur(noise.normal(0, 60, (121, 90)), (0, 0), 1.2), np.float64)
        picture = np.clip(smooth * 3 + 120, 0, 255)
        if wanted == sigma:
            assert haarpsi(soft(picture, sigma), picture) == pytest.approx(published, abs=2e-6)


def test_haarpsi_is_what_its_authors_wrote() -> None:
    """Their reference: scipy's convolution, turned twice so that it lies as MATLAB's."""

    def conv2(data: metrics.Luma, kernel: metrics.Luma) -> metrics.Luma:
        return np.rot90(convolve2d(np.rot90(data, 2), np.rot90(kernel, 2), mode="same"), 2)

    one, two = textured(3), soft(textured(3), 1.3)
    x, y = (conv2(each, np.ones((2, 2)) / 4)[::2, ::2] for each in (one, two))
    summed = weighed = 0.0
    for turned in (False, True):
        kernels = [2.0**-k * np.vstack([np.ones((2**k // 2, 2**k)), -np.ones((2**k // 2, 2**k))]) for k in (1, 2, 3)]
        a, b = ([np.abs(conv2(each, k.T if turned else k)) for k in kernels] for each in (x, y))
        local = sum((2 * a[k] * b[k] + 30) / (a[k] ** 2 + b[k] ** 2 + 30) for k in (0, 1)) / 2
        weight = np.maximum(a[2], b[2])
        summed += float((weight / (1 + np.exp(-4.2 * local))).sum())
        weighed += float(weight.sum())
    share = summed / weighed
    assert haarpsi(two, one) == pytest.approx((np.log(share / (1 - share)) / 4.2) ** 2, abs=1e-9)
    assert haarpsi(one, one) == pytest.approx(1.0)
    assert haarpsi(np.full((40, 40), 9.0), np.full((40, 40), 9.0)) > 0.99


def test_high_frequencies_are_a_share_of_the_truths() -> None:
    picture = textured(2)
    assert metrics.high_frequencies(picture, picture) == pytest.approx(1.0)
    assert metrics.high_frequencies(120 + 0.5 * (picture - 120), picture) == pytest.approx(0.25)
    assert metrics.high_frequencies(soft(picture, 2.0), picture) < 0.05
    rows = np.mgrid[:64, :64][0]
    within, beyond, below = (np.cos(np.pi * share * rows) for share in (0.5, 0.95, 0.1))
    assert metrics.high_frequencies(within + beyond + below, within) == pytest.approx(1.0, abs=0.02)


def test_high_frequencies_are_the_power_of_a_ring_of_the_spectrum() -> None:
    """Waves of known power, along and across: those between 1/4 and 3/4 of Nyquist's frequency count, and no other."""
    rows, columns = np.mgrid[:96, :120]

    def wave(down: float, across: float, amplitude: float) -> npt.NDArray[np.float64]:
        return np.asarray(amplitude * np.cos(np.pi * (down * rows + across * columns) + 0.3))

    low, high, diagonal = wave(0.3, 0.0, 8.0), wave(0.0, 0.7, 6.0), wave(0.35, 0.35, 4.0)
    truth = 120 + low + high + diagonal
    # Power goes by the square of the amplitude: 64, 36 and 16.
    assert metrics.high_frequencies(truth - 0.5 * low, truth) == pytest.approx((16 + 36 + 16) / 116, abs=0.01)
    assert metrics.high_frequencies(truth - high, truth) == pytest.approx((64 + 16) / 116, abs=0.01)
    assert metrics.high_frequencies(truth - diagonal, truth) == pytest.approx((64 + 36) / 116, abs=0.01)
    outside = wave(0.2, 0.0, 9.0) + wave(0.0, 0.8, 9.0) + wave(0.6, 0.6, 9.0) + wave(0.1, 0.1, 30.0)
    assert metrics.high_frequencies(truth + outside, truth) == pytest.approx(1.0, abs=0.01)


def test_flicker_is_what_changes_but_should_not() -> None:
    still = np.stack([textured(4)] * 3)
    moving = still + np.arange(3)[:, None, None]
    assert metrics.flicker(still + 7.0, still) == 0.0
    assert metrics.flicker(moving, moving) == 0.0
    assert metrics.flicker(still, moving) == pytest.approx(1.0)
    assert metrics.flicker(still + np.array([0.0, 3.0, 0.0])[:, None, None], still) == pytest.approx(3.0)


@pytest.mark.shared
def test_identity_knows_a_person_again(shared_data: Path) -> None:
    network = MobileFaceNet(shared_data / "models" / "mobilefacenet" / "MobileFaceNet.onnx")
    first, second = photos.index(shared_data / "faces" / "val")[:2]
    true = network.embed(first.read(), first.landmarks)
    assert true @ true == pytest.approx(1.0, abs=1e-4)
    assert network.embed(blurred(first.read(), 2.0), first.landmarks) @ true > 0.8
    assert network.embed(second.read(), second.landmarks) @ true < 0.5
    # Where in a picture the face lies, and how large, is nothing to it.
    half = np.asarray(cv2.resize(first.read(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    assert network.embed(half, (first.landmarks + 0.5) / 2 - 0.5) @ true > 0.95


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"no network")
    with pytest.raises(ExpertError, match="can't be read as ONNX"):
        MobileFaceNet(wrong)
    with pytest.raises(ExpertError, match="is no file"):
        MobileFaceNet(tmp_path / "absent.onnx")
