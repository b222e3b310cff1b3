"""Real-ESRGAN's networks in ncnn's form, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from experts.contract import ExpertError, ExpertInfo, Image
from weights.packages import import_package

_NO_MEMORY = -100


class NcnnNetwork:
    """An upscaler of pictures out of a `.param` file and the `.bin` file beside it. Takes the blob `data`, gives
    `output`, both RGB of 0 to 1.

    `id`, `label` and `licence` are what its description says of it and its weights, `scale` what it enlarges by;
    `threads`: 0 for all processors. Raises ExpertError where the runtime is not installed or the files are not such a
    network.
    """

    channels = 3
    cell = 1
    whole = False

    def __init__(
        self,
        param: Path,
        weights: Path,
        *,
        id: str,
        scale: int,
        label: str = "unknown",
        licence: str = "unknown",
        threads: int = 0,
    ) -> None:
        ncnn = self.check_runtime()
        for path in (param, weights):
            if not path.is_file():
                raise ExpertError(f"{path} is no file: a network in ncnn's form is a .param and a .bin file")
        self._ncnn = ncnn
        self._network = ncnn.Net()
        self._set_up(self._network.opt, threads)
        if self._network.load_param(str(param)) or self._network.load_model(str(weights)):
            raise ExpertError(f"{param} and {weights.name} are not a network that ncnn can read")
        if self._network.input_names() != ["data"] or self._network.output_names() != ["output"]:
            raise ExpertError(f"{param} is none of Real-ESRGAN's networks: they take data and give output")
        self._info = ExpertInfo(
            id=id,
            input_size=0,
            scale=scale,
            weights=label,
            licence=licence,
            device="cpu",
            runtime="ncnn",
            precision="float32",
        )

    @staticmethod
    def check_runtime() -> Any:
        """The runtime's module. Raises ExpertError where it is not installed or does not load."""
        return import_package("ncnn", extra="ncnn", refusal=ExpertError)

    @staticmethod
    def _set_up(options: Any, threads: int) -> None:
        options.use_vulkan_compute = False
        # What it says of its precision holds on every processor.
        for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
            setattr(options, f"use_{reduced}", False)
        able = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        options.num_threads = threads or able

    @property
    def info(self) -> ExpertInfo:
        """`input_size` is 0: any size will do."""
        return self._info

    def upscale(self, image: Image) -> Image:
        """(H, W, 3) uint8 RGB to `scale` times its size.

        Raises MemoryError where there is not enough, and ExpertError where the runtime fails otherwise.
        """
        planes = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255.0)
        extractor = self._network.create_extractor()
        extractor.input("data", self._ncnn.Mat(planes).clone())
        failed, output = extractor.extract("output")
        if failed == _NO_MEMORY:
            raise MemoryError(f"ncnn has no memory for {image.shape[1]}x{image.shape[0]}")
        if failed:
            raise ExpertError(f"ncnn failed with {failed}")
        large = np.asarray(output).transpose(1, 2, 0)
        wanted = (image.shape[0] * self._info.scale, image.shape[1] * self._info.scale, 3)
        if large.shape != wanted:
            raise ExpertError(f"{self._info.id} gave {large.shape} in the place of {wanted}: it is another network")
        if not np.isfinite(large).all():
            raise ExpertError(f"{self._info.id} gave numbers that are not finite; check the weights")
        return np.asarray(np.rint(255.0 * large.clip(0.0, 1.0)), np.uint8)
