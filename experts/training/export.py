"""A trained network as the file that is shipped."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from experts.networks import Network
from experts.networks.restorer import Restorer
from experts.training.settings import TrainingSettings, digest


def export(network: Network, path: Path, settings: TrainingSettings) -> None:
    """Writes the weights as safetensors, whole or not at all; float16 rounds them less than the bfloat16 they run in.

    The file depends on weights and settings alone. Its metadata: `architecture`, the class; `config`, the settings'
    digest.
    """
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in Restorer(network).state_dict().items()}
    unfinished = path.with_suffix(".part")
    save_file(tensors, unfinished, metadata={"architecture": type(network).__name__, "config": digest(settings)})
    unfinished.replace(path)
