"""A live source into a film: what `serve` does for a stream, with a file in the place of viewers."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from streamer import __version__
from streamer.aio import Worker, run_interruptible
from streamer.config import Settings
from streamer.disclosure import disclosure
from streamer.effort import Effort
from streamer.errors import FacelaneError, ProcessingError, SourceError
from streamer.frame import Frame
from streamer.live.channel import Channel
from streamer.live.conductor import Conductor
from streamer.live.enhancer import Enhancer
from streamer.live.warmup import warm_up
from streamer.machinery import Models, Say, load_models_on, make_pipeline, make_store
from streamer.media.live_file import LiveFileWriter
from streamer.media.network.address import parse
from streamer.media.network.source import NetworkSource
from streamer.metrics import LiveMetrics
from streamer.pipeline import Pipeline, Processed
from streamer.progress import LiveLine
from streamer.recording import Recording
from streamer.report import RunFacts, RunTally, claim_report, compose_report, write_report
from streamer.settings_tree import table_of
from streamer.telling import StateTeller
from web.feeds import Status

_NAME = "watch"
_LAST_PICTURE_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_READY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class WatchJob:
    """One live source to be recorded. `duration_seconds`: from the first picture on; None until a signal comes."""

    source: str
    output: Path
    duration_seconds: float | None = None
    report: Path | None = None
    overwrite: bool = False


def watch(job: WatchJob, settings: Settings, *, progress: Console | None, say: Say) -> dict[str, Any]:
    """Records until the job's time is over, the source came to its end, or a signal comes, and returns the report,
    which also goes to `job.report`. Only for the main thread.

    A source that goes away is waited for, and leaves a gap of its real length in the film. Whatever ends the
    recording, what was recorded has its name then. Raises errors of any room's root; Interrupted where a signal
    came before the first picture: nothing is left then.
    """
    return run_interruptible(_watch(job, settings, progress, say))


async def _watch(job: WatchJob, settings: Settings, progress: Console | None, say: Say) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        report_file = claim_report(job.report, films=[job.output], source=None, overwrite=job.overwrite)
        if report_file is not None:
            stack.callback(report_file.discard)
        writer = LiveFileWriter(job.output, settings.output, overwrite=job.overwrite)
        stack.callback(writer.finish)
        worker = await stack.enter_async_context(Worker("models"))
        say("preparing the networks")
        models = await load_models_on(worker, settings, make_store(settings, say))
        stack.callback(models.close)
        writer.disclose(disclosure(settings, models))
        session = _Session(job, settings, writer, models)
        stack.push_async_callback(session.aclose)
        report = await session.run(progress, say)
        if report_file is not None:
            write_report(report, report_file)
        return report


class _Session:
    """A recording under way."""

    def __init__(self, job: WatchJob, settings: Settings, writer: LiveFileWriter, models: Models) -> None:
        self._job = job
        self._settings = settings
        self._writer = writer
        self._models = models
        self._tally = RunTally()
        # A film never begins again at its end here, or the recording would have none.
        source = NetworkSource(parse(job.source), replace(settings.network, loop=False))
        self._source = source
        self._meter = LiveMetrics().stream(_NAME)
        self._recording = Recording(
            writer, self._meter, expects_sound=lambda: source.has_sound, duration_seconds=job.duration_seconds
        )
        self._conductor = Conductor(partial(warm_up, models.experts, models.detector))
        self._channel = Channel(
            _NAME,
            source,
            kind="network",
            broadcast=self._recording,
            conductor=self._conductor,
            enhancer=Enhancer(self._make_way, most_scale=settings.scale, max_height=settings.live.max_height),
            meter=self._meter,
            # A recording watches always.
            settings=replace(settings.live, without_viewers=True),
        )

    async def run(self, progress: Console | None, say: Say) -> dict[str, Any]:
        """Raises what ended the film before its time, once what there is of it has its name."""
        started = time.perf_counter()
        interrupted: asyncio.CancelledError | None = None
        try:
            await self._prepare()
            say(f"recording into {self._writer.path}; Ctrl-C ends the recording and keeps it")
            self._channel.start()
            await self._follow(progress, say)
        except asyncio.CancelledError as cancelled:
            interrupted = cancelled
            # Who wants an end does not wait minutes for a last picture; whatever ends by itself does.
            self._conductor.hurry(_LAST_PICTURE_SECONDS)
        last = self._channel.tell()
        await self.aclose()
        if self._recording.failure is not None:
            raise self._told(self._recording.failure) from self._recording.failure
        if not self._writer.pictures:
            if interrupted is not None:
                raise interrupted
            raise SourceError(f"{last['source']['address']}: {last['message'] or 'not one picture came'}")
        return self._report(last, time.perf_counter() - started)

    async def _prepare(self) -> None:
        """Nothing is recorded as long as nothing can be enhanced."""
        self._conductor.start()
        while not self._conductor.is_ready:
            await asyncio.sleep(_READY_SECONDS)
        if self._conductor.failure is not None:
            raise ProcessingError(self._conductor.failure)

    async def aclose(self) -> None:
        """Ends the source first, then what works on its frames, then the film. May be called twice."""
        await self._channel.aclose()
        await self._conductor.aclose()

    async def _follow(self, progress: Console | None, say: Say) -> None:
        teller = StateTeller(say)
        with LiveLine(progress) as line:
            while not self._recording.is_over:
                status = self._channel.tell()
                teller.look([status])
                line.show(status, recorded_seconds=self._writer.seconds)
                if self._is_hopeless(status):
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    def _is_hopeless(self, status: Status) -> bool:
        """Whether nothing more will come. Who fails at once has a person before the screen who can do something about
        it; who was there once is waited for."""
        if status["state"] == "failed" and not self._writer.pictures:
            return True
        return bool(status["state"] == "ended")

    def _make_way(self, scale: int) -> _TalliedWay:
        mark = self._settings.output.mark
        pipeline = make_pipeline(self._models, self._settings, scale=scale, guarded="live", mark=mark)
        return _TalliedWay(pipeline, self._tally)

    def _told(self, failure: FacelaneError) -> FacelaneError:
        if not self._writer.pictures:
            return failure
        return type(failure)(f"{failure}; the {self._writer.seconds:.0f} s before that are in {self._writer.path}")

    def _report(self, last: Status, seconds: float) -> dict[str, Any]:
        writer, drops = self._writer, last["drops"]
        facts = RunFacts(
            version=__version__,
            source={"address": last["source"]["address"], "width": last["width"], "height": last["height"]}
            | {"decoder": self._source.decoder},
            outputs=[str(writer.path)],
            encoder=writer.encoder,
            wall_seconds=seconds,
            frames_in=writer.pictures + sum(drops.values()),
            frames_out=writer.pictures,
            dropped=drops,
            input_fps=last["fps_in"],
            av_sync_ms=None,
            experts=self._models.infos,
            detector={"id": self._settings.routing.detector.method, **asdict(self._models.detector.taken)},
            settings=table_of(self._settings),
            source_counters={"reconnects": last["reconnects"], **last["mended"]},
            notes=list(writer.notes),
            damaged=None,
            output_pixels_percent=100.0 * (last["scale"] or 1) ** 2,
            judge=self._models.judged_by(self._settings),
        )
        report = compose_report(self._tally, facts)
        return {**report, "recorded_seconds": round(writer.seconds, 3), "latency_ms": last["latency_ms"]}


class _TalliedWay:
    """The way of a frame, whose reports are counted."""

    def __init__(self, pipeline: Pipeline, tally: RunTally) -> None:
        self._pipeline = pipeline
        self._tally = tally

    def process(self, frame: Frame, effort: Effort) -> Processed:
        processed = self._pipeline.process(frame, effort)
        self._tally.add(processed.report)
        return processed
