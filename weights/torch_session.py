"""Sessions on plain torch, on the CPU or CUDA."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from weights.batching import WARM
from weights.errors import WeightsError
from weights.failures import reason, telling_memory
from weights.runtime import Array, Outcome, RuntimeSettings, Taken, check_input
from weights.torch_cuda import cuda_fault
from weights.torch_queue import DeviceQueue

WARM_EXTENT = 64
"""Of what may be of any size, in pixels: enough to have a card load its kernels."""
TENSOR_CORES = (7, 0)
"""The compute capability from which float16 is faster than float32."""
REDUCED = (torch.bfloat16, torch.float16)
IN_REDUCED = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)
"""Layers that compute in reduced precision by autocast, with all that they hold; what derives from them may not."""


class TorchSession:
    """A module run by torch as it is. Reduced precision is by autocast: inputs, outputs and sensitive sums keep their
    type. On CUDA a batch is padded to the next power of two, see `weights.batching`, where its size is open."""

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_shape: tuple[int | None, ...],
        settings: RuntimeSettings,
        dtype: npt.DTypeLike,
    ) -> None:
        self._shape = input_shape
        self._device = torch.device(_device_name(settings))
        self._precision = _precision(settings, self._device)
        self._dtype = np.dtype(dtype)
        if settings.threads and self._device.type == "cpu":
            torch.set_num_threads(settings.threads)
        if self._device.type == "cuda":
            _set_up_cuda()
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        self._taken = Taken(device=name, runtime="torch", precision=_word(self._precision))
        try:
            with telling_memory(name):
                self._module = _laid_out(module.to(self._device))
                if self._precision in REDUCED:
                    _reduce_weights(self._module, self._precision)
        except RuntimeError as error:
            raise WeightsError(f"torch can't bring this network to {name} ({reason(error)}){_advice(name)}") from error
        pads = input_shape[0] is None and None not in input_shape[1:]
        self._queue = DeviceQueue(self._compute, self._device, name=name, pads=pads)

    @property
    def taken(self) -> Taken:
        return self._taken

    def run(self, array: Array) -> tuple[Array, ...]:
        return self.begin(array)()

    def begin(self, array: Array) -> Outcome:
        """On CUDA all is under way when this returns. On the CPU nothing is begun by itself: torch has all cores busy
        with one batch."""
        check_input(array, self._shape, dtype=self._dtype)
        return partial(self._run_here, array) if self._device.type == "cpu" else self._queue.begin(array)

    def prepare(self) -> None:
        """On CUDA, where the first call of each size is slow, computes what frames mostly have. On the CPU torch takes
        every batch size as it comes."""
        if self._device.type == "cpu":
            return
        extents = [WARM_EXTENT if extent is None else extent for extent in self._shape[1:]]
        for size in WARM if self._shape[0] is None else (self._shape[0],):
            self.run(np.zeros((size, *extents), self._dtype))

    def _run_here(self, array: Array) -> tuple[Array, ...]:
        with telling_memory("cpu"):
            outputs = self._compute(torch.from_numpy(np.require(array, requirements=("C", "W"))))
        return tuple(output.contiguous().numpy() for output in outputs)

    def _compute(self, tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
        reduced = self._precision in REDUCED
        with torch.inference_mode(), torch.autocast(self._device.type, dtype=self._precision, enabled=reduced):
            result = self._module(tensor)
        outputs = result if isinstance(result, tuple | list) else (result,)
        # numpy has no bfloat16; and what comes out must not depend on what it was computed in.
        return tuple(output.float() if output.dtype in REDUCED else output for output in outputs)


def _advice(name: str) -> str:
    return "" if name == "cpu" else '; set [runtime] device to "cpu"'


def _set_up_cuda() -> None:
    """For the whole process, as torch has it. float32 is what it says: the 10 bits of TensorFloat-32 would move
    landmarks. cuDNN's search for the fastest way of each convolution stays off: films and photographs come in all
    sizes, and it would begin anew at each."""
    torch.backends.cudnn.allow_tf32 = False


def _laid_out(module: torch.nn.Module) -> torch.nn.Module:
    """Channels last is how the images come, and what the convolutions of both devices are fastest in. Modulated
    convolutions (StyleGAN2) have weights of five extents, for which there is no such layout."""
    if any(parameter.dim() > 4 for parameter in module.parameters()):
        return module
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _reduce_weights(module: torch.nn.Module, precision: torch.dtype) -> None:
    """Of the layers that autocast computes in `precision`: it would make the same of them anew in every call, and have
    both in memory."""
    for layer in module.modules():
        if type(layer) in IN_REDUCED:
            layer.to(precision)


def _device_name(settings: RuntimeSettings) -> str:
    if settings.device != "auto":
        return settings.device
    return "cpu" if cuda_fault() else "cuda"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself, so that it is faster than float32 and not slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def has_float16(device: torch.device) -> bool:
    """The same for float16, of which the product makes use on CUDA alone."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= TENSOR_CORES


def takes_precision(settings: RuntimeSettings) -> str:
    """What a session on torch would compute in, as "bfloat16". Raises WeightsError where that is not there."""
    return _word(_precision(settings, torch.device(_device_name(settings))))


def finest_half(settings: RuntimeSettings) -> RuntimeSettings:
    """The same for networks that were made elsewhere: where "auto" leads to a card with tensor cores, float16, as their
    own programs have it. Of a number it keeps 11 bits, bfloat16 8, which is seen: by autocast on a processor, with
    random weights, Real-ESRGAN x2plus is off by 1 level of 255 at most in the one and by 10 in the other, GFPGAN by 1
    and by 3."""
    device = torch.device(_device_name(settings))
    if settings.precision != "auto" or not has_float16(device):
        return settings
    return replace(settings, precision="float16")


def _word(precision: torch.dtype) -> str:
    return str(precision).removeprefix("torch.")


def _precision(settings: RuntimeSettings, device: torch.device) -> torch.dtype:
    if settings.precision == "auto":
        if has_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if has_float16(device) else torch.float32
    if settings.precision == "bfloat16" and not has_bfloat16(device):
        raise WeightsError(f'this {device.type} device has no bfloat16; set precision to "auto" or "float32"')
    if settings.precision == "float16" and device.type != "cuda":
        raise WeightsError('float16 is for CUDA; on the CPU set precision to "auto", "float32" or "bfloat16"')
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.precision]
