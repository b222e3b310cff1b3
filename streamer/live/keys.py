"""When a coded stream gets a key frame."""

from __future__ import annotations

from dataclasses import dataclass

# However many ask: key frames are large, and a second one so soon helps nobody.
_LEAST_SECONDS = 0.5


@dataclass(slots=True)
class KeyFrames:
    """Of one encoder. `longest_seconds`: from one key frame to the next at most. Times are monotonic seconds."""

    longest_seconds: float
    wanted: bool = False
    _made_at: float = float("-inf")

    def ask(self) -> None:
        """Somebody can't go on without one."""
        self.wanted = True

    @property
    def free_at(self) -> float:
        """From when on there may be another."""
        return self._made_at + _LEAST_SECONDS

    def due(self, now: float) -> bool:
        """Whether the next picture is to be one."""
        return now >= (self.free_at if self.wanted else self._made_at + self.longest_seconds)

    def made(self, now: float) -> None:
        """There is one now; it answers all who asked while it was being made."""
        self.wanted = False
        self._made_at = now

    def failed(self, now: float) -> None:
        """The attempt came to nothing; the next is made no sooner than after one that did."""
        self._made_at = now
