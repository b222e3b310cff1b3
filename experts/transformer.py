"""Expert-T: small faces, and larger ones that lost their detail. See `experts.networks.transformer`."""

from __future__ import annotations

from experts.fidelity import Pair
from experts.networks import TransformerNetwork
from experts.neural import NeuralExpert, from_store
from weights.session import RuntimeSettings
from weights.store import Store

ID = "transformer"
WEIGHTS = Pair("facelane-transformer", "facelane-transformer-crisp")


def make(store: Store, runtime: RuntimeSettings, fidelity: float) -> NeuralExpert:
    return from_store(ID, TransformerNetwork(), WEIGHTS, fidelity=fidelity, store=store, runtime=runtime)
