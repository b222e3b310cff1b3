"""The composition root of the work on files."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from routing.router import Router
from streamer import __version__
from streamer.aio import Worker, run_interruptible
from streamer.config import Settings
from streamer.demo import build_sample
from streamer.disclosure import disclosure
from streamer.figures import FaceSampler
from streamer.figures_measuring import Figures
from streamer.machinery import Models, Say, load_detector, load_models_on, make_pipeline, make_store, routing_of
from streamer.media.compare import ComparisonSink
from streamer.media.info import SourceInfo
from streamer.media.probe import damage_of, probe, sample_frames
from streamer.media.sink import FileSink
from streamer.media.source import FileSource
from streamer.media.sync import sync_shift
from streamer.media.target import writing
from streamer.outlet import FileOutlet
from streamer.pipeline import Pipeline, Processed
from streamer.progress import ProgressBar
from streamer.report import RunFacts, RunTally, claim_report, compose_report, write_report
from streamer.settings_tree import table_of
from streamer.stream import Stream
from streamer.survey import Survey, survey

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """One film to be enhanced: what goes in, what comes out."""

    input: Path
    output: Path
    compare: bool = False
    overlay: bool = False
    metrics: bool = False
    report: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """A film, its faces, and what is wrong with it as far as opening it tells."""

    info: SourceInfo
    survey: Survey
    damaged: str | None


def process_file(job: Job, settings: Settings, *, progress: Console | None, say: Say = logger.info) -> dict[str, Any]:
    """Enhances one film and returns its report, which also goes to `job.report`. Only for the main thread.

    Raises errors of any room's root, and Interrupted; nothing is left under the outputs' names then.
    """
    return run_interruptible(_process(job, settings, progress, say))


async def _process(job: Job, settings: Settings, progress: Console | None, say: Say) -> dict[str, Any]:
    """Whatever is opened is closed again in every ending; whatever can block or compute does so on a thread."""
    tally = RunTally()
    async with AsyncExitStack() as stack:
        worker = await stack.enter_async_context(Worker("pipeline"))
        on_decoded = partial(tally.add_stage, "decode")
        source = await worker.run(partial(FileSource, job.input, settings.source, on_decoded=on_decoded))
        stack.push_async_callback(source.aclose)
        outlet = _make_outlet(job, source.info, settings, tally)
        stack.push_async_callback(outlet.aclose)
        report_file = claim_report(job.report, films=outlet.paths, source=job.input, overwrite=job.overwrite)
        if report_file is not None:
            stack.callback(report_file.discard)
        store = make_store(settings, say)
        models = await load_models_on(worker, settings, store)
        stack.callback(models.close)
        # First of all, so that nothing still works with what is closed.
        stack.push_async_exit(worker)
        _tell(source, models)
        outlet.disclose(disclosure(settings, models))
        sampler = FaceSampler(settings.scale) if job.metrics else None
        figures = None if sampler is None else Figures(sampler, models.judge)
        if figures is not None:
            await worker.run(figures.load, store, settings.runtime)
        pipeline = make_pipeline(
            models,
            settings,
            scale=settings.scale,
            guarded="film",
            keep_baseline=job.compare,
            overlay=job.overlay,
            mark=settings.output.mark,
            sampler=sampler,
        )
        seconds = await _run(source, pipeline, outlet, worker, tally, progress=progress)
        tally.likeness.add(await worker.run(pipeline.rest))
        facts = await worker.run(_facts, job, settings, source, outlet, models, seconds)
        change = None if figures is None else await _measure(figures, worker, say)
        report = compose_report(tally, replace(facts, change=change))
        if report_file is not None:
            write_report(report, report_file)
        return report


def _tell(source: FileSource, models: Models) -> None:
    info = source.info
    logger.info("%s: %dx%d, %s, %s", info.path.name, info.width, info.height, info.pix_fmt, source.decoder)
    for name, expert in models.infos.items():
        logger.info(
            "%s: %s with %s on %s, %s, %s",
            *(name, expert.id, expert.weights, expert.device, expert.runtime, expert.precision),
        )


async def _measure(figures: Figures, worker: Worker, say: Say) -> dict[str, Any]:
    """After the film, which needs none of it and is whole by now."""
    say("the film is done; measuring how much restoration changed its faces")
    while await worker.run(figures.measure):
        pass
    return figures.told()


async def _run(
    source: FileSource,
    pipeline: Pipeline,
    outlet: FileOutlet,
    worker: Worker,
    tally: RunTally,
    *,
    progress: Console | None,
) -> float:
    """Runs the stream to its end and returns the seconds that it took."""
    started = time.perf_counter()
    with ProgressBar(progress, source.info.frame_count) as bar:

        def observe(processed: Processed, waited_seconds: float) -> None:
            tally.add(processed.report)
            tally.add_stage("handing", waited_seconds)
            bar.show(tally, time.perf_counter() - started)

        await Stream(source, pipeline, outlet, worker, observe=observe).run()
    return time.perf_counter() - started


def _make_outlet(job: Job, info: SourceInfo, settings: Settings, tally: RunTally) -> FileOutlet:
    kind = ComparisonSink if job.compare else FileSink
    on_encoded = partial(tally.add_stage, "encode")
    return FileOutlet(kind(job.output, info, settings.output, overwrite=job.overwrite, on_encoded=on_encoded))


def _facts(
    job: Job, settings: Settings, source: FileSource, outlet: FileOutlet, models: Models, seconds: float
) -> RunFacts:
    info = source.info
    return RunFacts(
        version=__version__,
        source=_describe(info) | {"decoder": source.decoder},
        outputs=[str(path) for path in outlet.paths],
        encoder=outlet.encoder,
        wall_seconds=seconds,
        frames_in=source.frames,
        frames_out=outlet.frames,
        # The policy of a file drops nothing; in and out above are counted apart and would show it.
        dropped={},
        input_fps=None if info.rate is None else round(float(info.rate), 3),
        av_sync_ms=_sync_shift_ms(job, info),
        experts=models.infos,
        detector={"id": settings.routing.detector.method, **asdict(models.detector.taken)},
        settings=table_of(settings),
        source_counters=asdict(source.counters),
        notes=list(outlet.notes),
        damaged=source.damaged,
        output_pixels_percent=100.0 * settings.scale**2,
        judge=models.judged_by(settings),
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


def _sync_shift_ms(job: Job, info: SourceInfo) -> float | None:
    """How much later the picture comes after the sound than it did in the input; None without sound."""
    shift = sync_shift(job.input, job.output, video_index=info.video_index)
    return None if shift is None else round(1000 * float(shift), 3)


def probe_file(path: Path, settings: Settings, *, frames: int, say: Say = logger.info) -> Probed:
    """What a film is, and the faces in `frames` of its frames. Only for the main thread; raises Interrupted."""

    def look() -> Probed:
        info = probe(path)
        router = Router(load_detector(settings, make_store(settings, say)), routing_of(settings))
        return Probed(info, survey(sample_frames(path, frames), router), damage_of(path))

    return run_interruptible(_on_a_thread(look))


def run_demo(folder: Path, settings: Settings, console: Console, *, say: Say = logger.info) -> dict[str, Any]:
    """Builds the sample in `folder`, enhances it there with comparison; returns the report, which is also written."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    console.print("Building a small tiled meeting from free sample media ...")
    film = folder / "meeting.mp4"
    building = partial(build_sample, make_store(settings, say), film)
    run_interruptible(_on_a_thread(building, patience_seconds=math.inf))
    console.print(f"{film} is built; enhancing it ...")
    job = Job(film, folder / "enhanced.mp4", compare=True, report=folder / "report.json", overwrite=True)
    return process_file(job, settings, progress=console, say=say)


async def _on_a_thread(call: Callable[[], T], *, patience_seconds: float = 2.0) -> T:
    """`patience_seconds`: see `Worker`; endless for what leaves something behind when it is cut off."""
    async with Worker("work", patience_seconds=patience_seconds) as worker:
        return await worker.run(call)
