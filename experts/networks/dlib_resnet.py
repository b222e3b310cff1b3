"""dlib's face recognition network: a residual network of 29 convolutions that makes 128 numbers of a face.

The layout is that of dlib's example `dnn_face_recognition_ex.cpp` (D. King 2017, Boost Software License), after He et
al. 2016, with half the filters and a few layers less than theirs of 34.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

SIDE = 150
SIZE = 128
_FILTERS = 32
# The filters of each residual block, and whether it halves the picture.
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), *[(64, False)] * 3],
    *[(128, True), *[(128, False)] * 2],
    *[(256, True), *[(256, False)] * 2],
    (256, True),
)
# What dlib takes off red, green and blue before it divides by 256.
_MEANS = (122.782, 117.001, 104.298)


class DlibResNet(nn.Module):
    """(N, 150, 150, 3) uint8 RGB chips to (N, 128) float, each of length 1.

    dlib's "affine" layers, one after each convolution, are part of that convolution's weights here.
    """

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, _FILTERS, 7, stride=2)
        self.blocks = nn.ModuleList()
        channels = _FILTERS
        for filters, halves in _BLOCKS:
            self.blocks.append(_Block(channels, filters, halves=halves))
            channels = filters
        self.last = nn.Linear(channels, SIZE, bias=False)
        self.register_buffer("means", torch.tensor(_MEANS).view(1, 3, 1, 1), persistent=False)

    def forward(self, chips: Tensor) -> Tensor:
        levels = (chips.permute(0, 3, 1, 2).float() - self.means) * (1.0 / 256.0)
        seen = F.max_pool2d(F.relu(self.first(levels)), 3, stride=2)
        for block in self.blocks:
            seen = block(seen)
        return F.normalize(self.last(seen.mean(dim=(2, 3))), dim=1)

    def convolutions(self) -> list[nn.Conv2d]:
        """In the order in which dlib's file has them."""
        return [self.first, *(each for each in self.blocks.modules() if isinstance(each, nn.Conv2d))]


class _Block(nn.Module):
    def __init__(self, channels: int, filters: int, *, halves: bool) -> None:
        super().__init__()
        # dlib pads a convolution only where its step is 1.
        self.one = nn.Conv2d(channels, filters, 3, stride=2 if halves else 1, padding=0 if halves else 1)
        self.two = nn.Conv2d(filters, filters, 3, padding=1)
        self.halves = halves

    def forward(self, seen: Tensor) -> Tensor:
        made = self.two(F.relu(self.one(seen)))
        past = F.avg_pool2d(seen, 2) if self.halves else seen
        return F.relu(_sum(made, past) if self.halves else made + past)


def _sum(one: Tensor, other: Tensor) -> Tensor:
    """As dlib adds pictures of different sizes: what one of them lacks, at the ends, counts as 0."""
    channels, height, width = (max(one.shape[i], other.shape[i]) for i in (1, 2, 3))
    return _grown(one, channels, height, width) + _grown(other, channels, height, width)


def _grown(seen: Tensor, channels: int, height: int, width: int) -> Tensor:
    return F.pad(seen, (0, width - seen.shape[3], 0, height - seen.shape[2], 0, channels - seen.shape[1]))
