"""The composition root of `facelane bench devices`: every network that ships, on whatever this machine can compute
with, beside the same network in float32 by torch on the processor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from experts.training.files import write_whole
from streamer.bench_devices_networks import NAMES, Subject, load_subjects
from streamer.bench_devices_report import DevicesReport, Difference, Row
from streamer.config import Settings
from streamer.errors import UsageError
from streamer.machinery import Say, make_store
from streamer.media.target import make_folder, writing
from streamer.probing import probe
from weights.failures import reason
from weights.runtime import Array
from weights.session import Device, Precision, Runtime, RuntimeSettings, Session, Taken, WeightsError

CHOICES: tuple[tuple[Device, Runtime, tuple[Precision, ...]], ...] = (
    ("cpu", "torch", ("float32", "bfloat16")),
    ("cpu", "openvino", ("float32", "bfloat16")),
    ("cpu", "onnxruntime", ("float32",)),
    ("cuda", "torch", ("float32", "bfloat16", "float16")),
    ("cuda", "onnxruntime", ("float32", "float16")),
    ("cuda", "tensorrt", ("float32", "float16")),
)
BATCHES = (1, 4, 16)
LEVELS = 255.0


@dataclass(frozen=True, slots=True)
class DevicesJob:
    """`sources`: clips, and folders of pictures; none: the demo's. `frames`: of each clip. `networks`: only these, of
    `NAMES`; none: all. `repeats`: timed runs of each batch."""

    out: Path
    sources: Sequence[Path] = ()
    frames: int = 8
    networks: Sequence[str] = ()
    repeats: int = 9

    def __post_init__(self) -> None:
        for name, value in (("frames", self.frames), ("repeats", self.repeats)):
            if value < 1:
                raise UsageError(f"--{name} {value}: give 1 or more")
        for network in self.networks:
            if network not in NAMES:
                raise UsageError(f"--networks: there is no network {network!r}; known: {', '.join(NAMES)}")


def bench_devices(
    job: DevicesJob, settings: Settings, *, say: Say, show: Callable[[DevicesReport], None]
) -> DevicesReport:
    """Writes devices.json and devices.md. What is not here, or does not run, is told with its reason and ends nothing.

    `show` has the report before it is written: a disk that is full by then takes no figures away. Raises SinkError for
    a folder that can't be written, UsageError and SourceError for pictures that can't be read or hold no face, and
    WeightsError where the detector's weights are missing.
    """
    make_folder(job.out)
    store = make_store(settings, say)
    subjects, absent = load_subjects(job.sources, job.frames, job.networks or NAMES, settings, store)
    choices: list[tuple[RuntimeSettings, Taken]] = []
    for choice in _choices(settings.runtime.threads):
        try:
            choices.append((choice, probe(choice)))
        except (WeightsError, RuntimeError) as error:
            absent[f"{choice.runtime} on {choice.device} in {choice.precision}"] = reason(error)
    rows = [row for subject in subjects for row in _rows(subject, choices, job.repeats, say)]
    report = DevicesReport(tuple(rows), absent, {subject.name: len(subject.batch) for subject in subjects})
    show(report)
    files = {"devices.json": json.dumps(report.to_dict(), indent=2) + "\n", "devices.md": report.to_markdown()}
    for name, text in files.items():
        with writing(job.out / name):
            write_whole(job.out / name, text.encode())
    return report


def _choices(threads: int) -> Iterator[RuntimeSettings]:
    for device, runtime, precisions in CHOICES:
        for precision in precisions:
            yield RuntimeSettings(device, runtime, precision, threads)


def _rows(subject: Subject, choices: Sequence[tuple[RuntimeSettings, Taken]], repeats: int, say: Say) -> Iterator[Row]:
    known = subject.open(RuntimeSettings("cpu", "torch", "float32")).run(subject.batch)
    for choice, probed in choices:
        if subject.exact and choice.precision != "float32":
            continue
        say(f"{subject.name} by {probed.runtime} on {probed.device} in {probed.precision}")
        try:
            session = subject.open(choice)
            session.prepare()
            difference = _difference(session.run(subject.batch), known)
            times = {size: _milliseconds(session, subject.batch, size, repeats) for size in _sizes(subject)}
            yield Row(subject.name, session.taken, difference, times)
        except (WeightsError, RuntimeError) as error:
            yield Row(subject.name, probed, None, {}, fault=reason(error))


def _sizes(subject: Subject) -> Sequence[int]:
    return BATCHES if subject.batched else (1,)


def _difference(found: Sequence[Array], known: Sequence[Array]) -> Difference:
    """In levels of 255: of bytes as they are; of what lies about 0 to 1, as scores and shares of a side, 255 times."""
    apart = [
        np.abs(mine.astype(np.float64) - its).ravel() * (1.0 if its.dtype == np.uint8 else LEVELS)
        for mine, its in zip(found, known, strict=True)
    ]
    return Difference(max(float(part.max()) for part in apart), max(float(part.mean()) for part in apart))


def _milliseconds(session: Session, batch: Array, size: int, repeats: int) -> float:
    """The median from bytes in memory to bytes in memory, copies to a card and back included."""
    items = batch[np.arange(size) % len(batch)]
    session.run(items)
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        session.run(items)
        taken.append(1e3 * (time.perf_counter() - started))
    return median(taken)
