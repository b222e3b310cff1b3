"""A trained network as the file that is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from experts.training.files import write_whole
from experts.training.settings import TrainingSettings, digest
from experts.training.subjects import SUBJECTS


def export(network: nn.Module, path: Path, settings: TrainingSettings) -> None:
    """Writes the weights as safetensors, whole or not at all; float16 rounds them less than the bfloat16 they run in.

    The file follows from weights and settings alone, byte for byte. Its metadata has one entry, `facelane`: JSON with
    `architecture`, the class, `stage`, and `config`, the digest of the settings. Raises OSError where it can't be
    written.
    """
    shipped = SUBJECTS[settings.network].shipped(network).state_dict()
    tensors = {name: tensor.cpu().to(torch.float16).contiguous() for name, tensor in shipped.items()}
    told = {"architecture": type(network).__name__, "stage": settings.stage, "config": digest(settings)}
    # One entry, since safetensors writes several in an order of chance.
    write_whole(path, save(tensors, metadata={"facelane": json.dumps(told)}))
