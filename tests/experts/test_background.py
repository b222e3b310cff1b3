"""The background's upscalers: right sizes, right places, and tiles that nobody sees."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from experts.background import BackgroundSettings, PictureUpscaler, PlaneUpscaler, make_background, make_upscaler
from experts.contract import ExpertError, ExpertInfo, Image, Upscaler
from experts.kernels import KernelUpscaler
from experts.tiling import TiledUpscaler

METHODS = ("bicubic", "lanczos")
INTERPOLATION = {"bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}

every_method = pytest.mark.parametrize("method", METHODS)
enlarging = pytest.mark.parametrize("scale", [2, 4])


def picture(height: int, width: int, *shape: int) -> Image:
    """Smoothed noise that stays clear of black and white, where rounding twice would clip twice."""
    noise = np.random.default_rng(3).uniform(0, 255, (height, width, *shape)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.2), np.float32)
    scaled = np.rint(60 + 140 * (smooth - smooth.min()) / np.ptp(smooth))
    return np.asarray(scaled, np.uint8).reshape(noise.shape)


def wave(at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 128 + 80 * np.sin(at / 4.0)


@every_method
@enlarging
@pytest.mark.parametrize("shape", [(54, 76), (55, 77), (31, 40, 3)])
def test_luma_is_what_opencv_makes_of_it(method: str, scale: int, shape: tuple[int, ...]) -> None:
    image = picture(*shape)
    got = make_upscaler(BackgroundSettings(method=method), scale).upscale(image)
    wanted = cv2.resize(image, None, fx=scale, fy=scale, interpolation=INTERPOLATION[method])
    assert got.shape == (shape[0] * scale, shape[1] * scale, *shape[2:])
    assert got.dtype == np.uint8
    # Rounded to 8 bits between rows and columns; OpenCV also interpolates Lanczos's weights.
    assert np.abs(got.astype(int) - wanted).max() <= 2


@every_method
def test_scale_1_hands_back_the_very_planes(method: str) -> None:
    upscaler = make_upscaler(BackgroundSettings(method=method), 1)
    luma, chroma = picture(31, 41), picture(16, 21)
    assert upscaler.upscale(luma) is luma
    assert upscaler.upscale_chroma(chroma, luma_size=(31, 41)) is chroma


@every_method
@enlarging
@pytest.mark.parametrize("size", [(40, 60), (41, 61), (40, 61), (1, 1), (2, 3)])
def test_chroma_fits_the_enlarged_luma(method: str, scale: int, size: tuple[int, int]) -> None:
    height, width = size
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 93, np.uint8)
    upscaler = make_upscaler(BackgroundSettings(method=method), scale)
    got = upscaler.upscale_chroma(chroma, luma_size=size)
    assert got.shape == ((height * scale + 1) // 2, (width * scale + 1) // 2)
    assert upscaler.upscale(np.zeros(size, np.uint8)).shape == (height * scale, width * scale)
    assert (got == 93).all()


@every_method
@enlarging
@pytest.mark.parametrize("odd", [0, 1])
def test_color_keeps_its_place_under_the_luma(method: str, scale: int, odd: int) -> None:
    """One pattern drawn on luma pixels, and sampled where left-sited chroma samples lie, before and after."""
    height, width = 48 + odd, 96 + odd
    luma_x, luma_y = np.arange(0, width, 2.0), np.arange(0, height, 2.0) + 0.5
    chroma = np.rint((wave(luma_y[:, None]) + wave(luma_x[None, :])) / 2).astype(np.uint8)

    got = make_upscaler(BackgroundSettings(method=method), scale).upscale_chroma(chroma, luma_size=(height, width))

    # Luma pixel X of the enlarged picture shows the source at (X + 1/2) / scale - 1/2.
    x = (np.arange(got.shape[1]) * 2.0 + 0.5) / scale - 0.5
    y = (np.arange(got.shape[0]) * 2.0 + 1.0) / scale - 0.5
    wanted = (wave(y[:, None]) + wave(x[None, :])) / 2
    inner = (slice(4 * scale, -4 * scale), slice(4 * scale, -4 * scale))
    # Resized edges on edges the pattern would move by up to 3/8 of a sample, which here is 4 levels on average or more.
    assert np.abs(got - wanted)[inner].mean() < 1.0


def test_resizing_chroma_edges_on_edges_would_be_seen_by_that_test() -> None:
    x = np.arange(0, 96, 2.0)
    chroma = np.rint(np.broadcast_to(wave(x), (24, 48))).astype(np.uint8)
    shifted = np.asarray(cv2.resize(chroma, (96, 48), interpolation=cv2.INTER_CUBIC), np.float64)
    wanted = wave((np.arange(96) * 2.0 + 0.5) / 2 - 0.5)
    assert np.abs(shifted - wanted)[8:-8, 8:-8].mean() > 2.0


@pytest.mark.parametrize("scale", [0, 3, 8, -2])
def test_other_scales_are_refused(scale: int) -> None:
    with pytest.raises(ExpertError, match=f"scale is one of 1, 2, 4, not {scale}"):
        make_upscaler(BackgroundSettings(), scale)


def test_an_unknown_method_is_refused_with_the_choices() -> None:
    with pytest.raises(ExpertError, match=r"no background method 'nearest'; known: bicubic, lanczos, compact, realesr"):
        BackgroundSettings(method="nearest")
    with pytest.raises(ExpertError, match=r"'realesrgan-x4'; did you mean 'realesrgan-x4plus'\? Known: .*\.pth"):
        BackgroundSettings(method="realesrgan-x4")
    with pytest.raises(ExpertError, match="one of bicubic, lanczos, not 'nearest'"):
        KernelUpscaler("nearest", 2)


@pytest.mark.parametrize(
    ("tile", "overlap", "message"),
    [(-1, 8, "0 or more"), (64, -1, "0 or more"), (40, 32, "less than twice the overlap")],
)
def test_tiles_that_make_no_sense_are_refused(tile: int, overlap: int, message: str) -> None:
    with pytest.raises(ExpertError, match=message):
        BackgroundSettings(tile=tile, overlap=overlap)


def test_info_says_what_is_used() -> None:
    info = make_upscaler(BackgroundSettings(method="lanczos"), 4).info
    assert (info.id, info.scale, info.weights, info.device) == ("lanczos", 4, "none", "cpu")


@dataclass(eq=False)
class Convolution:
    """A stand-in for a learned upscaler: three layers of random 3x3 kernels and a pixel shuffle, so that a pixel sees
    three pixels around it. Runs out of memory above `most` pixels, and keeps the sizes that it was given."""

    most: int = 10**9
    error: type[Exception] = MemoryError
    sizes: list[tuple[int, int]] = field(default_factory=list)
    info: ExpertInfo = field(
        default_factory=lambda: ExpertInfo("convolution", 0, 2, "none", "none needed", "cpu", "torch", "float32")
    )

    def __post_init__(self) -> None:
        torch.manual_seed(11)
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1), nn.Tanh(),
            nn.Conv2d(8, 4, 3, padding=1), nn.PixelShuffle(2),
        )  # fmt: skip

    def upscale(self, image: Image) -> Image:
        self.sizes.append((image.shape[0], image.shape[1]))
        if image.shape[0] * image.shape[1] > self.most:
            raise self.error("not enough memory")
        with torch.inference_mode():
            result = self.net(torch.from_numpy(image).float()[None, None] / 64 - 1)[0, 0]
        return np.asarray((result * 200 + 128).round().clamp(0, 255).to(torch.uint8).numpy())


@pytest.mark.parametrize("upscaler", [KernelUpscaler("bicubic", 2), KernelUpscaler("lanczos", 4), Convolution()])
@pytest.mark.parametrize("size", [(90, 161), (64, 64), (65, 200), (40, 130), (257, 63)])
def test_tiled_equals_untiled(upscaler: Upscaler, size: tuple[int, int]) -> None:
    image = picture(*size)
    whole = upscaler.upscale(image)
    pieced = TiledUpscaler(upscaler, tile=64, overlap=16).upscale(image)
    # No upscaler here sees further than the 6 px that an overlap of 16 gives away, so only rounding is left.
    assert np.abs(pieced.astype(int) - whole).max() <= 1
    assert np.ptp(whole) > 50


def test_without_overlap_tiles_would_be_seen() -> None:
    image, upscaler = picture(128, 128), Convolution()
    pieced = TiledUpscaler(upscaler, tile=64, overlap=0).upscale(image)
    assert np.abs(pieced.astype(int) - upscaler.upscale(image)).max() > 3


def test_tiling_takes_color_and_no_tile_is_too_large() -> None:
    image = picture(70, 100, 3)
    kernel = KernelUpscaler("bicubic", 2)
    assert (
        np.abs(TiledUpscaler(kernel, tile=48, overlap=16).upscale(image).astype(int) - kernel.upscale(image)).max() <= 1
    )
    convolution = Convolution()
    TiledUpscaler(convolution, tile=48, overlap=16).upscale(picture(70, 100))
    assert max(map(max, convolution.sizes)) == 48


def test_the_setting_makes_tiles() -> None:
    image = picture(70, 100)
    upscaler = make_upscaler(BackgroundSettings(tile=48, overlap=16), 2)
    assert np.abs(upscaler.upscale(image).astype(int) - KernelUpscaler("bicubic", 2).upscale(image)).max() <= 1


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_the_tile_halves_when_memory_runs_out_and_stays_so(error: type[Exception]) -> None:
    image = picture(80, 120)
    wanted = Convolution().upscale(image)
    upscaler = TiledUpscaler(Convolution(most=40 * 40, error=error), tile=128, overlap=16)
    for _ in range(2):
        assert np.abs(upscaler.upscale(image).astype(int) - wanted).max() <= 1
        assert upscaler.degraded == 2
        assert upscaler.tile == 32


def test_the_upscaler_of_planes_says_what_was_degraded() -> None:
    kernel = KernelUpscaler("bicubic", 2)
    assert PlaneUpscaler(kernel, kernel).degraded == 0
    hungry = PlaneUpscaler(TiledUpscaler(Convolution(most=64 * 64), tile=128, overlap=16), kernel)
    hungry.upscale(picture(80, 120))
    assert hungry.degraded == 1


def test_no_memory_for_the_smallest_tile_is_an_error_that_says_so() -> None:
    upscaler = TiledUpscaler(Convolution(most=10), tile=128, overlap=16)
    with pytest.raises(ExpertError, match="no memory for tiles of 32 px"):
        upscaler.upscale(picture(80, 120))


def test_other_errors_pass() -> None:
    upscaler = TiledUpscaler(Convolution(most=10, error=RuntimeError), tile=128, overlap=16)
    with pytest.raises(RuntimeError, match="not enough memory"):
        upscaler.upscale(picture(80, 120))
    assert upscaler.degraded == 0
    with pytest.raises(cv2.error):
        TiledUpscaler(KernelUpscaler("bicubic", 2), tile=64, overlap=16).upscale(np.empty((0, 4), np.uint8))


@pytest.mark.parametrize(("tile", "overlap"), [(20, 16), (0, 0), (64, -1)])
def test_a_tile_smaller_than_two_overlaps_is_refused(tile: int, overlap: int) -> None:
    with pytest.raises(ExpertError, match="too small for an overlap"):
        TiledUpscaler(KernelUpscaler("bicubic", 2), tile=tile, overlap=overlap)


class Insatiable:
    """A network that wants every picture at once, and more memory than there is."""

    channels, cell, whole = 3, 1, True
    info = replace(KernelUpscaler("bicubic", 1).info, id="insatiable")

    def upscale(self, image: Image) -> Image:
        raise MemoryError("you tried to allocate 99 GB")


def test_a_picture_that_is_too_large_to_be_seen_at_once_ends_in_a_line() -> None:
    background = make_background(BackgroundSettings(method="insatiable.pth"), 1, Insatiable())
    assert isinstance(background, PictureUpscaler)
    with pytest.raises(ExpertError, match=r"insatiable has no memory for 50x40 at once .*99 GB.* tile"):
        background.upscale_rgb(picture(40, 50, 3))
