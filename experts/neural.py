"""An expert that is a network in a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np

from experts.contract import ExpertError, ExpertInfo, Image, check_crops
from experts.failures import telling
from experts.fidelity import Pair, mixed, told
from experts.networks import Network
from experts.networks.restorer import Restorer
from weights.session import Outcome, RuntimeSettings, Weights, open_item_session
from weights.store import Store


class NeuralExpert:
    """Restores faces with a network of `experts.networks` and its `weights`, of files that `experts.training` wrote.

    `label` and `licence` are what its description says of the weights. Raises WeightsError where the weights do not
    fit, or what `runtime` asks for is not there.
    """

    def __init__(
        self, id: str, network: Network, *, weights: Weights, label: str, licence: str, runtime: RuntimeSettings
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
            **asdict(taken),
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
        with telling(self._info.id):
            return partial(self._checked, self._session.begin(crops))

    def _nothing(self) -> Image:
        side = self._info.input_size * self._info.scale
        return np.empty((0, side, side, 3), np.uint8)

    def _checked(self, outcome: Outcome) -> Image:
        with telling(self._info.id):
            restored, means = outcome()
        if not np.isfinite(means).all():
            raise ExpertError(
                f"{self._info.id} gave numbers that are not finite; check the weights, or set precision to float32"
            )
        return restored


def from_store(
    id: str, network: Network, pair: Pair[str], *, fidelity: float, store: Store, runtime: RuntimeSettings
) -> NeuralExpert:
    """The expert with the weights of that fidelity, of the two that the manifest has under the ids of `pair`.

    Raises WeightsError where one that it needs is missing.
    """
    ids = pair.needed(fidelity)
    entries = [store.entry(each) for each in ids]
    return NeuralExpert(
        id,
        network,
        weights=mixed([store.find(each) for each in ids], fidelity),
        label=told([entry.digest for entry in entries], fidelity),
        licence=", ".join(dict.fromkeys(entry.licence for entry in entries)),
        runtime=runtime,
    )
