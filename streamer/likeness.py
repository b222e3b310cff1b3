"""How far restored faces were still the same persons, of a whole run: counted in constant memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from streamer.frame import Judged

_BIN = 0.02


@dataclass(slots=True)
class _LaneTally:
    judged: int = 0
    total: float = 0.0
    least: float = math.inf
    histogram: Counter[int] = field(default_factory=Counter)

    def add(self, similarity: float) -> None:
        self.judged += 1
        self.total += similarity
        self.least = min(self.least, similarity)
        # A hair's breadth up, or cosines that stand on a bin's edge fall by rounding into the one below.
        self.histogram[math.floor(similarity / _BIN + 1e-6)] += 1

    def told(self) -> dict[str, Any]:
        return {
            "judged": self.judged,
            "mean": round(self.total / self.judged, 4),
            "least": round(self.least, 4),
            "histogram": {f"{number * _BIN:.2f}": count for number, count in sorted(self.histogram.items())},
        }


@dataclass(slots=True)
class LikenessTally:
    """Cosines by lane, what the guard did for them, and what should have been judged and was not."""

    lowered: int = 0
    raised: int = 0
    unjudged: int = 0
    _lanes: dict[str, _LaneTally] = field(default_factory=dict)

    def add(self, judged: Judged) -> None:
        for lane, similarity in judged.similarities:
            self._lanes.setdefault(lane, _LaneTally()).add(similarity)
        self.lowered += judged.lowered
        self.raised += judged.raised
        self.unjudged += judged.unjudged

    def told(self, *, held_back: int) -> dict[str, Any]:
        """For the report. `held_back`: faces that were laid on with less than their lane's strength."""
        return {
            "by_lane": {lane: tally.told() for lane, tally in sorted(self._lanes.items())},
            "unjudged": self.unjudged,
            "guard": {"lowered": self.lowered, "raised": self.raised, "faces_held_back": held_back},
        }
