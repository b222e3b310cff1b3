"""The pipeline of one live stream: made when it is needed, made anew when it has to be, with the effort that fits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from routing.presence import RESTORED
from streamer.effort import Effort
from streamer.frame import Frame, FrameReport
from streamer.live.governor import Governor, Sample
from streamer.pipeline import Processed

SCALES = (2, 1)
FAILURES = 3
"""After so many in a row it may be what the pipeline remembers."""


class LiveWay(Protocol):
    """The way of one frame; `Pipeline` is the one in use."""

    def process(self, frame: Frame, effort: Effort) -> Processed: ...


MakeWay = Callable[[int], LiveWay]
"""Makes the way for a scale: a router of its own, over networks that all share."""


@dataclass(frozen=True, slots=True, eq=False)
class Enhanced:
    """A frame after its way. `effort`: what was spent on it."""

    processed: Processed
    effort: Effort


class Enhancer:
    """Used on one thread, with frames whose times rise. The way is made anew where its source paused: what was seen
    before says nothing of where faces are now. However seldom a stream is served, that alone is no pause.

    `most_scale`: output pixels for one of the source, at most. `max_height`: of the output, in lines.
    """

    def __init__(self, make_way: MakeWay, *, most_scale: int, max_height: int) -> None:
        self._make_way = make_way
        self._most_scale = most_scale
        self._max_height = max_height
        self._governor = Governor()
        self._way: LiveWay | None = None
        self._scale = 0
        self._run = 0
        self._failures = 0

    @property
    def level(self) -> int:
        """Steps down the ladder of efforts."""
        return self._governor.level

    def scale_for(self, height: int) -> int:
        """The largest scale at which a picture of `height` lines stays low enough."""
        fitting = (scale for scale in SCALES if scale <= self._most_scale and scale * height <= self._max_height)
        return next(fitting, 1)

    def enhance(self, frame: Frame, *, interval: float, share: float, run: int = 0) -> Enhanced:
        """`interval`: between the source's frames, in seconds; `share`: of the machine's time, that this stream has;
        `run`: another one where the source paused before this frame.

        Raises whatever the way didn't foresee; after some such it is made anew.
        """
        way, is_new = self._way_for(frame, run)
        effort = self._governor.effort
        started = time.perf_counter()
        try:
            processed = way.process(frame, effort)
        except Exception:
            self._failed()
            raise
        seconds = time.perf_counter() - started
        self._failures = 0
        if not is_new:
            self._govern(processed.report, seconds, interval=interval, share=share)
        return Enhanced(processed, effort)

    def _way_for(self, frame: Frame, run: int) -> tuple[LiveWay, bool]:
        """The way for this frame, and whether it is new: its first frame costs more than any other."""
        scale = self.scale_for(frame.height)
        if scale != self._scale:
            self._governor = Governor()
        elif run != self._run:
            self._governor.resume()
        is_new = self._way is None or (scale, run) != (self._scale, self._run)
        if self._way is None or is_new:
            self._way, self._scale, self._run = self._make_way(scale), scale, run
        return self._way, is_new

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._way, self._failures = None, 0

    def _govern(self, report: FrameReport, seconds: float, *, interval: float, share: float) -> None:
        restored = sum(route.lane in RESTORED and not route.fading for route in report.routes)
        spared = sum(route.reason == "spared" for route in report.routes)
        now = time.monotonic()
        learned = report.learned_background
        self._governor.measured(
            Sample(seconds, now, interval, share, restored=restored, spared=spared, learned_background=learned)
        )
