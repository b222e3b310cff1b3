"""The loop: batches in, an averaged network out; can be cut off and taken up again."""

from __future__ import annotations

import copy
import logging
import math
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.networks import NETWORKS, Network
from experts.networks.blocks import CELL, SCALE
from experts.training.losses import Loss
from experts.training.pool import Pool
from experts.training.settings import TrainingSettings, digest

logger = logging.getLogger(__name__)

HELD_OUT = 40
"""At most so many pairs at the end of a pool (a fifth of a small one) are not learned from.

They watch a run but prove nothing, for their people are known to it.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """PSNR in dB on the held-out pairs: of the averaged network, and of the bicubic enlargement that it starts from."""

    network: float
    bicubic: float


class Trainer:
    """Trains one network on one pool; `folder` takes its checkpoints."""

    def __init__(self, settings: TrainingSettings, pool: Pool, folder: Path) -> None:
        self.settings, self.pool, self.folder = settings, pool, folder
        torch.manual_seed(settings.seed)
        self.network = NETWORKS[settings.network]()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        optimiser = settings.optimiser
        loss = Loss(self.network.input_size * SCALE, optimiser)
        self._restore = torch.compile(self.network) if optimiser.compiled else self.network
        self._judge = torch.compile(loss) if optimiser.compiled else loss
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, optimiser.weight_decay), lr=optimiser.rate, betas=(0.9, 0.99)
        )
        self.step, self.seconds = 0, 0.0
        self._learned = len(pool) - min(HELD_OUT, -(-len(pool) // 5))

    @property
    def progress(self) -> float:
        """0 at the start, 1 where the budget of time or of steps is used up."""
        optimiser = self.settings.optimiser
        return min(1.0, max(self.step / optimiser.steps, self.seconds / (60.0 * optimiser.minutes)))

    def run(self) -> Figures:
        """Trains from the last checkpoint, or from the start, to the end of the budget."""
        self._resume()
        optimiser = self.settings.optimiser
        running, saved_at, started = math.nan, self.seconds, time.monotonic() - self.seconds
        while self.progress < 1.0:
            loss = self.advance()
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            self.seconds = time.monotonic() - started
            if self.step % optimiser.log_steps == 0:
                logger.info(
                    "step %d, %.1f min, rate %.2e, loss %.5f", self.step, self.seconds / 60, self._rate(), running
                )
            if self.seconds - saved_at >= 60.0 * optimiser.checkpoint_minutes:
                self.checkpoint()
                saved_at = self.seconds
        self.checkpoint()
        return self.figures()

    def figures(self) -> Figures:
        """The averaged network on the held-out pairs, in full precision."""
        network, bicubic = [], []
        for place in range(self._learned, len(self.pool)):
            low, high = self.pool.batch(np.array([place]))
            cells = functional.pixel_unshuffle(low, CELL)
            with torch.no_grad():
                network.append(_psnr(_picture(self.average(cells)), high))
                bicubic.append(_psnr(_picture(self.average.enlarge(cells)), high))
        return Figures(statistics.fmean(network), statistics.fmean(bicubic))

    def advance(self) -> float:
        """One step. Its batch follows from seed and step alone, so that a resumed run goes on as it would have."""
        settings = self.settings.optimiser
        random = np.random.default_rng((self.settings.seed, self.step))
        places = np.sort(random.choice(self._learned, settings.batch, replace=False))
        low, high = self.pool.batch(places, flipped=random.random(settings.batch) < 0.5)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        cells = functional.pixel_unshuffle(low, CELL).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            restored = self._restore(cells)
        loss: Tensor = self._judge(_picture(restored.float()), high)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    def _rate(self) -> float:
        settings = self.settings.optimiser
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.progress))
        share = settings.final_rate_share + (1.0 - settings.final_rate_share) * cosine
        return settings.rate * share * min(1.0, (self.step + 1) / settings.warmup_steps)

    def _follow(self) -> None:
        """Moves the average towards the network; faster while young, so that it never drags the random start along."""
        keep = min(1.0 - 1.0 / self.settings.optimiser.ema_steps, self.step / (self.step + 10.0))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1.0 - keep)

    def checkpoint(self) -> None:
        """Writes all that a run needs to go on, to a temporary name first."""
        state = {
            "digest": digest(self.settings),
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self._path)
        logger.info("checkpoint at step %d: %s", self.step, self.figures())

    def _resume(self) -> None:
        if not self._path.is_file():
            return
        state = torch.load(self._path, weights_only=True)
        if state["digest"] != digest(self.settings):
            logger.warning("%s is of other settings: starting afresh", self._path)
            return
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        logger.info("resumed at step %d", self.step)

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.pt"


def _groups(network: Network, decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices and kernels only."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _picture(cells: Tensor) -> Tensor:
    return functional.pixel_shuffle(cells, CELL * SCALE)


def _psnr(restored: Tensor, target: Tensor) -> float:
    return float(-10.0 * torch.log10((restored.clamp(0.0, 1.0) - target).square().mean()))
