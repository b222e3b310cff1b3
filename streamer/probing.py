"""The least that a session can run: whether a runtime is there is found out by using it."""

from __future__ import annotations

import numpy as np
import torch

from weights.session import RuntimeSettings, Taken, open_session

_SIDE = 16


class _Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(images.permute(0, 3, 1, 2).to(torch.float32) / 255)
        return result


def probe(settings: RuntimeSettings) -> Taken:
    """What a small network really ran on. Raises WeightsError where what `settings` name is not there, RuntimeError
    where it fails."""
    session = open_session(_Network(), weights=None, input_shape=(1, _SIDE, _SIDE, 3), settings=settings)
    session.run(np.zeros((1, _SIDE, _SIDE, 3), np.uint8))
    return session.taken
