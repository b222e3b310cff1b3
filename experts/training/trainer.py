"""The loop: steps until the budget is used up; can be cut off at any moment and taken up again."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from experts.contract import ExpertError
from experts.training.checkpoints import Checkpoint
from experts.training.feed import Feed
from experts.training.held_out import Figures, HeldOut
from experts.training.journal import Journal
from experts.training.learner import Learner
from experts.training.watch import Standing, Watch

logger = logging.getLogger(__name__)


class Trainer:
    """Runs one learner; `folder` takes its checkpoint, its log and its contact sheets."""

    def __init__(
        self, learner: Learner, checkpoint: Checkpoint, *, feed: Feed, held_out: HeldOut, folder: Path
    ) -> None:
        self.learner, self.feed = learner, feed
        self.settings = learner.settings
        self.seconds = 0.0
        self._checkpoint, self._held_out, self._journal = checkpoint, held_out, Journal(folder)
        self._sums: dict[str, Tensor] = {}
        self._summed, self._loss = 0, math.nan
        self._gain: float | None = None

    @property
    def progress(self) -> float:
        """0 at the start, 1 where the budget of time or of steps is used up."""
        course = self.settings.optimiser
        return min(1.0, max(self.learner.step / course.steps, self.seconds / (60.0 * course.minutes)))

    def resume(self) -> bool:
        """Goes to where the last run was saved, if there was one; see `Checkpoint.load` for what it raises."""
        state = self._checkpoint.load(self.learner.device)
        if state is None:
            return False
        self.learner.load_state(state)
        self.seconds = state["seconds"]
        self._journal.rewind(self.learner.step)
        logger.info("resumed at step %d", self.learner.step)
        return True

    def run(self, watch: Watch) -> bool:
        """Trains to the end of the budget, or until `watch` wants an end; says whether it was the former.

        What it has is saved in either case. Raises OSError where that can't be done.
        """
        settings = self.settings.run
        saved_at, started = self.seconds, time.monotonic() - self.seconds
        while self.progress < 1.0 and not watch.ending():
            self._add(self.learner.advance(self.feed, self.progress))
            self.seconds = time.monotonic() - started
            if self.learner.step % settings.log_steps == 0:
                self._log()
            if self.seconds - saved_at >= 60.0 * settings.checkpoint_minutes:
                self.save()
                saved_at = self.seconds
            watch.step(self.standing())
        self.save()
        return self.progress >= 1.0

    def standing(self) -> Standing:
        return Standing(
            stage=self.settings.stage,
            step=self.learner.step,
            progress=self.progress,
            seconds=self.seconds,
            loss=self._loss,
            psnr_gain=self._gain,
        )

    def save(self) -> Figures:
        """Writes the checkpoint, then how it stands on what is held out."""
        self._checkpoint.save({**self.learner.state(), "seconds": self.seconds})
        figures = self._held_out.figures(self.learner.restore)
        self._gain = figures.psnr_gain
        step = self.learner.step
        self._journal.note(step, self.seconds, {"held_out": figures.told()})
        self._journal.show(step, self._held_out.sheet(self.learner.restore, rows=self.settings.run.samples))
        logger.info("saved at step %d: %s", step, figures)
        return figures

    def _add(self, terms: dict[str, Tensor]) -> None:
        """Sums stay on the device until they are logged: to read a number is to wait for it."""
        self._summed += 1
        if self._sums:
            torch._foreach_add_(list(self._sums.values()), [terms[name] for name in self._sums])
        else:
            self._sums = {name: term.clone() for name, term in terms.items()}

    def _log(self) -> None:
        loss = {name: float(total) / self._summed for name, total in self._sums.items()}
        self._sums, self._summed = {}, 0
        self._loss = sum(value for name, value in loss.items() if name != "adversary")
        if not math.isfinite(self._loss):
            raise ExpertError(
                f"at step {self.learner.step} the loss is no number any more; lower rate or clip_norm and begin from "
                "another folder"
            )
        rate = self.settings.optimiser.rate_at(self.learner.step, self.progress)
        rounded = {name: float(f"{value:.6g}") for name, value in loss.items()}
        self._journal.note(self.learner.step, self.seconds, {"rate": float(f"{rate:.4g}"), "loss": rounded})
