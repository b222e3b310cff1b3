"""One step of learning: the network, its average, its adversary, and all that changes with a step."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experts.training.discriminator import Adversary
from experts.training.feed import Feed
from experts.training.judges import FaceJudge
from experts.training.losses import Loss
from experts.training.settings import TrainingSettings
from experts.training.subjects import Subject

TERMS = ("pixel", "gradient", "spectrum", "texture")


class Learner:
    """Trains one network on `device`; `judge` only where the losses weigh what it says."""

    def __init__(
        self, subject: Subject, settings: TrainingSettings, device: torch.device, *, judge: FaceJudge | None = None
    ) -> None:
        self.subject, self.settings, self.device, self.judge = subject, settings, device, judge
        torch.manual_seed(settings.seed)
        self.network = subject.make().to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.adversary = Adversary(subject.channels, settings.adversary) if settings.adversary.weight > 0 else None
        course = settings.optimiser
        self.optimiser = torch.optim.AdamW(
            _groups(self.network, course.weight_decay), lr=course.rate, betas=(0.9, 0.99)
        )
        self._rival = _rival(self.adversary, device, settings.adversary.rate)
        loss = Loss(subject.large, settings.losses, channels=subject.channels, aligned=subject.aligned).to(device)
        self._run, self._loss = (
            (torch.compile(self.network), torch.compile(loss)) if settings.run.compiled else (self.network, loss)
        )
        self.step = 0

    def advance(self, feed: Feed, progress: float) -> dict[str, Tensor]:
        """One step; returns the weighted terms of the loss, on the device, so that nothing has to wait for it.

        What is drawn follows from seed and step alone, so that a resumed run goes on as it would have.
        """
        course = self.settings.optimiser
        for group in self.optimiser.param_groups:
            group["lr"] = course.rate_at(self.step, progress)
        self.optimiser.zero_grad(set_to_none=True)
        if self._rival is not None:
            self._rival.zero_grad(set_to_none=True)
        random = torch.Generator(self.device).manual_seed((self.settings.seed << 32) + self.step)
        terms: dict[str, Tensor] = {}
        for low, high in self._batches(feed):
            for name, term in self._learn(low, high, random).items():
                terms[name] = terms.get(name, 0.0) + term.detach() / course.accumulate
        nn.utils.clip_grad_norm_(self.network.parameters(), course.clip_norm)
        self.optimiser.step()
        if self._rival is not None:
            self._rival.step()
        self.step += 1
        self._follow()
        return terms

    def restore(self, low: Tensor) -> Tensor:
        """What the averaged network makes of pictures, in float32."""
        with torch.no_grad():
            return self.subject.restore(self.average, low)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        return {**state, "step": self.step}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        if self.adversary is not None:
            parts |= {"adversary": self.adversary, "rival": self._rival}
        return parts

    def _batches(self, feed: Feed) -> Iterator[tuple[Tensor, Tensor]]:
        course = self.settings.optimiser
        random = np.random.default_rng((self.settings.seed, self.step))
        count = course.batch * course.accumulate
        places = np.sort(random.choice(len(feed), count, replace=len(feed) < count))
        flipped = random.random(count) < 0.5
        # Sorted for the disk; dealt out in turn, so that every batch is of all the pool.
        for part in range(course.accumulate):
            yield feed.batch(places[part :: course.accumulate], flipped=flipped[part :: course.accumulate])

    def _learn(self, low: Tensor, high: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        """Adds the gradients of one batch."""
        share = 1.0 / self.settings.optimiser.accumulate
        packed = self.subject.pack(low).contiguous(memory_format=torch.channels_last)
        with self._autocast():
            answer = self._run(packed)
        restored = self.subject.unpack(answer.float())
        terms = dict(zip(TERMS, self._loss(restored, high), strict=True))
        with self._autocast():
            terms |= self._judged(restored, high)
            terms |= self._fooled(restored, high, random)
        loss = torch.stack(list(terms.values())).sum()
        (share * loss).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        if self.adversary is not None:
            terms |= self._rivalled(self.adversary, restored, high, random, share)
        return terms

    def _judged(self, restored: Tensor, high: Tensor) -> dict[str, Tensor]:
        losses = self.settings.losses
        if self.judge is None or not losses.need_a_judge:
            return {}
        verdict = self.judge(restored, high)
        return {"identity": losses.identity * verdict.identity, "perceptual": losses.perceptual * verdict.perceptual}

    def _fooled(self, restored: Tensor, high: Tensor, random: torch.Generator) -> dict[str, Tensor]:
        if self.adversary is None:
            return {}
        settings = self.settings.adversary
        weight = settings.weight * min(1.0, self.step / settings.ramp_steps)
        return {"adversarial": weight * self.adversary.fool(restored, high, random)}

    def _rivalled(
        self, adversary: Adversary, restored: Tensor, high: Tensor, random: torch.Generator, share: float
    ) -> dict[str, Tensor]:
        with self._autocast():
            told = adversary.tell(restored, high, random)
        loss = told
        if adversary.settings.penalty > 0 and self.step % adversary.settings.penalty_steps == 0:
            loss = loss + adversary.penalty(high)
        (share * loss).backward()  # type: ignore[no-untyped-call]
        return {"adversary": told}

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.optimiser.bfloat16)

    def _follow(self) -> None:
        """Moves the average towards the network; faster while young, so that it never drags the random start along."""
        keep = min(1.0 - 1.0 / self.settings.optimiser.ema_steps, self.step / (self.step + 10.0))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1.0 - keep)


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices and kernels only."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _rival(adversary: Adversary | None, device: torch.device, rate: float) -> torch.optim.Optimizer | None:
    if adversary is None:
        return None
    adversary.to(device)
    adversary.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack it
    return torch.optim.Adam(adversary.parameters(), lr=rate, betas=(0.0, 0.99))
