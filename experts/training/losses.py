"""What a restored picture is judged by while it learns: how near it is to the truth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experts.training.course import LossSettings
from experts.training.texture import Texture

_LUMA = (0.299, 0.587, 0.114)
_CHARBONNIER = 2e-3
_OUTSIDE = 0.3
"""Weight of the crop's corners over that of the face, since the blend shows little of them."""


class Loss(nn.Module):
    """Charbonnier (Lai et al. 2017), plus gradients and spectrum (Cho et al. 2021) of the luma's error.

    All are weighted by a soft disc over the face where pictures are `aligned` faces. A spectrum's L1 counts weak
    high frequencies that a pixel loss smooths away. The fourth is `Texture`, of the same luma. `channels`: 3 for RGB, 1
    for luma.
    """

    window: Tensor
    luma: Tensor

    def __init__(self, side: int, settings: LossSettings, *, channels: int = 3, aligned: bool = True) -> None:
        super().__init__()
        self.weights = settings.pixel, settings.gradient, settings.spectrum
        window = _face_window(side) if aligned else torch.ones(side, side)
        self.register_buffer("window", window)
        self.texture_weight = settings.texture
        self.texture = Texture(window) if settings.texture > 0 else None
        weights = torch.tensor(_LUMA if channels == 3 else (1.0,))
        self.register_buffer("luma", weights.reshape(1, channels, 1, 1))

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """(4,): the weighted terms, for (N, channels, side, side) pictures of 0 to 1."""
        error = (restored - target) * self.window
        pixel = (error.square() + _CHARBONNIER**2).sqrt().mean()
        luma = (error * self.luma).sum(dim=1)
        gradient = luma.diff(dim=1).abs().mean() + luma.diff(dim=2).abs().mean()
        spectrum = torch.view_as_real(torch.fft.rfft2(luma, norm="ortho")).abs().mean()
        terms = zip((pixel, gradient, spectrum), self.weights, strict=True)
        return torch.stack([*(weight * term for term, weight in terms), self._texture(restored, target)])

    def _texture(self, restored: Tensor, target: Tensor) -> Tensor:
        if self.texture is None:
            return torch.zeros((), device=restored.device)
        mine, true = ((picture * self.luma).sum(dim=1) for picture in (restored, target))
        told: Tensor = self.texture_weight * self.texture(mine, true)
        return told


def _face_window(side: int) -> Tensor:
    """1 over the face, falling to `_OUTSIDE` beyond it; its middle where the template has the nose."""
    place = torch.linspace(-1.0, 1.0, side)
    distance = torch.hypot(place[None, :], place[:, None] - 0.05)
    return _OUTSIDE + (1.0 - _OUTSIDE) * torch.sigmoid((0.9 - distance) / 0.06)
