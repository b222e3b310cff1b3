"""Sessions on ONNX Runtime: a module exported once, run on the CPU, on CUDA, or by TensorRT."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from weights.batching import WARM, fill, joined, padded_size, parts_of
from weights.errors import OutOfMemoryError, WeightsError
from weights.failures import is_want_of_memory, reason, telling_memory
from weights.onnx_export import INPUT, export
from weights.onnx_providers import (
    Target,
    check_taken,
    choose_target,
    device_name,
    not_taken,
    onnxruntime,
    providers_for,
    record_places,
)
from weights.runtime import Array, Outcome, RuntimeSettings, Taken, check_input

WARM_EXTENT = 64
PRECISIONS = {"cpu": "float32", "cuda": "float32", "tensorrt": "float32/tf32"}
"""TensorRT may take TensorFloat-32, and can't be told not to."""
ERRORS_ONLY = 3
"""Of ONNX Runtime's log: it warns of operations that it rightly leaves to the CPU."""


class OnnxSession:
    """A module run by ONNX Runtime. On a card batches are padded as `weights.batching` has it.

    Raises WeightsError where a package is missing, or what `settings` name is not there or not what it would run on.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_shape: tuple[int | None, ...],
        settings: RuntimeSettings,
        dtype: npt.DTypeLike,
    ) -> None:
        self._shape = input_shape
        self._dtype = np.dtype(dtype)
        target = choose_target(settings)
        half = settings.precision == "float16"
        # TensorRT takes bytes as input, but moves none: what comes before the first sum would be left to CUDA, and the
        # batch of the rest be unknown.
        self._fed = np.dtype(np.float32) if target == "tensorrt" else self._dtype
        self._taken = Taken(
            device=device_name(target),
            runtime="tensorrt" if target == "tensorrt" else "onnxruntime",
            precision="float16" if half else PRECISIONS[target],
        )
        # TensorRT chooses by itself what it computes in half.
        model = export(module, input_shape, dtype=self._fed, half=half and target == "cuda")
        self._session = _open(model, target, input_shape, settings, half=half)
        self._pads = target != "cpu" and input_shape[0] is None and None not in input_shape[1:]

    @property
    def taken(self) -> Taken:
        return self._taken

    def run(self, array: Array) -> tuple[Array, ...]:
        check_input(array, self._shape, dtype=self._dtype)
        # An empty batch is one item less: some networks reshape by what their batch leaves over.
        if not self._pads and len(array):
            return self._compute(array)
        return joined([self._padded(part) for part in parts_of(array)])

    def begin(self, array: Array) -> Outcome:
        """Begins nothing by itself: ONNX Runtime has all cores, or the whole card, busy with one batch."""
        check_input(array, self._shape, dtype=self._dtype)
        return partial(self.run, array)

    def prepare(self) -> None:
        """Computes once what frames mostly have: the first call is slow, and by TensorRT, for a network of open
        extents, takes minutes for each range of sizes that was never met on this machine."""
        extents = [WARM_EXTENT if extent is None else extent for extent in self._shape[1:]]
        for size in WARM if self._shape[0] is None else (self._shape[0],):
            self.run(np.zeros((size, *extents), self._dtype))

    def _padded(self, part: Array) -> tuple[Array, ...]:
        padded = np.empty((padded_size(len(part)), *part.shape[1:]), part.dtype)
        fill(part, padded)
        return tuple(output[: len(part)] for output in self._compute(padded))

    def _compute(self, array: Array) -> tuple[Array, ...]:
        fed = np.ascontiguousarray(array, self._fed)
        with telling_memory(self._taken.device):
            try:
                return tuple(self._session.run(None, {INPUT: fed}))
            except Exception as error:
                # ONNX Runtime's own errors have no root but this.
                if is_want_of_memory(error):
                    raise OutOfMemoryError(self._taken.device, reason(error)) from error
                raise RuntimeError(reason(error)) from error


def _open(
    model: bytes, target: Target, input_shape: tuple[int | None, ...], settings: RuntimeSettings, *, half: bool
) -> Any:
    package = onnxruntime()
    options = package.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = settings.threads
    # Idle threads would keep the cores from whoever has the frame next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    record_places(options)
    providers = providers_for(target, model, input_shape, half=half)
    try:
        session = package.InferenceSession(model, options, providers=providers, enable_fallback=0)
    except Exception as error:
        # As above; some providers that do not load end here.
        if is_want_of_memory(error):
            raise OutOfMemoryError(device_name(target), reason(error)) from error
        raise WeightsError(not_taken(target, reason(error))) from error
    check_taken(session, target)
    return session
