"""Expert-F: bands of a wavelet in, corrections of bands out.

A larger, fairly sharp face still has its detail, some of it weak or under noise and blocking. Haar wavelet packets
(Coifman and Wickerhauser 1992) of two levels sort a picture into 16 bands of frequency and direction, without loss and
without a multiplication that bfloat16 could not do exactly. There, to keep detail is to leave its band alone, to
sharpen is to raise it, and to clean is to lower it; so each block weighs its channels by how much activity it finds in
each over the face (the gain of squeeze-and-excitation, Hu et al. 2018, over magnitudes rather than means), between
dense 3x3 convolutions. The output is the bands of the double-size residual, turned back into pixels and added to a
fixed bicubic enlargement, as multi-level wavelet networks do (Liu et al. 2018, MWCNN).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.networks.blocks import CELL_CHANNELS, CELL_OUTPUTS, SCALE, DenseBlock, Enlarge, start_at_zero


class Packets(nn.Module):
    """Haar wavelet packets of cells: every level splits each band in four. Orthonormal, symmetric, its own inverse.

    (N, 3 * 4**levels, H, W) to the same shape, as one fixed 1x1 convolution.
    """

    matrix: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        butterfly = torch.tensor([[1.0, 1.0], [1.0, -1.0]]) / 2.0**0.5
        line = torch.ones(1, 1)
        for _ in range(levels):
            line = torch.kron(line, butterfly)
        matrix = torch.kron(torch.eye(3), torch.kron(line, line))
        self.register_buffer("matrix", matrix[:, :, None, None], persistent=False)

    def forward(self, cells: Tensor) -> Tensor:
        return functional.conv2d(cells, self.matrix)


class BandGate(nn.Module):
    """Weighs each channel by the activity in all of them, 0 to 2, at first 1."""

    def __init__(self, channels: int, *, hidden: int = 24) -> None:
        super().__init__()
        self.measure = nn.Conv2d(channels, hidden, 1)
        self.weigh = start_at_zero(nn.Conv2d(hidden, channels, 1))

    def forward(self, bands: Tensor) -> Tensor:
        activity = bands.abs().mean(dim=(2, 3), keepdim=True)
        return bands * (2.0 * torch.sigmoid(self.weigh(functional.relu(self.measure(activity)))))


class FrequencyNetwork(nn.Module):
    """Cells in, enlarged cells out: (N, 48, 60, 60) to (N, 192, 60, 60), values 0 to 1 (not clamped)."""

    input_size = 240
    scale = SCALE

    def __init__(self, *, channels: int = 96, blocks: int = 5) -> None:
        super().__init__()
        self.enlarge = Enlarge()
        self.analyse = Packets(levels=2)
        self.enter = nn.Conv2d(CELL_CHANNELS, channels, 3, padding=1)
        self.body = nn.Sequential(*(nn.Sequential(DenseBlock(channels), BandGate(channels)) for _ in range(blocks)))
        self.leave = start_at_zero(nn.Conv2d(channels, CELL_OUTPUTS, 3, padding=1))
        self.synthesise = Packets(levels=3)

    def forward(self, cells: Tensor) -> Tensor:
        centred = cells - 0.5
        bands = self.leave(self.body(self.enter(self.analyse(centred))))
        residual: Tensor = self.synthesise(bands)
        enlarged: Tensor = self.enlarge(centred)
        return enlarged + residual + 0.5
