"""What both networks are built of: cells of pixels, a dense block, and the enlargement under what they predict.

Both work on cells: every 4x4 pixels of the crop are the channels of one place of a grid, (N, 48, S/4, S/4), and what
they predict is the 8x8 pixels that each cell becomes, (N, 192, S/4, S/4), channels in the order of
`torch.pixel_shuffle`. So all convolutions run on a small grid with many channels, which is what AMX and AVX-512 are
fast at.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CELL = 4
"""Side of a cell, in pixels of the crop."""
SCALE = 2
CELL_CHANNELS = 3 * CELL**2
CELL_OUTPUTS = 3 * (CELL * SCALE) ** 2


class DenseBlock(nn.Module):
    """Two 3x3 convolutions on a residual path that starts at zero, so that a fresh stack of them is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = start_at_zero(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        deeper: Tensor = self.second(functional.relu(self.first(features)))
        return features + deeper


class Enlarge(nn.Module):
    """Bicubic x2 of cells, (N, 48, H, W) to (N, 192, H, W), as one fixed convolution; nothing is learned.

    Equals `cv2.resize` with INTER_CUBIC but for the outermost two pixels of the crop, which no blend shows, and for the
    rounding of its weights to bfloat16: they still sum to one, so that no precision shifts the brightness.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _bicubic_on_cells(), persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        return functional.conv2d(functional.pad(cells, (1, 1, 1, 1), mode="replicate"), self.kernel)


def start_at_zero(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights and bias 0: what it adds is nothing until it has learned."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _bicubic_on_cells() -> Tensor:
    """(192, 48, 3, 3): what each pixel around a cell gives to each that the cell becomes.

    Found by enlarging unit impulses, so that the filter is stated once, by torch.
    """
    side = 3 * CELL
    impulses = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    large = functional.interpolate(impulses, scale_factor=SCALE, mode="bicubic", align_corners=False)
    middle = large[:, 0, CELL * SCALE : 2 * CELL * SCALE, CELL * SCALE : 2 * CELL * SCALE]
    table = _sum_to_one(middle.reshape(side * side, -1).T)
    outputs = table.reshape(-1, 3, CELL, 3, CELL).permute(0, 2, 4, 1, 3).reshape(-1, CELL**2, 3, 3)
    kernel = torch.zeros(3, outputs.shape[0], 3, CELL**2, 3, 3)
    for color in range(3):
        kernel[color, :, color] = outputs.float()
    return kernel.reshape(CELL_OUTPUTS, CELL_CHANNELS, 3, 3)


def _sum_to_one(rows: Tensor) -> Tensor:
    """The rows in bfloat16's numbers; what rounding took from a sum goes to small weights, which have the digits."""
    rounded = rows.to(torch.bfloat16).double()
    for row in rounded:
        # From the large to the small: each takes what it can hold of the rest.
        for place in row.abs().argsort(descending=True)[: int(row.count_nonzero())]:
            row[place] = (row[place] + 1.0 - row.sum()).to(torch.bfloat16)
    return rounded
