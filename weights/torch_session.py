"""Sessions on plain torch, on the CPU or CUDA."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from weights.errors import WeightsError
from weights.runtime import Array, Outcome, RuntimeSettings, Taken, check_input


class TorchSession:
    """A module run by torch as it is. bfloat16 is by autocast: inputs, outputs and sensitive sums keep their type."""

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
        self._module = _laid_out(module.to(self._device))

    @property
    def taken(self) -> Taken:
        name = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu"
        return Taken(device=name, runtime="torch", precision=str(self._precision).removeprefix("torch."))

    def run(self, array: Array) -> tuple[Array, ...]:
        check_input(array, self._shape, dtype=self._dtype)
        tensor = torch.from_numpy(np.require(array, requirements=("C", "W"))).to(self._device)
        reduced = self._precision != torch.float32
        with torch.inference_mode(), torch.autocast(self._device.type, dtype=self._precision, enabled=reduced):
            result = self._module(tensor)
        outputs = result if isinstance(result, tuple | list) else (result,)
        return tuple(_to_numpy(output) for output in outputs)

    def begin(self, array: Array) -> Outcome:
        """Begins nothing by itself: torch has all cores, or the whole device, busy with one batch."""
        check_input(array, self._shape, dtype=self._dtype)
        return partial(self.run, array)

    def prepare(self) -> None:
        """Nothing to do: torch takes every batch size as it comes."""


def _laid_out(module: torch.nn.Module) -> torch.nn.Module:
    """Channels last is how the images come, and what the convolutions of both devices are fastest in. Modulated
    convolutions (StyleGAN2) have weights of five extents, for which there is no such layout."""
    if any(parameter.dim() > 4 for parameter in module.parameters()):
        return module
    return module.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _to_numpy(output: torch.Tensor) -> Array:
    # numpy has no bfloat16; and what comes out must not depend on what it was computed in.
    plain = output.float() if output.dtype == torch.bfloat16 else output
    return plain.contiguous().cpu().numpy()


def _device_name(settings: RuntimeSettings) -> str:
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself, so that it is faster than float32 and not slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def _precision(settings: RuntimeSettings, device: torch.device) -> torch.dtype:
    able = has_bfloat16(device)
    if settings.precision == "bfloat16" and not able:
        raise WeightsError(f'this {device.type} device has no bfloat16; set precision to "auto" or "float32"')
    wanted = able if settings.precision == "auto" else settings.precision == "bfloat16"
    return torch.bfloat16 if wanted else torch.float32
