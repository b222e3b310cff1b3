"""LPIPS (Zhang et al. 2018), where somebody installed it: its backbone's weights are on no package index."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from experts.contract import ExpertError, Image
from experts.failures import reason
from weights.packages import install_command

BACKBONE = "alexnet-owt-7be5be79.pth"


class Distance(Protocol):
    """0 for two pictures that look the same; both (H, W, 3) uint8 RGB."""

    def distance(self, restored: Image, target: Image) -> float: ...


class Lpips:
    """LPIPS 0.1 with AlexNet. Fetches nothing: raises ExpertError, which says what is missing, where it can't run."""

    def __init__(self) -> None:
        if importlib.util.find_spec("lpips") is None:
            raise ExpertError(f"lpips is not installed; {install_command('metrics')}")
        backbone = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE
        if not backbone.is_file():
            raise ExpertError(f"put torchvision's {BACKBONE} at {backbone}")
        try:
            import lpips
        except ImportError as error:
            raise ExpertError(f"lpips does not load: {reason(error)}; {install_command('metrics')}") from error
        except RuntimeError as error:
            # So torchvision ends where its operators were compiled for another torch.
            raise ExpertError(f"torchvision doesn't fit this torch ({error}); install the one that does") from error
        self._network = lpips.LPIPS(net="alex", verbose=False).eval()

    def distance(self, restored: Image, target: Image) -> float:
        with torch.no_grad():
            return float(self._network(_tensor(restored), _tensor(target)))


def _tensor(picture: Image) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 127.5 - 1.0
