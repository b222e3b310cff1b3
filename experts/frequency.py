"""Expert-F: middling faces whose detail is still there. See `experts.networks.frequency`."""

from __future__ import annotations

from experts.fidelity import Pair
from experts.networks import FrequencyNetwork
from experts.neural import NeuralExpert, from_store
from weights.session import RuntimeSettings
from weights.store import Store

ID = "frequency"
WEIGHTS = Pair("facelane-frequency", "facelane-frequency-crisp")


def make(store: Store, runtime: RuntimeSettings, fidelity: float) -> NeuralExpert:
    return from_store(ID, FrequencyNetwork(), WEIGHTS, fidelity=fidelity, store=store, runtime=runtime)
