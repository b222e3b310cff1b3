"""How a stream stands: what its source said last, and what its pictures tell beyond that."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from threading import Lock

from streamer.live.ports import SourceState, SourceStatus

_GONE = (SourceState.WAITING, SourceState.RETRYING, SourceState.FAILED, SourceState.ENDED)
_LOST = (SourceState.CONNECTING, *_GONE)
_DEFAULTS = {
    SourceState.WAITING: "Waiting for somebody to publish",
    SourceState.CONNECTING: "Connecting to the source",
    SourceState.LIVE: "Waiting for the first picture",
    SourceState.STALLED: "The source is connected but sends no pictures",
    SourceState.RETRYING: "The source was lost and is tried again",
    SourceState.FAILED: "The source can't be played",
    SourceState.ENDED: "The source came to its end",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What a new status means. `is_new`: viewers should hear of it. `is_back`: the source was lost before."""

    is_new: bool
    is_back: bool


class Standing:
    """Thread-safe; holds moments only. `wait_seconds`: with no picture for so long, a live source has stalled."""

    def __init__(self, *, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._lock = Lock()
        self._told = SourceStatus(SourceState.CONNECTING)
        self._since = self._pictured_at = time.monotonic()
        self._stalled = False
        self._was_live = self._was_lost = False

    def tell(self, status: SourceStatus) -> Told:
        """The source says how it stands."""
        now = time.monotonic()
        with self._lock:
            is_new = (status.state, status.message) != (self._told.state, self._told.message)
            if status.state is not self._told.state:
                self._since = self._pictured_at = now
                self._stalled = False
            self._told = status
            self._was_lost = self._was_lost or (self._was_live and status.state in _LOST)
            is_back = self._was_lost and status.state is SourceState.LIVE
            if status.state is SourceState.LIVE:
                self._was_live, self._was_lost = True, False
            return Told(is_new, is_back)

    def pictured(self) -> None:
        """A picture came."""
        with self._lock:
            self._pictured_at = time.monotonic()

    def look(self) -> bool:
        """To be called a few times a second; True when pictures ceased, or came again, since the last time."""
        now = time.monotonic()
        with self._lock:
            is_late = now - self._pictured_at > self._wait_seconds
            stalled = self._told.state is SourceState.LIVE and is_late
            changed, self._stalled = stalled is not self._stalled, stalled
            if changed:
                self._since = now
            return changed

    @property
    def status(self) -> SourceStatus:
        """How the source stands, in words wherever it is not live."""
        with self._lock:
            told = replace(self._told, state=SourceState.STALLED) if self._stalled else self._told
        if told.state is SourceState.LIVE or told.message:
            return told
        return replace(told, message=_DEFAULTS[told.state])

    @property
    def is_lost(self) -> bool:
        """Whether there is no source. While it connects there is one: its first picture may come before the word that
        it is live."""
        return self._told.state in _GONE

    @property
    def seconds(self) -> float:
        """For how long it has stood so."""
        return time.monotonic() - self._since
