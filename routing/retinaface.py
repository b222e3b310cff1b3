"""RetinaFace (Deng et al. 2019, Single-stage Dense Face Localisation in the Wild), by facexlib's network."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from routing.crops import Image
from routing.suppression import suppress
from routing.types import RoutingError
from routing.whole import Found, ScoreScale
from weights.loading import load_strict, load_torch_file
from weights.packages import import_package, import_torchvision
from weights.session import RuntimeSettings, Taken, open_session

EXTRA = "gan"
NETWORKS: Mapping[str, str] = MappingProxyType(
    {"retinaface-resnet50": "resnet50", "retinaface-mobilenet0.25": "mobile0.25"}
)
"""Our ids, and what facexlib calls its networks."""
SCORES = ScoreScale(follow=0.5, face=0.8, sure=0.97)
"""`face` is the bound of facexlib's detector, `sure` the one that its face restoration asks for."""
OVERLAP = 0.4
MEANS = (123.0, 117.0, 104.0)
STEPS = (8, 16, 32)
SIZES = ((16, 32), (64, 128), (256, 512))
"""Sides of the anchors at each step, in pixels."""
VARIANCES = (0.1, 0.2)


class Anchors(NamedTuple):
    """Centres and sides of (N, 2) squares in pixels."""

    centres: npt.NDArray[np.float32]
    sides: npt.NDArray[np.float32]


class RetinaFaceFinder:
    """See `routing.whole.Finder`; `network` as `build_network` gives it. Raises WeightsError where what `runtime` asks
    for is not there."""

    def __init__(self, network: nn.Module, runtime: RuntimeSettings, *, least: float = SCORES.follow) -> None:
        # Half precision moves landmarks; whoever asks for it gets it.
        exact = replace(runtime, precision="float32") if runtime.precision == "auto" else runtime
        module = _Faces(network)
        self._session = open_session(module, weights=None, input_shape=(1, None, None, 3), settings=exact)
        self._least = least

    @property
    def taken(self) -> Taken:
        return self._session.taken

    def find(self, image: Image) -> Found:
        boxes, landmarks, scores = self.measure(image)
        kept = suppress(boxes, scores, overlap=OVERLAP)
        return Found(boxes[kept], landmarks[kept], scores[kept])

    def measure(self, image: Image) -> Found:
        """What every anchor sees that sees a face, so that a face is there many times, in the order of anchors."""
        shifts, scores, points = (output[0] for output in self._session.run(image[None]))
        likely = np.flatnonzero(scores > self._least)
        anchors = _anchors(image.shape[1], image.shape[0])
        near = Anchors(anchors.centres[likely], anchors.sides[likely])
        return Found(_boxes(near, shifts[likely]), _landmarks(near, points[likely]), scores[likely])

    def pixels(self, width: int, height: int) -> int:
        return width * height


class _Faces(nn.Module):
    """The network with what facexlib does before it: (1, H, W, 3) uint8 RGB in; shifts of boxes (1, N, 4), scores
    (1, N) and shifts of landmarks (1, N, 10) out."""

    means: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("means", torch.tensor(MEANS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        centred = (images.float() - self.means).permute(0, 3, 1, 2).flip(1)
        shifts, classes, points = self.network(centred)
        return shifts, classes[..., 1], points


def make_finder(id: str, path: Path, runtime: RuntimeSettings) -> RetinaFaceFinder:
    """The network of one of `NETWORKS` with the weights of `path`, in facexlib's layout. Raises RoutingError where the
    extra is missing or does not load, and WeightsError where the file does not fit."""
    network = build_network(id)
    load_strict(network, load_torch_file(path), path=path)
    return RetinaFaceFinder(network, runtime)


def build_network(id: str) -> nn.Module:
    """facexlib's network with random weights. Raises RoutingError where the package is missing or does not load."""
    retinaface = import_facexlib()
    with warnings.catch_warnings():
        # It says by a parameter on its way out that it wants no weights for the backbone.
        warnings.simplefilter("ignore")
        network: nn.Module = retinaface.RetinaFace(network_name=NETWORKS[id], device=torch.device("cpu"))
    return network


def import_facexlib() -> Any:
    """Its module of RetinaFace. Raises RoutingError where the package is missing or does not load."""
    import_torchvision(EXTRA, refusal=RoutingError)
    return import_package("facexlib.detection.retinaface", extra=EXTRA, refusal=RoutingError)


def _anchors(width: int, height: int) -> Anchors:
    """In the order of the network's outputs: by step, row, column and size."""
    centres, sides = [], []
    for step, sizes in zip(STEPS, SIZES, strict=True):
        rows, columns = -(-height // step), -(-width // step)
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        cells = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * step
        centres.append(np.repeat(cells, len(sizes), axis=0))
        sides.append(np.tile(np.array(sizes, np.float32), rows * columns))
    return Anchors(np.concatenate(centres), np.repeat(np.concatenate(sides)[:, None], 2, axis=1))


def _boxes(anchors: Anchors, shifts: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Corners, as SSD codes boxes (Liu et al. 2016)."""
    centres = anchors.centres + shifts[:, :2] * VARIANCES[0] * anchors.sides
    halves = anchors.sides * np.exp(shifts[:, 2:] * VARIANCES[1]) / 2.0
    return np.hstack([centres - halves, centres + halves]).astype(np.float32)


def _landmarks(anchors: Anchors, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    shifts = points.reshape(-1, 5, 2) * VARIANCES[0]
    return (anchors.centres[:, None] + shifts * anchors.sides[:, None]).astype(np.float32)
