"""All that a training needs to go on, in one file that is whole or not there, and that knows what it is of."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experts.contract import ExpertError
from experts.training.files import write_whole
from experts.training.settings import TrainingSettings
from experts.training.tables import differences, plain

_SHOWN = 3
"""Differences that a message names."""


class Checkpoint:
    """The file at `path`, for one network and one way to train it.

    `judge`: a digest of the network that judges, empty without one.
    """

    def __init__(self, path: Path, network: nn.Module, settings: TrainingSettings, *, judge: str = "") -> None:
        self.path = path
        self._of = {"architecture": _architecture(network), "judge": judge, **plain(settings)}
        # What a machine gives to a run may change from one to the next.
        del self._of["run"]

    def save(self, state: dict[str, Any]) -> None:
        """Raises OSError where it can't be written; what was there is kept then."""
        content = io.BytesIO()
        torch.save({"of": self._of, "state": state}, content)
        write_whole(self.path, content.getvalue())

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """What was saved, None where nothing was.

        Raises ExpertError for a file that can't be read or is of another network or other settings: what somebody
        trained is never thrown away without being asked.
        """
        if not self.path.is_file():
            return None
        try:
            found = torch.load(self.path, map_location=device, weights_only=True)
            of, state = found["of"], found["state"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
            raise ExpertError(
                f"{self.path} is not a checkpoint of this version; name another folder, or remove it to begin afresh"
            ) from error
        if changed := differences(of, self._of):
            more = "" if len(changed) <= _SHOWN else f" and {len(changed) - _SHOWN} more"
            raise ExpertError(
                f"{self.path} is of another training: {'; '.join(changed[:_SHOWN])}{more}. Set it back, name another "
                "folder, or remove the file to begin afresh"
            )
        loaded: dict[str, Any] = state
        return loaded


def _architecture(network: nn.Module) -> str:
    """The class, and a digest of its parameters' names and shapes."""
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    return f"{type(network).__name__} {hashlib.sha256(repr(shapes).encode()).hexdigest()[:8]}"
