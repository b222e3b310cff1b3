"""Seconds by stage, of one frame."""

from __future__ import annotations

import time
from collections import defaultdict


class Stopwatch:
    """Runs from when it is made; each `lap` gives the time since the last to a stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now
