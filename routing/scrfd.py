"""SCRFD (Guo et al. 2021, Sample and Computation Redistribution for Efficient Face Detection), through insightface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from routing.crops import Image
from routing.types import RoutingError
from routing.whole import Found, ScoreScale
from weights import cuda
from weights.failures import reason
from weights.onnx_providers import Place, check_taken, device_name, load_cuda, providers_on, record_places
from weights.packages import import_package
from weights.session import RuntimeSettings, Taken

ID = "scrfd"
EXTRA = "identity"
SCORES = ScoreScale(follow=0.35, face=0.5, sure=0.65)
"""`face` is insightface's own bound; the others lie about it as YuNet's do."""
BLOCK = 32
WITH_LANDMARKS = (9, 15)
"""How many outputs SCRFD's files have that know landmarks, for three or five sizes of faces."""


class ScrfdFinder:
    """See `routing.whole.Finder`. `path`: an ONNX file as insightface has them, one for pictures of a fixed size among
    them, into which every picture is fitted.

    It runs by ONNX Runtime, on CUDA where that knows it and the settings allow. Raises RoutingError where insightface
    is not installed, the device is not there, or the file is another network's.
    """

    def __init__(self, path: Path, runtime: RuntimeSettings, *, least: float = SCORES.follow) -> None:
        self._target = _target(runtime)
        self._network = _open(path, self._target)
        self._least = least
        try:
            self.find(np.zeros((BLOCK, BLOCK, 3), np.uint8))
        except Exception as error:
            # Neither its runtime nor what insightface does with wrong outputs has a root.
            raise RoutingError(f"{path} is no SCRFD network in ONNX: {reason(error)}") from error

    @property
    def taken(self) -> Taken:
        return Taken(device=device_name(self._target), runtime="onnxruntime", precision="float32")

    def find(self, image: Image) -> Found:
        width, height = self._input_size(image.shape[1], image.shape[0])
        padded = image if self._fixed else _padded(image, width, height)
        # It takes OpenCV's order of colours.
        picture = np.ascontiguousarray(padded[:, :, ::-1])
        faces, landmarks = self._network.detect(picture, (width, height), det_thresh=self._least)
        faces, landmarks = np.asarray(faces, np.float32), np.asarray(landmarks, np.float32)
        return Found(faces[:, :4], landmarks.reshape(-1, 5, 2), faces[:, 4])

    def pixels(self, width: int, height: int) -> int:
        taken = self._input_size(width, height)
        return taken[0] * taken[1]

    @property
    def _fixed(self) -> tuple[int, int] | None:
        size = self._network.static_input_size
        return None if size is None else (int(size[0]), int(size[1]))

    def _input_size(self, width: int, height: int) -> tuple[int, int]:
        return self._fixed or (-(-width // BLOCK) * BLOCK, -(-height // BLOCK) * BLOCK)


def _padded(image: Image, width: int, height: int) -> Image:
    """The picture in the corner of a black one, as insightface does it: so it is not scaled."""
    padded = np.zeros((height, width, 3), np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded


def _target(runtime: RuntimeSettings) -> Place:
    onnxruntime = import_package("onnxruntime", extra=EXTRA, refusal=RoutingError)
    if has_card := runtime.device != "cpu" and cuda.has_card():
        load_cuda()
    has_cuda = has_card and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if runtime.device == "cuda" and not has_cuda:
        raise RoutingError('ONNX Runtime, by which SCRFD runs, finds no CUDA; set [runtime] device to "cpu" or "auto"')
    return "cuda" if has_cuda else "cpu"


def import_packages() -> tuple[Any, Any]:
    """ONNX Runtime, and insightface's module of SCRFD. Raises RoutingError where one is missing or does not load."""
    scrfd = import_package("insightface.model_zoo.scrfd", extra=EXTRA, refusal=RoutingError)
    return import_package("onnxruntime", extra=EXTRA, refusal=RoutingError), scrfd


def _open(path: Path, target: Place) -> Any:
    """insightface's `SCRFD`, with one session for pictures of all sizes. Raises WeightsError where it is not where it
    was to be."""
    onnxruntime, scrfd = import_packages()
    options = onnxruntime.SessionOptions()
    if target != "cpu":
        record_places(options)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers_on(target), enable_fallback=0)
    except Exception as error:
        # ONNX Runtime's own errors have no root but this.
        raise RoutingError(f"{path} can't be read as a network in ONNX: {reason(error)}") from error
    check_taken(session, target)
    if len(session.get_outputs()) not in WITH_LANDMARKS:
        outputs = len(session.get_outputs())
        raise RoutingError(f"{path} is no SCRFD network with landmarks: it has {outputs} outputs, not 9 or 15")
    return scrfd.SCRFD(str(path), session=session, static_shape_sessions=False)
