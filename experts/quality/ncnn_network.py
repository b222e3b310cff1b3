"""Real-ESRGAN's networks in ncnn's form, on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from experts.contract import ExpertError, Image
from experts.quality.sample import SCALE


class NcnnNetwork:
    """An upscaler out of a `.param` file and the `.bin` file beside it. Takes the blob `data`, gives `output`, both RGB
    of 0 to 1.

    Raises ExpertError where the runtime is not installed or the files are not such a network.
    """

    def __init__(self, param: Path, weights: Path) -> None:
        ncnn = self.check_runtime()
        for path in (param, weights):
            if not path.is_file():
                raise ExpertError(f"{path} is no file: a network in ncnn's form is a .param and a .bin file")
        self._ncnn = ncnn
        self._network = ncnn.Net()
        self._network.opt.use_vulkan_compute = False
        self._network.opt.num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        if self._network.load_param(str(param)) or self._network.load_model(str(weights)):
            raise ExpertError(f"{param} and {weights.name} are not a network that ncnn can read")
        if self._network.input_names() != ["data"] or self._network.output_names() != ["output"]:
            raise ExpertError(f"{param} is none of Real-ESRGAN's networks: they take data and give output")

    @staticmethod
    def check_runtime() -> Any:
        """The runtime's module. Raises ExpertError where it is not installed."""
        try:
            import ncnn
        except ImportError as error:
            raise ExpertError("it needs the package ncnn: install Facelane as '.[bench]'") from error
        return ncnn

    def upscale(self, picture: Image) -> Image:
        """(H, W, 3) uint8 RGB to `SCALE` times its size; a network for more is averaged down to it."""
        planes = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / np.float32(255.0)
        extractor = self._network.create_extractor()
        extractor.input("data", self._ncnn.Mat(planes).clone())
        failed, output = extractor.extract("output")
        if failed:
            raise ExpertError(f"ncnn failed with {failed}")
        large = np.asarray(output).transpose(1, 2, 0)
        height, width = picture.shape[:2]
        if large.shape[0] != SCALE * height:
            large = cv2.resize(large, (SCALE * width, SCALE * height), interpolation=cv2.INTER_AREA)
        return np.asarray(np.rint(255.0 * large.clip(0.0, 1.0)), np.uint8)
