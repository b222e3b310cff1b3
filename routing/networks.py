"""The three networks of MTCNN and the published weights for them.

K. Zhang, Z. Zhang, Z. Li, Y. Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks,
IEEE Signal Processing Letters 23(10), 2016, figure 2. All take (N, H, W, 3) uint8 RGB and normalise within the graph.
Every pooling rounds its output size up, as Caffe's does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from routing.types import RoutingError

PNET_CELL = 12
"""Side in pixels of the window that one output of the proposal network looks at."""
PNET_STRIDE = 2
"""Pixels between the windows of neighbouring outputs."""
RNET_SIZE = 24
ONET_SIZE = 48


def _conv(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel), nn.PReLU(outputs)]


def _normalised(pixels: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) float32 between -1 and 1."""
    return (pixels.permute(0, 3, 1, 2).float() - 127.5) * 0.0078125


def _face_probability(logits: Tensor) -> Tensor:
    """The second of a two-way softmax along axis 1."""
    return torch.sigmoid(logits[:, 1] - logits[:, 0])


class _Flatten(nn.Module):
    """Flattens by column, row, channel: the order in which the fully connected layers were trained."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 2, 1).flatten(1)


class PNet(nn.Module):
    """Proposals. Gives the face probability (N, h, w) and the shift of the window's corners (N, h, w, 4), in shares of
    the window's side, for every window of 12 px at a stride of 2."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(3, 10, 3), nn.MaxPool2d(2, 2, ceil_mode=True), *_conv(10, 16, 3), *_conv(16, 32, 3)
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(_normalised(pixels))
        return _face_probability(self.face(x)), self.box(x).permute(0, 2, 3, 1)


class RNet(nn.Module):
    """Refinement. Takes crops of 24 px; gives the face probability (N,) and the shift of the corners (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(3, 28, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_conv(28, 48, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_conv(48, 64, 2),
            _Flatten(),
            nn.Linear(3 * 3 * 64, 128),
            nn.PReLU(128),
        )
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(_normalised(pixels))
        return _face_probability(self.face(x)), self.box(x)


class ONet(nn.Module):
    """Output. Takes crops of 48 px; gives the face probability (N,), the shift of the corners (N, 4) and the landmarks
    (N, 10), five x before five y, in shares of the crop's side."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(3, 32, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_conv(32, 64, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            *_conv(64, 64, 3),
            nn.MaxPool2d(2, 2, ceil_mode=True),
            *_conv(64, 128, 2),
            _Flatten(),
            nn.Linear(3 * 3 * 128, 256),
            nn.PReLU(256),
        )
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.body(_normalised(pixels))
        return _face_probability(self.face(x)), self.box(x), self.landmarks(x)


def load_weights(network: nn.Module, path: Path) -> None:
    """Fills `network` from a file of the `mtcnn` wheel: a list of arrays in the order of the layers.

    The file is a pickle: give only one whose hash was checked, as the weights store does. Raises RoutingError where the
    arrays are not exactly those that the network needs.
    """
    arrays = cast("list[npt.NDArray[np.float32]]", joblib.load(path))
    targets = list(_parameters_in_order(network))
    if len(arrays) != len(targets):
        raise RoutingError(f"{path.name} holds {len(arrays)} arrays, {len(targets)} are needed: fetch it again")
    for (name, target), array in zip(targets, arrays, strict=True):
        value = torch.from_numpy(np.ascontiguousarray(_torch_layout(array)))
        if value.shape != target.shape:
            raise RoutingError(
                f"{path.name}: {name} is {tuple(value.shape)}, not {tuple(target.shape)}: fetch it again"
            )
        target.copy_(value)


def _parameters_in_order(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in network.named_parameters():
        yield name, parameter.data


def _torch_layout(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """From (height, width, in, out), (in, out) and (1, 1, channels) to torch's order of axes."""
    if array.ndim == 4:
        return array.transpose(3, 2, 0, 1)
    return array.T if array.ndim == 2 else array.reshape(-1)
