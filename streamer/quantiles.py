"""Quantiles of durations in constant memory."""

from __future__ import annotations

import math

import numpy as np

LOWEST_SECONDS = 1e-7
GROWTH = 1.01
BUCKETS = 2100  # reaches beyond 100 s


class DurationSketch:
    """Counts durations in buckets that grow by 1 %, so that a quantile is right within 1 % whatever the number of
    frames (the idea of HdrHistogram, Tene 2012). Shorter than 0.1 us counts as 0.1 us."""

    def __init__(self) -> None:
        self._counts = np.zeros(BUCKETS, np.int64)
        self.count = 0
        self.total = 0.0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        index = 0 if seconds <= LOWEST_SECONDS else int(math.log(seconds / LOWEST_SECONDS) / math.log(GROWTH)) + 1
        self._counts[min(index, BUCKETS - 1)] += 1
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def quantile(self, share: float) -> float:
        """The duration in seconds that `share` (0 to 1) of all don't exceed; 0 where there are none."""
        if self.count == 0:
            return 0.0
        rank = max(1, math.ceil(share * self.count))
        index = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(LOWEST_SECONDS * GROWTH**index, self.longest)
