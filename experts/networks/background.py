"""The background's upscaler: a plain stack of dense convolutions over cells of luma.

What surrounds faces can be anything, so nothing is known of it but edges and texture, and it must be done for every
pixel of every frame. So it has the least that helps: every 4x4 pixels of the plane are the channels of one place (as in
`experts.networks.blocks`; Shi et al. 2016, ESPCN), a few residual blocks work on that small grid, and what they predict
is added to a bicubic enlargement.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from experts.networks.blocks import CELL, SCALE, DenseBlock, start_at_zero


class BackgroundNetwork(nn.Module):
    """A plane in, the plane enlarged out: (N, 1, H, W) to (N, 1, 2H, 2W), values 0 to 1 (not clamped). H and W are
    multiples of 4."""

    scale = SCALE

    def __init__(self, *, channels: int = 48, blocks: int = 3) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CELL**2, channels, 3, padding=1)
        self.body = nn.Sequential(*(DenseBlock(channels) for _ in range(blocks)))
        self.leave = start_at_zero(nn.Conv2d(channels, (CELL * SCALE) ** 2, 3, padding=1))

    def forward(self, plane: Tensor) -> Tensor:
        cells = functional.pixel_unshuffle(plane - 0.5, CELL)
        residual = functional.pixel_shuffle(self.leave(self.body(self.enter(cells))), CELL * SCALE)
        return functional.interpolate(plane, scale_factor=SCALE, mode="bicubic", align_corners=False) + residual
