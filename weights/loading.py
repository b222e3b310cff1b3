"""The parameters of a network out of a file, or from between those of two files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file

from weights.errors import WeightsError


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Weights on the line from one file's to another's: (1 - share) * start + share * end, for `share` from 0 to 1.

    Network interpolation (Wang et al. 2018, ESRGAN, sec. 3.4). It makes sense where one was fine-tuned from the other.
    """

    start: Path
    end: Path
    share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"share lies between 0 and 1, not {self.share}")


Weights = Path | Interpolation
"""A safetensors file, or what lies between two of them."""


def load_weights(module: torch.nn.Module, weights: Weights) -> None:
    """Sets every parameter and buffer of `module`; all or nothing, or a WeightsError that names the file.

    An interpolation is computed in float32, whatever the files hold.
    """
    wanted = module.state_dict()
    if isinstance(weights, Path):
        found = _read(weights, wanted)
    else:
        start, end = _read(weights.start, wanted), _read(weights.end, wanted)
        found = {key: torch.lerp(start[key].float(), end[key].float(), weights.share) for key in wanted}
    module.load_state_dict(found, strict=True)


def _read(path: Path, wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the file holds, if that is exactly what the network has."""
    try:
        found = load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); fetch or train it anew") from error
    for key in wanted.keys() | found.keys():
        _check_key(key, wanted.get(key), found.get(key), path=path)
    return found


def _check_key(key: str, wanted: torch.Tensor | None, found: torch.Tensor | None, *, path: Path) -> None:
    advice = "use the file that belongs to this version"
    if found is None:
        raise WeightsError(f"{path} lacks {key!r}, which the network has; {advice}")
    if wanted is None:
        raise WeightsError(f"{path} holds {key!r}, which the network lacks; {advice}")
    if wanted.shape != found.shape:
        shapes = f"{tuple(found.shape)}, the network's is {tuple(wanted.shape)}"
        raise WeightsError(f"{path}: {key!r} has the shape {shapes}; {advice}")
