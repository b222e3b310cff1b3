"""All live streams: the web's `Studio`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Protocol

from streamer.errors import FacelaneError
from streamer.live.broadcast import Broadcast
from streamer.live.channel import Channel, Kind
from streamer.live.conductor import Conductor
from streamer.live.enhancer import Enhancer, MakeWay
from streamer.live.lookups import Lookups
from streamer.live.names import check_name
from streamer.live.ports import LiveSource
from streamer.live.published import PublishedSource
from streamer.live.settings import LiveSettings
from streamer.media.network.policy import SourceDeniedError
from streamer.metrics import LiveMetrics
from web.feeds import (
    BadRequestError,
    FullError,
    NameTakenError,
    Publishing,
    Rendition,
    SourceRefusedError,
    Status,
    UnknownStreamError,
    Viewing,
)

logger = logging.getLogger(__name__)

MOST_LOOKUPS = 4


class OpenSource(Protocol):
    """Makes the source for an address; nothing is connected yet.

    `trusted`: whether whoever runs this named it. Else it came over the API: then this may ask a name server, and
    raises SourceDeniedError where the address must not be asked for. Raises UsageError where it makes no sense.
    """

    def __call__(self, address: str, *, trusted: bool) -> LiveSource: ...


class LiveStudio:
    """Made and used on one event loop; `conductor` is started here, and ended by `aclose`.

    `add_trusted` is for streams out of the settings. A stream that a publisher made is removed `linger_seconds` after
    the publisher left; any other stays until `remove`.
    """

    def __init__(
        self,
        settings: LiveSettings,
        *,
        conductor: Conductor,
        metrics: LiveMetrics,
        make_way: MakeWay,
        open_source: OpenSource,
        most_scale: int = 2,
    ) -> None:
        self._settings = settings
        self._conductor = conductor
        self._metrics = metrics
        self._make_way = make_way
        self._open_source = open_source
        self._most_scale = most_scale
        self._channels: dict[str, Channel] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        self._lookups = Lookups(most=MOST_LOOKUPS)
        self._closed = False
        conductor.start()

    def streams(self) -> Sequence[Status]:
        return [channel.tell() for channel in self._channels.values()]

    def status(self, name: str) -> Status:
        return self._channel(name).tell()

    def changes(self, name: str) -> AsyncIterator[Status]:
        return self._channel(name).changes()

    async def add(self, name: str, source: str) -> Status:
        """A stream as the API asks for it. Raises BadRequestError, NameTakenError, SourceRefusedError, FullError."""
        self._check_room(check_name(name))
        opened = await self._lookups.run(partial(self._open, source, trusted=False))
        self._check_room(name)
        return self._begin(name, opened, "network").tell()

    def add_trusted(self, name: str, source: str) -> Status:
        """A stream that nobody needs to be protected from. Raises BadRequestError, NameTakenError, FullError."""
        self._check_room(check_name(name))
        return self._begin(name, self._open(source, trusted=True), "network").tell()

    def add_published(self, name: str) -> Status:
        """A stream that waits for publishers and stays when they leave. Raises as `add_trusted`."""
        self._check_room(check_name(name))
        return self._begin(name, PublishedSource(name), "publish").tell()

    async def remove(self, name: str) -> None:
        """Whoever asked may go away before it is done: it is done all the same."""
        channel = self._channel(name)
        del self._channels[name]
        leaving = self._leaving.pop(name, None)
        if leaving is not None and leaving is not asyncio.current_task():
            leaving.cancel()
        ending = asyncio.create_task(channel.aclose(), name=f"end {name}")
        self._ending[name] = ending
        ending.add_done_callback(lambda _: self._ending.pop(name))
        await asyncio.shield(ending)
        logger.info("stream %s removed", name)

    def view(self, name: str, rendition: Rendition = "enhanced") -> Viewing:
        return self._channel(name).view(rendition)

    def publish(self, name: str) -> Publishing:
        """Opens the stream `name` for a publisher, making it if need be; its `close` gives it back."""
        channel = self._channels.get(check_name(name))
        if channel is None:
            source = self._make_published(name)
        elif isinstance(channel.source, PublishedSource):
            source = channel.source
        else:
            raise NameTakenError(f"{name!r} has a source of its own: publish under another name")
        publication = source.open()
        leaving = self._leaving.pop(name, None)
        if leaving is not None:
            leaving.cancel()
        return publication

    def not_ready(self) -> Sequence[str]:
        if self._conductor.failure is not None:
            return [self._conductor.failure]
        if not self._conductor.is_ready:
            return ["the networks are being prepared: this takes some seconds, once"]
        if not self._conductor.is_alive:
            return ["the thread that enhances has ended: start the service anew"]
        troubles = [(name, channel.outlet_trouble) for name, channel in self._channels.items()]
        return [f"stream {name} can't be shown: {trouble}" for name, trouble in troubles if trouble]

    def metrics(self) -> bytes:
        return self._metrics.render()

    async def aclose(self) -> None:
        """Ends all streams, then the conductor, and waits for no picture of minutes. May be called twice."""
        self._closed = True
        self._conductor.hurry()
        try:
            await asyncio.gather(*(self.remove(name) for name in list(self._channels)), *self._ending.values())
        finally:
            await self._conductor.aclose()

    def _channel(self, name: str) -> Channel:
        try:
            return self._channels[name]
        except KeyError:
            raise UnknownStreamError(f"there is no stream {name!r}") from None

    def _check_room(self, name: str) -> None:
        if name in self._channels:
            raise NameTakenError(f"there is a stream {name!r} already: remove it first, or take another name")
        if name in self._ending:
            raise NameTakenError(f"the stream {name!r} is just being removed: try again")
        if self._closed or len(self._channels) >= self._settings.max_streams:
            raise FullError(f"there are {len(self._channels)} streams, and no more may be added: remove one first")

    def _open(self, source: str, *, trusted: bool) -> LiveSource:
        try:
            return self._open_source(source, trusted=trusted)
        except SourceDeniedError as error:
            raise SourceRefusedError(str(error)) from error
        except FacelaneError as error:
            raise BadRequestError(str(error)) from error

    def _make_published(self, name: str) -> PublishedSource:
        if not self._settings.publish:
            raise SourceRefusedError("publishing is turned off here (setting live.publish)")
        self._check_room(name)
        source = PublishedSource(name, on_left=lambda: self._linger(name))
        self._begin(name, source, "publish")
        return source

    def _begin(self, name: str, source: LiveSource, kind: Kind) -> Channel:
        meter = self._metrics.stream(name)
        channel = Channel(
            name,
            source,
            kind=kind,
            broadcast=Broadcast(self._settings, meter, asyncio.get_running_loop()),
            conductor=self._conductor,
            enhancer=Enhancer(self._make_way, most_scale=self._most_scale, max_height=self._settings.max_height),
            meter=meter,
            settings=self._settings,
        )
        self._channels[name] = channel
        channel.start()
        logger.info("stream %s: %s", name, source.address)
        return channel

    def _linger(self, name: str) -> None:
        """A publisher left a stream that was made for it."""
        self._leaving[name] = asyncio.create_task(self._remove_later(name), name=f"linger {name}")

    async def _remove_later(self, name: str) -> None:
        await asyncio.sleep(self._settings.linger_seconds)
        if name in self._channels:
            await self.remove(name)
