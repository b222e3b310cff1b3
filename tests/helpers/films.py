"""Films made for tests of what is written: small, real, and read back with FFmpeg alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from streamer.color import ColorSpec, Plane
from streamer.frame import Frame
from streamer.media.encoders import EncodeSettings
from streamer.media.info import SourceInfo
from streamer.media.reader import FileReader
from streamer.media.sink import FileWriter
from weights.store import Store

ASS_HEADER = (
    b"[Script Info]\r\nScriptType: v4.00+\r\n\r\n[V4+ Styles]\r\nFormat: Name, Fontname, Fontsize\r\n"
    b"Style: Default,Arial,16\r\n\r\n[Events]\r\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n"
)


def picture(seed: int, width: int = 96, height: int = 64) -> tuple[Plane, Plane, Plane]:
    """Planes that differ with `seed` and hold every kind of number that a plane can."""
    rng = np.random.default_rng(seed)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), chroma, chroma))
    return y, u, v


def smooth_picture(seed: int, width: int = 96, height: int = 64) -> tuple[Plane, Plane, Plane]:
    """A slope that moves with `seed`: light work for an encoder."""
    x, y = np.arange(width), np.arange(height)
    luma = ((x[None] + y[:, None] + 3 * seed) % 200 + 20).astype(np.uint8)
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return luma, chroma, chroma.copy()


def frames_at(
    times: Sequence[int],
    time_base: Fraction,
    *,
    size: tuple[int, int] = (96, 64),
    color: ColorSpec | None = None,
    noise: bool = False,
    durations: Sequence[int] | None = None,
) -> Iterator[Frame]:
    """Frames with these pts."""
    make = picture if noise else smooth_picture
    spans = durations or [0] * len(times)
    for seq, (pts, span) in enumerate(zip(times, spans, strict=True)):
        y, u, v = make(seq, *size)
        yield Frame(y, u, v, color or ColorSpec(), pts, time_base, seq, 0.0, span)


def tone(seconds: float, rate: int = 44100, *, start: int = 0) -> Iterator[av.AudioFrame]:
    """A stereo tone that rises, in frames of 1024 samples."""
    for at in range(0, int(seconds * rate), 1024):
        moments = np.arange(at, at + 1024) / rate
        wave = (0.3 * np.sin(2 * np.pi * (300 + 200 * moments) * moments)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, at + start, Fraction(1, rate)
        yield frame


class SourceMaker:
    """Builds a source file: pictures at given times, then whatever else a test adds."""

    def __init__(self, path: Path, times: Sequence[int], time_base: Fraction, *, rate: Fraction = Fraction(25)) -> None:
        self.output = av.open(str(path), "w")
        self._packets: list[Packet[Stream]] = []
        self.sounds: list[tuple[AudioStream, list[av.AudioFrame]]] = []
        self._times, self._time_base = times, time_base
        self.video = self.output.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "bf": "2"})
        assert isinstance(self.video, VideoStream)
        self.video.codec_context.width, self.video.codec_context.height = 96, 64
        self.video.codec_context.time_base = self.video.time_base = time_base

    def add_tone(self, seconds: float, *, codec: str = "aac", start: int = 0) -> AudioStream:
        stream = self.output.add_stream(codec, rate=44100 if codec != "libopus" else 48000)
        assert isinstance(stream, AudioStream)
        stream.codec_context.layout = "stereo"
        rate = stream.codec_context.sample_rate
        self.sounds.append((stream, list(tone(seconds, rate, start=start))))
        return stream

    def add_lines(self, lines: Sequence[str], *, codec: str = "subrip") -> Stream:
        """Subtitles, one a half second, each for 400 ms."""
        stream = self.output.add_stream(codec)
        stream.time_base = Fraction(1, 1000)
        assert isinstance(stream, SubtitleStream)
        stream.codec_context.subtitle_header = ASS_HEADER
        for number, line in enumerate(lines):
            packet: Packet[Stream] = Packet(line.encode())
            packet.pts = packet.dts = 500 * number
            packet.duration, packet.time_base, packet.stream = 400, Fraction(1, 1000), stream
            self._packets.append(packet)
        return stream

    def add_raw(self, stream: Stream, payloads: Sequence[bytes], times: Sequence[int]) -> None:
        """Packets as they are, in the stream's time base."""
        for payload, time in zip(payloads, times, strict=True):
            packet: Packet[Stream] = Packet(payload)
            assert stream.time_base is not None
            packet.pts = packet.dts = time
            packet.time_base, packet.stream = stream.time_base, stream
            self._packets.append(packet)

    def write(self) -> None:
        """Encode all and write it in order of time."""
        self.output.start_encoding()
        packets: list[Packet[Stream]] = list(self._packets)
        for frame in frames_at(self._times, self._time_base):
            packets += self.video.encode(_av_frame(frame))
        packets += self.video.encode(None)
        for stream, sounds in self.sounds:
            for sound in [*sounds, None]:
                packets += stream.encode(sound)
        packets.sort(key=lambda packet: (packet.dts or 0) * packet.time_base)
        self.output.mux(packets)
        self.output.close()


def _av_frame(frame: Frame) -> av.VideoFrame:
    made = av.VideoFrame.from_ndarray(
        np.concatenate([plane.ravel() for plane in frame.planes]).reshape(-1, frame.width), format="yuv420p"
    )
    made.pts, made.time_base = frame.pts, frame.time_base
    return made


def info_of(path: Path) -> SourceInfo:
    """What a sink needs to know of a file."""
    with FileReader(path) as reader:
        return reader.info


def frames_of(path: Path) -> Iterator[Frame]:
    """The frames of a file, with the times that its container gives."""
    with av.open(str(path)) as film:
        video = next(s for s in film.streams.video if not s.disposition & Disposition.attached_pic)
        for seq, decoded in enumerate(film.decode(video)):
            assert decoded.pts is not None
            assert decoded.time_base is not None
            y, u, v = planes_of(decoded)
            yield Frame(y, u, v, ColorSpec(), decoded.pts, decoded.time_base, seq, 0.0, decoded.duration)


def planes_of(decoded: av.VideoFrame) -> tuple[Plane, Plane, Plane]:
    """A decoder's planes, without padding and without conversion."""
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
        for plane in decoded.planes
    )
    return y, u, v


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    return [frame.pts * frame.time_base for frame in frames_of(path)]


def packets_of(path: Path, index: int) -> list[tuple[str, Fraction]]:
    """Hash and time of each packet of one stream."""
    with av.open(str(path)) as film:
        stream = film.streams[index]
        return [
            (hashlib.sha256(bytes(packet)).hexdigest(), packet.pts * packet.time_base)
            for packet in film.demux(stream)
            if packet.size and packet.pts is not None
        ]


def rewrite(
    source: Path, target: Path, settings: EncodeSettings | None = None, *, disclosure: str = ""
) -> tuple[str, ...]:
    """Pass a whole film through the sink unchanged, but for what it is to say of itself; return its notes."""
    writer = FileWriter(target, info_of(source), settings or EncodeSettings(), overwrite=False)
    writer.disclose(disclosure)
    for frame in frames_of(source):
        writer.write(frame)
    writer.complete()
    writer.publish()
    return writer.notes


def talking_head(store: Store, path: Path, *, times: int, frames: int) -> Path:
    """The first `frames` of a real talking head of 176x144, so many times as wide and high, without loss, at 25 fps."""
    width, height = 176 * times, 144 * times
    with av.open(store.find("sample-carphone")) as source, av.open(path, "w") as target:
        stream = target.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in zip(range(frames), source.decode(video=0), strict=False):
            large = frame.reformat(width, height, format="yuv420p", interpolation="BICUBIC")
            large.pts = number
            target.mux(stream.encode(large))
        target.mux(stream.encode(None))
    return path
