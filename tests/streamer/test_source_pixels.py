"""What becomes of pixels and colour tags on the way from a file to frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from streamer.color import ColorSpec
from streamer.errors import UnsupportedError
from streamer.frame import Frame
from streamer.media.convert import convert
from streamer.media.reader import FileReader
from tests.helpers.clips import Samples, frame_of, natural, noise_samples, write_clip
from tests.streamer.test_color import psnr, yuv_by_formula

SIZES = [(48, 64), (47, 61)]
WITHOUT_LOSS = {
    "ffv1": ("ffv1", {}),
    "x264": ("libx264", {"qp": "0", "preset": "ultrafast"}),
}


def read(path: Path) -> Frame:
    with FileReader(path) as reader:
        return next(iter(reader))


def means_shift(frame: Frame, wanted: list[npt.NDArray[np.float64]]) -> list[float]:
    return [float((plane - level).mean()) for plane, level in zip(frame.planes, wanted, strict=True)]


@pytest.mark.parametrize("codec", sorted(WITHOUT_LOSS))
@pytest.mark.parametrize("size", SIZES)
def test_8_bit_420_passes_bit_for_bit(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    if codec == "x264":
        size = size[0] // 2 * 2, size[1] // 2 * 2  # x264 takes no odd sizes
    name, options = WITHOUT_LOSS[codec]
    pictures = [noise_samples("yuv420p", *size, seed=seed) for seed in range(4)]
    path = write_clip(
        tmp_path / "noise.mkv", [frame_of("yuv420p", samples) for samples in pictures], codec=name, options=options
    )
    with FileReader(path) as reader:
        frames = list(reader)
    assert len(frames) == 4
    for frame, samples in zip(frames, pictures, strict=True):
        assert all(np.array_equal(plane, wanted) for plane, wanted in zip(frame.planes, samples, strict=True))


def test_alpha_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    samples = noise_samples("yuva420p", 48, 64)
    frame = read(write_clip(tmp_path / "alpha.mkv", [frame_of("yuva420p", samples)]))
    assert all(np.array_equal(plane, wanted) for plane, wanted in zip(frame.planes, samples[:3], strict=True))


def smooth_samples(format: str, height: int, width: int, *, full_range: bool) -> list[Samples]:
    """A natural picture in a planar format, each sample the formula's, rounded once."""
    described = av.VideoFormat(format, width, height)
    scale = (1 << described.components[0].bits) / 256
    if full_range:
        scale = ((1 << described.components[0].bits) - 1) / 255
    full = yuv_by_formula(natural(height, width), ColorSpec("bt709", full_range))
    samples = []
    for part in described.components:
        down, across = -(-height // part.height), -(-width // part.width)
        channel = full[..., part.plane]
        if part.plane > 0:
            channel = averaged(channel, down, across)
            middle = 1 << (described.components[0].bits - 1)
            channel = (channel - 128) * scale + middle
        else:
            channel = channel * scale
        samples.append(np.rint(channel).astype(np.uint8 if described.components[0].bits <= 8 else np.uint16))
    return samples


def averaged(channel: npt.NDArray[np.float64], down: int, across: int) -> npt.NDArray[np.float64]:
    """A channel at chroma size: rows averaged, columns weighted about every second or fourth, as MPEG-2 sites them."""
    height, width = channel.shape
    rows = np.pad(channel, ((0, -height % down), (0, 0)), mode="edge").reshape(-1, down, width).mean(1)
    if across == 1:
        return np.asarray(rows)
    kernel = {2: [1, 2, 1], 4: [1, 2, 3, 4, 3, 2, 1]}[across]
    reach = len(kernel) // 2
    padded = np.pad(rows, ((0, 0), (reach, reach)), mode="edge")
    return np.stack([np.convolve(line, kernel, "valid")[::across] for line in padded]) / sum(kernel)


DEEP = [
    "yuv420p10le",
    "yuv420p16le",
    "yuv422p",
    "yuv422p10le",
    "yuv444p",
    "yuv444p12le",
    "yuv440p",
]


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format", DEEP)
def test_deeper_and_finer_formats_are_reduced_exactly(
    tmp_path: Path, format: str, size: tuple[int, int], full_range: bool
) -> None:
    samples = smooth_samples(format, *size, full_range=full_range)
    path = write_clip(tmp_path / "deep.mkv", [frame_of(format, samples, space=1, full_range=full_range)])
    frame = read(path)
    assert frame.color == ColorSpec("bt709", full_range, 2, 2, 1)
    full = yuv_by_formula(natural(*size), frame.color)
    wanted = [full[..., 0], *(averaged(full[..., index], 2, 2) for index in (1, 2))]
    assert psnr(frame.y, wanted[0]) >= 50
    assert all(psnr(plane, level) >= 40 for plane, level in zip(frame.planes[1:], wanted[1:], strict=True))
    assert np.abs(means_shift(frame, wanted)).max() < 0.1


@pytest.mark.parametrize(("format", "down"), [("yuv411p", 1), ("yuv410p", 4)])
def test_coarser_chroma_is_interpolated_where_it_is_sited(tmp_path: Path, format: str, down: int) -> None:
    luma = np.full((64, 96), 100, np.uint8)
    rows, columns = np.mgrid[0 : 64 // down, 0:24].astype(np.float64)
    # One plane rises across and one down, by whole steps, seen from the luma's grid.
    u, v = 40 + 4.0 * 2 * columns / 2, 40 + 2.0 * (down * rows + (down - 1) / 2)
    samples = [luma, u.astype(np.uint8), v.astype(np.uint8)]
    frame = read(write_clip(tmp_path / "coarse.mkv", [frame_of(format, samples)]))
    rows, columns = np.mgrid[0:32, 0:48].astype(np.float64)
    inside = np.s_[4:-4, 4:-4]
    assert np.abs(frame.u - (40 + 2.0 * columns))[inside].max() <= 1
    assert np.abs(frame.v - (40 + 2.0 * (2 * rows + 0.5)))[inside].max() <= 1


def test_10_bits_are_rounded_half_to_even(tmp_path: Path) -> None:
    levels = np.arange(64 * 16, dtype=np.uint16).reshape(16, 64)
    chroma = np.full((8, 32), 512, np.uint16)
    frame = read(write_clip(tmp_path / "ramp.mkv", [frame_of("yuv420p10le", [levels, chroma, chroma])]))
    assert np.array_equal(frame.y, np.clip(np.rint(levels / 4), 0, 255))
    assert (frame.u == 128).all()
    assert (frame.v == 128).all()


@pytest.mark.parametrize(("format", "divisor"), [("gray", 1), ("gray10le", 1023 / 255), ("gray16le", 257)])
def test_grey_keeps_its_levels_and_has_no_colour(tmp_path: Path, format: str, divisor: float) -> None:
    (samples,) = noise_samples(format, 47, 61)
    frame = read(write_clip(tmp_path / "grey.mkv", [frame_of(format, [samples])]))
    assert np.array_equal(frame.y, np.rint(samples / divisor))
    assert np.ptp(np.stack([frame.u, frame.v])) == 0
    assert frame.u[0, 0] == 128
    assert frame.color.full_range


def test_jpeg_range_stays_full_range(tmp_path: Path) -> None:
    samples = smooth_samples("yuvj420p", 48, 64, full_range=True)
    frame = read(write_clip(tmp_path / "jpeg.avi", [frame_of("yuvj420p", samples, full_range=True)], codec="mjpeg"))
    assert frame.color.full_range
    assert psnr(frame.y, samples[0]) > 30  # the codec loses something, and a wrong range would give 25 at most
    assert abs(frame.y.astype(float).mean() - samples[0].mean()) < 1.0


def rgb_frame(image: npt.NDArray[np.float64], format: str) -> av.VideoFrame:
    """A picture in an RGB format, each sample rounded once."""
    if format.startswith("gbrp"):
        bits = av.VideoFormat(format, 2, 2).components[0].bits
        deep = np.rint(image * ((1 << bits) - 1) / 255).astype(np.uint16 if bits > 8 else np.uint8)
        return frame_of(format, [deep[..., 1], deep[..., 2], deep[..., 0]])
    if format.startswith("rgb48"):
        return av.VideoFrame.from_ndarray(np.rint(image * 257).astype(np.uint16), format)
    return av.VideoFrame.from_ndarray(np.rint(image).astype(np.uint8), "rgb24").reformat(format=format)


RGB = {
    "bgr0": "ffv1",
    "gbrp": "utvideo",
    "gbrp10le": "ffv1",
    "gbrp16le": "ffv1",
    "rgb24": "png",
    "rgb48be": "png",
    "rgba": "png",
}


@pytest.mark.parametrize("size", [(48, 64), (46, 61)])
@pytest.mark.parametrize("format", sorted(RGB))
def test_rgb_becomes_yuv_by_the_formula(tmp_path: Path, format: str, size: tuple[int, int]) -> None:
    image = natural(*size)
    suffix = {"png": "mov", "utvideo": "avi"}.get(RGB[format], "mkv")
    frame = read(write_clip(tmp_path / f"rgb.{suffix}", [rgb_frame(image, format)], codec=RGB[format]))
    assert (frame.color.matrix, frame.color.full_range, frame.color.space) == ("bt601", False, 6)
    full = yuv_by_formula(image, frame.color)
    wanted = [full[..., 0], *(averaged(full[..., index], 2, 2) for index in (1, 2))]
    assert psnr(frame.y, wanted[0]) >= 50
    assert np.abs(means_shift(frame, wanted)).max() < 0.1


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], np.uint8)
    image = colors[np.random.default_rng(0).integers(0, 4, (12, 16))].repeat(4, 0).repeat(4, 1)
    shown = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="rgb8")
    path = write_clip(tmp_path / "palette.gif", [shown], codec="gif")
    with FileReader(path) as reader:
        frame = next(iter(reader))
        assert reader.info.pix_fmt in ("bgra", "pal8")
    middle = np.s_[2::4, 2::4]
    assert np.abs(frame.rgb()[middle].astype(int) - image[middle]).max() <= 4  # three roundings: Y, U and V


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((576, 64), "bt601"), ((578, 64), "bt709"), ((64, 1278), "bt601"), ((64, 1280), "bt709"), ((534, 1280), "bt709")],
)
def test_a_matrix_that_is_not_stated_goes_by_the_size(tmp_path: Path, size: tuple[int, int], matrix: str) -> None:
    """A film of 1280x534 is high definition with its black bars cut off."""
    frame = read(write_clip(tmp_path / "film.mkv", [frame_of("yuv420p", noise_samples("yuv420p", *size))]))
    assert frame.color.matrix == matrix
    assert frame.color.space == 2


@pytest.mark.parametrize(("space", "matrix"), [(1, "bt709"), (5, "bt601"), (6, "bt601"), (9, "bt2020")])
def test_tags_are_kept_as_stated(tmp_path: Path, space: int, matrix: str) -> None:
    picture = frame_of("yuv420p", noise_samples("yuv420p", 48, 64), space=space, full_range=False)
    frame = read(write_clip(tmp_path / "film.mkv", [picture], primaries=9, transfer=14))
    assert frame.color == ColorSpec(matrix, False, 9, 14, space)  # type: ignore[arg-type]


def test_a_matrix_that_would_come_out_wrong_is_refused(tmp_path: Path) -> None:
    picture = frame_of("yuv420p", noise_samples("yuv420p", 48, 64), space=8)
    with pytest.raises(UnsupportedError, match="YCgCo"):
        FileReader(write_clip(tmp_path / "film.mkv", [picture]))


Code = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def pq_code(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """PQ codes 0 to 1 of light in cd/m2 (SMPTE ST 2084)."""
    power = (light / 10000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def hlg_code(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """HLG codes 0 to 1 of greys that a 1000 cd/m2 screen shows so bright (BT.2100)."""
    scene = (light / 1000) ** (1 / 1.2)
    curved = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), curved)


GREYS = np.array([0.0, 1.0, 5.0, 20.0, 50.0, 80.0, 203.0, 400.0, 1000.0])


@pytest.mark.parametrize(("transfer", "name", "encode"), [(16, "pq", pq_code), (18, "hlg", hlg_code)])
def test_hdr_greys_are_shown_as_a_standard_screen_would(tmp_path: Path, transfer: int, name: str, encode: Code) -> None:
    codes = np.rint(64 + 876 * encode(GREYS)).astype(np.uint16).repeat(8)
    luma, chroma = np.tile(codes, (16, 1)), np.full((8, 36), 512, np.uint16)
    picture = frame_of("yuv420p10le", [luma, chroma, chroma], space=9, full_range=False)
    with FileReader(write_clip(tmp_path / "hdr.mkv", [picture], transfer=transfer, primaries=9)) as reader:
        frame = next(iter(reader))
        assert reader.info.hdr == name
        assert reader.info.color == ColorSpec("bt709", False, 1, 1, 1)
    shown = (frame.y[4, 4::8].astype(float) - 16) / 219
    assert np.abs(frame.u.astype(int) - 128).max() <= 1
    assert np.abs(frame.v.astype(int) - 128).max() <= 1
    assert (np.diff(shown) > 0).all()
    assert shown[0] == 0
    assert shown[-1] == pytest.approx(1.0, abs=0.02)
    # Below the knee, 92 cd/m2 for a 1000 cd/m2 master, a screen of 203 cd/m2 and gamma 2.4 shows light as it is.
    below = np.s_[2:6]
    assert shown[below] == pytest.approx((GREYS[below] / 203) ** (1 / 2.4), abs=0.01)
    assert 0.85 < shown[6] < 0.96  # diffuse white leaves room for highlights


def test_hdr_hues_stay_hues(tmp_path: Path) -> None:
    """BT.2020 signals of the BT.709 primaries at 100 cd/m2 come out as those primaries."""
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    codes = pq_code(100 * to_2020.T)  # a row for each of red, green and blue
    patches = np.rint(codes * 65535).astype(np.uint16).repeat(16, 0)[None].repeat(16, 0)
    samples = [patches[..., 1], patches[..., 2], patches[..., 0]]
    path = write_clip(tmp_path / "hues.mkv", [frame_of("gbrp16le", samples)], transfer=16, primaries=9)
    shown = read(path).rgb()[8, 8::16].astype(int)
    for channel, color in enumerate(shown):
        others = [index for index in range(3) if index != channel]
        assert color[channel] > 170
        assert max(color[others]) <= 30


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="gbrpf32le"):
        convert(av.VideoFrame(64, 48, "gbrpf32le"))


@pytest.mark.parametrize(
    "format", ["nv12", "p010le", "yuyv422", "uyvy422", "y210le", "yuv444p10msble", "yuv420p10be", "ya8"]
)
def test_packed_formats_are_unpacked_without_loss(format: str) -> None:
    planar = {"nv12": "yuv420p", "p010le": "yuv420p10le", "y210le": "yuv422p10le", "yuv444p10msble": "yuv444p10le",
              "yuv420p10be": "yuv420p10le", "ya8": "gray"}.get(format, "yuv422p")  # fmt: skip
    plain = frame_of(planar, noise_samples(planar, 48, 64), space=1, full_range=False)
    wanted, color = convert(plain)
    unpacked, same = convert(plain.reformat(format=format))
    assert color == same
    assert all(np.array_equal(one, other) for one, other in zip(wanted, unpacked, strict=True))
