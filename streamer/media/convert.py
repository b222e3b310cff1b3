"""From FFmpeg's pictures, in whatever pixel format, to 8-bit YUV 4:2:0 planes and what their colour means.

What is 8-bit 4:2:0 already is copied and nothing else. Deeper or finer formats are reduced here, rounded once and
half to even; RGB goes through `streamer.color`; PQ and HLG are tone-mapped. Of what is not planar, the formats of
graphics cards are taken apart here; FFmpeg's scaler unpacks the others, which it does without loss.
"""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideData

from streamer.color import NOT_STATED, SPACE_TAG, ColorSpec, Matrix, Plane, Planes, allocate, chroma_size, from_rgb
from streamer.errors import UnsupportedError
from streamer.media.demux import describe
from streamer.media.sidedata import payload
from streamer.media.tonemap import BT709, HDR_TRANSFERS, USUAL_PEAK, Deep, tone_map

_RANGE_LIMITED, _RANGE_FULL = 1, 2
_COPIED = frozenset({"yuv420p", "yuvj420p", "yuva420p", "nv12"})
_MATRIX_OF_SPACE: dict[int, Matrix] = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020"}
_SPACES_REFUSED = {8: "YCgCo", 10: "BT.2020 constant luminance", 14: "ICtCp", 15: "IPT-C2 (Dolby Vision)"}
_HD_WIDTH, _SD_HEIGHT = 1280, 576

# FFmpeg's scaler would take many times as long for the deep ones, and moves the chroma of odd sizes.
PLANAR = {
    "nv12": "yuv420p",
    "nv16": "yuv422p",
    "p010le": "yuv420p10le",
    "p012le": "yuv420p12le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "p212le": "yuv422p12le",
    "p216le": "yuv422p16le",
}
"""As graphics cards lay pictures out, chroma in one plane, U first, and more than 8 bits at the upper end of 16; and
the formats that hold the same channels in planes of their own."""


def convert(frame: av.VideoFrame, *, peak: float = USUAL_PEAK) -> tuple[Planes, ColorSpec]:
    """The planes of a decoded picture, contiguous and our own, and the colour that they are in.

    `peak`: the brightest light of a PQ film, in cd/m2. Raises UnsupportedError for what would come out wrong:
    floating-point pixels, and matrices that are not linear in R'G'B'.
    """
    _refuse_unsupported(frame)
    try:
        return _converted(frame, peak)
    except av.FFmpegError as error:
        raise UnsupportedError(
            f"{frame.format.name} pixels can't be unpacked ({describe(error)}): convert the film to H.264 first"
        ) from error


def _converted(frame: av.VideoFrame, peak: float) -> tuple[Planes, ColorSpec]:
    if frame.color_trc in HDR_TRANSFERS:
        return from_rgb(tone_map(_deep(frame), frame, peak=peak), BT709), BT709
    color = color_of(frame)
    if frame.format.name in _COPIED:
        return _copied(frame), color
    if is_rgb(frame.format):
        return from_rgb(_rgb(frame), color), color
    return _reduced(_deep(frame), color.full_range), color


def color_of(frame: av.VideoFrame) -> ColorSpec:
    """What the planes of a picture that is not tone-mapped mean.

    A matrix that is not stated is guessed as most players do: BT.709 where the picture is larger than standard
    definition, else BT.601. RGB becomes limited range in that matrix, and then states it.
    """
    guessed: Matrix = "bt709" if frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT else "bt601"
    primaries, transfer = _stated(frame.color_primaries), _stated(frame.color_trc)
    if is_rgb(frame.format):
        return ColorSpec(guessed, False, primaries, transfer, SPACE_TAG[guessed])
    space = _stated(frame.colorspace)
    return ColorSpec(_MATRIX_OF_SPACE.get(space, guessed), _is_full_range(frame), primaries, transfer, space)


def is_rgb(format: av.VideoFormat) -> bool:
    """Whether the pixels are red, green and blue in some order, or indices or bits that stand for them."""
    return format.is_rgb or format.has_palette or format.is_bit_stream or format.name.startswith("xyz")


def refuse_dolby_vision(frame: av.VideoFrame) -> None:
    """Raise UnsupportedError where the picture needs Dolby Vision's own metadata to have colours at all."""
    if frame.color_trc == NOT_STATED and payload(frame, SideData.DOVI_METADATA) is not None:
        raise UnsupportedError(
            "the film is Dolby Vision without an ordinary base layer, which would come out green and purple: "
            "convert it to HDR10 or SDR first"
        )


def _refuse_unsupported(frame: av.VideoFrame) -> None:
    if not is_rgb(frame.format) and frame.colorspace in _SPACES_REFUSED:
        raise UnsupportedError(
            f"the film's colours are coded as {_SPACES_REFUSED[frame.colorspace]}, which is not supported: "
            "convert it to BT.709 first"
        )
    if any(component.bits > 16 for component in frame.format.components):
        raise UnsupportedError(f"pixels are stored as {frame.format.name}: convert the film to 8 or 10 bits first")


def _stated(tag: int) -> int:
    """A tag as H.273 numbers it; 0, which is reserved there for all but the matrix of RGB, counts as not stated."""
    return NOT_STATED if tag in (0, NOT_STATED) else tag


def _is_full_range(frame: av.VideoFrame) -> bool:
    name = frame.format.name
    if name.startswith("yuvj") or frame.color_range == _RANGE_FULL:
        return True
    # Grey that states nothing is full range, as FFmpeg's own scaler takes it.
    return name.startswith(("gray", "ya")) and frame.color_range != _RANGE_LIMITED


def _copied(frame: av.VideoFrame) -> Planes:
    planes = allocate(frame.height, frame.width)
    channels = _apart(frame) if frame.format.name in PLANAR else _channels(frame)
    for plane, channel in zip(planes, channels, strict=True):
        np.copyto(plane, channel)
    return planes


def _channels(frame: av.VideoFrame) -> list[npt.NDArray[Any]]:
    """The channels of a planar picture, without alpha, over FFmpeg's own memory."""
    components = [component for component in frame.format.components if not component.is_alpha][:3]
    return [_samples(frame, part.plane, part.height, part.width) for part in components]


def _apart(frame: av.VideoFrame) -> list[npt.NDArray[Any]]:
    """Y, U and V of a picture whose chroma channels share a plane, as they are stored."""
    luma, chroma, _ = frame.format.components
    both = _samples(frame, 1, chroma.height, 2 * chroma.width)
    y = _samples(frame, 0, luma.height, luma.width)
    return [y, *cv2.split(both.reshape(chroma.height, chroma.width, 2))]


def _samples(frame: av.VideoFrame, index: int, height: int, width: int) -> npt.NDArray[Any]:
    """One plane of a planar picture as an array over FFmpeg's own memory, without the padding of its lines."""
    plane = frame.planes[index]
    if plane.line_size < 0:
        raise UnsupportedError("pictures are stored bottom up: convert the film to H.264 first")
    kind: np.dtype[Any] = np.dtype(np.uint8 if frame.format.components[0].bits <= 8 else np.uint16)
    stored = kind.newbyteorder(">" if frame.format.is_big_endian else "=")
    lines: npt.NDArray[Any] = np.frombuffer(memoryview(plane), stored).reshape(-1, plane.line_size // kind.itemsize)
    return lines[:height, :width].astype(kind, copy=False)


def _rgb(frame: av.VideoFrame) -> Plane:
    if frame.format.components[0].bits <= 8:
        return np.ascontiguousarray(frame.to_ndarray(format="rgb24"), np.uint8)
    deep = _deep(frame)
    scale = 255.0 / ((1 << deep.bits) - 1)
    return cv2.convertScaleAbs(cv2.merge(deep.channels), alpha=scale).astype(np.uint8, copy=False)


def _deep(frame: av.VideoFrame) -> Deep:
    """The picture's samples as they are, one array a channel: Y, or Y, U, V, or R, G, B."""
    if frame.format.name in PLANAR:
        return _deep_of_card(frame)
    frame = _unpacked(frame)
    rgb = is_rgb(frame.format)
    matrix = "bt709" if rgb else color_of(frame).matrix
    bits = frame.format.components[0].bits
    return Deep(_channels(frame), bits, rgb=rgb, matrix=matrix, full_range=rgb or _is_full_range(frame))


def _deep_of_card(frame: av.VideoFrame) -> Deep:
    """In limited range samples at the upper end are as good as deeper ones; in full range their white would be less."""
    channels, bits = _apart(frame), frame.format.components[0].bits
    full_range = _is_full_range(frame)
    unused = 8 * channels[0].itemsize - bits
    if full_range and unused:
        channels = [channel >> unused for channel in channels]
    else:
        bits += unused
    return Deep(channels, bits, rgb=False, matrix=color_of(frame).matrix, full_range=full_range)


def _unpacked(frame: av.VideoFrame) -> av.VideoFrame:
    """The picture with each channel in a plane of its own; the samples stay the same."""
    format = frame.format
    colors = [component for component in format.components if not component.is_alpha]
    is_apart = len({component.plane for component in format.components}) == len(format.components)
    if is_apart and "msb" not in format.name and not is_rgb(format):
        return frame
    bits = max(component.bits for component in colors)
    depth = f"{bits}le" if bits > 8 else ""
    if is_rgb(format):
        name = f"gbrp{bits if bits in _GBR_BITS else 16}le" if bits > 8 else "gbrp"
    elif len(colors) == 1:
        name = f"gray{depth}"
    elif _ratio(format) in _SUBSAMPLING:
        name = f"yuv{_SUBSAMPLING[_ratio(format)]}p{depth}"
    else:
        raise UnsupportedError(f"pixels are stored as {format.name}: convert the film to H.264 first")
    return frame.reformat(format=name)


_GBR_BITS = frozenset({9, 10, 12, 14, 16})
_SUBSAMPLING = {(1, 1): "444", (2, 1): "422", (2, 2): "420", (1, 2): "440", (4, 1): "411", (4, 4): "410"}


def _ratio(format: av.VideoFormat) -> tuple[int, int]:
    return 64 // format.chroma_width(64), 64 // format.chroma_height(64)


def _reduced(deep: Deep, full_range: bool) -> Planes:
    """8-bit 4:2:0 of deeper or finer samples."""
    luma, *chroma = deep.channels
    planes = allocate(*luma.shape)
    scale = 255.0 / ((1 << deep.bits) - 1) if full_range else 1.0 / (1 << (deep.bits - 8))
    cv2.convertScaleAbs(luma, dst=planes[0], alpha=scale)
    for index, plane in enumerate(planes[1:]):
        if not chroma:
            plane[:] = 128
            continue
        sums, weight = _chroma_sums(chroma[index], luma.shape)
        middle = 128.0 - scale * (1 << (deep.bits - 1))
        cv2.convertScaleAbs(sums, dst=plane, alpha=scale / weight, beta=middle)
    return planes


def _chroma_sums(chroma: npt.NDArray[Any], luma: tuple[int, ...]) -> tuple[npt.NDArray[Any], int]:
    """A chroma plane at 4:2:0 size times a weight, and that weight: reduced as `streamer.color` does it."""
    rows, columns = chroma_size(luma[0], luma[1])
    if chroma.shape[0] < rows or chroma.shape[1] < columns:
        chroma = _enlarged(chroma, max(rows, chroma.shape[0]), max(columns, chroma.shape[1]))
    sums, weight = chroma, 1
    if chroma.shape[0] > rows:
        even = _repeated(chroma, 2 * rows - chroma.shape[0], 0).astype(np.int32)
        sums, weight = even[0::2] + even[1::2], 2
    if chroma.shape[1] > columns:
        wide = _repeated(sums.astype(np.int32), 0, 2 * columns - sums.shape[1])
        odd = wide[:, 1::2]
        sums, weight = 2 * wide[:, 0::2] + odd + np.hstack([wide[:, :1], odd[:, :-1]]), 4 * weight
    return sums, weight


def _enlarged(chroma: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """Linear, first columns level with each other, rows half-way between theirs."""
    across, down = round(columns / chroma.shape[1]), round(rows / chroma.shape[0])
    back = np.array([[1 / across, 0.0, 0.0], [0.0, 1 / down, (1 / down - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(chroma, back, (columns, rows), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _repeated(image: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """The image with its last row and column repeated so often."""
    return np.pad(image, ((0, rows), (0, columns)), mode="edge") if rows or columns else image
