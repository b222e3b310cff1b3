"""Expert-T: small faces, and larger ones that lost their detail. See `experts.networks.transformer`."""

from __future__ import annotations

from experts.networks import TransformerNetwork
from experts.neural import NeuralExpert, from_store
from weights.session import RuntimeSettings
from weights.store import Store

ID = "transformer"
WEIGHTS_ID = "facelane-transformer"


def make(store: Store, runtime: RuntimeSettings) -> NeuralExpert:
    return from_store(ID, TransformerNetwork(), WEIGHTS_ID, store=store, runtime=runtime)
