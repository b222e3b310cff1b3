"""How far a run is: a bar for a film, a line for a live stream."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from streamer.bars import bar
from streamer.report import RunTally
from web.feeds import Status


class ProgressBar:
    """Shows how far a run is; without a frame count only what is done.

    Draws nothing without a console, or where that is no terminal."""

    def __init__(self, console: Console | None, total_frames: int | None) -> None:
        self._progress = bar(
            console,
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[faces]} face(s) now, {task.fields[seen]} seen"),
        )
        self._task: TaskID = self._progress.add_task("frames", total=total_frames, fps=0.0, faces=0, seen=0)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, tally: RunTally, seconds: float) -> None:
        if self._progress.disable:
            return
        self._progress.update(
            self._task,
            completed=tally.frames,
            fps=tally.frames / seconds if seconds > 0 else 0.0,
            faces=tally.faces_now,
            seen=len(tally.tracks),
        )


class LiveLine:
    """Shows how the recording of a stream stands. Draws nothing without a console, or where that is no terminal."""

    def __init__(self, console: Console | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            transient=True,
            disable=console is None or not console.is_terminal,
        )
        self._task: TaskID = self._progress.add_task("starting", total=None, figures="")

    def __enter__(self) -> LiveLine:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, status: Status, *, recorded_seconds: float) -> None:
        if self._progress.disable:
            return
        dropped = sum(status["drops"].values())
        figures = (
            f"{recorded_seconds:.1f} s recorded, {_figure(status['fps_in'])} fps in, {_figure(status['fps_out'])} out, "
            f"{_figure(status['latency_ms']['p50'])} ms old, {dropped} dropped"
        )
        self._progress.update(self._task, description=status["state"], figures=figures)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
