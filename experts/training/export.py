"""A trained network as the file that is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from experts.networks import Network
from experts.networks.restorer import Restorer
from experts.training.settings import TrainingSettings, digest


def export(network: Network, path: Path, settings: TrainingSettings) -> None:
    """Writes the weights as safetensors, whole or not at all; float16 rounds them less than the bfloat16 they run in.

    The file follows from weights and settings alone, byte for byte. Its metadata has one entry, `facelane`: JSON with
    `architecture`, the class, and `config`, the digest of the settings.
    """
    tensors = {name: tensor.to(torch.float16).contiguous() for name, tensor in Restorer(network).state_dict().items()}
    unfinished = path.with_suffix(".part")
    told = {"architecture": type(network).__name__, "config": digest(settings)}
    # One entry, since safetensors writes several in an order of chance.
    save_file(tensors, unfinished, metadata={"facelane": json.dumps(told)})
    unfinished.replace(path)
