"""How much fine structure a picture has in each place, whatever its phase: what a pixel loss leaves too weak."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = 32
"""Side of the windows that spectra are taken of, in pixels; they overlap by half."""
BANDS = (0.09, 0.125, 0.18, 0.25, 0.35, 0.5)
"""Bounds of the bands, in cycles a pixel of the picture that is restored to, half an octave each."""
_DIRECTIONS = 4
_FLOOR = 1.0 / 255.0
"""Standard deviation of luma below which nobody sees a structure: a hint of it is not asked for."""


class Texture(nn.Module):
    """Compares the power of local spectra, band by band and direction by direction.

    A network that is judged by pixels alone draws only the detail that it is sure of, so that its power falls short,
    the finer the more. Asked for the truth's power on a logarithmic scale in windows of the picture, it strengthens
    what it has where the truth has something, and leaves smooth skin as it is. Phase stays the pixel loss's business,
    so nothing is invented that would be told by its shape. A log-spectral distance (Gray and Markel 1976) of local
    periodograms.
    """

    window: Tensor
    bands: Tensor
    places: Tensor

    def __init__(self, weights: Tensor) -> None:
        """`weights` (side, side): how much each pixel counts."""
        super().__init__()
        hann = torch.hann_window(PATCH, periodic=False)
        self.register_buffer("window", hann[:, None] * hann[None, :])
        self.register_buffer("bands", _bands())
        mean = functional.avg_pool2d(weights[None, None], PATCH, PATCH // 2).flatten()
        self.register_buffer("places", mean / mean.sum())

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """The mean distance in nepers, of luma (N, side, side) of 0 to 1."""
        distance = (self._levels(restored) - self._levels(target)).abs().mean(dim=2)
        return (distance * self.places).sum(dim=1).mean()

    def _levels(self, luma: Tensor) -> Tensor:
        """(N, places, bands): half the logarithm of the mean power."""
        patches = luma.unfold(1, PATCH, PATCH // 2).unfold(2, PATCH, PATCH // 2)
        patches = patches.reshape(len(luma), -1, PATCH, PATCH)
        # Without the mean: the window would smear it into the lowest band.
        centred = (patches - patches.mean(dim=(2, 3), keepdim=True)) * self.window
        spectra = torch.view_as_real(torch.fft.rfft2(centred)).square().sum(dim=-1)
        power = spectra.flatten(2) @ self.bands
        floor = _FLOOR**2 * self.window.square().sum()
        return 0.5 * (power + floor).log()


def _bands() -> Tensor:
    """(PATCH * (PATCH / 2 + 1), bands): the weights by which the bins of a real spectrum make up each mean."""
    y = torch.fft.fftfreq(PATCH)[:, None]
    x = torch.fft.rfftfreq(PATCH)[None, :]
    radius, angle = torch.hypot(x, y), torch.atan2(y, x) % torch.pi
    sector = ((angle / torch.pi * _DIRECTIONS + 0.5).floor() % _DIRECTIONS).long()
    masks = [
        (low <= radius) & (radius < high) & (sector == direction)
        for low, high in pairwise(BANDS)
        for direction in range(_DIRECTIONS)
    ]
    table = torch.stack([mask.flatten().float() for mask in masks], dim=1)
    return table / table.sum(dim=0)
