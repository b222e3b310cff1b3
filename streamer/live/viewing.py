"""The viewers of one stream: each has a moment of pictures and sound, and who is slow loses from that alone."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from web.feeds import EncodedPicture, EncodedSound, EndOfFeed, FullError, Rendition

# What a viewer has not taken after so long is lost to it.
_MOST_SECONDS = 0.5

Media = TypeVar("Media", EncodedPicture, EncodedSound)


class Tally(Protocol):
    """Where viewers are counted; `StreamMeter` is the one in use."""

    def viewers(self, count: int) -> None: ...

    def viewer_dropped(self, count: int = 1) -> None: ...

    def glass(self, seconds: float) -> None: ...


class Ring(Generic[Media]):
    """What came in the last half second and was not taken yet, oldest first. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, Media]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def add(self, media: Media, now: float) -> None:
        self._held.append((now, media))

    def take(self) -> Media | None:
        return self._held.popleft()[1] if self._held else None

    def shed(self, now: float) -> int:
        """Drop what is too old; returns how many."""
        count = 0
        while self._held and self._held[0][0] < now - _MOST_SECONDS:
            self._held.popleft()
            count += 1
        return count

    def shed_to(self, fits: Callable[[Media], bool]) -> int:
        """Drop what lies before the first that fits; returns how many."""
        count = 0
        while self._held and not fits(self._held[0][1]):
            self._held.popleft()
            count += 1
        return count


class PictureRing:
    """The pictures of a viewer's rendition, such that a decoder can follow: whatever is lost, what comes next is a key
    frame."""

    def __init__(self, rendition: Rendition) -> None:
        self._ring: Ring[EncodedPicture] = Ring()
        self._rendition = rendition
        self._next: Rendition | None = None
        self._began = False
        self.needs_key = True
        """Nothing can be added before a key frame."""

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def renditions(self) -> set[Rendition]:
        """Those that must be made for this viewer now."""
        return {self._rendition} if self._next is None else {self._rendition, self._next}

    @property
    def coming(self) -> Rendition:
        """The one that the viewer chose."""
        return self._rendition if self._next is None else self._next

    def choose(self, rendition: Rendition) -> None:
        if self.needs_key:
            self._rendition, self._next = rendition, None
        else:
            self._next = None if rendition == self._rendition else rendition

    def offer(self, picture: EncodedPicture, now: float) -> int:
        """Add a picture if it is one for this viewer; returns how many were lost."""
        if picture.is_key and picture.rendition == self._next:
            self._rendition, self._next = self._next, None
        if picture.rendition != self._rendition:
            return 0
        if self.needs_key and not picture.is_key:
            # Before its first picture a viewer loses nothing.
            return int(self._began)
        self.needs_key, self._began = False, True
        self._ring.add(picture, now)
        return self._shed(now)

    def take(self, now: float) -> tuple[EncodedPicture | None, int]:
        """The next picture, if there is one, and how many were lost."""
        lost = self._shed(now)
        return self._ring.take(), lost

    def _shed(self, now: float) -> int:
        lost = self._ring.shed(now)
        if not lost:
            return 0
        lost += self._ring.shed_to(lambda picture: picture.is_key)
        self.needs_key = not self._ring
        return lost


class Viewer:
    """One viewer's end: implements `web.feeds.Viewing`. All on the event loop."""

    def __init__(self, audience: Audience, rendition: Rendition) -> None:
        self._audience = audience
        self._pictures = PictureRing(rendition)
        self._sounds: Ring[EncodedSound] = Ring()
        self._picture_came, self._sound_came = asyncio.Event(), asyncio.Event()
        self._asked = False
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
        """Raises FullError."""
        if len(self._viewers) >= self._most:
            raise FullError(f"{self._most} viewers watch this stream already, the most it takes; try again later")
        viewer = Viewer(self, rendition)
        self._viewers.add(viewer)
        self.tally.viewers(self.count)
        self.changed()
        viewer.need_key()
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
