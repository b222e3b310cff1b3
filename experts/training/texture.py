"""How much fine structure a picture has in each place, whatever its phase: what a pixel loss leaves too weak."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIGMAS = (0.0, 0.5, 0.8, 1.3, 2.1)
"""Of the Gaussians whose differences are the bands, in pixels of the picture that is restored to: the bands' middles
lie near 0.42, 0.26, 0.16 and 0.1 cycles a pixel."""
PLACE = 16
"""Side of the squares whose structure is compared, in pixels; they overlap by half."""
_FLOOR = 0.5 / 255.0
"""Amplitude below which nobody sees a structure: a hint of it is not asked for."""


class Texture(nn.Module):
    """Compares the mean amplitude of local detail, band by band.

    A network that is judged by pixels alone draws only the detail that it is sure of, so that its amplitude falls
    short, the finer the more. Asked for the truth's amplitude, it strengthens what it has where the truth has
    something, and leaves smooth skin as it is. Phase stays the pixel loss's business, so nothing is invented that would
    be told by its shape.

    Amplitude and not power, which a lattice of dots has cheapest under a pixel loss that counts errors by their amount;
    and not its logarithm, under which faint places count like strong ones and are filled with a mesh. As it is, a
    pattern that has nothing to do with the truth costs more pixel loss than it gains here, if `weight` is small enough.
    """

    kernels: Tensor
    places: Tensor

    def __init__(self, weights: Tensor) -> None:
        """`weights` (side, side): how much each pixel counts."""
        super().__init__()
        self.register_buffer("kernels", torch.stack([_gaussian(sigma) for sigma in SIGMAS[1:]])[:, None])
        mean = functional.avg_pool2d(weights[None, None], PLACE, PLACE // 2)
        self.register_buffer("places", mean / mean.sum())

    def forward(self, restored: Tensor, target: Tensor) -> Tensor:
        """The mean distance of amplitudes, of luma (N, side, side) of 0 to 1."""
        distance = (self._levels(restored) - self._levels(target)).abs().mean(dim=1, keepdim=True)
        return (distance * self.places).sum(dim=(1, 2, 3)).mean()

    def _levels(self, luma: Tensor) -> Tensor:
        """(N, bands, places, places): the mean amplitude."""
        count, reach = len(self.kernels), self.kernels.shape[-1] // 2
        padded = functional.pad(luma[:, None], (reach,) * 4, mode="reflect")
        across = functional.conv2d(padded, self.kernels[:, :, None])
        smooth = functional.conv2d(across, self.kernels[..., None], groups=count)
        layers = torch.cat([luma[:, None], smooth], dim=1)
        bands = layers[:, :-1] - layers[:, 1:]
        amplitude = (bands.square() + _FLOOR**2).sqrt()
        return functional.avg_pool2d(amplitude, PLACE, PLACE // 2)


def _gaussian(sigma: float) -> Tensor:
    """(13,), its sum 1."""
    reach = round(3.0 * SIGMAS[-1])
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()
