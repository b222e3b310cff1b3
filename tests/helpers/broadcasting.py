"""A stream on air in a test: pictures shown by number, viewers that decode, and what the meter counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import av
from prometheus_client.parser import text_string_to_metric_families

from streamer.color import ColorSpec
from streamer.frame import Frame
from streamer.live.broadcast import Broadcast
from streamer.live.facts import PictureFacts
from streamer.live.settings import LiveSettings
from streamer.metrics import LiveMetrics
from tests.helpers.pictures import Decoder, frame, halved, number_of, planes_of
from web.feeds import EncodedPicture, Rendition, Viewing

PATIENCE = 10.0


class OnAir:
    """A broadcast and its meter."""

    def __init__(self, settings: LiveSettings) -> None:
        self.metrics = LiveMetrics()
        self.meter = self.metrics.stream("stream")
        self.broadcast = Broadcast(settings, self.meter, asyncio.get_running_loop())

    def show(
        self,
        number: int,
        *,
        height: int = 96,
        width: int = 128,
        color: ColorSpec | None = None,
        captured_at: float | None = None,
    ) -> Frame:
        """The picture `number`, and as its original one of half the size; captured now if nothing else is said."""
        whole = frame(number, height, width, color=color)
        if captured_at is not None:
            whole = replace(whole, captured_at=captured_at)
        self.show_frame(whole)
        return whole

    async def show_steadily(self, numbers: range, watchers: Sequence[Watcher], *, interval: float = 0.04) -> None:
        """These pictures, `interval` seconds apart by their capture times however busy the machine is, each when all
        watchers have the one before."""
        began = time.monotonic()
        for index, number in enumerate(numbers):
            captured_at = began + interval * index
            await asyncio.sleep(max(0.0, captured_at - time.monotonic()))
            self.show(number, captured_at=captured_at)
            for watcher in watchers:
                assert (await watcher.next()).seq == number

    def show_frame(self, whole: Frame) -> None:
        self.broadcast.show(whole, halved(whole), PictureFacts(whole.seq, whole.captured_at))

    def view(self, rendition: Rendition = "enhanced") -> Watcher:
        return Watcher(self.broadcast.view(rendition))

    def count(self, name: str, **labels: str) -> float:
        """A sample of the metrics; 0 where there is none."""
        for family in text_string_to_metric_families(self.metrics.render().decode()):
            for sample in family.samples:
                if sample.name == f"facelane_{name}" and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return 0.0

    @property
    def encodes(self) -> int:
        return int(self.count("stage_seconds_count", stage="encode"))


@dataclass(eq=False)
class Watcher:
    """A viewer with a decoder. `seen`: what came; `arrived`: when (monotonic seconds)."""

    viewing: Viewing
    decoder: Decoder = field(default_factory=Decoder)
    seen: list[EncodedPicture] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)
    decoded: av.VideoFrame | None = None

    async def next(self) -> EncodedPicture:
        picture = await asyncio.wait_for(self.viewing.picture(), PATIENCE)
        # A browser makes itself a new decoder likewise where a key frame has another size.
        self.decoded = self.decoder.decode(picture.data, picture.pts)
        self.seen.append(picture)
        self.arrived.append(time.monotonic())
        return picture

    async def live(self, seq: int) -> EncodedPicture:
        """This picture of the source, shown for the first time."""
        while True:
            picture = await self.next()
            if picture.seq == seq and is_live(picture):
                return picture

    @property
    def lived(self) -> list[int]:
        """The numbers of the source's pictures that came."""
        return [picture.seq for picture in self.seen if is_live(picture)]

    async def until(self, **facts: Any) -> EncodedPicture:
        """The next picture of which these facts are told."""
        while True:
            picture = await self.next()
            if facts.items() <= picture.facts.items():
                return picture

    @property
    def planes(self) -> tuple[Any, Any, Any]:
        assert self.decoded is not None
        return planes_of(self.decoded)

    @property
    def number(self) -> int:
        """Read in the last picture's enhanced part."""
        x, y, width, height = self.seen[-1].layout.enhanced
        return number_of(self.planes[0][y : y + height, x : x + width])


def is_live(picture: EncodedPicture) -> bool:
    """Neither a slate nor a picture shown again."""
    return not {"slate", "repeated"} & picture.facts.keys()


@asynccontextmanager
async def on_air(**changed: Any) -> AsyncIterator[OnAir]:
    """A stream that ends with the block."""
    air = OnAir(replace(LiveSettings(), **changed))
    try:
        yield air
    finally:
        await air.broadcast.aclose()
        air.meter.close()


async def shown(air: OnAir, numbers: range, *watchers: Watcher) -> None:
    """These pictures, one after the other, each when all have the one before."""
    for number in numbers:
        air.show(number)
        for watcher in watchers:
            assert (await watcher.next()).seq == number
