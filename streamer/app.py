"""The composition root: the one place that knows the concrete classes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from blending.blender import make_blender
from experts.background import make_upscaler
from experts.catalog import make_expert
from routing.detector import MtcnnDetector
from routing.router import Router
from routing.types import Lane
from streamer import __version__
from streamer.config import Settings
from streamer.demo import build_sample
from streamer.errors import OutputExistsError, SinkError
from streamer.media.compare import ComparisonSink
from streamer.media.info import SourceInfo
from streamer.media.probe import probe, sample_frames
from streamer.media.sink import FileSink
from streamer.media.source import FileSource
from streamer.media.sync import first_pts_difference
from streamer.outlet import FileOutlet
from streamer.pipeline import LaneWork, Pipeline, Processed
from streamer.progress import ProgressBar
from streamer.report import RunFacts, RunTally, compose_report, print_table, write_report
from streamer.settings_tree import table_of
from streamer.stream import Stream
from streamer.survey import Survey, survey
from weights.store import Store


@dataclass(frozen=True, slots=True)
class Job:
    """One film to be enhanced: what goes in, what comes out."""

    input: Path
    output: Path
    compare: bool = False
    overlay: bool = False
    report: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Machinery:
    """A pipeline with what can be told about it."""

    pipeline: Pipeline
    lanes: dict[Lane, LaneWork]
    detector: MtcnnDetector


def make_router(settings: Settings, store: Store) -> tuple[Router, MtcnnDetector]:
    detector = MtcnnDetector(store, settings.routing.detector, settings.runtime)
    return Router(detector, settings.routing), detector


def make_machinery(settings: Settings, store: Store, *, keep_baseline: bool) -> Machinery:
    """Loads the models and puts the way of a frame together."""
    router, detector = make_router(settings, store)
    chosen = settings.experts
    lanes = {
        Lane.TRANSFORMER: LaneWork(
            make_expert(chosen.transformer, store, settings.runtime), chosen.transformer_strength
        ),
        Lane.FREQUENCY: LaneWork(make_expert(chosen.frequency, store, settings.runtime), chosen.frequency_strength),
    }
    pipeline = Pipeline(
        router,
        lanes,
        make_upscaler(settings.background, settings.scale),
        make_blender(settings.blending),
        scale=settings.scale,
        keep_baseline=keep_baseline,
    )
    return Machinery(pipeline, lanes, detector)


def process_file(job: Job, settings: Settings, *, progress: Console | None) -> dict[str, Any]:
    """Enhances one film and returns its report, which also goes to `job.report`.

    Raises errors of any room's root; nothing is left under the outputs' names then.
    """
    _check_report_place(job)
    tally = RunTally()
    source = FileSource(job.input, settings.source, on_decoded=partial(tally.add_stage, "decode"))
    try:
        machinery = make_machinery(settings, Store(settings.weights), keep_baseline=job.compare)
        outlet = _make_outlet(job, source.info, settings, tally)
        seconds = _run(source, machinery.pipeline, outlet, tally, progress=progress)
    finally:
        source.close()
    report = compose_report(tally, _facts(job, settings, source, outlet, machinery, seconds))
    if job.report is not None:
        write_report(report, job.report)
    return report


def _run(
    source: FileSource, pipeline: Pipeline, outlet: FileOutlet, tally: RunTally, *, progress: Console | None
) -> float:
    """Runs the stream to its end and returns the seconds that it took."""
    started = time.perf_counter()
    with ProgressBar(progress, source.info.frame_count) as bar:

        def observe(processed: Processed) -> None:
            tally.add(processed.report)
            bar.show(tally, time.perf_counter() - started)

        asyncio.run(Stream(source, pipeline, outlet, observe=observe).run())
    return time.perf_counter() - started


def _make_outlet(job: Job, info: SourceInfo, settings: Settings, tally: RunTally) -> FileOutlet:
    kind = ComparisonSink if job.compare else FileSink
    sink = kind(
        job.output,
        info,
        settings.output,
        overwrite=job.overwrite,
        on_encoded=partial(tally.add_stage, "encode"),
    )
    return FileOutlet(sink, overlay_scale=settings.scale if job.overlay else None)


def _check_report_place(job: Job) -> None:
    """A report that can't be written must not be found out after an hour of work."""
    if job.report is None:
        return
    if job.report.exists() and not job.overwrite:
        raise OutputExistsError(f"{job.report} exists: give --overwrite, or another name for the report")
    if not job.report.absolute().parent.is_dir():
        raise SinkError(f"the folder of the report {job.report} does not exist: make it first")


def _facts(
    job: Job, settings: Settings, source: FileSource, outlet: FileOutlet, machinery: Machinery, seconds: float
) -> RunFacts:
    info = source.info
    return RunFacts(
        version=__version__,
        source=_describe(info),
        outputs=[str(path) for path in outlet.paths],
        wall_seconds=seconds,
        # A file's frames are all processed or the run fails: what came in and is not in the tally does not exist.
        frames_in=source.frames,
        dropped={},
        input_fps=None if info.rate is None else round(float(info.rate), 3),
        av_sync_ms=_sync_shift_ms(job),
        experts={lane.value: work.expert.info for lane, work in machinery.lanes.items()},
        detector={"id": "mtcnn", **asdict(machinery.detector.taken)},
        settings=table_of(settings),
        source_counters=asdict(source.counters),
        notes=list(outlet.notes),
        damaged=source.damaged,
        output_pixels_percent=100.0 * settings.scale**2,
    )


def _describe(info: SourceInfo) -> dict[str, object]:
    return {
        "path": str(info.path),
        "container": info.container,
        "codec": info.codec,
        "pix_fmt": info.pix_fmt,
        "width": info.width,
        "height": info.height,
        "rotation": info.rotation,
        "color": asdict(info.color),
        "streams": [f"{stream.kind}: {stream.codec}" for stream in info.streams],
    }


def _sync_shift_ms(job: Job) -> float | None:
    """How much later the picture comes after the sound than it did in the input; None without sound."""
    before, after = first_pts_difference(job.input), first_pts_difference(job.output)
    return None if before is None or after is None else round(1000 * float(after - before), 3)


def probe_file(path: Path, settings: Settings, *, frames: int) -> tuple[SourceInfo, Survey]:
    """What a film is, and the faces in `frames` of its frames."""
    info = probe(path)
    router, _ = make_router(settings, Store(settings.weights))
    return info, survey(sample_frames(path, frames), router)


def run_demo(folder: Path, settings: Settings, console: Console) -> int:
    """Builds the sample, enhances it with comparison and report, and says what to open."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"can't make the folder {folder}: {error.strerror}; name another") from error
    console.print("Building a small tiled meeting from free sample media ...")
    sample = build_sample(Store(settings.weights), folder / "meeting.mp4")
    job = Job(sample, folder / "enhanced.mp4", compare=True, report=folder / "report.json", overwrite=True)
    report = process_file(job, settings, progress=console)
    print_table(report, console)
    console.print(f"\nOpen [bold]{folder / 'enhanced.side-by-side.mp4'}[/bold] to see the difference.")
    return 0
