"""An expert that is a network in a session."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from experts.contract import ExpertError, ExpertInfo, Image, check_crops
from experts.networks import Network
from experts.networks.restorer import Restorer
from weights.session import RuntimeSettings, open_session

LICENCE = "MIT"


class NeuralExpert:
    """Restores faces with a network of `experts.networks` and its `weights`, a file that `experts.training` wrote.

    Raises WeightsError where the weights do not fit, or what `runtime` asks for is not there.
    """

    def __init__(self, id: str, network: Network, *, weights: Path, runtime: RuntimeSettings) -> None:
        side = network.input_size
        self._session = open_session(
            Restorer(network), weights=weights, input_shape=(None, side, side, 3), settings=runtime
        )
        taken = self._session.taken
        self._info = ExpertInfo(
            id=id,
            input_size=side,
            scale=network.scale,
            weights=f"{weights.stem} {_digest(weights)}",
            licence=LICENCE,
            device=taken.device,
            runtime=taken.runtime,
            precision=taken.precision,
        )

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def restore(self, crops: Image) -> Image:
        """See `experts.contract.Expert`. Raises ExpertError for crops of another shape or type, and for a result that is not finite."""
        check_crops(crops, self._info)
        if not len(crops):
            side = self._info.input_size * self._info.scale
            return np.empty((0, side, side, 3), np.uint8)
        restored, means = self._session.run(crops)
        if not np.isfinite(means).all():
            raise ExpertError(
                f"{self._info.id} gave numbers that are not finite; check the weights, or set precision to float32"
            )
        return restored


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
