"""What a restored crop is judged by while it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experts.training.settings import OptimiserSettings

_LUMA = (0.299, 0.587, 0.114)
_CHARBONNIER = 2e-3
_OUTSIDE = 0.3
"""Weight of the crop's corners over that of the face, since the blend shows little of them."""


class Loss(nn.Module):
    """Charbonnier (Lai et al. 2017) over RGB, plus gradients and spectrum (Cho et al. 2021) of the luma's error.

    All three are weighted by a soft disc over the face. A spectrum's L1 counts weak high frequencies that a pixel loss
    smooths away.
    """

    window: Tensor
    luma: Tensor

    def __init__(self, side: int, settings: OptimiserSettings) -> None:
        super().__init__()
        self.fft_weight, self.gradient_weight = settings.fft_weight, settings.gradient_weight
        self.register_buffer("window", _face_window(side))
        self.register_buffer("luma", torch.tensor(_LUMA).reshape(1, 3, 1, 1))

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """One number for (N, 3, side, side) pictures of 0 to 1."""
        error = (restored - target) * self.window
        pixel = (error.square() + _CHARBONNIER**2).sqrt().mean()
        luma = (error * self.luma).sum(dim=1)
        gradient = luma.diff(dim=1).abs().mean() + luma.diff(dim=2).abs().mean()
        spectrum = torch.view_as_real(torch.fft.rfft2(luma, norm="ortho")).abs().mean()
        return pixel + self.gradient_weight * gradient + self.fft_weight * spectrum


def _face_window(side: int) -> Tensor:
    """1 over the face, falling to `_OUTSIDE` beyond it; its middle where the template has the nose."""
    place = torch.linspace(-1.0, 1.0, side)
    distance = torch.hypot(place[None, :], place[:, None] - 0.05)
    return _OUTSIDE + (1.0 - _OUTSIDE) * torch.sigmoid((0.9 - distance) / 0.06)
