"""A face network as a judge of restored faces while they are learned; it is never shipped and never runs in use.

No network for perceptual losses in general is downloaded: the early layers of the very network that judges identity
stand for it (in the way of Johnson et al. 2016), which know faces and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from blending.align import invert, similarity
from experts.training.onnx_network import OnnxNetwork

SIDE = 112
"""Of the faces that recognition networks take."""
ARCFACE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""Where they expect the five points (Deng et al. 2019)."""
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LARGEST_GRIDS = 2
"""Features are compared at so many of the network's resolutions: those where textures are still seen."""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Means over a batch: `identity` is one minus the cosine of the embeddings, `perceptual` the distance of
    features."""

    identity: Tensor
    perceptual: Tensor


class FaceJudge(nn.Module):
    """Compares restored with true faces, (N, 3, side, side) of 0 to 1 aligned to our template.

    `path`: an ONNX file that takes (1, 3, 112, 112), RGB with ImageNet's normalisation, aligned to ArcFace's five
    points, such as MobileFaceNet. Raises ExpertError where it can't be one.
    """

    grid: Tensor
    blur: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, path: Path, side: int) -> None:
        super().__init__()
        self.network = OnnxNetwork(path)
        to_theirs = invert(similarity(ARCFACE, side))
        self.register_buffer("grid", _sampling(to_theirs, side))
        # As much as shrinking would else alias.
        self.register_buffer("blur", _gaussian(0.5 / float(np.hypot(to_theirs[0, 0], to_theirs[1, 0]))))
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("spread", torch.tensor(_SPREAD).reshape(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, restored: Tensor, target: Tensor) -> Verdict:
        """The gradient flows into `restored` alone."""
        with torch.no_grad():
            true = self.network.features(self.align(target))
        mine = self.network.features(self.align(restored))
        identity = 1.0 - functional.cosine_similarity(mine[-1].float(), true[-1].float()).mean()
        return Verdict(identity, _distance(mine, true))

    def embed(self, faces: Tensor) -> Tensor:
        """(N, D) of length 1; the cosine of two faces is the product of their rows."""
        return functional.normalize(self.network(self.align(faces)).float())

    def align(self, faces: Tensor) -> Tensor:
        """(N, 3, 112, 112), normalised, in ArcFace's place; smoothed first by as much as they shrink."""
        kernel = self.blur.expand(3, 1, -1)
        reach = kernel.shape[-1] // 2
        # cv2's own border of the blur, so that the judge sees what the measurement sees.
        soft = functional.pad(faces.float(), (reach,) * 4, mode="reflect")
        # In bfloat16, channels last and with a kernel as wide as a large face's, torch's convolution takes minutes.
        with torch.autocast(faces.device.type, enabled=False):
            soft = functional.conv2d(functional.conv2d(soft, kernel[:, :, None], groups=3), kernel[..., None], groups=3)
        grid = self.grid.expand(len(faces), -1, -1, -1)
        placed = functional.grid_sample(soft, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
        return (placed - self.mean) / self.spread


def digest(path: Path) -> str:
    """Twelve hexadecimal digits that change with the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _sampling(to_theirs: np.ndarray, side: int) -> Tensor:
    """(1, 112, 112, 2): where each of their pixels lies in our crop, -1 to 1 from the first pixel to the last."""
    back = invert(to_theirs)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    places = np.stack([x, y], axis=2) @ back[:, :2].T + back[:, 2]
    return torch.from_numpy(2.0 * places / (side - 1) - 1.0).float()[None]


def _gaussian(sigma: float) -> Tensor:
    """(1, 1, width), its sum 1."""
    reach = max(1, round(4.0 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return (weights / weights.sum()).reshape(1, 1, -1)


def _distance(mine: list[Tensor], true: list[Tensor]) -> Tensor:
    """Mean L1 of features that are normalised over their channels at each place, as in LPIPS (Zhang et al. 2018), at
    the last layer of each of the network's largest grids."""
    last = {feature.shape[-1]: number for number, feature in enumerate(mine) if feature.ndim == 4}
    largest = sorted(last, reverse=True)[:_LARGEST_GRIDS]
    distances = [(_unit(mine[last[side]]) - _unit(true[last[side]])).abs().sum(dim=1).mean() for side in largest]
    return torch.stack(distances).mean()


def _unit(features: Tensor) -> Tensor:
    return functional.normalize(features.float(), dim=1, eps=1e-6)
