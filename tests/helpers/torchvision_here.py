"""What torchvision's compiled operators are needed for, in tests alone, where its wheel does not fit this torch.

torchvision ships operators in `_C.so`, built for one build of torch (CPU, CUDA 12.8, ...). Beside another build the
file does not load, and `import torchvision` fails with "operator torchvision::nms does not exist". The packages of the
`gan` extra import torchvision, and of its operators use `nms` alone. So `make_importable` states the schemas that the
import asks for, and gives `nms` an implementation in plain torch. Where the operators load it does nothing, and they
are tested.

The product never does this; there such a torchvision is an error that says what to do.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@functools.cache
def make_importable() -> bool:
    """Lets `import torchvision` work in this process; True where operators had to be replaced for that.

    Raises ModuleNotFoundError where torchvision is not installed.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed; pip install 'facelane[dev]'")
    if _operators_load(Path(spec.origin).parent):
        return False
    _define_operators()
    boxes = importlib.import_module("torchvision.ops.boxes")
    boxes._assert_has_ops = lambda: None  # type: ignore[attr-defined]  # it asks for the file, not for the operators
    return True


def _operators_load(folder: Path) -> bool:
    try:
        torch.ops.load_library(str(folder / "_C.so"))  # type: ignore[no-untyped-call]  # torch's own
    except OSError:
        return False
    return True


def _define_operators() -> None:
    library = _library()
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CompositeExplicitAutograd")


@functools.cache
def _library() -> Any:
    """Kept: with it the operators would go."""
    return torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch's own


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy suppression as torchvision states it: of `boxes` (N, 4), corners, the indices kept, best first."""
    order = scores.argsort(descending=True, stable=True)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order):
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        order = rest[shared / (areas[best] + areas[rest] - shared) <= iou_threshold]
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)
