"""The only maker of inference sessions: a torch module and its weights become something that runs, and says on what.

OpenVINO compiles the module for the CPU, with bfloat16 where the processor has it: the fastest by measurement for the
small networks of this project. Plain torch runs everywhere, and on CUDA. By name alone ONNX Runtime, on the CPU or
CUDA, and TensorRT through it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from weights.errors import OutOfMemoryError, WeightsError
from weights.loading import Interpolation, Weights, load_weights
from weights.onnx_session import OnnxSession
from weights.openvino_items import OpenVinoItemSession
from weights.openvino_session import OpenVinoSession
from weights.runtime import Array, Device, ItemSession, Outcome, Precision, Runtime, RuntimeSettings, Session, Taken
from weights.torch_cuda import NONE, cuda_fault
from weights.torch_session import TorchSession, finest_half, takes_precision

__all__ = [
    "Array",
    "Device",
    "Interpolation",
    "ItemSession",
    "OutOfMemoryError",
    "Outcome",
    "Precision",
    "Runtime",
    "RuntimeSettings",
    "Session",
    "Taken",
    "Weights",
    "WeightsError",
    "choose_runtime",
    "finest_half",
    "load_weights",
    "open_item_session",
    "open_session",
    "takes_precision",
]

logger = logging.getLogger(__name__)

Chosen = Literal["openvino", "torch", "onnxruntime", "tensorrt"]


def open_session(
    module: torch.nn.Module,
    *,
    weights: Weights | None,
    input_shape: tuple[int | None, ...],
    settings: RuntimeSettings,
    dtype: npt.DTypeLike = np.uint8,
    batches: Sequence[int] = (1, 2, 4),
) -> Session:
    """A session that runs `module` with the parameters of a safetensors file, or from between those of two (None: those
    that it has).

    `input_shape`: None where an extent may change from call to call, as the batch in (None, 128, 128, 3). Where only
    the batch may, OpenVINO compiles one fixed network for each size of `batches`, on first use, and a call is cut into
    such: 15 to 20 % faster than one network of open shape. A rest smaller than the smallest of them is padded, so a
    detector's many small crops want sizes like (4, 16, 64). Where other extents may change too, one network of open
    shape serves all.

    `module` turns what it gets into floats by itself: TensorRT is fed with such.

    Raises WeightsError if a file's keys or shapes are not exactly the module's, or if what `settings` name is not
    there; OutOfMemoryError, which is one, where the network finds no room.
    """
    _make_ready(module, weights)
    if (session := _not_by_openvino(module, input_shape, settings, dtype)) is not None:
        return session
    return OpenVinoSession(module, input_shape=input_shape, settings=settings, dtype=dtype, batches=batches)


def open_item_session(
    module: torch.nn.Module,
    *,
    weights: Weights | None,
    input_shape: tuple[int | None, ...],
    settings: RuntimeSettings,
    dtype: npt.DTypeLike = np.uint8,
) -> ItemSession:
    """As `open_session`, for a network that takes a core some milliseconds an item; only the batch may be None.

    OpenVINO computes several items side by side and a lone one on all cores. On two cores that is as fast as one batch
    on both, or faster, in four fifths of the processor's time, and an item's result is the same in every batch.
    """
    _make_ready(module, weights)
    if (session := _not_by_openvino(module, input_shape, settings, dtype)) is not None:
        return session
    return OpenVinoItemSession(module, input_shape=input_shape, settings=settings, dtype=dtype)


def _not_by_openvino(
    module: torch.nn.Module, input_shape: tuple[int | None, ...], settings: RuntimeSettings, dtype: npt.DTypeLike
) -> ItemSession | None:
    """By the runtimes that make no difference between a network's batches and items."""
    chosen = choose_runtime(settings)
    if chosen == "torch":
        return TorchSession(module, input_shape=input_shape, settings=settings, dtype=dtype)
    if chosen in ("onnxruntime", "tensorrt"):
        return OnnxSession(module, input_shape=input_shape, settings=settings, dtype=dtype)
    return None


def _make_ready(module: torch.nn.Module, weights: Weights | None) -> None:
    if weights is not None:
        load_weights(module, weights)
    module.eval().requires_grad_(False)


def choose_runtime(settings: RuntimeSettings) -> Chosen:
    """What `settings` lead to on this machine: torch on CUDA where it finds that, else OpenVINO on the CPU. Raises
    WeightsError where what they name can't be had; whether ONNX Runtime has it is found out by opening a session."""
    in_question = settings.runtime in ("auto", "torch") or settings.device == "cuda"
    fault = cuda_fault() if in_question and settings.device != "cpu" else ""
    chosen: Chosen = settings.runtime if settings.runtime != "auto" else _fastest(settings.device, fault)
    if settings.device == "cuda" and chosen == "torch" and fault:
        raise WeightsError(f'{fault}; set device to "cpu" or "auto", or install a torch that is built for the card')
    if settings.device == "cuda" and chosen == "openvino":
        there = f", and {fault}" if fault else ""
        raise WeightsError(f'OpenVINO runs on the CPU here{there}; set device to "cpu", or runtime to "torch"')
    if fault not in ("", NONE) and chosen in ("torch", "openvino"):
        _warn(fault)
    return chosen


def _fastest(device: Device, fault: str) -> Chosen:
    wants_cuda = device == "cuda" or (device == "auto" and not fault)
    return "torch" if wants_cuda else "openvino"


@cache
def _warn(fault: str) -> None:
    """Once: every network asks for a session of its own."""
    logger.warning("%s; the processor does the work", fault)
