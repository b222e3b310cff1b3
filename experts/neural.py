"""An expert that is a network in a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from experts.contract import ExpertError, ExpertInfo, Image, check_crops
from experts.networks import Network
from experts.networks.restorer import Restorer
from weights.session import Outcome, RuntimeSettings, open_item_session
from weights.store import Store


class NeuralExpert:
    """Restores faces with a network of `experts.networks` and its `weights`, a file that `experts.training` wrote.

    `label` and `licence` are what its description says of the weights. Raises WeightsError where the weights do not
    fit, or what `runtime` asks for is not there.
    """

    def __init__(
        self, id: str, network: Network, *, weights: Path, label: str, licence: str, runtime: RuntimeSettings
    ) -> None:
        side = network.input_size
        self._session = open_item_session(
            Restorer(network), weights=weights, input_shape=(None, side, side, 3), settings=runtime
        )
        taken = self._session.taken
        self._info = ExpertInfo(
            id=id,
            input_size=side,
            scale=network.scale,
            weights=label,
            licence=licence,
            device=taken.device,
            runtime=taken.runtime,
            precision=taken.precision,
        )

    @property
    def info(self) -> ExpertInfo:
        return self._info

    def restore(self, crops: Image) -> Image:
        """See `experts.contract.Expert`.

        Raises ExpertError also where the runtime fails, as for want of memory, and for a result that is not finite.
        """
        check_crops(crops, self._info)
        return self._checked(partial(self._session.run, crops)) if len(crops) else self._nothing()

    def begin(self, crops: Image) -> Callable[[], Image]:
        """See `experts.contract.Expert`. Raises what `restore` raises, now or with the result."""
        check_crops(crops, self._info)
        if not len(crops):
            return self._nothing
        with self._telling():
            return partial(self._checked, self._session.begin(crops))

    def _nothing(self) -> Image:
        side = self._info.input_size * self._info.scale
        return np.empty((0, side, side, 3), np.uint8)

    def _checked(self, outcome: Outcome) -> Image:
        with self._telling():
            restored, means = outcome()
        if not np.isfinite(means).all():
            raise ExpertError(
                f"{self._info.id} gave numbers that are not finite; check the weights, or set precision to float32"
            )
        return restored

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            raise ExpertError(f"{self._info.id} failed: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line that says something; OpenVINO begins with those of its own source."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("Exception from ")), type(error).__name__)


def from_store(id: str, network: Network, weights_id: str, *, store: Store, runtime: RuntimeSettings) -> NeuralExpert:
    """The expert with the weights that the manifest has under `weights_id`; WeightsError where they are missing."""
    entry = store.entry(weights_id)
    path = store.find(weights_id)
    return NeuralExpert(id, network, weights=path, label=entry.digest, licence=entry.licence, runtime=runtime)
