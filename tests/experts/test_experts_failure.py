"""What an expert says when its runtime fails: one error of this room, so that a film goes on without that face."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from torch import Tensor

from experts.contract import ExpertError
from experts.networks import FrequencyNetwork
from experts.networks.restorer import Restorer
from experts.neural import NeuralExpert
from weights.session import Runtime, RuntimeSettings


class Fastidious(FrequencyNetwork):
    """Fails at crops that have not as many bright values as grey ones."""

    def forward(self, cells: Tensor) -> Tensor:
        pairs = cells[cells > 0.75] + cells[(cells > 0.25) & (cells < 0.75)]
        return super().forward(cells) + 1e-6 * pairs.sum()


class Selective(FrequencyNetwork):
    """Leaves out dark faces, so that OpenVINO can't know how many will come out."""

    def forward(self, cells: Tensor) -> Tensor:
        return super().forward(cells[cells.amax(dim=(1, 2, 3)) >= 0])


class Greedy(FrequencyNetwork):
    """Wants more memory than there is an address for."""

    def forward(self, cells: Tensor) -> Tensor:
        np.empty(1 << 60, np.uint8)
        return super().forward(cells)


def expert(folder: Path, network: FrequencyNetwork, *, runtime: Runtime) -> NeuralExpert:
    path = folder / "some.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in Restorer(network).state_dict().items()}, path)
    settings = RuntimeSettings(device="cpu", runtime=runtime, precision="float32", threads=1)
    return NeuralExpert("some", network, weights=path, label="some", licence="MIT", runtime=settings)


def crop(network: FrequencyNetwork, *, bright: int, grey: int) -> np.ndarray:
    made = np.zeros((1, network.input_size, network.input_size, 3), np.uint8)
    made.reshape(-1)[:bright] = 255
    made.reshape(-1)[bright : bright + grey] = 128
    return made


def test_a_failing_network_is_an_error_of_the_expert_and_not_its_end(tmp_path: Path) -> None:
    network = Fastidious()
    session = expert(tmp_path, network, runtime="torch")
    with pytest.raises(ExpertError, match=r"^some failed: ") as caught:
        session.restore(crop(network, bright=5, grey=3))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert session.restore(crop(network, bright=4, grey=4)).dtype == np.uint8


def test_a_failing_runtime_is_told_in_a_line_that_says_something(tmp_path: Path) -> None:
    network = Selective()
    session = expert(tmp_path, network, runtime="openvino")
    with pytest.raises(ExpertError, match=r"^some failed: \w") as caught:
        session.restore(crop(network, bright=0, grey=0))
    assert "Exception from" in str(caught.value.__cause__)
    assert "Exception from" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_what_fails_after_it_was_begun_is_an_error_of_the_expert_too(tmp_path: Path, runtime: Runtime) -> None:
    network = Fastidious()
    session = expert(tmp_path, network, runtime=runtime)
    outcome = session.begin(crop(network, bright=5, grey=3))
    with pytest.raises(ExpertError, match=r"^some failed: ") as caught:
        outcome()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_want_of_memory_is_an_error_of_the_expert(tmp_path: Path) -> None:
    network = Greedy()
    session = expert(tmp_path, network, runtime="torch")
    with pytest.raises(
        ExpertError, match=r"^some failed: cpu has not memory enough \(Unable to allocate.*free some$"
    ) as caught:
        session.restore(crop(network, bright=0, grey=0))
    assert isinstance(caught.value.__cause__, MemoryError)
