"""How a training runs: its optimiser, what it is judged by, its adversary, and what the machine may give it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from experts.contract import ExpertError

Normalisation = Literal["spectral", "instance", "none"]


@dataclass(frozen=True, slots=True)
class OptimiserSettings:
    """The course of a training. `minutes` is its budget of wall-clock time, the rate falls with it along a cosine
    (Loshchilov and Hutter 2017); `steps` ends it sooner if reached.

    `batch`: pairs in memory at once; `accumulate`: so many batches make one step. `ema_steps` is the time constant of
    the averaged weights that are shipped. `bfloat16`: compute in it where losing digits does no harm.
    """

    minutes: float = 50.0
    steps: int = 1_000_000
    batch: int = 8
    accumulate: int = 1
    rate: float = 1.5e-3
    warmup_steps: int = 150
    final_rate_share: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema_steps: int = 500
    bfloat16: bool = True

    def __post_init__(self) -> None:
        _positive(
            self,
            "minutes",
            "steps",
            "batch",
            "accumulate",
            "rate",
            "warmup_steps",
            "clip_norm",
            "ema_steps",
        )

    def rate_at(self, step: int, progress: float) -> float:
        """The learning rate of a step, where `progress` goes from 0 to 1 over the budget."""
        cosine = 0.5 * (1.0 + math.cos(math.pi * progress))
        share = self.final_rate_share + (1.0 - self.final_rate_share) * cosine
        return self.rate * share * min(1.0, (step + 1) / self.warmup_steps)


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of what a restored picture is judged by; 0 leaves a term out. See `losses` and `judges`.

    `pixel`, `gradient`, `spectrum`: nearness to the truth; `texture`: as much fine structure as it has. `identity`,
    `perceptual`: nearness in the eyes of a face network, which must be given.
    """

    pixel: float = 1.0
    gradient: float = 0.3
    spectrum: float = 0.02
    texture: float = 0.0
    identity: float = 0.0
    perceptual: float = 0.0

    @property
    def need_a_judge(self) -> bool:
        return self.identity > 0 or self.perceptual > 0


@dataclass(frozen=True, slots=True)
class AdversarySettings:
    """The discriminator; `weight` of what it says in the loss, 0 for none. See `discriminator`.

    The weight rises from 0 over `ramp_steps`. `noise`: standard deviation of what is added to all that it sees, 0 to 1
    being black to white. `penalty`: weight of its squared gradients, taken every `penalty_steps`.
    """

    weight: float = 0.0
    channels: int = 32
    normalisation: Normalisation = "spectral"
    rate: float = 2e-4
    noise: float = 0.02
    penalty: float = 1.0
    penalty_steps: int = 8
    ramp_steps: int = 500

    def __post_init__(self) -> None:
        _positive(self, "channels", "rate", "penalty_steps", "ramp_steps")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What changes a run but not what comes out of it, so that it may differ when a run is taken up again.

    `threads`: of the processor, 0 for torch's choice. `workers`: processes that make pairs, 0 for one a core.
    `compiled` has torch fuse the steps, an eighth faster where there is a C++ compiler. `device_gb`: how many gigabytes
    of pairs may lie in an accelerator's memory. `samples`: rows of the contact sheets.
    """

    threads: int = 0
    workers: int = 0
    compiled: bool = False
    log_steps: int = 100
    checkpoint_minutes: float = 2.0
    device_gb: float = 24.0
    samples: int = 6

    def __post_init__(self) -> None:
        _positive(self, "log_steps", "checkpoint_minutes", "samples")


def _positive(settings: object, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise ExpertError(f"{name} = {value}: it must be more than 0")
