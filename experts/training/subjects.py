"""What a training can be about: a network, the pictures that go in and come out, and where they are from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from experts.networks import NETWORKS
from experts.networks.background import BackgroundNetwork
from experts.networks.blocks import CELL, SCALE
from experts.networks.restorer import Restorer
from experts.training import pairs, scenes
from experts.training.pairs import Pair
from experts.training.photos import Photo
from experts.training.settings import DegradationSettings


class Draw(Protocol):
    """Makes pairs without end, the same for the same `random`."""

    def __call__(
        self,
        photos: Sequence[Photo],
        settings: DegradationSettings,
        *,
        size: int,
        scale: int,
        random: np.random.Generator,
    ) -> Iterator[Pair]: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """`size`: side of the pictures that are learned from; they have `channels`, and come out `scale` times as large.

    `aligned`: whether they are faces in the template's place, so that a face network can judge them. `pack` and
    `unpack` lead from pictures (N, channels, H, W) to what the network takes and back. `shipped`: the module whose
    parameters are written to the file.
    """

    name: str
    make: Callable[[], nn.Module]
    draw: Draw
    size: int
    scale: int
    channels: int
    aligned: bool
    pack: Callable[[Tensor], Tensor]
    unpack: Callable[[Tensor], Tensor]
    shipped: Callable[[nn.Module], nn.Module]

    @property
    def large(self) -> int:
        """Side of the pictures that come out."""
        return self.size * self.scale

    def restore(self, network: Callable[[Tensor], Tensor], low: Tensor) -> Tensor:
        """(N, channels, size, size) of 0 to 1 to (N, channels, large, large), not clamped, in float32."""
        return self.unpack(network(self.pack(low)).float())

    def enlarge(self, low: Tensor) -> Tensor:
        """The same by bicubic convolution, which knows nothing."""
        return functional.interpolate(low, scale_factor=self.scale, mode="bicubic", align_corners=False)


def _face(name: str) -> Subject:
    network = NETWORKS[name]
    return Subject(
        name,
        make=network,
        draw=pairs.draw,
        size=network.input_size,
        scale=network.scale,
        channels=3,
        aligned=True,
        pack=lambda low: functional.pixel_unshuffle(low, CELL),
        unpack=lambda cells: functional.pixel_shuffle(cells, CELL * SCALE),
        shipped=lambda trained: Restorer(trained),  # type: ignore[arg-type]  # what `make` made
    )


_BACKGROUND = Subject(
    "background",
    make=BackgroundNetwork,
    draw=scenes.draw,
    size=96,
    scale=BackgroundNetwork.scale,
    channels=1,
    aligned=False,
    pack=lambda low: low,
    unpack=lambda high: high,
    shipped=lambda trained: trained,
)

SUBJECTS: Mapping[str, Subject] = MappingProxyType(
    {**{name: _face(name) for name in NETWORKS}, "background": _BACKGROUND}
)
