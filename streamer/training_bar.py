"""How far a training is, and whether somebody wants it to end."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import TextColumn, TimeElapsedColumn

from experts.training.watch import Standing
from streamer.bars import bar


class TrainingBar:
    """Shows a bar for photographs, pairs and each stage in turn; see `experts.training.watch.Watch`.

    Draws nothing without a console, or where that is no terminal. `ended`: whether a signal came; `minutes`: how long
    the run may take, from now on.
    """

    def __init__(self, console: Console | None, *, ended: Callable[[], bool], minutes: float | None) -> None:
        self._ended = ended
        self._deadline = None if minutes is None else time.monotonic() + 60.0 * minutes
        percentage, figures = TextColumn("{task.percentage:.0f} %"), TextColumn("{task.fields[figures]}")
        self._progress = bar(console, percentage, TimeElapsedColumn(), figures)
        self._task = self._progress.add_task("starting", total=1.0, figures="")

    def __enter__(self) -> TrainingBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def ending(self) -> bool:
        return self._ended() or (self._deadline is not None and time.monotonic() >= self._deadline)

    def photographs(self, looked: int, count: int) -> None:
        self._show("photographs", looked / max(count, 1), f"{looked} of {count}")

    def pairs(self, made: int, wanted: int) -> None:
        self._show("pairs", made / wanted, f"{made} of {wanted}")

    def step(self, standing: Standing) -> None:
        gain = "" if standing.psnr_gain is None else f", {standing.psnr_gain:+.2f} dB over bicubic"
        rate = standing.step / max(standing.seconds, 1e-9)
        figures = f"step {standing.step}, {rate:.1f} a second, loss {standing.loss:.4f}{gain}"
        self._show(standing.stage, standing.progress, figures)

    def _show(self, what: str, share: float, figures: str) -> None:
        if not self._progress.disable:
            self._progress.update(self._task, description=what, completed=share, figures=figures)
