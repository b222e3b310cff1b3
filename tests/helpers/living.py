"""Live streams without a network or a browser: sources that play in real time, ways that cost what they are told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle

import av
import numpy as np

from streamer.color import ColorSpec
from streamer.effort import FULL, Effort
from streamer.frame import Frame, FrameReport, Plane
from streamer.live.broadcast import Broadcast
from streamer.live.channel import Channel
from streamer.live.conductor import Conductor
from streamer.live.enhancer import Enhancer, MakeWay
from streamer.live.ports import Cause, Inlet, LiveSource, SoundPacket, SourceState, SourceStatus
from streamer.live.settings import LiveSettings
from streamer.metrics import LiveMetrics
from streamer.pipeline import Processed
from tests.helpers.rtsp import numbered, read_number
from web.feeds import EncodedPicture, Viewing

LIVE = SourceStatus(SourceState.LIVE)
COLOR = ColorSpec("bt601")


def frame_of_planes(planes: Plane, *, number: int = 0) -> Frame:
    """`planes`: yuv420p, (3 / 2 height, width)."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    u, v = chroma[0].copy(), chroma[1].copy()
    return Frame(planes[:height].copy(), u, v, COLOR, number, Fraction(1, 25), number, 0.0)


def numbered_frames(count: int, *, width: int = 128, height: int = 96) -> list[Frame]:
    """Frames that carry their numbers; see `tests.helpers.rtsp.read_number`."""
    return [frame_of_planes(numbered(number, height=height, width=width), number=number) for number in range(count)]


class PlayedSource:
    """Plays frames over and over, at a rate, in real time, from a thread. `delay`: how long ago each was captured when
    it comes. `brings`: whether it is there; a test may take it away and bring it back."""

    address = "rtsp://camera/played"

    def __init__(
        self, frames: Iterable[Frame], *, rate: float = 25.0, delay: float = 0.0, has_sound: bool = False
    ) -> None:
        self._frames = cycle(frames)
        self._rate = rate
        self._delay = delay
        self.has_sound = has_sound
        self.decoder = "h264 on cpu"
        self.brings = threading.Event()
        self.brings.set()
        self.sent = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, inlet: Inlet) -> None:
        self._thread = threading.Thread(target=self._run, args=(inlet,), name="played", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        self._ended.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self, inlet: Inlet) -> None:
        begin, count, was_there = time.monotonic(), 0, False
        while not self._ended.is_set():
            there = self.brings.is_set()
            if there is not was_there:
                lost = SourceStatus(
                    SourceState.RETRYING, Cause.REFUSED, "camera refused: is it on?", time.monotonic() + 9
                )
                inlet.status(LIVE if there else lost)
                was_there = there
            due = begin + count / self._rate
            self._ended.wait(max(0.0, due - time.monotonic()))
            count += 1
            if there:
                self._send(inlet, next(self._frames), due)

    def _send(self, inlet: Inlet, frame: Frame, due: float) -> None:
        self.sent += 1
        inlet.picture(replace(frame, captured_at=due - self._delay), decode_seconds=0.001)
        if self.has_sound:
            inlet.sound(SoundPacket(b"\xfc\xff\xfe", 1920, due - self._delay))


class CostlyWay:
    """Takes `seconds` (or what `seconds` says of an effort) and leaves pictures as they are. `fails`: how many frames
    it fails on first. With `doubles`, pictures come out twice as large. `keeps`: so many frames' times."""

    def __init__(
        self,
        seconds: float | Callable[[Effort], float] = 0.0,
        *,
        fails: int = 0,
        doubles: bool = False,
        keeps: int | None = None,
    ) -> None:
        self._seconds = seconds
        self.fails = fails
        self._doubles = doubles
        self.seen: deque[tuple[float, int, Effort]] = deque(maxlen=keeps)
        self.threads: set[str] = set()

    def process(self, frame: Frame, effort: Effort = FULL) -> Processed:
        self.threads.add(threading.current_thread().name)
        self.seen.append((float(frame.pts * frame.time_base), frame.seq, effort))
        if self.fails > 0:
            self.fails -= 1
            raise RuntimeError("the way is blocked\nby a tree")
        time.sleep(self._seconds(effort) if callable(self._seconds) else self._seconds)
        report = FrameReport(frame.seq, {"background": 0.001}, age_seconds=time.monotonic() - frame.captured_at)
        return Processed(self._larger(frame) if self._doubles else frame, None, report)

    def _larger(self, frame: Frame) -> Frame:
        y, u, v = (np.repeat(np.repeat(plane, 2, 0), 2, 1) for plane in frame.planes)
        return replace(frame, y=y, u=u[: y.shape[0] // 2], v=v[: y.shape[0] // 2])


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture that a viewer got, decoded. `number`: what it carries. `age`: from its capture until it came."""

    number: int | None
    age: float
    width: int
    height: int
    coded: EncodedPicture

    @property
    def is_live(self) -> bool:
        """Neither a slate nor shown before."""
        return not {"slate", "repeated"} & set(self.coded.facts)


class Watcher:
    """A viewer who decodes what comes."""

    def __init__(self, viewing: Viewing) -> None:
        self._viewing = viewing
        self._decoder = av.CodecContext.create("h264", "r")

    async def look(self, *, seconds: float, live: int | None = None) -> list[Looked]:
        """All the pictures that come in so many seconds; or until so many of them were live."""
        seen: list[Looked] = []
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and (live is None or sum(each.is_live for each in seen) < live):
            try:
                coded = await asyncio.wait_for(self._viewing.picture(), left)
            except TimeoutError:
                break
            age = time.monotonic() - coded.captured_at
            for frame in self._decoder.decode(av.Packet(coded.data)):
                luma = frame.to_ndarray(format="gray")
                seen.append(Looked(read_number(luma), age, frame.width, frame.height, coded))
        return seen


@asynccontextmanager
async def playing(
    source: LiveSource, make_way: MakeWay, settings: LiveSettings | None = None, *, metrics: LiveMetrics | None = None
) -> AsyncIterator[tuple[Channel, LiveMetrics]]:
    """A channel that plays, with everything real but source and way."""
    metrics = metrics or LiveMetrics()
    conductor = Conductor()
    conductor.start()
    channel = make_channel("door", source, make_way, settings or LiveSettings(), conductor, metrics)
    channel.start()
    try:
        yield channel, metrics
    finally:
        await channel.aclose()
        await conductor.aclose()


def make_channel(
    name: str,
    source: LiveSource,
    make_way: MakeWay,
    settings: LiveSettings,
    conductor: Conductor,
    metrics: LiveMetrics,
) -> Channel:
    meter = metrics.stream(name)
    return Channel(
        name,
        source,
        kind="network",
        broadcast=Broadcast(settings, meter, asyncio.get_running_loop()),
        conductor=conductor,
        enhancer=Enhancer(make_way, most_scale=2, max_height=settings.max_height),
        meter=meter,
        settings=settings,
    )


async def until(happens: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Waits until something happens; fails where it does not."""
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


async def lag_of(work: Awaitable[None]) -> Sequence[float]:
    """How late the event loop was, many times, while `work` went on."""
    lags: list[float] = []
    task = asyncio.ensure_future(work)
    while not task.done():
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - due)
    await task
    return lags
