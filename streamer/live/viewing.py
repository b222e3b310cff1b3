"""The viewers of one stream: each has a moment of pictures and sound of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from streamer.live.rings import PictureRing, Ring
from web.feeds import EncodedPicture, EncodedSound, EndOfFeed, FullError, Rendition


class Tally(Protocol):
    """Where viewers are counted; `StreamMeter` is the one in use."""

    def viewers(self, count: int) -> None: ...

    def viewer_dropped(self, count: int = 1) -> None: ...

    def glass(self, seconds: float) -> None: ...


class Viewer:
    """One viewer's end: implements `web.feeds.Viewing`. All on the event loop."""

    def __init__(self, audience: Audience, rendition: Rendition) -> None:
        self._audience = audience
        self._pictures = PictureRing(rendition)
        self._sounds: Ring[EncodedSound] = Ring()
        self._picture_came, self._sound_came = asyncio.Event(), asyncio.Event()
        self._asked = False
        self._listens = False
        self._ended = False

    def __len__(self) -> int:
        """The pictures and packets that wait to be taken."""
        return len(self._pictures) + len(self._sounds)

    @property
    def has_sound(self) -> bool:
        return self._audience.has_sound()

    @property
    def renditions(self) -> set[Rendition]:
        """Those that must be made for this viewer now."""
        return self._pictures.renditions

    async def picture(self) -> EncodedPicture:
        while True:
            picture, lost = self._pictures.take(time.monotonic())
            self._lost(lost)
            if self._ended:
                raise EndOfFeed
            if picture is not None:
                return picture
            # Asked for by who reads again: a viewer that never does costs the others no key frames.
            if self._pictures.needs_key and not self._asked:
                self.need_key()
            self._picture_came.clear()
            await self._picture_came.wait()

    async def sound(self) -> EncodedSound:
        self._listens = True
        while True:
            self._sounds.shed(time.monotonic())
            sound = self._sounds.take()
            if self._ended:
                raise EndOfFeed
            if sound is not None:
                return sound
            self._sound_came.clear()
            await self._sound_came.wait()

    def need_key(self) -> None:
        self._asked = True
        if not self._ended:
            self._audience.need_key(self._pictures.coming)

    def choose(self, rendition: Rendition) -> None:
        if rendition == self._pictures.coming or self._ended:
            return
        self._pictures.choose(rendition)
        self._audience.changed()
        self.need_key()

    def shown(self, glass_seconds: float) -> None:
        self._audience.tally.glass(glass_seconds)

    def close(self) -> None:
        if not self._ended:
            self.end()
            self._audience.leave(self)

    def offer(self, picture: EncodedPicture, now: float) -> None:
        """A coded picture of any rendition."""
        before = self._pictures.renditions
        self._lost(self._pictures.offer(picture, now))
        if picture.is_key:
            self._asked = False
        if self._pictures.renditions != before:
            self._audience.changed()
        self._picture_came.set()

    def hear(self, sound: EncodedSound, now: float) -> None:
        # Whoever has not asked for sound yet would get what waited all at once, and play it late from then on.
        if not self._listens:
            return
        self._sounds.shed(now)
        self._sounds.add(sound, now)
        self._sound_came.set()

    def end(self) -> None:
        """There will be no more."""
        self._ended = True
        self._picture_came.set()
        self._sound_came.set()

    def _lost(self, count: int) -> None:
        if count:
            self._audience.tally.viewer_dropped(count)


class Audience:
    """All viewers of a stream; on the event loop, but for `count`.

    `wanted`: called with the renditions that somebody views, whenever they change. `need_key`: called with the
    rendition that somebody can't go on without a key frame of.
    """

    def __init__(
        self,
        tally: Tally,
        *,
        most: int,
        wanted: Callable[[set[Rendition]], None],
        need_key: Callable[[Rendition], None],
        has_sound: Callable[[], bool],
    ) -> None:
        self.tally, self.need_key, self.has_sound = tally, need_key, has_sound
        self._most, self._wanted = most, wanted
        self._viewers: set[Viewer] = set()
        self._renditions: set[Rendition] = set()

    @property
    def count(self) -> int:
        return len(self._viewers)

    def join(self, rendition: Rendition) -> Viewer:
        """One more, who asks for a key frame by reading: connected, and not sooner. Raises FullError."""
        if len(self._viewers) >= self._most:
            raise FullError(f"{self._most} viewers watch this stream already, the most it takes; try again later")
        viewer = Viewer(self, rendition)
        self._viewers.add(viewer)
        self.tally.viewers(self.count)
        self.changed()
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        self.tally.viewers(self.count)
        self.changed()

    def changed(self) -> None:
        """Somebody came, went or chose."""
        renditions = {rendition for viewer in self._viewers for rendition in viewer.renditions}
        if renditions != self._renditions:
            self._renditions = renditions
            self._wanted(renditions)

    def show(self, picture: EncodedPicture) -> None:
        now = time.monotonic()
        for viewer in self._viewers:
            viewer.offer(picture, now)

    def play(self, sound: EncodedSound) -> None:
        now = time.monotonic()
        for viewer in self._viewers:
            viewer.hear(sound, now)

    def end(self) -> None:
        """The stream is gone: whoever waits or asks gets EndOfFeed."""
        for viewer in tuple(self._viewers):
            viewer.close()
