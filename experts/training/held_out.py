"""How a training stands on pairs of photographs that it doesn't learn from, and what that looks like.

They watch a run but prove nothing: another photograph of the same person may be among those that are learned from.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from experts.contract import ExpertError, Image
from experts.quality import metrics
from experts.training.feed import Feed
from experts.training.judges import FaceJudge
from experts.training.subjects import Subject

_BATCH = 8


@dataclass(frozen=True, slots=True)
class Score:
    """Means: PSNR in dB and SSIM on luma; `high_frequencies`: their power over the truth's; `identity`: cosine to the
    true face, None without a judge."""

    psnr: float
    ssim: float
    high_frequencies: float
    identity: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the network, and of the bicubic enlargement that it starts from."""

    network: Score
    bicubic: Score

    @property
    def psnr_gain(self) -> float:
        return self.network.psnr - self.bicubic.psnr

    def told(self) -> dict[str, object]:
        return asdict(self)


class HeldOut:
    """Pairs that are only looked at; `judge` also looks at them where there is one."""

    def __init__(self, feed: Feed, subject: Subject, judge: FaceJudge | None) -> None:
        self._feed, self._subject, self._judge = feed, subject, judge

    def figures(self, restore: Callable[[Tensor], Tensor]) -> Figures:
        """`restore` takes and returns pictures, as `Subject.restore`."""
        return Figures(self._score(restore), self._bicubic)

    @cached_property
    def _bicubic(self) -> Score:
        return self._score(self._subject.enlarge)

    def _score(self, restore: Callable[[Tensor], Tensor]) -> Score:
        luma = metrics.face_luma if self._subject.aligned else metrics.luma
        figures, identity = [], []
        for low, high in self._batches():
            restored = restore(low).clamp(0.0, 1.0)
            if self._judge is not None:
                identity += (self._judge.embed(restored) * self._judge.embed(high)).sum(dim=1).tolist()
            for mine, true in zip(_images(restored), _images(high), strict=True):
                two = luma(mine), luma(true)
                figures.append((metrics.psnr(*two), metrics.ssim(*two), metrics.high_frequencies(*two)))
        means = [statistics.fmean(each) for each in zip(*figures, strict=True)]
        return Score(means[0], means[1], means[2], statistics.fmean(identity) if identity else None)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        with torch.no_grad():
            for first in range(0, len(self._feed), _BATCH):
                yield self._feed.batch(np.arange(first, min(first + _BATCH, len(self._feed))))

    def sheet(self, restore: Callable[[Tensor], Tensor], *, rows: int) -> bytes:
        """A PNG, a row for each of `rows` pairs: enlarged by bicubic, restored, true."""
        places = np.unique(np.linspace(0, len(self._feed) - 1, rows).round().astype(np.int64))
        low, high = self._feed.batch(places)
        with torch.no_grad():
            columns = [_images(part) for part in (self._subject.enlarge(low), restore(low), high)]
        sheet = np.vstack([np.hstack(row) for row in zip(*columns, strict=True)])
        written, content = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        if not written:
            raise ExpertError("the contact sheet could not be written as PNG; take fewer samples")
        return content.tobytes()


def _images(pictures: Tensor) -> list[Image]:
    """(N, C, H, W) of 0 to 1 as (H, W, 3) uint8 RGB."""
    levels = (pictures.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).expand(-1, 3, -1, -1)
    return list(levels.permute(0, 2, 3, 1).cpu().numpy())
