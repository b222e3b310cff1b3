"""A small real studio: it encodes moving, numbered pictures and a tone, and takes what publishers send.

It stands in for `streamer.live.studio` where only the web is looked at. `python -m tests.helpers.studio [PORT]`
serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from streamer.live.facts import FaceFacts, PictureFacts
from web.feeds import (
    BadRequestError,
    EncodedPicture,
    EncodedSound,
    EndOfFeed,
    FullError,
    Layout,
    LostPackets,
    LostPictures,
    NameTakenError,
    Rendition,
    SourceRefusedError,
    Status,
    UnknownStreamError,
)

Pixels = npt.NDArray[np.uint8]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.IGNORECASE)
_BITS = 16
_SOUND_SAMPLES = 960
_VIEWING_PICTURES = 30
TONE_HZ = 440
FACE = FaceFacts(
    track=1, box=(0.4, 0.3, 0.6, 0.7), lane="transformer", reason="50 to 100 px", width_px=64.0, strength=1.0
)


def numbered(number: int, *, width: int, height: int) -> Pixels:
    """An RGB picture that moves with its number and has it written along its top as `_BITS` black or white blocks."""
    ramp = (np.add.outer(np.arange(height), np.arange(width)) + 4 * number) % 256
    picture = np.stack([ramp, 255 - ramp, np.full_like(ramp, 90)], axis=2).astype(np.uint8)
    block = width // _BITS
    for bit in range(_BITS):
        picture[:block, bit * block : (bit + 1) * block] = 255 if number >> bit & 1 else 0
    return picture


def number_of(frame: av.VideoFrame, *, width: int | None = None) -> int:
    """The number written into a picture whose numbered part is `width` pixels wide (all of it by default)."""
    luma = frame.to_ndarray(format="gray")
    block = (width or frame.width) // _BITS
    middle = block // 2
    return sum(1 << bit for bit in range(_BITS) if luma[middle, bit * block + middle] > 127)


@dataclass(frozen=True, slots=True)
class Shape:
    width: int = 640
    height: int = 360
    rate: int = 25
    bit_rate: int = 1_500_000


@dataclass
class DemoEncoder:
    """H.264 of one rendition: constrained baseline, no delay, parameter sets before every key frame."""

    width: int
    height: int
    rate: int
    bit_rate: int
    key_wanted: bool = True
    _codec: VideoCodecContext = field(init=False)

    def __post_init__(self) -> None:
        codec = av.CodecContext.create("libx264", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt = self.width, self.height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, 90000), Fraction(self.rate)
        codec.bit_rate = self.bit_rate
        codec.options = {
            "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "g": "250", "forced-idr": "1",
            "x264-params": "repeat-headers=1:annexb=1:scenecut=0",
        }  # fmt: skip
        self._codec = codec

    def encode(self, picture: Pixels, pts: int) -> tuple[bytes, bool]:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = pts, Fraction(1, 90000)
        wanted, self.key_wanted = self.key_wanted, False
        frame.pict_type = av.video.frame.PictureType.I if wanted else av.video.frame.PictureType.NONE
        packets = self._codec.encode(frame)
        return b"".join(bytes(packet) for packet in packets), any(packet.is_keyframe for packet in packets)


class DemoViewing:
    """One viewer's end; implements `web.feeds.Viewing`."""

    def __init__(self, stream: DemoStream, rendition: Rendition) -> None:
        self._stream = stream
        self.rendition: Rendition = rendition
        self._pictures: deque[EncodedPicture] = deque()
        self._sounds: deque[EncodedSound] = deque(maxlen=10)
        self._news = asyncio.Event()
        self._starving = True
        self._listens = False
        self.asked_for_key = 0
        self.glass: list[float] = []
        self.closed = False

    @property
    def has_sound(self) -> bool:
        return self._stream.has_sound

    def offer(self, picture: EncodedPicture) -> None:
        if picture.rendition != self.rendition or (self._starving and not picture.is_key):
            return
        self._starving = len(self._pictures) >= _VIEWING_PICTURES
        if self._starving:
            self._pictures.clear()
            self._stream.need_key(self.rendition)
        else:
            self._pictures.append(picture)
        self._tell()

    def offer_sound(self, sound: EncodedSound) -> None:
        if self._listens:
            self._sounds.append(sound)
            self._tell()

    async def picture(self) -> EncodedPicture:
        while not self._pictures:
            await self._wait()
        return self._pictures.popleft()

    async def sound(self) -> EncodedSound:
        self._listens = True
        while not self._sounds:
            await self._wait()
        return self._sounds.popleft()

    def need_key(self) -> None:
        self.asked_for_key += 1
        self._stream.need_key(self.rendition)

    def choose(self, rendition: Rendition) -> None:
        if rendition != self.rendition:
            self.rendition, self._starving = rendition, True
            self._stream.need_key(rendition)

    def shown(self, glass_seconds: float) -> None:
        self.glass.append(glass_seconds)

    def close(self) -> None:
        self.closed = True
        self._stream.viewings.discard(self)
        self._tell()

    def _tell(self) -> None:
        # Both waiters, of pictures and of sounds, wait on the event that is there now.
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _wait(self) -> None:
        if self.closed or self._stream.ended:
            raise EndOfFeed
        await self._news.wait()


class DemoPublishing:
    """Where a publisher's media ends up; implements `web.feeds.Publishing` and shows the pictures to viewers."""

    def __init__(self, stream: DemoStream) -> None:
        self._stream = stream
        self.pictures: deque[tuple[av.VideoFrame, float, float]] = deque(maxlen=500)
        self.decode_seconds: deque[float] = deque(maxlen=500)
        self.sounds: deque[tuple[bytes, int, float, float]] = deque(maxlen=2000)
        self.losses: dict[str, int] = {}
        """Pictures and packets, by why and kind."""
        self.closed = False

    def picture(
        self, picture: av.VideoFrame, *, media_seconds: float, arrived_at: float, decode_seconds: float
    ) -> None:
        self.decode_seconds.append(decode_seconds)
        self.pictures.append((picture, media_seconds, arrived_at))
        self._stream.latest = picture

    def sound(self, opus: bytes, *, samples: int, media_seconds: float, arrived_at: float) -> None:
        self.sounds.append((opus, samples, media_seconds, arrived_at))

    def lost(self, why: LostPictures, count: int = 1) -> None:
        self.losses[why] = self.losses.get(why, 0) + count

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        self.losses[kind] = self.losses.get(kind, 0) + count

    async def ended(self) -> str:
        while not self._stream.ended:
            await asyncio.sleep(0.05)
        return "the stream was removed"

    def close(self) -> None:
        self.closed = True
        if self._stream.publishing is self:
            self._stream.publishing = None


class DemoStream:
    """Pictures at a steady rate, made here or by a publisher, encoded once a rendition for all viewers."""

    def __init__(self, name: str, shape: Shape, *, kind: str = "network") -> None:
        self.name, self.kind = name, kind
        self.width, self.height, self.rate, self.bit_rate = shape.width, shape.height, shape.rate, shape.bit_rate
        self.has_sound = True
        self.face = FACE
        self.viewings: set[DemoViewing] = set()
        self.publishing: DemoPublishing | None = None
        self.latest: av.VideoFrame | None = None
        self.ended = False
        self.started_at = time.monotonic()
        self._encoders: dict[Rendition, DemoEncoder] = {}
        self._tasks = [asyncio.ensure_future(self._show()), asyncio.ensure_future(self._play())]

    def need_key(self, rendition: Rendition) -> None:
        if rendition in self._encoders:
            self._encoders[rendition].key_wanted = True

    def layout(self, rendition: Rendition) -> Layout:
        w, h = self.width, self.height
        if rendition == "enhanced":
            return Layout(w, h, (0, 0, w, h))
        return Layout(w, h + h // 2, (0, 0, w, h), (0, h, w // 2, h // 2))

    def status(self) -> dict[str, Any]:
        live = self.kind == "network" or self.publishing is not None
        return {
            "name": self.name, "source": {"kind": self.kind, "address": f"demo:{self.name}"},
            "state": "live" if live else "waiting", "cause": "none",
            "message": "" if live else f"Publish to /whip/{self.name} to begin.", "retry_in_s": None,
            "since": time.monotonic() - self.started_at, "width": self.width // 2, "height": self.height // 2,
            "output_width": self.width, "output_height": self.height, "scale": 2, "has_sound": self.has_sound,
            "decoder": "h264 on cpu",
            "viewers": len(self.viewings), "max_viewers": 8, "fps_in": float(self.rate), "fps_out": float(self.rate),
            "latency_ms": {"p50": 41.0, "p95": 63.0}, "stages_ms": {"decode": 4.0, "detect": 6.0, "encode": 5.0},
            "faces": {"transformer": 1, "skip": 1}, "drops": {"superseded": 2},
            "effort": {"name": "full", "level": 0, "of": 7}, "bitrate_kbps": self.bit_rate / 1000, "reconnects": 0,
            "mended": {},
        }  # fmt: skip

    async def aclose(self) -> None:
        self.ended = True
        for viewing in list(self.viewings):
            viewing.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _show(self) -> None:
        for number in range(1 << 30):
            captured_at = self.started_at + number / self.rate
            await asyncio.sleep(max(0.0, captured_at - time.monotonic()))
            for rendition in {viewing.rendition for viewing in self.viewings}:
                await self._encode(rendition, number, captured_at)

    async def _encode(self, rendition: Rendition, number: int, captured_at: float) -> None:
        layout = self.layout(rendition)
        if rendition not in self._encoders:
            self._encoders[rendition] = DemoEncoder(layout.width, layout.height, self.rate, self.bit_rate)
        pts = round((captured_at - self.started_at) * 90000)
        data, is_key = await asyncio.to_thread(self._picture, self._encoders[rendition], layout, number, pts)
        facts = PictureFacts(number, captured_at, {"decode": 4.0, "detect": 6.0}, (self.face,)).as_json()
        picture = EncodedPicture(data, pts, is_key, number, captured_at, rendition, layout, facts)
        for viewing in list(self.viewings):
            viewing.offer(picture)

    def _picture(self, encoder: DemoEncoder, layout: Layout, number: int, pts: int) -> tuple[bytes, bool]:
        enhanced = numbered(number, width=self.width, height=self.height)
        if self.latest is not None:
            enhanced = np.asarray(self.latest.reformat(self.width, self.height, "rgb24").to_ndarray(), np.uint8)
        whole = np.zeros((layout.height, layout.width, 3), np.uint8)
        whole[: self.height, : self.width] = enhanced
        if layout.original is not None:
            x, y, w, h = layout.original
            whole[y : y + h, x : x + w] = enhanced[::2, ::2]
        return encoder.encode(whole, pts)

    async def _play(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate, codec.format, codec.layout = 48000, "flt", "stereo"
        codec.time_base, codec.bit_rate = Fraction(1, 48000), 64000
        for number in range(1 << 30):
            captured_at = self.started_at + number * _SOUND_SAMPLES / 48000
            await asyncio.sleep(max(0.0, captured_at - time.monotonic()))
            frame = _tone(number * _SOUND_SAMPLES)
            for packet in codec.encode(frame):
                for viewing in list(self.viewings):
                    viewing.offer_sound(EncodedSound(bytes(packet), number * _SOUND_SAMPLES, captured_at))


def _tone(pts: int) -> av.AudioFrame:
    wave = 0.3 * np.sin(2 * np.pi * TONE_HZ * (pts + np.arange(_SOUND_SAMPLES)) / 48000)
    frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2)[None].astype(np.float32), format="flt", layout="stereo")
    frame.pts, frame.sample_rate, frame.time_base = pts, 48000, Fraction(1, 48000)
    return frame


class DemoStudio:
    """Implements `web.feeds.Studio`; make it inside a running event loop, and `aclose` it."""

    def __init__(
        self,
        *names: str,
        shape: Shape = Shape(),
        max_viewers: int = 8,
        max_streams: int = 8,
    ) -> None:
        self._shape = shape
        self._max_viewers, self._max_streams = max_viewers, max_streams
        self.named: dict[str, DemoStream] = {}
        for name in names or ("demo",):
            self.named[name] = DemoStream(name, self._shape)
        self.reasons_not_ready: list[str] = []

    def streams(self) -> Sequence[Status]:
        return [stream.status() for stream in self.named.values()]

    def status(self, name: str) -> Status:
        return self._stream(name).status()

    def changes(self, name: str) -> AsyncIterator[Status]:
        return self._changes(self._stream(name))

    async def add(self, name: str, source: str) -> Status:
        if not source.startswith(("rtsp://", "demo:")):
            raise SourceRefusedError(f"{source.split(':')[0]} is not allowed here: give an rtsp address.")
        return self._make(name, kind="network").status()

    async def remove(self, name: str) -> None:
        await self._stream(name).aclose()
        del self.named[name]

    def view(self, name: str, rendition: Rendition = "enhanced") -> DemoViewing:
        stream = self._stream(name)
        if len(stream.viewings) >= self._max_viewers:
            raise FullError(f"{self._max_viewers} viewers watch {name} already, the most it takes; try again later")
        viewing = DemoViewing(stream, rendition)
        stream.viewings.add(viewing)
        stream.need_key(rendition)
        return viewing

    def publish(self, name: str) -> DemoPublishing:
        stream = self.named.get(name)
        if stream is None:
            stream = self._make(name, kind="publish")
        if stream.kind != "publish" or stream.publishing is not None:
            raise NameTakenError(f"{name} is in use: publish under another name.")
        stream.publishing = DemoPublishing(stream)
        return stream.publishing

    def not_ready(self) -> Sequence[str]:
        return self.reasons_not_ready

    def metrics(self) -> bytes:
        return f"# TYPE facelane_streams gauge\nfacelane_streams {len(self.named)}\n".encode()

    async def aclose(self) -> None:
        for name in list(self.named):
            await self.remove(name)

    def _make(self, name: str, *, kind: str) -> DemoStream:
        if not _NAME.fullmatch(name):
            raise BadRequestError(f"{name!r} is no name: take letters, digits, - and _.")
        if name in self.named:
            raise NameTakenError(f"{name} exists already: take another name.")
        if len(self.named) >= self._max_streams:
            raise FullError(f"There are {self._max_streams} streams already: remove one.")
        self.named[name] = DemoStream(name, self._shape, kind=kind)
        return self.named[name]

    def _stream(self, name: str) -> DemoStream:
        if name not in self.named:
            raise UnknownStreamError(f"There is no stream {name}: see /api/streams.")
        return self.named[name]

    async def _changes(self, stream: DemoStream) -> AsyncIterator[Status]:
        while not stream.ended:
            yield stream.status()
            await asyncio.sleep(0.5)


async def _serve(port: int) -> None:
    from web.server import Server
    from web.settings import WebSettings

    studio = DemoStudio("demo", "other")
    server = Server(studio, WebSettings(port=port))
    try:
        await server.start()
        sys.stdout.write(f"{server.url}\n")
        await asyncio.Event().wait()
    finally:
        await server.aclose()
        await studio.aclose()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8080))
