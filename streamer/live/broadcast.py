"""One stream to all its viewers: every picture is encoded once, however many look."""

from __future__ import annotations

import asyncio

from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.meter import StreamMeter
from streamer.live.ports import SoundPacket
from streamer.live.settings import LiveSettings
from web.feeds import Rendition, Viewing


class Broadcast:
    """What a stream shows and plays goes in on any thread; viewers take it on the event loop `loop`.

    Until the first `show`, and after `wait`, viewers see a slate.
    """

    def __init__(self, settings: LiveSettings, meter: StreamMeter, loop: asyncio.AbstractEventLoop) -> None:
        self._settings, self._meter, self._loop = settings, meter, loop
        self.has_sound = False

    @property
    def viewers(self) -> int:
        raise NotImplementedError

    def show(self, enhanced: Frame, original: Frame, facts: PictureFacts) -> None:
        """The next picture, from any one thread; returns at once."""
        raise NotImplementedError

    def hear(self, packet: SoundPacket) -> None:
        """The next packet of sound, from any thread; returns at once."""
        raise NotImplementedError

    def wait(self, message: str) -> None:
        """There is nothing to show: a slate with this line until the next `show`. From any thread; returns at once."""
        raise NotImplementedError

    def view(self, rendition: Rendition = "enhanced") -> Viewing:
        """One more viewer; on the event loop. Raises FullError."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Ends all viewings, then the thread; may be called twice."""
        raise NotImplementedError
