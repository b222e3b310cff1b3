"""From the bytes of crops to the bytes of restored crops, around a network that knows only cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experts.networks import Network
from experts.networks.blocks import CELL, SCALE


class Restorer(nn.Module):
    """A network with its packing, so that a session does all of it: (N, S, S, 3) uint8 in, (N, 2S, 2S, 3) uint8 out.

    The second output, (N,) float, is the mean of what the network said before it was clamped to 0 to 1: it tells a
    caller that a crop came out as NaN or infinite, which uint8 cannot. Bytes are moved, never floats: each layout
    changes once, at a quarter of the cost.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.side = network.input_size

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        cells = self._pack(crops).float() * (1.0 / 255.0)
        enlarged = self.network(cells)
        levels = (enlarged.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)
        return self._unpack(levels), enlarged.mean(dim=(1, 2, 3))

    def _pack(self, crops: Tensor) -> Tensor:
        grid = self.side // CELL
        split = crops.reshape(-1, grid, CELL, grid, CELL, 3)
        return split.permute(0, 5, 2, 4, 1, 3).reshape(-1, 3 * CELL**2, grid, grid)

    def _unpack(self, levels: Tensor) -> Tensor:
        grid, large = self.side // CELL, CELL * SCALE
        split = levels.reshape(-1, 3, large, large, grid, grid)
        return split.permute(0, 4, 2, 5, 3, 1).reshape(-1, self.side * SCALE, self.side * SCALE, 3)
