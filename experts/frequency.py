"""Expert-F: middling faces whose detail is still there. See `experts.networks.frequency`."""

from __future__ import annotations

from experts.networks import FrequencyNetwork
from experts.neural import NeuralExpert, from_store
from weights.session import RuntimeSettings
from weights.store import Store

ID = "frequency"
WEIGHTS_ID = "facelane-frequency"


def make(store: Store, runtime: RuntimeSettings) -> NeuralExpert:
    return from_store(ID, FrequencyNetwork(), WEIGHTS_ID, store=store, runtime=runtime)
