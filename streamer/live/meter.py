"""What one stream tells of itself: for Prometheus, and for the status that the page shows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import get_args

from routing.types import Lane
from streamer.frame import FrameReport, Judged
from streamer.live.families import Children, Families
from streamer.live.figures import STEPS, MeterSnapshot, RecentFigures, Tally, snapshot_of
from streamer.live.ports import Cause, SourceState, SourceStatus
from web.feeds import LostPackets

Clock = Callable[[], float]

UNWATCHED = "unwatched"
"""Nobody watches, so there is nothing to do: a drop that is no loss."""
NOBODY = "none"
"""The rendition of frames that are enhanced though nobody watches: they are out when they would have been encoded."""
FRAME_REASONS = (
    "superseded",  # a newer frame came before work began
    "late",  # held up on its way, and newer ones followed at once
    "failed",  # the pipeline failed on it
    "source_lost",  # its source had gone when it was done
    "encoder_busy",
    "encoder_failed",
)
"""Why a frame that came in does not go out; with `UNWATCHED` that is all that may become of one."""
DROP_REASONS = (
    *FRAME_REASONS,
    # Of what never became a frame:
    "catching_up",  # the source skipped to newer ones
    "undecodable",
    "no_key_frame",
)
SLOW_VIEWER = "slow_viewer"
DOWN, UP = "down", "up"
"""Ways of a guard's steps."""
LONGEST_GLASS_SECONDS = 60.0


class StreamMeter:
    """Counts for one stream. Every method but `snapshot` and `close` costs microseconds and may be called on any
    thread; after `close` they do nothing. Made by `LiveMetrics.stream`.

    `clock`: monotonic seconds. `on_close`: called once, at the first `close`.
    """

    def __init__(
        self,
        families: Families,
        name: str,
        *,
        clock: Clock = time.monotonic,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._families = families
        self._name = name
        self._clock = clock
        self._on_close = on_close
        self._lock = Lock()
        self._closed = False
        self._recent = RecentFigures()
        self._tally = Tally()
        self._series = _Series(families, name)
        self._series.rate_in.set_function(lambda: self._now(self._recent.frames_in.rate))
        self._series.rate_out.set_function(lambda: self._now(self._recent.rate_out))
        self._series.frame_age.set_function(lambda: self._now(self._recent.frame_age))

    def frame_in(self) -> None:
        """A decoded frame came from the source."""
        with self._lock:
            if not self._closed:
                self._series.frames_in.inc()
                self._recent.frames_in.add(self._clock())

    def dropped(self, reason: str, count: int = 1) -> None:
        """Frames of the source will never be shown; `reason`: one of `DROP_REASONS`."""
        with self._lock:
            if not self._closed:
                self._series.frames_dropped[(reason,)].inc(count)
                self._tally.drops[reason] += count

    def viewer_dropped(self, count: int = 1, *, reason: str = SLOW_VIEWER) -> None:
        """One viewer did not get pictures that others may have got."""
        with self._lock:
            if not self._closed:
                self._series.viewer_frames_dropped[(reason,)].inc(count)
                self._tally.viewer_drops += count

    def mended(self, what: str, count: int = 1) -> None:
        """Something of the source was put right; `what`: one of a few fixed words."""
        with self._lock:
            if not self._closed:
                self._series.mended[(what,)].inc(count)
                self._tally.mended[what] += count

    def packets_lost(self, kind: LostPackets, count: int = 1) -> None:
        """Packets of the source never came, or too late to be of use. What that costs in frames is counted as those."""
        with self._lock:
            if not self._closed:
                self._series.packets_lost[(kind,)].inc(count)

    def stage(self, name: str, seconds: float) -> None:
        """One frame spent so long in a stage outside the pipeline: "decode", "queue", "handover", "encode"."""
        with self._lock:
            if not self._closed:
                self._add_stage(name, seconds, self._clock())

    def report(self, report: FrameReport) -> None:
        """A frame went through the pipeline."""
        with self._lock:
            if self._closed:
                return
            now = self._clock()
            for name, seconds in report.stage_seconds.items():
                self._add_stage(name, seconds, now)
            for lane, size in report.batches.items():
                self._series.batches[(lane,)].observe(size)
            for reason in report.degraded:
                self._series.degraded[(reason,)].inc()
            self._add_judged(report.identity)
            # What is left of a restoration that has ended is no further face.
            lanes = [self._add_face(route.lane, route.reason) for route in report.routes if not route.fading]
            self._recent.lanes.append((now, Counter(lanes)))

    def _add_judged(self, judged: Judged) -> None:
        for lane, similarity in judged.similarities:
            self._series.similarity[(lane,)].observe(similarity)
        self._series.guard_steps[(DOWN,)].inc(judged.lowered)
        self._series.guard_steps[(UP,)].inc(judged.raised)
        self._series.unjudged.inc(judged.unjudged)

    def _add_face(self, lane: Lane, reason: str) -> str:
        self._series.faces[(lane.value, reason)].inc()
        return lane.value

    def _add_stage(self, name: str, seconds: float, now: float) -> None:
        self._series.stage[(name,)].observe(seconds)
        self._recent.stage(name).add(now, seconds)

    def effort(self, name: str) -> None:
        """From now on frames get this effort. Raises KeyError where `name` is not of `streamer.effort.LADDER`."""
        level = STEPS[name]
        with self._lock:
            if not self._closed:
                self._families.effort.labels(self._name).set(level)
                self._tally.effort = name

    def idle(self) -> None:
        """No frame gets any effort for now: the series is absent until one does."""
        with self._lock:
            if not self._closed:
                self._families.effort.remove_by_labels({"stream": self._name})

    def frame_out(
        self, *, latency_seconds: float, size_bytes: int, rendition: str = "enhanced", again: bool = False
    ) -> None:
        """A coded picture was handed over to the viewers of a rendition, so long after its capture. `again`: of the
        same frame of the source as the last one, in another rendition."""
        with self._lock:
            if self._closed:
                return
            self._series.frames_out[(rendition,)].inc()
            self._series.picture_bytes[(rendition,)].inc(size_bytes)
            now = self._clock()
            self._recent.picture(now, size_bytes, rendition)
            if not again:
                self._series.frames_shown.inc()
                self._series.latency.observe(latency_seconds)
                self._recent.out(now, latency_seconds)

    def sound_out(self, size_bytes: int) -> None:
        """A packet of sound was handed over to viewers."""
        with self._lock:
            if not self._closed:
                self._series.sound_bytes.inc(size_bytes)
                self._recent.sound.add(self._clock(), size_bytes)

    def source(self, status: SourceStatus) -> None:
        """The source stands so."""
        with self._lock:
            if self._closed:
                return
            for state in SourceState:
                self._series.source_state[(state.value,)].set(state is status.state)
            if status.cause is not Cause.NONE:
                self._tally.cause = status.cause

    def reconnected(self) -> None:
        """The source is back; counted under the cause that `source` told last."""
        with self._lock:
            if not self._closed:
                self._series.reconnects[(self._tally.cause.value,)].inc()
                self._tally.reconnects += 1

    def viewers(self, count: int) -> None:
        """So many viewers are connected."""
        with self._lock:
            if not self._closed:
                self._series.viewers.set(count)
                self._tally.viewers = count

    def glass(self, seconds: float) -> None:
        """A viewer's page says that a picture was shown so long after its capture. What can't be (a page may say
        anything: below 0, above a minute, not a number) is left out."""
        with self._lock:
            if not self._closed and 0.0 <= seconds <= LONGEST_GLASS_SECONDS:
                self._series.glass.observe(seconds)
                self._recent.glass.add(self._clock(), seconds)

    def snapshot(self) -> MeterSnapshot:
        """The figures now."""
        with self._lock:
            return snapshot_of(self._recent, self._tally, self._clock())

    def close(self) -> None:
        """The stream is gone, and so are its series; may be called twice."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._families.forget(self._name)
            if self._on_close is not None:
                self._on_close()

    def _now(self, figure: Callable[[float], float | None]) -> float:
        with self._lock:
            value = figure(self._clock())
        return float("nan") if value is None else value


class _Series:
    """The stream's series; those whose labels are known from the start begin at 0, so that no first rise is lost."""

    def __init__(self, families: Families, name: str) -> None:
        self.frames_in = families.frames_in.labels(name)
        self.frames_shown = families.frames_shown.labels(name)
        self.rate_in = families.rate_in.labels(name)
        self.rate_out = families.rate_out.labels(name)
        self.latency = families.latency.labels(name)
        self.frame_age = families.frame_age.labels(name)
        self.glass = families.glass.labels(name)
        self.sound_bytes = families.sound_bytes.labels(name)
        self.viewers = families.viewers.labels(name)
        self.frames_out = Children(families.frames_out, name)
        self.picture_bytes = Children(families.picture_bytes, name)
        self.frames_dropped = Children(families.frames_dropped, name)
        self.viewer_frames_dropped = Children(families.viewer_frames_dropped, name)
        self.mended = Children(families.mended, name)
        self.packets_lost = Children(families.packets_lost, name)
        self.stage = Children(families.stage, name)
        self.faces = Children(families.faces, name)
        self.batches = Children(families.batches, name)
        self.degraded = Children(families.degraded, name)
        self.similarity = Children(families.similarity, name)
        self.guard_steps = Children(families.guard_steps, name)
        self.unjudged = families.unjudged.labels(name)
        self.source_state = Children(families.source_state, name)
        self.reconnects = Children(families.reconnects, name)
        self._begin()

    def _begin(self) -> None:
        for reason in DROP_REASONS:
            self.frames_dropped[(reason,)].inc(0)
        self.viewer_frames_dropped[(SLOW_VIEWER,)].inc(0)
        for kind in get_args(LostPackets):
            self.packets_lost[(kind,)].inc(0)
        self.frames_out[("enhanced",)].inc(0)
        for direction in (DOWN, UP):
            self.guard_steps[(direction,)].inc(0)
        for cause in Cause:
            self.reconnects[(cause.value,)].inc(0)
