"""Which part of a face each pixel is: facexlib's ParseNet, by its package's architecture and its project's weights.

Chen et al. 2021, Progressive Semantic-Aware Style Transformation for Blind Face Restoration (PSFRGAN), whose parser it
is; trained on CelebAMask-HQ. For measuring only: nothing that a viewer sees depends on it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from experts.compat import import_gan
from experts.contract import ExpertError, Image
from experts.failures import reason
from weights.loading import load_strict, load_torch_file
from weights.session import RuntimeSettings, open_item_session
from weights.store import Store
from weights.unfetched import find_unfetched

WEIGHTS = "parsenet"
SIDE = 512
PARTS = 19
"""Labels: 0 is what is no part of a face; the rest are skin, brows, eyes, lips, hair and so on, as in CelebAMask-HQ."""


class FaceParser:
    """Parses faces with a `network` of ParseNet's form. Raises WeightsError where what `runtime` asks for is not there.

    In bfloat16, where the processor has it, a face takes a sixth of the time, and under 1 pixel in 100 another label.
    """

    def __init__(self, network: nn.Module, runtime: RuntimeSettings) -> None:
        shape = (None, SIDE, SIDE, 3)
        self._session = open_item_session(_Labels(network), weights=None, input_shape=shape, settings=runtime)

    def parse(self, face: Image) -> Image:
        """The (512, 512) uint8 labels of an (S, S, 3) uint8 RGB crop, aligned to "ffhq" of `blending.align.TEMPLATES`
        and resized as facexlib does. Raises ExpertError where the network fails."""
        resized = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        try:
            (labels,) = self._session.run(np.asarray(resized, np.uint8)[None])
        except (RuntimeError, MemoryError) as error:
            raise ExpertError(f"the face parser failed: {reason(error)}") from error
        return np.asarray(labels[0], np.uint8)


class _Labels(nn.Module):
    """The network with what facexlib does around it: (N, 512, 512, 3) uint8 to labels (N, 512, 512)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> Tensor:
        scores = self.network(faces.permute(0, 3, 1, 2).float() / 127.5 - 1.0)[0]
        labels: Tensor = scores.argmax(dim=1).to(torch.uint8)
        return labels


def make(store: Store, runtime: RuntimeSettings) -> FaceParser:
    """The parser with the project's weights, which are not fetched: they have to be here already.

    Raises WeightsError where they are absent, damaged, or wait for their licence to be accepted, and ExpertError where
    the package is missing or does not load.
    """
    # Looked at first: who fetches the weights is not to learn only then that more is missing.
    network = build_network()
    path = find_unfetched(store, WEIGHTS)
    load_strict(network, load_torch_file(path), path=path)
    return FaceParser(network, runtime)


def build_network() -> nn.Module:
    """The package's network with random weights. Raises ExpertError where the package is missing or does not load."""
    architecture: Callable[..., nn.Module] = import_gan("facexlib.parsing.parsenet").ParseNet
    return architecture(in_size=SIDE, out_size=SIDE, parsing_ch=PARTS)
