"""What a run did: collected frame by frame in constant memory, told as report.json and as a table."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.console import Group as RenderGroup
from rich.table import Table

from experts.contract import ExpertInfo
from routing.types import Lane
from streamer.errors import SinkError
from streamer.figures_measuring import FIGURES
from streamer.frame import FrameReport
from streamer.guarding import HELD_BACK
from streamer.likeness import LikenessTally
from streamer.media.target import Target, writing
from streamer.quantiles import DurationSketch

SCHEMA_VERSION = 1
# What a frame's time should go to; the rest is our own overhead.
WORK_STAGES = frozenset({"decode", "detect", "track", "expert", "steady", "background", "blend", "encode", "figures"})


@dataclass(slots=True)
class RunTally:
    """Counts and durations of one run; memory doesn't grow with its length, but for the ids of its tracks."""

    frames: int = 0
    lanes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    degraded: Counter[str] = field(default_factory=Counter)
    stages: dict[str, DurationSketch] = field(default_factory=dict)
    batches: dict[str, Counter[int]] = field(default_factory=dict)
    tracks: set[int] = field(default_factory=set)
    tracks_by_lane: dict[str, set[int]] = field(default_factory=lambda: {lane.value: set() for lane in Lane})
    faces_now: int = 0
    strengths: int = 0
    strength: float = 0.0
    likeness: LikenessTally = field(default_factory=LikenessTally)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, report: FrameReport) -> None:
        self.frames += 1
        # What is left of a restoration that has ended is no further face.
        faces = [route for route in report.routes if not route.fading]
        self.faces_now = len(faces)
        for route in faces:
            self.lanes[route.lane.value] += 1
            self.reasons[f"{route.lane.value}: {route.reason}"] += 1
            self.tracks.add(route.face.track_id)
            self.tracks_by_lane[route.lane.value].add(route.face.track_id)
        for lane, size in report.batches.items():
            self.batches.setdefault(lane, Counter())[size] += 1
        self.degraded.update(report.degraded)
        self.likeness.add(report.identity)
        self.strengths += len(report.strengths)
        self.strength += sum(report.strengths.values())
        for stage, seconds in report.stage_seconds.items():
            self.add_stage(stage, seconds)

    def add_stage(self, stage: str, seconds: float) -> None:
        """From any thread: decoding and encoding tell of themselves."""
        with self._lock:
            self.stages.setdefault(stage, DurationSketch()).add(seconds)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the run is told about itself, beside the tally."""

    version: str
    source: Mapping[str, object]
    outputs: Sequence[str]
    encoder: str
    wall_seconds: float
    frames_in: int
    frames_out: int
    dropped: Mapping[str, int]
    input_fps: float | None
    av_sync_ms: float | None
    experts: Mapping[str, ExpertInfo]
    detector: Mapping[str, str]
    settings: Mapping[str, object]
    source_counters: Mapping[str, int]
    notes: Sequence[str]
    damaged: str | None
    output_pixels_percent: float
    judge: Mapping[str, object] | None = None
    change: Mapping[str, object] | None = None


_UNMEASURED: Mapping[str, object] = {"faces": 0, "note": "not measured: --metrics measures it"}


def compose_report(tally: RunTally, facts: RunFacts) -> dict[str, Any]:
    """The report as JSON-able data; every field is explained in the README."""
    output_fps = facts.frames_out / facts.wall_seconds if facts.wall_seconds > 0 else 0.0
    return {
        "schema": SCHEMA_VERSION,
        "facelane": facts.version,
        "input": dict(facts.source),
        "outputs": list(facts.outputs),
        "encoder": facts.encoder,
        "frames": {
            "in": facts.frames_in,
            "out": facts.frames_out,
            "dropped": sum(facts.dropped.values()),
            "dropped_by_reason": dict(facts.dropped),
        },
        "faces": {
            "seen": sum(tally.lanes.values()),
            "tracks": len(tally.tracks),
            "by_lane": {lane.value: tally.lanes[lane.value] for lane in Lane},
            "tracks_by_lane": {lane: len(ids) for lane, ids in tally.tracks_by_lane.items()},
            "by_reason": dict(tally.reasons.most_common()),
            "batches_by_size": {lane: dict(sorted(sizes.items())) for lane, sizes in tally.batches.items()},
        },
        "identity": _identity(tally, facts.judge),
        "change": _UNMEASURED if facts.change is None else dict(facts.change),
        "enhancement_intensity": round(tally.strength / tally.strengths, 4) if tally.strengths else None,
        "degraded": dict(tally.degraded),
        "stages_ms": {stage: _stage(sketch) for stage, sketch in sorted(tally.stages.items())},
        "overhead_share": _overhead(tally),
        "timing": {
            "wall_seconds": round(facts.wall_seconds, 3),
            "fps": round(output_fps, 2),
            "input_fps": facts.input_fps,
            "frame_rate_ratio": round(facts.input_fps / output_fps, 3) if facts.input_fps and output_fps else None,
            "processing_time_seconds": round(facts.wall_seconds, 3),
            "processing_ms_per_frame": round(1000 * facts.wall_seconds / max(facts.frames_out, 1), 3),
            "audio_visual_sync_ms": facts.av_sync_ms,
        },
        "video_quality_percent": facts.output_pixels_percent,
        "experts": {lane: asdict(info) for lane, info in facts.experts.items()},
        "detector": dict(facts.detector),
        "source_counters": dict(facts.source_counters),
        "notes": list(facts.notes),
        "damaged": facts.damaged,
        "settings": dict(facts.settings),
    }


def _identity(tally: RunTally, judge: Mapping[str, object] | None) -> dict[str, Any]:
    if judge is None:
        return {"judge": None, "note": "not measured: no judge is set ([identity] judge)"}
    return {"judge": dict(judge), **tally.likeness.told(held_back=tally.degraded[HELD_BACK])}


def _stage(sketch: DurationSketch) -> dict[str, float | int]:
    quantiles = {f"p{round(100 * q)}": round(1000 * sketch.quantile(q), 3) for q in (0.5, 0.95, 0.99)}
    return {**quantiles, "total": round(1000 * sketch.total, 1), "count": sketch.count}


def _overhead(tally: RunTally) -> float:
    """The share of all stages' time, the handing from thread to thread among them, that is none of the work itself."""
    total = sum(sketch.total for sketch in tally.stages.values())
    work = sum(sketch.total for stage, sketch in tally.stages.items() if stage.split(".")[0] in WORK_STAGES)
    return round(1.0 - work / total, 4) if total else 0.0


def claim_report(path: Path | None, *, films: Sequence[Path], source: Path | None, overwrite: bool) -> Target | None:
    """The place of a report beside `films`, which it must not replace; None for no report.

    A report that can't be written must not be found out after an hour of work. Raises SinkError, OutputExistsError.
    """
    if path is None:
        return None
    if path.resolve() in {film.resolve() for film in films}:
        raise SinkError(f"the report {path} would replace a film of this job: give it another name")
    try:
        return Target(path, source=source, overwrite=overwrite)
    except SinkError as error:
        raise type(error)(f"the report: {error}") from error


def write_report(report: Mapping[str, Any], target: Target) -> None:
    """Writes report.json and gives it its name. Raises SinkError or DiskFullError where that can't be done."""
    with writing(target.path):
        target.part.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    target.publish()


def print_table(report: Mapping[str, Any], console: Console) -> None:
    """The report for people."""
    measured = [_change(report["change"])] if "note" not in report["change"] else []
    console.print(RenderGroup(_summary(report), *measured, _lanes(report), _stages(report), _experts(report)))


def _table(title: str, *columns: str, wordy: bool = False) -> Table:
    """`wordy`: columns hold words rather than numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if wordy or i == 0 else "right", no_wrap=i == 0, overflow="fold")
    return table


def _summary(report: Mapping[str, Any]) -> RenderableType:
    frames, timing, faces = report["frames"], report["timing"], report["faces"]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("frames", f"{frames['in']} in, {frames['out']} out, {frames['dropped']} dropped")
    table.add_row("faces", f"{faces['seen']} in all frames, {faces['tracks']} track(s)")
    table.add_row(
        "speed",
        f"{timing['fps']} fps, {timing['processing_ms_per_frame']} ms a frame, {timing['wall_seconds']} s in all",
    )
    ratio = timing["frame_rate_ratio"]
    table.add_row("frame rate ratio", "unknown input rate" if ratio is None else f"{ratio} (input fps / output fps)")
    sync = timing["audio_visual_sync_ms"]
    table.add_row("audio-visual sync", "no sound" if sync is None else f"{sync} ms shift against the input")
    degraded = ", ".join(f"{reason} ({count})" for reason, count in report["degraded"].items())
    table.add_row("degraded", degraded or "nothing")
    table.add_row("identity", _likeness(report["identity"]))
    intensity = report["enhancement_intensity"]
    table.add_row("enhancement", "no face restored" if intensity is None else f"{intensity:.2f} intensity (0 to 1)")
    table.add_row("video quality", f"{report['video_quality_percent']:g} % (output pixels / input pixels)")
    table.add_row("outside the work", f"{100 * report['overhead_share']:.1f} % of the time")
    return table


def _likeness(identity: Mapping[str, Any]) -> str:
    if identity["judge"] is None:
        return str(identity["note"])
    lanes = [
        f"{lane} {row['mean']:.3f} ({row['judged']} judged, least {row['least']:.3f})"
        for lane, row in identity["by_lane"].items()
    ]
    held = identity["guard"]["faces_held_back"]
    told = "; ".join(lanes) or "no restored face was judged"
    return f"cosine by {identity['judge']['id']}: {told}; {held} faces held back"


def _change(change: Mapping[str, Any]) -> RenderableType:
    title = f"\nHow much restoration changed {change['faces']} of {change['of_restored']} restored faces"
    table = _table(title, "figure", "mean", wordy=True)
    above = None
    for name, words in FIGURES.items():
        reason = change["not_measured"].get(name)
        # They can be long.
        told = f"{change[name]:.3f}" if reason is None else f"not measured: {reason if reason != above else 'as above'}"
        table.add_row(words, told)
        above = reason
    return table


def _lanes(report: Mapping[str, Any]) -> RenderableType:
    table = _table("\nFaces by lane and reason", "lane: reason", "faces")
    for reason, count in report["faces"]["by_reason"].items():
        table.add_row(reason, str(count))
    if not report["faces"]["by_reason"]:
        table.add_row("no face seen", "0")
    return table


def _stages(report: Mapping[str, Any]) -> RenderableType:
    table = _table("\nTime by stage", "stage", "p50 ms", "p95 ms", "p99 ms", "times")
    for stage, row in report["stages_ms"].items():
        table.add_row(stage, f"{row['p50']:.2f}", f"{row['p95']:.2f}", f"{row['p99']:.2f}", str(row["count"]))
    return table


def _experts(report: Mapping[str, Any]) -> RenderableType:
    table = _table("\nExperts", "lane", "expert", "weights", "runs on")
    for lane, info in report["experts"].items():
        table.add_row(lane, info["id"], info["weights"], f"{info['device']}, {info['runtime']}, {info['precision']}")
    return table
