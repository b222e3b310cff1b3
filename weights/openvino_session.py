"""Sessions on OpenVINO: a traced torch module compiled for the CPU."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch.jit._trace import TracerWarning

from weights.errors import WeightsError
from weights.runtime import Array, RuntimeSettings, Taken, check_input

logger = logging.getLogger(__name__)

DEVICE = "CPU"
TRACED_BATCH = 2
TRACED_EXTENT = 64
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
PRECISION_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}

_core_lock = threading.Lock()
_core: ov.Core | None = None


def core() -> ov.Core:
    """The process's one OpenVINO core, which holds its plugins and thread pools."""
    global _core
    with _core_lock:
        if _core is None:
            _core = ov.Core()
        return _core


class _ThreadRequests(threading.local):
    """Each thread's own requests, made in that thread when it first looks."""

    def __init__(self) -> None:
        self.by_batch: dict[int, ov.InferRequest] = {}


class OpenVinoSession:
    """A module compiled by OpenVINO; see `weights.session.open_session` for the shapes that it takes."""

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_shape: tuple[int | None, ...],
        settings: RuntimeSettings,
        dtype: npt.DTypeLike,
        batches: Sequence[int],
    ) -> None:
        self._shape = input_shape
        self._dtype = np.dtype(dtype)
        self._config = _compile_config(settings)
        self._model = _convert(module, input_shape, dtype=self._dtype)
        self._fixed = None not in input_shape[1:]
        self._batches = _batch_sizes(input_shape, batches)
        self._plans: dict[int, ov.CompiledModel] = {}
        self._plans_lock = threading.Lock()
        self._requests = _ThreadRequests()
        self._taken = _taken(self._plan(self._batches[-1] if self._fixed else 0))

    @property
    def taken(self) -> Taken:
        return self._taken

    def run(self, array: Array) -> tuple[Array, ...]:
        check_input(array, self._shape, dtype=self._dtype)
        # OpenVINO maps the array instead of copying it, which numpy refuses for one that can't be written to.
        mapped = np.require(array, requirements=("C", "W"))
        return self._run_fixed(mapped) if self._fixed else self._run_open(mapped)

    def prepare(self) -> None:
        """Compiles every batch size now, so that no later call has to wait for it."""
        for size in self._batches:
            self._plan(size)

    def _run_open(self, array: Array) -> tuple[Array, ...]:
        request = self._request(0)
        request.set_input_tensor(0, ov.Tensor(array, shared_memory=True))
        request.infer()
        # The request reuses its own output memory in the next call: the caller gets a copy.
        return tuple(np.array(tensor.data) for tensor in request.output_tensors)

    def _run_fixed(self, array: Array) -> tuple[Array, ...]:
        count = array.shape[0]
        outputs = self._empty_outputs(count)
        start = 0
        for size in split_batch(count, self._batches):
            stop = min(start + size, count)
            if stop - start == size:
                self._infer_into(array[start:stop], [out[start:stop] for out in outputs])
            else:
                self._infer_padded(array[start:stop], [out[start:stop] for out in outputs], size=size)
            start = stop
        return outputs

    def _empty_outputs(self, count: int) -> tuple[Array, ...]:
        ports = self._plan(self._batches[-1]).outputs
        return tuple(np.empty((count, *tuple(port.shape)[1:]), port.element_type.to_dtype()) for port in ports)

    def _infer_into(self, array: Array, outputs: Sequence[Array]) -> None:
        request = self._request(array.shape[0])
        aim(request, array, outputs)
        request.infer()

    def _infer_padded(self, array: Array, outputs: Sequence[Array], *, size: int) -> None:
        padded = np.zeros((size, *array.shape[1:]), array.dtype)
        padded[: array.shape[0]] = array
        results = [np.empty((size, *out.shape[1:]), out.dtype) for out in outputs]
        self._infer_into(padded, results)
        for out, result in zip(outputs, results, strict=True):
            out[:] = result[: array.shape[0]]

    def _plan(self, batch: int) -> ov.CompiledModel:
        plan = self._plans.get(batch)
        if plan is not None:
            return plan
        with self._plans_lock:
            if batch not in self._plans:
                self._plans[batch] = self._compile(batch)
            return self._plans[batch]

    def _compile(self, batch: int, special: Mapping[str, Any] = MappingProxyType({})) -> ov.CompiledModel:
        model = self._model.clone()
        first = batch if self._fixed else self._shape[0]
        model.reshape([-1 if extent is None else extent for extent in (first, *self._shape[1:])])
        return core().compile_model(model, DEVICE, {**self._config, **special})

    def _request(self, batch: int) -> ov.InferRequest:
        """This thread's own request for a plan: one request serves one thread at a time."""
        mine = self._requests.by_batch
        if batch not in mine:
            mine[batch] = self._plan(batch).create_infer_request()
        return mine[batch]


def aim(request: ov.InferRequest, array: Array, outputs: Sequence[Array]) -> None:
    """Has a request read from `array` and write into `outputs`, which the caller keeps until it is done."""
    request.set_input_tensor(0, ov.Tensor(array, shared_memory=True))
    for index, out in enumerate(outputs):
        request.set_output_tensor(index, ov.Tensor(out, shared_memory=True))


def split_batch(count: int, sizes: Sequence[int]) -> Iterator[int]:
    """Sizes, largest first, that add up to `count`, or pass it where the last is padded; `sizes` fall."""
    while count > 0:
        size = next((size for size in sizes if size <= count), sizes[-1])
        yield size
        count -= size


def _batch_sizes(input_shape: tuple[int | None, ...], batches: Sequence[int]) -> tuple[int, ...]:
    if input_shape[0] is not None:
        return (input_shape[0],)
    if not batches or min(batches) < 1:
        raise ValueError(f"batches must be positive sizes, not {batches}")
    return tuple(sorted(set(batches), reverse=True))


def _compile_config(settings: RuntimeSettings) -> dict[str, Any]:
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if settings.threads:
        config["INFERENCE_NUM_THREADS"] = settings.threads
    if settings.precision == "float16":
        raise WeightsError('float16 is for CUDA, OpenVINO runs on the CPU here; set precision to "auto"')
    if settings.precision != "auto":
        wanted = PRECISIONS[settings.precision]
        able = core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
        if wanted == "bf16" and "BF16" not in able:
            raise WeightsError('this CPU has no bfloat16; set precision to "auto" or "float32"')
        config["INFERENCE_PRECISION_HINT"] = wanted
    return config


def _convert(module: torch.nn.Module, input_shape: tuple[int | None, ...], *, dtype: np.dtype[Any]) -> ov.Model:
    """The module as an OpenVINO model of open shape.

    By the PyTorch frontend itself, in half the time of `openvino.convert_model`, which wraps it.
    """
    extents = [TRACED_EXTENT if extent is None else extent for extent in input_shape]
    # Of one, the tracer would take some operations as constant.
    extents[0] = input_shape[0] or TRACED_BATCH
    example = torch.zeros(extents, dtype=_torch_type(dtype))
    with warnings.catch_warnings():
        # The tracer is deprecated in favour of torch.export, but remains OpenVINO's own way in.
        warnings.simplefilter("ignore", DeprecationWarning)
        # What is constant by the architecture is traced as a constant, which the tracer warns about.
        warnings.simplefilter("ignore", TracerWarning)
        # Tracing a second time to compare would import a part of torch that takes more than a second to load.
        decoder = TorchScriptPythonDecoder(module, example_input=example, trace_kwargs={"check_trace": False})
    frontend = FrontEndManager().load_by_framework("pytorch")
    return frontend.convert(frontend.load(decoder))


def _torch_type(dtype: np.dtype[Any]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype


def _taken(plan: ov.CompiledModel) -> Taken:
    precision = plan.get_property("INFERENCE_PRECISION_HINT").to_string()
    devices = ",".join(plan.get_property("EXECUTION_DEVICES")).lower()
    return Taken(device=devices, runtime="openvino", precision=PRECISION_NAMES.get(precision, precision))
