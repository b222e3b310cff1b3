"""What a training tells whoever watches it, and how it learns that it shall end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a training is: `progress` from 0 to 1, whichever of time and steps is further; `seconds` of training in
    all its runs; `psnr`: the gain over bicubic on the held-out pairs at the last checkpoint, in dB."""

    stage: str
    step: int
    progress: float
    seconds: float
    loss: float
    psnr_gain: float | None


class Watch(Protocol):
    """Called on the training's thread, often; must be quick."""

    def pairs(self, made: int, wanted: int) -> None:
        """So many pairs of a pool are there."""

    def step(self, standing: Standing) -> None:
        """A step was done."""

    def ending(self) -> bool:
        """Whether to save and end at the next whole step."""
        ...


class Quiet:
    """Shows nothing; wants an end when `wanted` says so, or after `minutes`."""

    def __init__(self, *, wanted: Callable[[], bool] = lambda: False, minutes: float | None = None) -> None:
        self._wanted = wanted
        self._deadline = None if minutes is None else time.monotonic() + 60.0 * minutes

    def pairs(self, made: int, wanted: int) -> None:
        return

    def step(self, standing: Standing) -> None:
        return

    def ending(self) -> bool:
        return self._wanted() or (self._deadline is not None and time.monotonic() >= self._deadline)
