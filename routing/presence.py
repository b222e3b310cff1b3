"""How present a face's restoration is: none begins or ends at a stroke, unless the scene does.

A face that changes from one network to the other does so at a stroke: blending gives two patches of one face half of it
each, whatever their strengths, so that a cross-fade of the two would dip to half the restoration on the way.
"""

from __future__ import annotations

from dataclasses import dataclass

from routing.checks import require_not_negative
from routing.types import Lane

RESTORED = (Lane.TRANSFORMER, Lane.FREQUENCY)
INVISIBLE = 1e-3
"""What of a presence nobody sees, in 8 bits."""


@dataclass(frozen=True, slots=True)
class PresenceSettings:
    """`fade_in_seconds`: how long a face that begins to be restored in the middle of a scene takes to be so in full.
    `fade_out_seconds`: how long one that is lost, or no longer to be restored, still is, ever less; a lost one moves on
    as it did. 0: at once."""

    fade_in_seconds: float = 0.2
    fade_out_seconds: float = 0.15

    def __post_init__(self) -> None:
        require_not_negative(fade_in_seconds=self.fade_in_seconds, fade_out_seconds=self.fade_out_seconds)


class Presence:
    """The presence of one face's restoration, 0 to 1; it rises and falls from wherever it is."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._settings = settings
        self._level = 0.0
        self._at: float | None = None

    def update(self, *, restored: bool, seconds: float, at_once: bool = False) -> float:
        """The presence at `seconds` of a face that is to be restored, or is not (any more).

        `at_once`: a scene begins, so there is nothing to ease.
        """
        elapsed = 0.0 if self._at is None else max(seconds - self._at, 0.0)
        self._at = seconds
        if restored:
            self._level = 1.0 if at_once else self._level + _share(elapsed, self._settings.fade_in_seconds)
        else:
            self._level -= _share(elapsed, self._settings.fade_out_seconds)
        self._level = _snapped(self._level)
        return self._level


def _share(elapsed: float, whole: float) -> float:
    return 1.0 if elapsed >= whole else elapsed / whole


def _snapped(level: float) -> float:
    """Sums of shares come to a little beside 0, for which an expert would run once more."""
    if level < INVISIBLE:
        return 0.0
    return 1.0 if level > 1.0 - INVISIBLE else level
