"""Whether torch can compute on the card that it finds."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from weights.failures import reason

NONE = "torch finds no CUDA"


def cuda_fault() -> str:
    """Why torch can't compute on a card here; empty where it can."""
    return _trial_fault() if torch.cuda.is_available() else NONE


@cache
def _trial_fault() -> str:
    """Of a small convolution: torch finds cards, too, that its build has no kernels for, and only warns."""
    name = "the card"
    try:
        name = torch.cuda.get_device_name()
        kernel = torch.ones(1, 1, 3, 3, device="cuda")
        functional.conv2d(torch.ones(1, 1, 8, 8, device="cuda"), kernel).cpu()
    except RuntimeError as error:
        # Of the moment: whoever wants the card then is told.
        if "out of memory" in str(error).lower():
            return ""
        return f"torch {torch.__version__} can't compute on {name}: {reason(error)}"
    return ""
