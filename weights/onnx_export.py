"""A torch module as an ONNX model."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
import torch

from weights.errors import WeightsError
from weights.failures import reason
from weights.packages import import_package

EXTRA = "onnx"
INPUT = "input"
OPSET = 17
"""The first that has LayerNormalization, so that runtimes find it whole. All networks here are expressed by it."""
TRACED_BATCH = 2
TRACED_EXTENT = 64


def export(
    module: torch.nn.Module, input_shape: tuple[int | None, ...], *, dtype: npt.DTypeLike, half: bool = False
) -> bytes:
    """The module, with its parameters, as the bytes of an ONNX model with one input, `INPUT`, of open extents where
    `input_shape` has None.

    `half`: convolutions and products of matrices are in float16, as torch's autocast has it; outputs stay float32. The
    same module gives the same bytes. Raises WeightsError where the package is missing, or something in the module can't
    be expressed.
    """
    import_package("onnx", extra=EXTRA, refusal=WeightsError)
    extents = [TRACED_EXTENT if extent is None else extent for extent in input_shape]
    # Of one, the tracer would take some operations as constant.
    extents[0] = input_shape[0] or TRACED_BATCH
    example = torch.zeros(extents, dtype=torch.from_numpy(np.empty(0, dtype)).dtype)
    open_axes = {axis: f"extent{axis}" for axis, extent in enumerate(input_shape) if extent is None}
    made = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # By the tracer, which is on its way out in favour of torch.export: that needs one more package. It warns of
        # what is constant by the architecture, too.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                _Half(module) if half else module,
                (example,),
                made,  # type: ignore[arg-type]  # typed for the other exporter; the tracer's takes buffers
                input_names=[INPUT],
                dynamic_axes={INPUT: open_axes} if open_axes else None,
                opset_version=OPSET,
                # ONNX Runtime does it, too, and better.
                do_constant_folding=False,
                dynamo=False,
            )
        except RuntimeError as error:
            # The exporter's own errors, and the tracer's, which it lets through.
            what = "this network can't be put into ONNX"
            raise WeightsError(f'{what} ({reason(error)}); set runtime to "auto"') from error
    return made.getvalue()


class _Half(torch.nn.Module):
    """A module in float16 where torch's autocast for CUDA would take that, and its outputs in float32."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # What is cached between the operations would be traced as if it came from nowhere.
        with torch.autocast("cpu", dtype=torch.float16, cache_enabled=False):
            result = self.module(batch)
        outputs = result if isinstance(result, tuple | list) else (result,)
        return tuple(output.float() if output.is_floating_point() else output for output in outputs)
