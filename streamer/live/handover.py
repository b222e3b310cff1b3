"""From the thread that computes to the one that encodes: the newest picture alone, and what is due without one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import get_args

from streamer.frame import Frame
from streamer.live.facts import PictureFacts
from streamer.live.keys import KeyFrames
from web.feeds import Rendition

RENDITIONS: tuple[Rendition, ...] = get_args(Rendition)

# A slate comes twice a second: enough for browsers to see that the stream is alive.
_SLATE_SECONDS = 0.5
# Who needs a key frame gets the last picture again where the next is not there by then.
_PATIENCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A picture to show, what it was made of, and what is known of it. `made_at`: monotonic seconds."""

    enhanced: Frame
    original: Frame
    facts: PictureFacts
    made_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What to encode now. `shown`: None where there never was a picture. `message`: of a slate to make of it, None to
    show it as it is. `repeated`: it was shown before. `renditions`: none where the last viewer left, and all encoders
    may rest. `keys`: the renditions that get a key frame."""

    shown: Shown | None
    message: str | None
    repeated: bool
    renditions: tuple[Rendition, ...]
    keys: frozenset[Rendition]


class Handover:
    """Holds one picture: a newer one takes its place. Thread-safe; `take` is for one thread.

    `message`: of the slate until the first picture. `lost`: called with each picture that will not be encoded, and why:
    "encoder_busy", "unwatched"; it must not call back.
    """

    def __init__(self, *, message: str, key_seconds: float, lost: Callable[[Shown, str], None]) -> None:
        self._lost = lost
        self._epoch = 0
        self._may_rest = False
        self._message: str | None = message
        self._keys = {rendition: KeyFrames(key_seconds) for rendition in RENDITIONS}
        self._wanted: tuple[Rendition, ...] = ()
        self._new: Shown | None = None
        self._last: Shown | None = None
        self._last_at = 0.0
        self._slate_at = 0.0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def epoch(self) -> int:
        """Rises with every `wait`."""
        return self._epoch

    def put(self, shown: Shown, *, epoch: int | None = None) -> bool:
        """The next picture; a slate ends. False, and nothing done, where `epoch` is one of before the last `wait`."""
        with self._changed:
            if epoch is not None and epoch != self._epoch:
                return False
            self._clear("encoder_busy")
            self._last, self._last_at, self._message = shown, time.monotonic(), None
            self._new = shown
            if not self._wanted:
                self._clear("unwatched")
            self._changed.notify()
            return True

    def wait(self, message: str) -> None:
        """A slate with this message, after the picture that waits if there is one, until the next that came later."""
        with self._changed:
            self._epoch += 1
            if message != self._message:
                self._slate_at = 0.0
            self._message = message
            self._changed.notify()

    def _clear(self, reason: str) -> None:
        lost, self._new = self._new, None
        if lost is not None:
            self._lost(lost, reason)

    def want(self, renditions: Collection[Rendition]) -> None:
        """Somebody views these now, and no others."""
        with self._changed:
            self._wanted = tuple(rendition for rendition in RENDITIONS if rendition in renditions)
            if not self._wanted:
                self._clear("unwatched")
            self._may_rest = not self._wanted
            self._changed.notify()

    def need_key(self, rendition: Rendition) -> None:
        with self._changed:
            self._keys[rendition].ask()
            self._changed.notify()

    def made_key(self, rendition: Rendition) -> None:
        with self._changed:
            self._keys[rendition].made(time.monotonic())

    def failed_key(self, rendition: Rendition) -> None:
        with self._changed:
            self._keys[rendition].failed(time.monotonic())

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def take(self) -> Job | None:
        """Waits for the next thing to encode; None when closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                due_at = self._due_at()
                if due_at is not None and due_at <= now:
                    return self._job(now)
                self._changed.wait(None if due_at is None else due_at - now)
            return None

    def _due_at(self) -> float | None:
        """When there is something to encode, as things stand; None where that takes somebody's doing."""
        if not self._wanted:
            return 0.0 if self._may_rest else None
        if self._new is not None:
            return 0.0
        asked = [self._keys[rendition].free_at for rendition in self._wanted if self._keys[rendition].wanted]
        if self._message is not None:
            return min([self._slate_at + _SLATE_SECONDS, *asked])
        return max(min(asked), self._last_at + _PATIENCE_SECONDS) if asked else None

    def _job(self, now: float) -> Job:
        self._may_rest = False
        keys = frozenset(rendition for rendition in self._wanted if self._keys[rendition].due(now))
        shown, repeated = (self._last, True) if self._new is None else (self._new, False)
        self._new = None
        message = self._message if repeated else None
        if message is not None:
            self._slate_at = now
        return Job(shown, message, repeated, self._wanted, keys)
