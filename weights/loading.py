"""The parameters of a network out of a file, or from between those of two files."""

from __future__ import annotations

import pickle
import re
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


def load_torch_file(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a torch file (.pth, .pt) by their keys, on the CPU; nothing in it is ever run.

    What the field wraps them in is taken off: `params_ema` (the average, if there is one), `params`, `state_dict` and
    the like, and DataParallel's "module." before every key. Raises WeightsError, which names the file, where it is
    absent, empty, cut off, a pickle that would run code, or holds no tensors.
    """
    found = _unwrapped(_unpickled(path))
    if not isinstance(found, Mapping) or not found or not all(map(_is_parameter, found.items())):
        raise WeightsError(f"{path} holds no state dict, tensors by name; name a file of a network's weights")
    prefix = "module."
    prefixed = all(key.startswith(prefix) for key in found)
    return {key.removeprefix(prefix) if prefixed else key: tensor for key, tensor in found.items()}


def load_safetensors(path: Path) -> Mapping[str, torch.Tensor]:
    """The tensors of a safetensors file by their keys, on the CPU. Raises WeightsError where it can't be read."""
    try:
        return load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); fetch or train it anew") from error


def load_strict(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], *, path: Path) -> None:
    """Sets every parameter and buffer of `module`; all or nothing, or a WeightsError with the first key that is wrong.

    `path` is where the tensors came from, to be named.
    """
    wanted = module.state_dict()
    for key in (*wanted, *tensors):
        _check_key(key, wanted.get(key), tensors.get(key), path=path)
    module.load_state_dict(tensors, strict=True)


def _unpickled(path: Path) -> object:
    try:
        _check_magic(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} is not there; name a file of a network's weights") from error
    except PermissionError as error:
        raise WeightsError(f"{path} can't be read ({error.strerror}); make it readable") from error
    except pickle.UnpicklingError as error:
        raise _unsafe(path, str(error)) from error
    except (WeightsError, MemoryError):
        raise
    # The rest of a damaged file may be misread as anything, so that torch raises whatever the misreading leads to.
    except Exception as error:
        if "TorchScript" in str(error):
            raise WeightsError(f"{path} is a TorchScript program, which holds code; name a file of weights") from error
        reason = (str(error).splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise WeightsError(f"{path} is cut off or damaged ({reason}); fetch it anew") from error


def _check_magic(path: Path) -> None:
    """Whether it begins as `torch.save` begins a file: a zip archive, or, before torch 1.6, a pickle of protocol 2."""
    with path.open("rb") as file:
        head = file.read(2)
    if not head:
        raise WeightsError(f"{path} is empty; fetch it anew")
    if head not in (b"PK", b"\x80\x02"):
        raise WeightsError(f"{path} is not a torch file; fetch it anew")


def _unsafe(path: Path, said: str) -> WeightsError:
    """What torch refuses to unpickle: calls of anything but tensors' own makers, or no pickle of torch's at all."""
    called = re.search(r"GLOBAL ([\w.]*\w)", said)
    if called is None:
        return WeightsError(f"{path} is not a torch file, or is damaged; fetch it anew")
    advice = "nothing of it was run; get a file of tensors alone from the model's own project"
    return WeightsError(f"{path} is a pickle with code in it ({called[1]}); {advice}")


def _unwrapped(found: object) -> object:
    for key in ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            return found[key]
    return found


def _is_parameter(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def _read(path: Path, wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the file holds, if that is exactly what the network has."""
    found = dict(load_safetensors(path))
    for key in wanted.keys() | found.keys():
        _check_key(key, wanted.get(key), found.get(key), path=path)
    return found


def _check_key(key: str, wanted: torch.Tensor | None, found: torch.Tensor | None, *, path: Path) -> None:
    advice = "it is of another architecture or version: use the file that belongs to this one"
    if found is None:
        raise WeightsError(f"{path} lacks {key!r}, which the network has; {advice}")
    if wanted is None:
        raise WeightsError(f"{path} holds {key!r}, which the network lacks; {advice}")
    if wanted.shape != found.shape:
        shapes = f"{tuple(found.shape)}, the network's is {tuple(wanted.shape)}"
        raise WeightsError(f"{path}: {key!r} has the shape {shapes}; {advice}")
