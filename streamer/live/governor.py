"""How much work the frames of one live stream may be, so that it keeps its source's rate.

A pure controller: it has no clock and no threads, times and costs are handed in. It goes down the ladder as soon as
frames cost more than there is time for, by as many steps as the excess asks for, and up one step at a time, when what
it remembers of the costs up there says that there is room. What it remembers fades towards what is measured now, or a
load that has ended would be remembered for ever; but every step up that fails makes it fade half as fast, so that what
can't be had is tried ever less often.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from streamer.effort import LADDER, Effort

WINDOW = 0.5
"""Seconds over which costs are averaged."""
FEWEST, STEADY = 3, 0.35
"""Frames, and seconds that they span, before anything is made of their mean."""
SETTLE = 0.2
"""Seconds after a step in which nothing is measured: faces that are given up still fade out, and cost."""
OUTLIER = 3.0
"""What one frame counts for in a mean, at most, in medians."""
FULL_USE = 0.97
"""The share of its time that a stream may use."""
LIMIT = 5.0
"""A stream steps down when its frames took so many intervals more than that."""
MOST_DEBT = 2.0
"""What one frame adds to that at most: a single hiccup of the machine is no load."""
SUDDEN, FAR_OVER = 0.25, 1.6
"""Nor need one wait that long where for so many seconds every frame took too long, so many times in the mean."""
ROOM = 0.8
"""A step up must be expected to use no more than this share."""
CALM = 1.0
"""Seconds between a step and the next one up."""
PATIENCE, LONGEST_PATIENCE = 2.0, 60.0
"""Seconds in which what is remembered of a higher step's cost loses half of its weight."""
COSTLY = 10.0
"""And at least so many times that cost: what takes seconds a frame is not to stop the picture again and again."""
HOPELESS = 1.0
"""A frame that takes more seconds, and too long, is no hiccup: nobody is to wait for a second one like it."""
TRIAL = 5.0
"""A step up that lasts less than so many times the patience that it took has failed."""
UNKNOWN = 1.25
"""What a higher step that was never measured is taken to cost, for what is measured here."""
EASED = 0.75
"""What the cost here must have fallen to, for the cost of the higher step to have fallen too."""
FASTEST_INTERVAL = 1.0 / 30.0
"""A source that is faster than this loses frames sooner than faces."""


@dataclass(slots=True)
class _Memory:
    """What a frame cost at one step of the ladder and when, and what it cost at the next lower one right after."""

    cost: float
    at: float
    cost_below: float | None = None
    patience: float = PATIENCE

    def expected(self, now_cost: float, at: float) -> float:
        """What a frame would cost there at `at`, where it costs `now_cost` here: the difference fades; and where the
        cost here fell clearly, that there will have fallen likewise."""
        if now_cost >= self.cost:
            return now_cost
        faded = now_cost + (self.cost - now_cost) * math.exp2((self.at - at) / self.patience)
        if self.cost_below is None or now_cost > EASED * self.cost_below:
            return faded
        return min(faded, max(now_cost, self.cost * now_cost / self.cost_below))


@dataclass(frozen=True, slots=True)
class Sample:
    """One processed frame. `seconds`: what it took. `at`: when it was done. `interval`: of the source's frames.
    `share`: of the machine's time that this stream has, 0 to 1. `restored`, `spared`: faces that were, and that were
    left alone for want of time. `learned_background`: whether a network enlarged the rest."""

    seconds: float
    at: float
    interval: float
    share: float = 1.0
    restored: int = 0
    spared: int = 0
    learned_background: bool = False

    @property
    def budget(self) -> float:
        return max(self.interval, FASTEST_INTERVAL) * self.share

    @property
    def usage(self) -> float:
        return self.seconds / self.budget


class Governor:
    """Chooses the step of `ladder` for one stream; see the top of this file."""

    def __init__(self, ladder: Sequence[Effort] = LADDER) -> None:
        self._ladder = ladder
        self._level = 0
        self._window: deque[Sample] = deque(maxlen=64)
        self._memories: dict[int, _Memory] = {}
        self._debt = 0.0
        self._changed_at = float("-inf")
        self._raised_at: float | None = None
        self._has_network = False

    @property
    def level(self) -> int:
        return self._level

    @property
    def effort(self) -> Effort:
        return self._ladder[self._level]

    def resume(self) -> None:
        """After a pause of the source all is judged anew. That frames are seldom served is no pause, but overload."""
        self._window.clear()
        self._debt = 0.0

    def measured(self, sample: Sample) -> Effort:
        """The effort for the next frame, now that one was processed with the effort that was said last."""
        if sample.at - self._changed_at < SETTLE:
            return self.effort
        self._window.append(sample)
        self._has_network |= sample.learned_background
        while len(self._window) > FEWEST and self._window[0].at < sample.at - WINDOW:
            self._window.popleft()
        self._decide(sample)
        return self.effort

    def _decide(self, sample: Sample) -> None:
        usage = [each.usage for each in self._window]
        self._debt = max(0.0, self._debt + min(sample.usage - FULL_USE, MOST_DEBT))
        if self._debt > LIMIT or self._is_far_over(usage):
            self._go_down(sample, _typical(usage))
        elif len(usage) >= FEWEST and self._span() >= STEADY:
            self._remember(sample)
            self._consider_going_up(sample)

    def _span(self) -> float:
        return self._window[-1].at - self._window[0].at

    def _is_far_over(self, usage: Sequence[float]) -> bool:
        """Whether the last frames all took far longer than they may: no need to wait for more of them."""
        if self._window[-1].seconds > HOPELESS and usage[-1] > FAR_OVER:
            return True
        recent = [each.usage for each in self._window if each.at > self._window[-1].at - SUDDEN]
        recent = recent if len(recent) >= FEWEST else list(usage)[-2:]
        return len(recent) >= 2 and min(recent) > 1.0 and sum(recent) / len(recent) > FAR_OVER

    def _cost(self) -> float:
        return _typical([each.seconds for each in self._window])

    def _remember(self, sample: Sample) -> None:
        cost = self._cost()
        memory = self._memories.setdefault(self._level, _Memory(cost, sample.at))
        memory.cost, memory.at = cost, sample.at
        above = self._memories.get(self._above())
        if above is not None and above.cost_below is None:
            above.cost_below = cost
        if self._raised_at is not None and sample.at - self._raised_at > TRIAL * memory.patience:
            memory.patience = max(memory.patience / 2, PATIENCE)
            self._raised_at = sample.at if memory.patience > PATIENCE else None

    def _go_down(self, sample: Sample, excess: float) -> None:
        target = self._lower(sample, steps=1 if excess < 1.5 else 2 if excess < 2.5 else 3)
        if target == self._level:
            return
        old = self._memories.get(self._level)
        patience = PATIENCE if old is None else old.patience
        if self._raised_at is not None and sample.at - self._raised_at < TRIAL * patience:
            patience = min(2 * patience, LONGEST_PATIENCE)
        patience = max(patience, COSTLY * self._cost())
        for level in range(self._level, target):
            # What lies between and would have saved nothing costs the same; the rest is unknown.
            if level == self._level or not self._saves(level, sample):
                self._memories[level] = _Memory(self._cost(), sample.at, patience=patience)
        self._move(target, sample.at)
        self._raised_at = None

    def _lower(self, sample: Sample, *, steps: int) -> int:
        """The level so many steps down, of those that would save something."""
        useful = [level for level in range(self._level + 1, len(self._ladder)) if self._saves(level, sample)]
        last = len(self._ladder) - 1
        return useful[min(steps, len(useful)) - 1] if useful else last

    def _saves(self, level: int, sample: Sample) -> bool:
        most = self._ladder[level].faces
        return not self._is_idle(level) and (most is None or most < sample.restored)

    def _is_idle(self, level: int) -> bool:
        """Whether a step saves only the background's network, and there is none."""
        if level == 0 or self._has_network:
            return False
        step, above = self._ladder[level], self._ladder[level - 1]
        return step == replace(above, name=step.name, light_background=True)

    def _above(self) -> int:
        """The next step up that costs more, -1 where this is the first."""
        return next((level for level in range(self._level - 1, -1, -1) if not self._is_idle(level)), -1)

    def _consider_going_up(self, sample: Sample) -> None:
        if self._level == 0 or sample.at - self._changed_at < CALM:
            return
        if self._expected_above(sample) <= ROOM * sample.budget:
            self._move(self._above(), sample.at)
            self._raised_at = sample.at

    def _expected_above(self, sample: Sample) -> float:
        """What a frame would cost one step up."""
        cost, above = self._cost(), self._above()
        if self._ladder[above].faces != self.effort.faces and not sample.spared:
            return cost
        memory = self._memories.get(above)
        return UNKNOWN * cost if memory is None else memory.expected(cost, sample.at)

    def _move(self, level: int, at: float) -> None:
        self._level = level
        self._changed_at = at
        self._window.clear()
        self._debt = 0.0


def _typical(values: Sequence[float]) -> float:
    """The mean, with outliers cut to `OUTLIER` medians."""
    most = OUTLIER * median(values)
    return sum(min(value, most) for value in values) / len(values)
