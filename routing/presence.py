"""How present a face is: nothing that is restored appears or vanishes at a stroke, unless the scene does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from routing.checks import require_not_negative
from routing.types import Lane

RESTORED = (Lane.TRANSFORMER, Lane.FREQUENCY)


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """`fade_in_seconds`: how long a face that begins to be restored in the middle of a scene takes to be so in full.
    `fade_out_seconds`: how long one that is lost is still restored, ever less, moving on as it did. 0: at once."""

    fade_in_seconds: float = 0.2
    fade_out_seconds: float = 0.15

    def __post_init__(self) -> None:
        require_not_negative(fade_in_seconds=self.fade_in_seconds, fade_out_seconds=self.fade_out_seconds)


class FadeIn:
    """The rise of one face's presence, 0 to 1."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings = settings
        self._since: float | None = None

    def update(self, lane: Lane, *, seconds: float, at_once: bool) -> float:
        """The presence at `seconds` of a face that is on `lane` now.

        `at_once`: a scene begins, so there is nothing to ease.
        """
        if lane not in RESTORED:
            self._since = None
            return 1.0
        if self._since is None:
            self._since = -math.inf if at_once else seconds
        return _share(seconds - self._since, self._settings.fade_in_seconds)


def fade_out(seconds_lost: float, settings: PresenceSettings) -> float:
    """The presence of a face that has been lost for so long."""
    return 1.0 - _share(seconds_lost, settings.fade_out_seconds)


def _share(elapsed: float, whole: float) -> float:
    return 1.0 if elapsed >= whole else max(elapsed, 0.0) / whole
