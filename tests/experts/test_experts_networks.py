"""The networks' arithmetic that is ours: cells, the fixed enlargement, wavelet packets, the packing of bytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from experts.networks import NETWORKS
from experts.networks.blocks import CELL, CELL_OUTPUTS, SCALE, Enlarge
from experts.networks.frequency import BandGate, Packets
from experts.networks.restorer import Restorer


def photo(side: int, *, seed: int = 3) -> np.ndarray:
    noise = np.random.default_rng(seed).random((side, side, 3), np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 2.0) * 255.0


def cells_of(picture: np.ndarray) -> torch.Tensor:
    return functional.pixel_unshuffle(torch.from_numpy(picture).permute(2, 0, 1)[None], CELL)


def picture_of(cells: torch.Tensor) -> np.ndarray:
    picture: np.ndarray = functional.pixel_shuffle(cells, CELL * SCALE)[0].permute(1, 2, 0).numpy()
    return picture


def test_enlarge_is_opencvs_bicubic_inside_the_border() -> None:
    picture = photo(40)
    expected = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found = picture_of(Enlarge()(cells_of(picture)))
    # The weights are rounded to 8 bits of mantissa: 0.2 % of the local contrast.
    assert np.abs(found - expected)[4:-4, 4:-4].max() < 0.5


def test_enlarge_in_bfloat16_keeps_the_brightness_exactly() -> None:
    kernel = Enlarge().kernel
    assert torch.equal(kernel, kernel.to(torch.bfloat16).float())
    assert torch.equal(kernel.double().sum(dim=(1, 2, 3)), torch.ones(CELL_OUTPUTS, dtype=torch.float64))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_packets_undo_themselves_and_keep_energy(levels: int) -> None:
    packets = Packets(levels)
    cells = torch.randn(2, 3 * 4**levels, 5, 5)
    bands = packets(cells)
    torch.testing.assert_close(packets(bands), cells)
    torch.testing.assert_close(bands.square().sum(), cells.square().sum())


def test_packets_put_a_flat_picture_into_the_lowest_band_of_each_colour() -> None:
    bands = Packets(2)(cells_of(np.full((8, 8, 3), 0.5, np.float32)))[0, :, 0, 0]
    assert (bands.abs() > 1e-6).nonzero().flatten().tolist() == [0, 16, 32]
    torch.testing.assert_close(bands[[0, 16, 32]], torch.full((3,), 2.0))


def test_first_level_of_packets_is_the_haar_transform() -> None:
    quad = torch.tensor([1.0, 2.0, 3.0, 5.0, *[0.0] * 8]).reshape(1, 12, 1, 1)
    found = Packets(1)(quad).flatten()[:4]
    torch.testing.assert_close(found, torch.tensor([11.0, -3.0, -5.0, 1.0]) / 2.0)


def test_fresh_band_gate_lets_all_pass() -> None:
    bands = torch.randn(1, 12, 4, 4)
    torch.testing.assert_close(BandGate(12)(bands), bands)


@pytest.mark.parametrize("name", NETWORKS)
def test_fresh_network_is_the_bicubic_enlargement(name: str) -> None:
    network = NETWORKS[name]().eval()
    picture = photo(network.input_size) / np.float32(255.0)
    with torch.no_grad():
        found = picture_of(network(cells_of(picture)))
    expected = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    assert np.abs(found - expected)[4:-4, 4:-4].max() < 2e-3


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns_once_the_last_layer_does(name: str) -> None:
    torch.manual_seed(1)
    network = NETWORKS[name]()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    grid = network.input_size // CELL
    network(torch.rand(1, 48, grid, grid)).square().sum().backward()
    still = [key for key, parameter in network.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    # A key's bias moves all of a query's scores alike, which softmax does not see; it lies within to_qkv.bias.
    assert not still


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_small_enough_to_ship(name: str) -> None:
    assert 2 * sum(parameter.numel() for parameter in NETWORKS[name]().parameters()) < 7_000_000


@pytest.mark.parametrize("name", NETWORKS)
def test_restorer_packs_and_unpacks_as_pixel_shuffle_does(name: str) -> None:
    network = NETWORKS[name]().eval()
    torch.nn.init.normal_(network.leave.weight, std=0.02)
    side = network.input_size
    crops = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    with torch.no_grad():
        found, means = Restorer(network)(crops)
        enlarged = network(functional.pixel_unshuffle(crops.permute(0, 3, 1, 2) * (1 / 255.0), CELL))
    levels = (functional.pixel_shuffle(enlarged, CELL * SCALE).clamp(0, 1) * 255).round().to(torch.uint8)
    # The two orders of memory round apart in the last bit, which may tip one level in a thousand.
    difference = (found.int() - levels.permute(0, 2, 3, 1).int()).abs()
    assert difference.max() <= 1
    assert difference.float().mean() < 1e-3
    torch.testing.assert_close(means, enlarged.mean(dim=(1, 2, 3)))


def test_restorer_tells_which_crop_is_not_finite() -> None:
    network = NETWORKS["transformer"]().eval()
    with torch.no_grad():
        dict(network.named_parameters())["leave.bias"][0] = torch.nan
        _, means = Restorer(network)(torch.zeros(1, 192, 192, 3, dtype=torch.uint8))
    assert not torch.isfinite(means).any()
