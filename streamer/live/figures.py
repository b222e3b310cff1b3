"""What a stream's status tells of it: counts since its beginning, and figures of the last moments."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from routing.types import Lane
from streamer.effort import LADDER
from streamer.live.ports import Cause
from streamer.live.recent import Recent

STEPS = {effort.name: step for step, effort in enumerate(LADDER)}
FACES_SECONDS = 1.0
MOST_REPORTS = 128


@dataclass(frozen=True, slots=True)
class MeterSnapshot:
    """A stream's figures now. Rates, times and the bitrate are of the last 5 s, None where there was nothing to
    measure; what counts (`drops`, `viewer_drops`, `mended`, `reconnects`) counts from the stream's beginning.

    `latency_*`: milliseconds from capture, or arrival, to the hand-over to viewers; `glass_p50_ms` to being shown, as
    viewers' pages measure it; `stages_ms`: medians. `faces`: how many a frame has on each lane, the mean of the last
    second, rounded. `bitrate_kbps`: of what one viewer gets. `effort_level`: steps down the ladder, of `effort_of`.
    """

    fps_in: float | None
    fps_out: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    glass_p50_ms: float | None
    stages_ms: Mapping[str, float]
    drops: Mapping[str, int]
    viewer_drops: int
    faces: Mapping[str, int]
    bitrate_kbps: float | None
    effort: str
    effort_level: int
    effort_of: int
    reconnects: int
    mended: Mapping[str, int]
    viewers: int


class Tally:
    """What counts from the stream's beginning."""

    def __init__(self) -> None:
        self.drops: Counter[str] = Counter()
        self.viewer_drops = 0
        self.mended: Counter[str] = Counter()
        self.effort = LADDER[0].name
        self.cause = Cause.NONE
        self.reconnects = 0
        self.viewers = 0


class RecentFigures:
    """What is forgotten after some seconds; times are monotonic seconds."""

    def __init__(self) -> None:
        self.frames_in = Recent()
        self.latency = Recent()
        self.glass = Recent()
        self.sound = Recent()
        self.stages: dict[str, Recent] = {}
        self.renditions: dict[str, Recent] = {}
        self.lanes: deque[tuple[float, Counter[str]]] = deque(maxlen=MOST_REPORTS)
        self._captured_at: float | None = None

    def stage(self, name: str) -> Recent:
        return self.stages.setdefault(name, Recent())

    def out(self, now: float, latency_seconds: float) -> None:
        """A frame of the source."""
        self.latency.add(now, latency_seconds)
        self._captured_at = max(self._captured_at or 0.0, now - latency_seconds)

    def picture(self, now: float, size_bytes: int, rendition: str) -> None:
        """One of its renditions."""
        self.renditions.setdefault(rendition, Recent()).add(now, size_bytes)

    def frame_age(self, now: float) -> float | None:
        return None if self._captured_at is None else now - self._captured_at

    def rate_out(self, now: float) -> float | None:
        """Renditions are made of the same frames: the one with the most pictures tells the rate."""
        rates = [recent.rate(now) for recent in self.renditions.values()]
        return max((rate for rate in rates if rate is not None), default=None)

    def bitrate_kbps(self, now: float) -> float | None:
        flows = [recent.flow(now) for recent in self.renditions.values()]
        picture = max((flow for flow in flows if flow is not None), default=None)
        return None if picture is None else (picture + (self.sound.flow(now) or 0.0)) * 8 / 1000

    def faces(self, now: float) -> dict[str, int]:
        frames = [lanes for at, lanes in self.lanes if at > now - FACES_SECONDS]
        total = sum(frames, Counter[str]())
        return {lane.value: round(total[lane.value] / max(len(frames), 1)) for lane in Lane}

    def stages_ms(self, now: float) -> dict[str, float]:
        medians = {name: recent.quantiles(now, 0.5) for name, recent in self.stages.items()}
        return {name: 1000 * found[0] for name, found in medians.items() if found is not None}


def snapshot_of(recent: RecentFigures, tally: Tally, now: float) -> MeterSnapshot:
    """The figures at `now`."""
    p50, p95 = _milliseconds(recent.latency, now, 0.5, 0.95)
    return MeterSnapshot(
        fps_in=recent.frames_in.rate(now),
        fps_out=recent.rate_out(now),
        latency_p50_ms=p50,
        latency_p95_ms=p95,
        glass_p50_ms=_milliseconds(recent.glass, now, 0.5)[0],
        stages_ms=recent.stages_ms(now),
        drops=dict(tally.drops),
        viewer_drops=tally.viewer_drops,
        faces=recent.faces(now),
        bitrate_kbps=recent.bitrate_kbps(now),
        effort=tally.effort,
        effort_level=STEPS[tally.effort],
        effort_of=len(LADDER) - 1,
        reconnects=tally.reconnects,
        mended=dict(tally.mended),
        viewers=tally.viewers,
    )


def _milliseconds(recent: Recent, now: float, *shares: float) -> tuple[float | None, ...]:
    found = recent.quantiles(now, *shares)
    return (None,) * len(shares) if found is None else tuple(1000 * seconds for seconds in found)
