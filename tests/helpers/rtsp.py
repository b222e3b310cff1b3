"""A real RTSP server (GStreamer's) that plays films as cameras, and films whose frames carry numbers.

with RtspServer({"cam": numbered_film(folder / "cam.mp4")}) as server:
    ... server.url("cam") ...
    server.kill(); server.start()
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from tests.helpers.peers import free_port as free_port

USER, WORD = "user", "sesame-4711"
BITS = 16
FLASH_EVERY = 25
"""Every so many frames, one is white in the middle, and a beep sounds for as long as it is shown."""

_SERVER = Path(__file__).parents[1] / "peers" / "rtsp_server.py"
_PYTHON = "/usr/bin/python3"
_ROWS = 1 / 8
_RATE = 48000


class RtspServer:
    """Serves each film of `paths` (one, or several in turn) under its name, round and round, on loopback.

    Names that begin with "private" ask for `USER` and `WORD` by Digest. A machine without GStreamer's RTSP server fails
    here, with what to install. `on_sent(place, seconds)`: called, on a thread, with the place of every picture in its
    film and the monotonic second at which it is sent.
    """

    def __init__(
        self,
        paths: Mapping[str, Path | Sequence[Path]],
        *,
        port: int | None = None,
        on_sent: Callable[[int, float], None] | None = None,
    ) -> None:
        self.port = free_port() if port is None else port
        self._on_sent = on_sent
        self._paths = {name: [films] if isinstance(films, Path) else list(films) for name, films in paths.items()}
        self._process: subprocess.Popen[str] | None = None
        self._listener: threading.Thread | None = None

    def url(self, name: str, *, user: str = "", word: str = "") -> str:
        login = f"{user}:{word}@" if user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Returns when the server listens."""
        words = [_PYTHON, str(_SERVER), "--port", str(self.port), "--login", f"{USER}:{WORD}"]
        words += ["--tell"] if self._on_sent else []
        for name, films in self._paths.items():
            words += ["--path", f"{name}={','.join(str(film) for film in films)}"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            _, said = self._process.communicate(timeout=10)
            raise RuntimeError(
                f"no RTSP server (apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "
                f"gstreamer1.0-plugins-good gstreamer1.0-plugins-bad): {said}"
            )
        if self._on_sent:
            self._listener = threading.Thread(target=self._listen, args=(self._process.stdout, self._on_sent))
            self._listener.start()

    def _listen(self, said: IO[str], on_sent: Callable[[int, float], None]) -> None:
        for line in said:
            place, _, seconds = line.partition(" ")
            on_sent(int(place), float(seconds))

    def kill(self) -> None:
        """Dies without a goodbye, as when the plug is pulled."""
        if self._process is not None:
            self._process.kill()
            if self._listener is not None:
                self._listener.join()
                self._listener = None
            self._process.communicate(timeout=10)
            self._process = None

    def freeze(self) -> None:
        """Goes on holding its connections, but says nothing any more; only `kill` ends that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def numbered_film(
    path: Path,
    *,
    frames: int = 100,
    width: int = 640,
    height: int = 360,
    rate: int = 25,
    codec: str = "libx264",
    sound: str | None = "aac",
    sound_rate: int = _RATE,
    options: Mapping[str, str] | None = None,
    grain: int = 0,
) -> Path:
    """A film whose frames carry their numbers (see `read_number`) and flash once a second with a beep (`is_flash`).

    A key frame every half second, no B-frames unless `options` say so. `sound`: an FFmpeg encoder, None for silence.
    `grain`: how rough the ground is, in grey levels; key frames are as large as a camera's then.
    """
    usual = {"preset": "ultrafast", "tune": "zerolatency", "g": str(max(1, rate // 2))}
    chosen = dict(options or (usual if codec == "libx264" else {}))
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=rate, options=chosen)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        speaker = output.add_stream(sound, rate=sound_rate, layout="mono") if sound else None
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(numbered(number, height=height, width=width, grain=grain), "yuv420p")
            picture = picture.reformat(format=stream.pix_fmt) if codec == "mjpeg" else picture
            picture.pts, picture.time_base = number, Fraction(1, rate)
            output.mux(stream.encode(picture))
            if isinstance(speaker, AudioStream):
                output.mux(speaker.encode(_heard(number, rate=rate, sound_rate=sound_rate)))
        output.mux(stream.encode(None))
        if isinstance(speaker, AudioStream):
            output.mux(speaker.encode(None))
    return path


def numbered(number: int, *, height: int, width: int, grain: int = 0) -> npt.NDArray[np.uint8]:
    """The yuv420p picture (3 / 2 height, width): its number as sixteen blocks across the top, most significant first,
    and the same inverted below them; a bar that moves; white in the middle where it flashes."""
    luma = np.full((height, width), 90, np.uint8)
    if grain:
        luma += np.random.default_rng(0).integers(0, grain + 1, luma.shape, np.uint8)
    bits = [(number >> (BITS - 1 - bit)) & 1 for bit in range(BITS)]
    edges = [round(width * bit / BITS) for bit in range(BITS + 1)]
    half, full = round(height * _ROWS / 2), round(height * _ROWS)
    for bit, left, right in zip(bits, edges, edges[1:], strict=False):
        luma[:half, left:right] = 225 if bit else 25
        luma[half:full, left:right] = 25 if bit else 225
    left = (number * 8) % (width - 16)
    luma[full + 8 : full + 40, left : left + 16] = 200
    if number % FLASH_EVERY == 0:
        luma[height // 2 : height * 3 // 4, width // 4 : width * 3 // 4] = 235
    chroma = np.full((height // 2, width), 128, np.uint8)
    return np.concatenate([luma, chroma])


def read_number(luma: npt.NDArray[Any]) -> int | None:
    """The number that a picture carries, from its luma or grey levels (H, W) at any size; None where none is read."""
    height, width = luma.shape
    number = 0
    for bit in range(BITS):
        column = round(width * (bit + 0.5) / BITS)
        across = slice(max(0, column - width // 96), column + width // 96 + 1)
        above = float(luma[round(height * _ROWS * 0.25), across].mean())
        below = float(luma[round(height * _ROWS * 0.75), across].mean())
        if abs(above - below) < 60:
            return None
        number = number * 2 + (above > below)
    return number


def is_flash(luma: npt.NDArray[Any]) -> bool:
    """Whether the picture is one of those that flash."""
    height, width = luma.shape
    return float(luma[height * 5 // 8, width * 3 // 8 : width * 5 // 8].mean()) > 170


def _heard(number: int, *, rate: int, sound_rate: int) -> av.AudioFrame:
    """The sound while frame `number` is shown."""
    begin, end = round(number * sound_rate / rate), round((number + 1) * sound_rate / rate)
    times = np.arange(begin, end) / sound_rate
    loudness = 0.5 if number % FLASH_EVERY == 0 else 0.0
    wave = (32767 * loudness * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(wave[None, :], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sound_rate, begin, Fraction(1, sound_rate)
    return frame
