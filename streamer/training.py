"""The composition root of `facelane train`: photographs and a detector in, weights out."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch
from rich.console import Console

from experts.training import run
from experts.training.run import Device, Task
from experts.training.settings import TrainingSettings, load
from streamer.aio import SIGNALS, Interrupted
from streamer.album import MIN_FACE_PX, Album, finder_of, look_through
from streamer.config import Settings
from streamer.errors import UsageError
from streamer.machinery import Say, load_detector, make_store
from streamer.media.target import writing
from streamer.training_bar import TrainingBar

SAVED = "what was learned is saved, and the same command goes on from there"


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train: an expert's stages, or one: the one of that name, or that a TOML file states. `faces`: a folder of
    photographs; `out`: the folder for all that comes out. `minutes`: end this run after so long, wherever it stands."""

    expert: str
    faces: Path
    out: Path
    stage: str | None = None
    device: Device = "auto"
    identity: Path | None = None
    minutes: float | None = None


def train(job: TrainJob, settings: Settings, *, progress: Console | None, say: Say) -> bool:
    """Trains stage after stage; says whether all are done. What an earlier run did is taken up, never done again.

    Raises UsageError, SourceError or ExpertError for what can't be trained, WeightsError or RoutingError where the
    detector is missing, DiskFullError or SinkError where `out` can't be written, and Interrupted after a signal, when
    all has been saved.
    """
    stages = _stages(job)
    device = run.choose_device(job.device)
    received: list[int] = []
    with writing(job.out), _signals_noted(received):
        job.out.mkdir(parents=True, exist_ok=True)
        bar = TrainingBar(progress, ended=lambda: bool(received), minutes=job.minutes)
        with bar:
            album = _album(job, settings, bar, say)
            done = album is not None and _train_stages(job, stages, album, bar, device, say)
    if received:
        raise Interrupted(signal.Signals(received[0]), left=SAVED)
    if not done:
        say(f"the time is up; {SAVED}")
    return done


def _stages(job: TrainJob) -> list[TrainingSettings]:
    """All that can be checked before any work is."""
    if job.identity is not None and not job.identity.is_file():
        raise UsageError(f"--identity {job.identity} is no file: name an ONNX file of a face network")
    stages = run.shipped_settings(job.expert)
    if job.stage is not None:
        named = [each for each in stages if each.stage == job.stage]
        stages = named or [load(Path(job.stage))]
    for stage in stages:
        if stage.network != job.expert:
            raise UsageError(f"{job.stage} is about {stage.network}, not {job.expert}")
        if stage.losses.need_a_judge and job.identity is None:
            raise UsageError(
                f"the {stage.stage} stage needs a judge: give --identity with the ONNX file of a face network, or "
                "--stage with another one"
            )
        run.check(stage, identity=job.identity)
    return stages


class _Ended(Exception):  # noqa: N818 - a wish, not an error
    """A signal came or the time is up while photographs were looked through."""


def _album(job: TrainJob, settings: Settings, bar: TrainingBar, say: Say) -> Album | None:
    """None where somebody wanted an end before all photographs were seen; what was seen is kept."""

    def looked(done: int, count: int) -> None:
        bar.photographs(done, count)
        if done < count and bar.ending():
            raise _Ended

    # A photograph that one can learn from holds no small face.
    chosen = replace(settings.routing.detector, min_face_px=MIN_FACE_PX / 2)
    finding = replace(settings, routing=replace(settings.routing, detector=chosen))
    # Loaded when it is first asked: who goes on, or has a table of faces, doesn't wait for it.
    detector = functools.cache(lambda: load_detector(finding, make_store(settings, say)))
    try:
        album = look_through(
            job.faces,
            job.out,
            detect=lambda image: detector().detect(image),
            looked=looked,
            finder=finder_of(chosen),
        )
    except _Ended:
        return None
    for line in album.lines():
        say(line)
    return album


def _train_stages(
    job: TrainJob, stages: list[TrainingSettings], album: Album, bar: TrainingBar, device: torch.device, say: Say
) -> bool:
    for stage in stages:
        task = Task(stage, album.photos, job.out, device, job.identity)
        if not run.train(task, bar):
            return False
        say(f"{stage.stage}: {task.weights}")
    return True


@contextmanager
def _signals_noted(received: list[int]) -> Iterator[None]:
    """Signals end the work between two steps, not in the middle of one; the first counts."""

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, note) for number in SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if received else handler)
