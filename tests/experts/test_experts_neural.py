"""Networks in sessions: what they return, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experts.contract import ExpertError
from experts.networks import NETWORKS
from experts.networks.restorer import Restorer
from experts.neural import NeuralExpert
from experts.training.export import export
from experts.training.settings import TrainingSettings
from weights.session import RuntimeSettings, WeightsError, load_weights

FULL = RuntimeSettings(precision="float32", threads=1)
REDUCED = RuntimeSettings(threads=1)
TORCH = RuntimeSettings(runtime="torch", precision="float32")


def weights_file(folder: Path, name: str, *, bias: float = 0.0) -> Path:
    """Weights of a network that does something, though nothing good."""
    torch.manual_seed(5)
    network = NETWORKS[name]()
    torch.nn.init.normal_(network.leave.weight, std=0.01)
    torch.nn.init.constant_(dict(network.named_parameters())["leave.bias"], bias)
    path = folder / f"{name}.safetensors"
    export(network, path, TrainingSettings(name))
    return path


def expert(path: Path, name: str, *, runtime: RuntimeSettings = FULL) -> NeuralExpert:
    return NeuralExpert(name, NETWORKS[name](), weights=path, label="some", licence="MIT", runtime=runtime)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> NeuralExpert:
    """A transformer in full precision."""
    return expert(weights_file(tmp_path_factory.mktemp("weights"), "transformer"), "transformer")


def crops(count: int, side: int) -> np.ndarray:
    coarse = np.random.default_rng(2).integers(0, 256, (count, side // 8, side // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("name", NETWORKS)
def test_session_says_what_the_network_says(tmp_path: Path, name: str) -> None:
    path = weights_file(tmp_path, name)
    session = expert(path, name)
    side = session.info.input_size
    low = crops(3, side)
    found = session.restore(low)
    assert found.shape == (3, 2 * side, 2 * side, 3)
    assert found.dtype == np.uint8
    restorer = Restorer(NETWORKS[name]())
    load_weights(restorer, path)
    with torch.no_grad():
        expected = restorer(torch.from_numpy(low))[0].numpy()
    difference = np.abs(found.astype(int) - expected)
    # Another order of the sums: now and then it tips a rounding.
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_reduced_precision_stays_close_and_unbiased(tmp_path: Path, ready: NeuralExpert) -> None:
    low = crops(1, 192)
    path = weights_file(tmp_path, "transformer")
    fast = expert(path, "transformer", runtime=REDUCED).restore(low).astype(float)
    full = ready.restore(low).astype(float)
    # 40 dB to the full precision is what bfloat16's 8 bits leave at worst; the brightness must not move at all.
    assert np.square(fast - full).mean() < 255.0**2 / 1e4
    assert abs((fast - full).mean()) < 0.1


def test_faces_of_a_batch_do_not_mix(ready: NeuralExpert) -> None:
    low = crops(3, 192)
    together = ready.restore(low).astype(int)
    alone = np.concatenate([ready.restore(low[i : i + 1]) for i in range(3)])
    assert np.abs(together - alone).max() <= 1


def test_what_two_experts_begin_is_what_each_restores(tmp_path: Path, ready: NeuralExpert) -> None:
    other = expert(weights_file(tmp_path, "frequency"), "frequency")
    low, large = crops(2, 192), crops(1, other.info.input_size)
    begun = [ready.begin(low), other.begin(large), ready.begin(low[:1])]
    wanted = [ready.restore(low), other.restore(large), ready.restore(low[:1])]
    for outcome, images in zip(begun, wanted, strict=True):
        np.testing.assert_array_equal(outcome(), images)


def test_empty_batch_gives_an_empty_batch(ready: NeuralExpert) -> None:
    nothing = np.empty((0, 192, 192, 3), np.uint8)
    assert ready.restore(nothing).shape == ready.begin(nothing)().shape == (0, 384, 384, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 128, 128, 3), np.uint8),
        np.zeros((192, 192, 3), np.uint8),
        np.zeros((1, 192, 192, 1), np.uint8),
        np.zeros((1, 192, 192, 3), np.float32),
    ],
)
def test_crops_of_another_shape_or_type_are_refused(ready: NeuralExpert, wrong: np.ndarray) -> None:
    with pytest.raises(ExpertError, match="takes crops"):
        ready.restore(wrong)
    with pytest.raises(ExpertError, match="takes crops"):
        ready.begin(wrong)


@pytest.mark.parametrize(
    ("runtime", "value"),
    [(FULL, np.nan), (REDUCED, np.nan), (TORCH, np.nan), (TORCH, np.inf), (TORCH, -np.inf)],
)
def test_result_that_is_not_finite_is_an_error(tmp_path: Path, runtime: RuntimeSettings, value: float) -> None:
    broken = expert(weights_file(tmp_path, "transformer", bias=value), "transformer", runtime=runtime)
    with pytest.raises(ExpertError, match="not finite"):
        broken.restore(crops(1, 192))
    with pytest.raises(ExpertError, match="not finite"):
        broken.begin(crops(2, 192))()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = weights_file(tmp_path, "frequency")
    with pytest.raises(WeightsError, match="network"):
        expert(path, "transformer")


def test_info_tells_what_was_taken(tmp_path: Path) -> None:
    path = weights_file(tmp_path, "transformer")
    info = expert(path, "transformer", runtime=TORCH).info
    assert (info.id, info.input_size, info.scale) == ("transformer", 192, 2)
    assert (info.weights, info.licence) == ("some", "MIT")
    assert (info.runtime, info.precision) == ("torch", "float32")
