"""The composition root: the one place that knows the concrete classes."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
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
from streamer.errors import OutputExistsError, SinkError
from streamer.media.info import SourceInfo
from streamer.media.probe import sample_frames
from streamer.media.source import FileSource
from streamer.media.sync import first_pts_difference
from streamer.outlet import FileOutlet
from streamer.pipeline import LaneWork, Pipeline, Processed
from streamer.progress import ProgressBar
from streamer.report import RunFacts, RunTally, compose_report, write_report
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
    lanes = {
        lane: LaneWork(make_expert(expert_id, store, settings.runtime), strength)
        for lane, expert_id, strength in (
            (Lane.TRANSFORMER, settings.experts.transformer, settings.experts.transformer_strength),
            (Lane.FREQUENCY, settings.experts.frequency, settings.experts.frequency_strength),
        )
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
    with ExitStack() as stack:
        source = FileSource(job.input)
        stack.callback(source.close)
        outlet = FileOutlet(job, source.info, settings)
        stack.callback(outlet.discard)
        machinery = make_machinery(settings, Store(settings.weights), keep_baseline=job.compare)
        tally = RunTally()
        bar = stack.enter_context(ProgressBar(progress or Console(quiet=True), source.info.frame_count))
        started = time.perf_counter()

        def observe(processed: Processed) -> None:
            tally.add(processed.report)
            bar.show(tally, time.perf_counter() - started)

        asyncio.run(Stream(source, machinery.pipeline, outlet, observe=observe).run())
        seconds = time.perf_counter() - started
    report = compose_report(tally, _facts(job, settings, source, outlet, machinery, seconds))
    if job.report is not None:
        write_report(report, job.report)
    return report


def _check_report_place(job: Job) -> None:
    """A report that can't be written must not be found out after an hour of work."""
    if job.report is None:
        return
    if job.report.exists() and not job.overwrite:
        raise OutputExistsError(f"{job.report} exists: give --overwrite, or another name for the report")
    if not job.report.absolute().parent.is_dir():
        raise SinkError(f"the folder of the report {job.report} does not exist: make it first")


def probe_file(path: Path, settings: Settings, *, frames: int) -> tuple[SourceInfo, Survey]:
    """What a film is, and the faces in `frames` of its frames."""
    source = FileSource(path)
    info = source.info
    source.close()
    router, _ = make_router(settings, Store(settings.weights))
    return info, survey(sample_frames(path, frames), router)
