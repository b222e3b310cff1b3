"""What each command does: cheap checks first, then settings, then the work. Heavy imports come after the checks."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from streamer.consoles import errors, results, say
from streamer.errors import EXIT_DAMAGED, SourceError, UsageError
from streamer.flags import origins, overrides

if TYPE_CHECKING:
    from experts.quality.report import Report
    from streamer.config import Settings


def run(arguments: argparse.Namespace) -> int:
    """Runs the command that was asked for and returns its exit code. Raises errors of any room's root."""
    return COMMANDS[arguments.command](arguments)


def _settings(arguments: argparse.Namespace) -> Settings:
    from streamer.config import load_settings

    return load_settings(arguments.config, environment=os.environ, overrides=overrides(arguments), flags=origins())


def _process(arguments: argparse.Namespace) -> int:
    from streamer.media.demux import check_readable

    check_readable(arguments.input)
    _check_output(arguments, source=arguments.input)
    settings = _settings(arguments)

    from streamer.app import Job, process_file
    from streamer.report import print_table

    job = Job(
        input=arguments.input,
        output=arguments.output,
        compare=arguments.compare,
        overlay=arguments.overlay,
        metrics=arguments.metrics,
        report=arguments.report,
        overwrite=arguments.overwrite,
    )
    report = process_file(job, settings, progress=None if arguments.quiet else Console(stderr=True), say=say)
    _say_notes(report)
    if not arguments.quiet:
        print_table(report, results())
    return _say_damage(report["damaged"])


def _serve(arguments: argparse.Namespace) -> int:
    from streamer.entries import entries_of

    entries_of(arguments.sources)
    settings = _settings(arguments)

    from streamer.serving import serve

    more = entries_of(arguments.sources, taken=[entry.name for entry in settings.streams])
    return serve(settings, more, say=say)


def _watch(arguments: argparse.Namespace) -> int:
    from streamer.entries import check_source

    if arguments.duration is not None and not (0 < arguments.duration < math.inf):
        raise UsageError(f"--duration {arguments.duration}: give more than 0 seconds")
    local = check_source(arguments.source)
    _check_output(arguments, source=local)
    settings = _settings(arguments)

    from streamer.watching import WatchJob, watch

    job = WatchJob(
        source=arguments.source,
        output=arguments.output,
        duration_seconds=arguments.duration,
        report=arguments.report,
        overwrite=arguments.overwrite,
    )
    report = watch(job, settings, progress=None if arguments.quiet else Console(stderr=True), say=say)
    _say_notes(report)
    if not arguments.quiet:
        say(_recorded(report))
    return 0


def _recorded(report: Mapping[str, Any]) -> str:
    """What a recording came to, in one line."""
    frames = report["frames"]
    drops = ", ".join(f"{count} {reason}" for reason, count in frames["dropped_by_reason"].items() if count)
    dropped = f"{frames['dropped']} dropped ({drops})" if drops else "none dropped"
    return f"{report['outputs'][0]}: {report['recorded_seconds']:.1f} s, {frames['out']} pictures, {dropped}"


def _check_output(arguments: argparse.Namespace, *, source: Path | None) -> None:
    from streamer.media.containers import container_of
    from streamer.media.target import check_target, writing

    with writing(arguments.output):
        check_target(arguments.output, source=source, overwrite=arguments.overwrite)
    container_of(arguments.output)


def _say_notes(report: Mapping[str, Any]) -> None:
    for note in report["notes"]:
        say(f"note: {note}")


def _say_damage(damaged: str | None) -> int:
    """Warns of a damaged input, and returns the exit code for it."""
    if damaged is None:
        return 0
    errors().print(f"facelane: warning: {damaged}")
    return EXIT_DAMAGED


def _probe(arguments: argparse.Namespace) -> int:
    from streamer.media.demux import check_readable

    if arguments.frames < 1:
        raise UsageError(f"--frames {arguments.frames}: look at 1 frame or more")
    check_readable(arguments.input)
    settings = _settings(arguments)

    from streamer.app import probe_file
    from streamer.survey import print_survey

    probed = probe_file(arguments.input, settings, frames=arguments.frames, say=say)
    print_survey(probed.info, probed.survey, results())
    return _say_damage(probed.damaged)


def _train(arguments: argparse.Namespace) -> int:
    if arguments.minutes is not None and not (0 < arguments.minutes < math.inf):
        raise UsageError(f"--minutes {arguments.minutes}: give more than 0 minutes")
    if not arguments.faces.is_dir():
        raise SourceError(f"{arguments.faces} is no folder: name one with photographs of faces")
    settings = _settings(arguments)

    from streamer.training import TrainJob, train

    job = TrainJob(
        expert=arguments.subject,
        faces=arguments.faces,
        out=arguments.out,
        stage=arguments.stage,
        device=arguments.device,
        identity=arguments.identity,
        minutes=arguments.minutes,
    )
    train(job, settings, progress=None if arguments.quiet else Console(stderr=True), say=say)
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    benches = {"quality": _bench_quality, "detectors": _bench_detectors, "gate": _bench_gate, "devices": _bench_devices}
    return benches[arguments.bench](arguments, settings)


def _bench_gate(arguments: argparse.Namespace, settings: Settings) -> int:
    from streamer.bench_gate import bench_gate

    bench_gate(
        arguments.folder,
        settings,
        limit=arguments.limit,
        out=arguments.report,
        progress=None if arguments.quiet else Console(stderr=True),
        say=say,
        show=lambda report: _print(report.lines()),
    )
    return 0


def _bench_devices(arguments: argparse.Namespace, settings: Settings) -> int:
    from streamer.bench_devices import DevicesJob, bench_devices

    job = DevicesJob(
        out=arguments.out,
        sources=arguments.sources,
        frames=arguments.frames,
        networks=arguments.networks,
        repeats=arguments.repeats,
    )
    report = bench_devices(job, settings, say=say, show=lambda report: _print(report.lines()))
    return 1 if arguments.strict and not report.passed else 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        results().print(line, markup=False, highlight=False, soft_wrap=True)


def _bench_detectors(arguments: argparse.Namespace, settings: Settings) -> int:
    from streamer.bench_detectors import bench_detectors

    bench_detectors(
        arguments.sources,
        settings,
        frames=arguments.frames,
        out=arguments.report,
        say=say,
        show=lambda report: _print(report.lines()),
    )
    return 0


def _bench_quality(arguments: argparse.Namespace, settings: Settings) -> int:
    from streamer.bench_table import print_report
    from streamer.benchmarks import BenchJob, bench_quality

    job = BenchJob(
        sources=arguments.sources,
        out=arguments.out,
        methods=arguments.methods,
        limit=arguments.limit,
        heavy_faces=arguments.heavy,
        general=arguments.general,
        identity=arguments.identity,
        transformer=arguments.transformer,
        transformer_crisp=arguments.transformer_crisp,
        frequency=arguments.frequency,
        frequency_crisp=arguments.frequency_crisp,
        ranges=arguments.ranges,
        seed=arguments.seed,
    )

    def show(report: Report) -> None:
        if not arguments.quiet:
            print_report(report, results())

    bench_quality(job, settings, progress=None if arguments.quiet else Console(stderr=True), say=say, show=show)
    return 0


def _weights(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)

    from streamer.weights_command import run as run_weights

    return run_weights(arguments, settings.weights, say=say)


def _doctor(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)

    from streamer.doctor import main_table

    return main_table(results(), settings)


def _demo(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)

    from streamer.app import run_demo
    from streamer.report import print_table

    console = results()
    report = run_demo(arguments.folder, settings, console, say=say)
    _say_notes(report)
    print_table(report, console)
    console.print(f"\nOpen {arguments.folder / 'enhanced.side-by-side.mp4'} to see the difference.")
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "process": _process,
    "serve": _serve,
    "watch": _watch,
    "probe": _probe,
    "train": _train,
    "bench": _bench,
    "weights": _weights,
    "doctor": _doctor,
    "demo": _demo,
}
