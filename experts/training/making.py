"""The work of one process that makes pairs."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from experts.contract import Image
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings
from experts.training.subjects import SUBJECTS


@dataclass(frozen=True, slots=True)
class Shard:
    """`count` pairs of the pool in `folder`, from the `first` on."""

    folder: str
    number: int
    first: int
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What all shards of a pool are made of."""

    photos: Sequence[Photo]
    settings: DegradationSettings
    subject: str
    seed: int


_begun: list[Given] = []


def begin(given: Given) -> None:
    """Readies a process of its own: it has one core, leaves Ctrl-C to its parent, and never outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_follow_parent, daemon=True).start()
    _begun[:] = [given]


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def make_as_begun(shard: Shard) -> int:
    """`make`, in a process that `begin` readied."""
    return make(shard, _begun[0])


def make(shard: Shard, given: Given) -> int:
    """Writes the shard's pairs into the pool's files, and returns its number."""
    subject, random = SUBJECTS[given.subject], np.random.default_rng((given.seed, shard.number))
    drawn = subject.draw(given.photos, given.settings, size=subject.size, scale=subject.scale, random=random)
    pairs = list(itertools.islice(drawn, shard.count))
    _write(Path(shard.folder) / "low.npy", np.stack([pair.low for pair in pairs]), shard.first)
    _write(Path(shard.folder) / "high.npy", np.stack([pair.high for pair in pairs]), shard.first)
    return shard.number


def _write(path: Path, pictures: Image, first: int) -> None:
    """By a write and not through the memory map, so that a full disk is an error and not a signal that kills."""
    whole = np.load(path, mmap_mode="r")
    with path.open("r+b") as file:
        file.seek(whole.offset + first * pictures[0].nbytes)
        file.write(pictures.tobytes())
