"""One stage of a training, from photographs to a file of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch._dynamo.exc import TorchDynamoException

from experts.contract import ExpertError
from experts.training import judges, pool
from experts.training.checkpoints import Checkpoint
from experts.training.export import export
from experts.training.feed import Feed
from experts.training.held_out import HeldOut
from experts.training.judges import FaceJudge
from experts.training.learner import Learner
from experts.training.photos import Photo
from experts.training.pool import Recipe
from experts.training.settings import TrainingSettings, load
from experts.training.subjects import SUBJECTS, Subject
from experts.training.trainer import Trainer
from experts.training.watch import Watch
from weights.session import load_weights
from weights.torch_cuda import cuda_fault

Device = Literal["auto", "cpu", "cuda"]

STAGES = {"transformer": ("faithful", "crisp"), "frequency": ("faithful", "crisp"), "background": ("faithful",)}
"""The stages of each expert, in their order."""
_HELD_OUT_SHARE = 20
_MOST_HELD_OUT = 40


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A stage to train. `out` takes its weights, its pools, and a folder of its own with checkpoint, log and samples.

    `identity`: the ONNX file of a face network that judges; without it identity is neither weighed nor measured.
    """

    settings: TrainingSettings
    photos: Sequence[Photo]
    out: Path
    device: torch.device
    identity: Path | None = None

    @property
    def folder(self) -> Path:
        return self.out / f"{self.settings.network}-{self.settings.stage}"

    @property
    def weights(self) -> Path:
        return weights_of(self.out, self.settings.network, self.settings.stage)


def weights_of(out: Path, network: str, stage: str) -> Path:
    """Where the weights of a stage lie."""
    return out / f"{network}-{stage}.safetensors"


def shipped_settings(network: str) -> list[TrainingSettings]:
    """Every stage of that expert, in order, as the shipped weights are made."""
    return [load(Path(__file__).with_name(f"{network}_{stage}.toml")) for stage in STAGES[network]]


def choose_device(wanted: Device) -> torch.device:
    """Raises ExpertError where it isn't there."""
    fault = "" if wanted == "cpu" else cuda_fault()
    if wanted == "cuda" and fault:
        raise ExpertError(f"{fault}; train on the processor, or install a torch that is built for the card")
    return torch.device("cpu" if fault or wanted == "cpu" else "cuda")


def check(settings: TrainingSettings, *, identity: Path | None) -> None:
    """What can be known before any work; ExpertError where a stage lacks its judge or has one that it can't have."""
    if settings.losses.need_a_judge and not SUBJECTS[settings.network].aligned:
        raise ExpertError(f"{settings.network} is not about faces: set identity and perceptual in [losses] to 0")
    if settings.losses.need_a_judge and identity is None:
        raise ExpertError(
            f"the {settings.stage} stage weighs what a face network sees: name its ONNX file, or set identity and "
            "perceptual in [losses] to 0"
        )


def train(task: Task, watch: Watch) -> bool:
    """Trains the stage, from where it was cut off if it was; says whether its budget is used up.

    The weights are written in either case, unless the pairs were not all made. Raises ExpertError for what can't be
    trained, WeightsError where the weights to begin with don't fit, OSError where the disk is full.
    """
    check(task.settings, identity=task.identity)
    _set_up(task)
    subject = SUBJECTS[task.settings.network]
    task.folder.mkdir(parents=True, exist_ok=True)
    learner, checkpoint = _learner(task, subject)
    resumable = checkpoint.load(torch.device("cpu")) is not None
    if not resumable and task.settings.starts_from:
        _begin(learner, task)
    pools = _pools(task, subject, watch)
    if pools is None:
        return False
    feed, held = (Feed(each, task.device, device_gb=task.settings.run.device_gb) for each in pools)
    judge = learner.judge if subject.aligned else None
    trainer = Trainer(learner, checkpoint, feed=feed, held_out=HeldOut(held, subject, judge), folder=task.folder)
    trainer.resume()
    try:
        finished = trainer.run(watch)
    except TorchDynamoException as error:
        why = str(error).strip().partition("\n")[0]
        raise ExpertError(f"torch can't compile the training here ({why}); set compiled = false in [run]") from error
    export(learner.average, task.weights, task.settings)
    return finished


def _set_up(task: Task) -> None:
    if task.settings.run.threads:
        torch.set_num_threads(task.settings.run.threads)
    if task.device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")


def _learner(task: Task, subject: Subject) -> tuple[Learner, Checkpoint]:
    judge, digest = None, ""
    if task.identity is not None and subject.aligned:
        judge = FaceJudge(task.identity, subject.large).to(task.device)
        digest = judges.digest(task.identity) if task.settings.losses.need_a_judge else ""
    learner = Learner(subject, task.settings, task.device, judge=judge)
    return learner, Checkpoint(task.folder / "checkpoint.pt", learner.network, task.settings, judge=digest)


def _begin(learner: Learner, task: Task) -> None:
    """Takes the weights of the stage before."""
    settings = task.settings
    path = weights_of(task.out, settings.network, settings.starts_from)
    if not path.is_file():
        raise ExpertError(f"the {settings.stage} stage begins with {path}, which is not there: train that stage first")
    for network in (learner.network, learner.average):
        load_weights(learner.subject.shipped(network), path)


def _pools(task: Task, subject: Subject, watch: Watch) -> tuple[pool.Pool, pool.Pool] | None:
    """What is learned from, and what is held out; None where `watch` wanted an end before they were made."""
    learned, held = _split(task.photos)
    settings, made = task.settings, []
    for photos, count, seed in ((held, settings.held_out, settings.seed + 1), (learned, settings.pairs, settings.seed)):
        recipe = Recipe(
            photos,
            settings.degradation,
            subject=subject.name,
            count=count,
            size=subject.size,
            scale=subject.scale,
            channels=subject.channels,
            seed=seed,
        )
        made.append(pool.fill(task.out / "pools", recipe, workers=settings.run.workers, watch=watch))
    held_pool, learned_pool = made
    return None if learned_pool is None or held_pool is None else (learned_pool, held_pool)


def _split(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Those to learn from, and one in twenty, evenly spread, to hold out; the same for the same photographs."""
    if len(photos) < 2:
        raise ExpertError(f"{len(photos)} photograph(s) of a face are too few: give 2 or more, better a thousand")
    count = min(_MOST_HELD_OUT, max(1, len(photos) // _HELD_OUT_SHARE))
    held = set(np.linspace(0, len(photos) - 1, count + 2)[1:-1].round().astype(int).tolist())
    return (
        [photo for place, photo in enumerate(photos) if place not in held],
        [photo for place, photo in enumerate(photos) if place in held],
    )
