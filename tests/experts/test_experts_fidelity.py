"""From crisp to faithful: which files count, what they make, and that those which are shipped belong together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from blending import align
from experts.catalog import WEIGHTS, ExpertSettings, make_expert, weights_of
from experts.contract import ExpertError
from experts.fidelity import Pair, mixed, told
from experts.networks import NETWORKS
from experts.networks.restorer import Restorer
from experts.neural import NeuralExpert
from tests.experts.test_experts_neural import crops, weights_file
from tests.helpers.portraits import landmarks, portrait
from weights.session import Runtime, RuntimeSettings, WeightsError
from weights.store import Store

RUNTIME = RuntimeSettings(device="cpu", precision="float32", threads=1)


class Without(Store):
    """The shipped weights, but for one file."""

    def __init__(self, missing: str) -> None:
        super().__init__()
        self._missing = missing

    def find(self, name: str) -> Path:
        if name == self._missing:
            raise WeightsError(f"{name} is not here")
        return super().find(name)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
@pytest.mark.parametrize("fidelity", [0.0, 0.25, 1.0])
def test_an_expert_is_the_network_of_the_weights_between(tmp_path: Path, runtime: Runtime, fidelity: float) -> None:
    (tmp_path / "crisp").mkdir()
    pair = Pair(weights_file(tmp_path, "frequency"), weights_file(tmp_path / "crisp", "frequency", bias=0.2))
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision="float32", threads=1)
    found = NeuralExpert(
        "some",
        NETWORKS["frequency"](),
        weights=mixed(pair.needed(fidelity), fidelity),
        label="some",
        licence="MIT",
        runtime=settings,
    )
    faithful, crisp = load_file(pair.faithful), load_file(pair.crisp)
    own = Restorer(NETWORKS["frequency"]())
    own.load_state_dict({key: fidelity * faithful[key].float() + (1 - fidelity) * crisp[key].float() for key in crisp})
    low = crops(1, found.info.input_size)
    with torch.no_grad():
        expected = own(torch.from_numpy(low))[0].numpy()
    # Sums in another order may round to the neighbouring grey level.
    assert np.abs(found.restore(low).astype(int) - expected).max() <= 1


def test_what_has_no_share_is_not_needed() -> None:
    faithful, crisp = WEIGHTS["transformer"].faithful, WEIGHTS["transformer"].crisp
    for fidelity, ids in ((1.0, (faithful,)), (0.0, (crisp,)), (0.5, (faithful, crisp))):
        assert weights_of(ExpertSettings(frequency="transformer", fidelity=fidelity)) == ids
    for fidelity, missing, needed in ((1.0, crisp, faithful), (0.0, faithful, crisp)):
        expert = make_expert("transformer", Without(missing), RUNTIME, ExpertSettings(fidelity=fidelity))
        assert expert.info.weights == Store().entry(needed).digest
        with pytest.raises(WeightsError, match=f"{missing} is not here"):
            make_expert("transformer", Without(missing), RUNTIME, ExpertSettings(fidelity=0.5))


def test_what_was_mixed_is_told() -> None:
    assert told(["a@1", "b@2"], 0.125) == "a@1 + b@2, fidelity 0.125"
    assert told(["a@1"], 1.0) == "a@1"


@pytest.mark.parametrize("wrong", [-0.01, 1.5, float("nan")])
def test_settings_refuse_a_fidelity_that_cannot_be(wrong: float) -> None:
    with pytest.raises(ExpertError, match=r"fidelity lies between 0 \(crisp\) and 1 \(faithful\), not"):
        ExpertSettings(fidelity=wrong)


@pytest.mark.parametrize("id", WEIGHTS)
def test_shipped_weights_were_made_from_one_another(id: str) -> None:
    """Only between weights of which one was fine-tuned from the other are there good ones; there the network of half
    the way says what lies half way between what the two say."""
    experts = {
        fidelity: make_expert(id, Store(), RUNTIME, ExpertSettings(fidelity=fidelity)) for fidelity in (0.0, 0.5, 1.0)
    }
    low = np.stack([_low(seed, experts[1.0].info.input_size) for seed in range(3)])
    crisp, half, faithful = (experts[fidelity].restore(low).astype(float) for fidelity in (0.0, 0.5, 1.0))
    apart = np.sqrt(np.square(crisp - faithful).mean())
    assert apart > 0.0
    # Half a level for the rounding of all three.
    assert np.sqrt(np.square(half - (crisp + faithful) / 2).mean()) < 0.5 * apart + 0.5


def _low(seed: int, side: int) -> np.ndarray:
    """A drawn portrait as it comes to an expert, of a third of that width and a little noisy."""
    small = cv2.resize(portrait(seed), None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
    noisy = small + np.random.default_rng(seed).normal(0.0, 3.0, small.shape)
    picture = np.asarray(np.clip(noisy, 0, 255), np.uint8)
    return align.crop(picture, align.similarity(landmarks() / 3, side), side)
