"""The 1-euro filter, for the landmarks of a face.

G. Casiez, N. Roussel, D. Vogel: 1-euro Filter, A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems, CHI 2012. An exponential smoother whose cutoff rises with speed: steady where the face rests, prompt where it
moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routing.checks import require_not_negative, require_positive

Points = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """The paper's three parameters.

    `min_cutoff_hz`: cutoff of a face at rest; lower is steadier. `beta`: how much the cutoff rises, in Hz for a speed
    of one face width a second; higher lags less. `speed_cutoff_hz`: cutoff for the measured speed itself.
    """

    min_cutoff_hz: float = 1.5
    beta: float = 10.0
    speed_cutoff_hz: float = 1.0

    def __post_init__(self) -> None:
        require_positive(min_cutoff_hz=self.min_cutoff_hz, speed_cutoff_hz=self.speed_cutoff_hz)
        require_not_negative(beta=self.beta)


class LandmarkFilter:
    """Smooths the (5, 2) landmarks of one face.

    The speed that rules the cutoff is counted in face widths a second, so that small and large faces are smoothed
    alike, and all five points share one cutoff, so that the filter never bends the face.
    """

    def __init__(self, points: Points, *, seconds: float, settings: SmoothingSettings) -> None:
        self._settings = settings
        self._points = points.astype(np.float64)
        self._raw = self._points
        self._velocity = np.zeros_like(self._points)
        self._seconds = seconds

    def update(self, points: Points, *, seconds: float, width_px: float) -> Points:
        """The smoothed points at `seconds`; time that stands still or runs back starts the filter afresh."""
        period = seconds - self._seconds
        raw = points.astype(np.float64)
        if period <= 0:
            self._points, self._velocity = raw, np.zeros_like(raw)
        else:
            self._step(raw, period, max(width_px, 1.0))
        self._raw, self._seconds = raw, seconds
        return self._points.astype(np.float32)

    def _step(self, raw: npt.NDArray[np.float64], period: float, width_px: float) -> None:
        velocity = (raw - self._raw) / period
        self._velocity += smoothing_factor(period, self._settings.speed_cutoff_hz) * (velocity - self._velocity)
        speed = float(np.hypot(*self._velocity.T).mean()) / width_px
        cutoff = self._settings.min_cutoff_hz + self._settings.beta * speed
        self._points = self._points + smoothing_factor(period, cutoff) * (raw - self._points)


def smoothing_factor(period: float, cutoff_hz: float) -> float:
    """The share that a new sample gets: alpha = 1 / (1 + tau / T), tau = 1 / (2 pi cutoff), as in the paper."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff_hz * period))
