"""What a viewer has not taken yet: a moment of pictures or sound, so that who is slow loses alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from web.feeds import EncodedPicture, EncodedSound, Rendition

# What a viewer has not taken after so long is lost to it.
_MOST_SECONDS = 0.5

Media = TypeVar("Media", EncodedPicture, EncodedSound)


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
