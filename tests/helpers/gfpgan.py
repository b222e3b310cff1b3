"""GFPGAN's networks by its package's own classes, small and with random weights, as files in the project's layout."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from experts.gfpgan_networks import Size, Version, build_network
from tests.helpers.torchvision_here import make_importable

SMALL = {"1": Size(64, 0.25, 1.0), "1.4": Size(64, 0.25, 2.0)}


def small_network(version: Version, *, seed: int = 0) -> nn.Module:
    """For pictures of 64 px; no weight is one that leaves something out, as StyleGAN2's noise is before training."""
    make_importable()
    torch.manual_seed(seed)
    network = build_network(version, SMALL[version]).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith(".weight") and parameter.shape == (1,):
            nn.init.constant_(parameter, 0.2)
    return network


def save_checkpoint(network: nn.Module, path: Path) -> Path:
    torch.save({"params_ema": network.state_dict()}, path)
    return path
