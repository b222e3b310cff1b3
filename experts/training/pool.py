"""Pairs on disk: made once, by all cores, since codecs are slow; and read as often as a training likes.

A pool is made in shards, each of a seed of its own, so that it comes out the same whoever makes which, and goes on
where it was cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
from numpy.lib.format import open_memmap

from experts.contract import Image
from experts.training import making
from experts.training.files import write_whole
from experts.training.making import Given, Shard
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings
from experts.training.watch import Watch

SHARD = 240
"""Pairs a shard: six clips' worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """`low` (N, S, S, C) and `high` (N, S * scale, S * scale, C), uint8, pair by pair."""

    low: Image
    high: Image

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What a pool follows from: `count` pairs of these photographs, for the subject of that name."""

    photos: Sequence[Photo]
    settings: DegradationSettings
    subject: str
    count: int
    size: int
    scale: int
    channels: int
    seed: int

    @property
    def label(self) -> str:
        """Changes with all that changes the pairs."""
        photos = [(photo.path.name, photo.width, photo.landmarks.round(2).tolist()) for photo in self.photos]
        shape = (self.subject, self.count, self.size, self.scale, self.channels, self.seed)
        return hashlib.sha256(json.dumps([repr(self.settings), shape, photos]).encode()).hexdigest()

    def shards(self, folder: Path) -> list[Shard]:
        firsts = range(0, self.count, SHARD)
        return [Shard(str(folder), n, first, min(SHARD, self.count - first)) for n, first in enumerate(firsts)]


def fill(folder: Path, recipe: Recipe, *, workers: int, watch: Watch) -> Pool | None:
    """The pool of that recipe, in a folder of its own below `folder`; what is there of it already is taken.

    `workers`: processes that make it, 0 for one a core. None where `watch` wanted an end before it was whole. Raises
    OSError where it can't be written, as on a full disk, and ExpertError for a photograph that can't be
    read.
    """
    place = folder / recipe.label[:12]
    state = place / "made.json"
    made = set(_made(state, recipe))
    if not made:
        _lay_out(place, recipe)
    missing = [shard for shard in recipe.shards(place) if shard.number not in made]
    watch.pairs(_count(recipe, made), recipe.count)
    for number in _make(recipe, missing, workers or joblib.cpu_count(), watch):
        made.add(number)
        write_whole(state, json.dumps({"label": recipe.label, "shards": sorted(made)}).encode())
        watch.pairs(_count(recipe, made), recipe.count)
    if len(made) * SHARD < recipe.count:
        return None
    return Pool(np.load(place / "low.npy", mmap_mode="r"), np.load(place / "high.npy", mmap_mode="r"))


def _made(state: Path, recipe: Recipe) -> list[int]:
    if not state.is_file():
        return []
    told = json.loads(state.read_text(encoding="utf-8"))
    return list(told["shards"]) if told["label"] == recipe.label else []


def _count(recipe: Recipe, made: set[int]) -> int:
    return sum(min(SHARD, recipe.count - number * SHARD) for number in made)


def _lay_out(folder: Path, recipe: Recipe) -> None:
    """Files of the whole length that hold nothing yet, and take no space where the file system knows holes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, side in (("low", recipe.size), ("high", recipe.size * recipe.scale)):
        open_memmap(folder / f"{name}.npy", "w+", np.uint8, (recipe.count, side, side, recipe.channels))


def _make(recipe: Recipe, shards: Sequence[Shard], workers: int, watch: Watch) -> Iterator[int]:
    """The number of each shard when it is made, until all are or `watch` wants an end."""
    given = Given(recipe.photos, recipe.settings, recipe.subject, recipe.seed)
    if min(len(shards), workers) <= 1:
        for shard in shards:
            if watch.ending():
                return
            yield making.make(shard, given)
        return
    # A fork would copy a process with threads in it.
    executor = ProcessPoolExecutor(min(len(shards), workers), get_context("spawn"), making.begin, (given,))
    try:
        waiting: set[Future[int]] = {executor.submit(making.make_as_begun, shard) for shard in shards}
        while waiting and not watch.ending():
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)
    finally:
        executor.shutdown(cancel_futures=True)
