"""The background's upscaler: a plain stack of dense convolutions over cells of luma.

What surrounds faces can be anything, so nothing is known of it but edges and texture, and it must be done for every
pixel of every frame. So it has the least that helps: every 4x4 pixels of the plane are the channels of one place (as in
`experts.networks.blocks`; Shi et al. 2016, ESPCN), a few residual blocks work on that small grid, and what they predict
is added to a bicubic enlargement, which no weights can spoil.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.networks.blocks import CELL, SCALE, DenseBlock, start_at_zero

MIDDLE = 128
"""The byte that stands for a correction of nothing."""


class BackgroundNetwork(nn.Module):
    """A plane in, the plane enlarged out: (N, 1, H, W) to (N, 1, 2H, 2W), values 0 to 1 (not clamped). H and W are
    multiples of 4.

    32 channels fill the rows of AMX's tiles: a convolution of 48 takes three to four times as long.
    """

    scale = SCALE

    def __init__(self, *, channels: int = 32, blocks: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CELL**2, channels, 3, padding=1)
        self.body = nn.Sequential(*(DenseBlock(channels) for _ in range(blocks)))
        self.leave = start_at_zero(nn.Conv2d(channels, (CELL * SCALE) ** 2, 3, padding=1))

    def forward(self, plane: Tensor) -> Tensor:
        cells = functional.pixel_unshuffle(plane, CELL)
        residual = functional.pixel_shuffle(self.correct(cells), CELL * SCALE)
        enlarged = functional.interpolate(plane, scale_factor=SCALE, mode="bicubic", align_corners=False)
        # As bytes have it, to which corrections are added when it is used: bicubic overshoots.
        return enlarged.clamp(0.0, 1.0) + residual

    def correct(self, cells: Tensor) -> Tensor:
        """What to add to the bicubic enlargement: (N, 16, H / 4, W / 4) to (N, 64, H / 4, W / 4)."""
        corrections: Tensor = self.leave(self.body(self.enter(cells - 0.5)))
        return corrections


class BackgroundCorrection(BackgroundNetwork):
    """The same network with its packing, for a session: (N, H, W) uint8 to (N, 2H, 2W) uint8, what to add to the
    bicubic enlargement in levels above `MIDDLE`.

    Bytes are moved, never floats. The enlargement itself is left to the caller: on a processor a fixed kernel costs a
    sixth of the convolution that it would be here, and is exact.
    """

    def forward(self, planes: Tensor) -> Tensor:
        count, height, width = planes.shape
        rows, columns, large = height // CELL, width // CELL, CELL * SCALE
        split = planes.reshape(count, rows, CELL, columns, CELL).permute(0, 2, 4, 1, 3)
        cells = split.reshape(count, CELL**2, rows, columns).float() * (1.0 / 255.0)
        levels = (self.correct(cells) * 255.0 + MIDDLE).round().clamp(0.0, 255.0).to(torch.uint8)
        joined = levels.reshape(count, large, large, rows, columns).permute(0, 3, 1, 4, 2)
        return joined.reshape(count, height * SCALE, width * SCALE)
