"""Whether a reader can't keep up with its source."""

from __future__ import annotations

_IDLE_SHARE = 0.5
# Who waits so long for a packet has read all that there was.
_WAITED_SECONDS = 0.005


class Lag:
    """Looks at stretches of `bound` seconds: behind is who in all of one was later than `bound` and hardly ever waited
    for the source. Who waits is not behind, however late things arrive."""

    def __init__(self, bound: float) -> None:
        self._bound = bound
        self._begin: float | None = None
        self._waited = 0.0
        self._least_age = float("inf")
        self._is_behind = False
        self._is_near = True

    @property
    def is_behind(self) -> bool:
        """Whether the last stretch was one of those; said once for each."""
        said, self._is_behind = self._is_behind, False
        return said

    @property
    def is_near(self) -> bool:
        """Whether, since it was last behind, it was as late as `bound` at most, or had to wait for the source."""
        return self._is_near

    def note(self, waited: float, *, now: float, age: float) -> None:
        """A packet came that was captured `age` seconds ago and waited for `waited` seconds."""
        if self._begin is None:
            self._begin = now
            return
        self._is_near = self._is_near or age <= self._bound or waited > _WAITED_SECONDS
        self._waited += waited
        self._least_age = min(self._least_age, age)
        elapsed = now - self._begin
        if elapsed >= self._bound:
            self._is_behind = self._least_age > self._bound and self._waited < _IDLE_SHARE * elapsed
            self._is_near = self._is_near and not self._is_behind
            self._begin, self._waited, self._least_age = now, 0.0, float("inf")
