"""The networks against the published architecture (Zhang et al. 2016, figure 2) and the published weights."""

from __future__ import annotations

from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from routing.networks import ONet, PNet, RNet, load_weights
from routing.types import RoutingError
from weights.store import Store

# Figure 2 of the paper: height, width and channels after each convolution, pooling and fully connected layer.
PUBLISHED = {
    PNet: (12, [(10, 10, 10), (5, 5, 10), (3, 3, 16), (1, 1, 32), (1, 1, 2), (1, 1, 4)]),
    RNet: (24, [(22, 22, 28), (11, 11, 28), (9, 9, 48), (4, 4, 48), (3, 3, 64), (128,), (2,), (4,)]),
    ONet: (
        48,
        [
            *[(46, 46, 32), (23, 23, 32), (21, 21, 64), (10, 10, 64), (8, 8, 64), (4, 4, 64), (3, 3, 128)],
            *[(256,), (2,), (4,), (10,)],
        ],
    ),
}
PARAMETERS = {PNet: 6632, RNet: 100178, ONet: 389040}
WEIGHTS = {PNet: "mtcnn-pnet", RNet: "mtcnn-rnet", ONet: "mtcnn-onet"}
NETWORKS = pytest.mark.parametrize("network", [PNet, RNet, ONet])


def shapes_of_layers(network: nn.Module, side: int) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        shape = tuple(output.shape[1:])
        shapes.append((*shape[1:], shape[0]) if len(shape) == 3 else shape)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Linear):
            layer.register_forward_hook(note)
    network(torch.zeros(1, side, side, 3, dtype=torch.uint8))
    return shapes


@NETWORKS
def test_every_layer_has_the_published_shape(network: type[nn.Module]) -> None:
    side, published = PUBLISHED[network]
    assert shapes_of_layers(network(), side) == published


@NETWORKS
def test_the_parameters_are_as_many_as_published(network: type[nn.Module]) -> None:
    assert sum(parameter.numel() for parameter in network().parameters()) == PARAMETERS[network]


@NETWORKS
def test_every_published_array_lands_in_its_layer(network: type[nn.Module], store: Store) -> None:
    filled = network()
    path = store.find(WEIGHTS[network])
    load_weights(filled, path)
    arrays = joblib.load(path)
    for parameter, array in zip(filled.parameters(), arrays, strict=True):
        assert np.isclose(float(parameter.detach().sum()), float(array.sum()), rtol=1e-3, atol=1e-3)
    first = next(p for p in filled.parameters() if p.ndim == 4)
    assert first[3, 2, 0, 1].item() == arrays[0][0, 1, 2, 3]


def test_a_convolution_computes_what_its_array_says(store: Store) -> None:
    arrays = joblib.load(store.find("mtcnn-pnet"))
    network = PNet()
    load_weights(network, store.find("mtcnn-pnet"))
    pixels = np.random.default_rng(1).integers(0, 256, (1, 12, 12, 3), np.uint8)
    expected = np.einsum("hwi,hwio->o", (pixels[0, 4:7, 5:8] - 127.5) / 128, arrays[0]) + arrays[1]
    seen: list[torch.Tensor] = []
    next(m for m in network.modules() if isinstance(m, nn.Conv2d)).register_forward_hook(
        lambda _m, _i, output: seen.append(output)
    )
    network(torch.from_numpy(pixels))
    np.testing.assert_allclose(seen[0][0, :, 4, 5].detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_fully_connected_layer_reads_columns_first(store: Store) -> None:
    """The weights were trained on feature maps whose first axis is x; reading rows first would turn every face."""
    network = RNet()
    load_weights(network, store.find("mtcnn-rnet"))
    flatten = next(m for m in network.body if type(m).__name__ == "_Flatten")
    maps = torch.arange(64 * 9, dtype=torch.float32).reshape(1, 64, 3, 3)
    assert flatten(maps)[0, 64 * 1].item() == maps[0, 0, 1, 0].item()
    assert flatten(maps)[0, 64 * 3].item() == maps[0, 0, 0, 1].item()
    assert flatten(maps)[0, 1].item() == maps[0, 1, 0, 0].item()


@pytest.mark.parametrize("arrays", [[], [np.zeros((3, 3, 3, 9), np.float32)] + [np.zeros(1, np.float32)] * 12])
def test_weights_of_another_network_are_refused(arrays: list[np.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "other.lz4"
    joblib.dump(arrays, path)
    with pytest.raises(RoutingError, match="fetch it again"):
        load_weights(PNet(), path)
