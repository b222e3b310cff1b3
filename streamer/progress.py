"""The progress bar: frames, rate, time left, faces seen."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from streamer.report import RunTally


class ProgressBar:
    """Shows how far a run is; without a frame count only what is done.

    Draws nothing without a console, or where that is no terminal."""

    def __init__(self, console: Console | None, total_frames: int | None) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[faces]} face(s) now, {task.fields[seen]} seen"),
            console=console,
            transient=True,
            disable=console is None or not console.is_terminal,
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
