"""ArcFace (Deng et al. 2019) as an embedder, through insightface. Its published weights are not for commercial use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from blending import align
from experts.contract import ExpertError, Image
from experts.embedding import EmbedderInfo, Points, Vectors, realigned, unit
from experts.failures import reason
from weights.packages import import_package
from weights.session import RuntimeSettings
from weights.store import Store

ID = "arcface"
WEIGHTS = "arcface"
SIDE = 112
THRESHOLD = 0.35
"""What the field takes for one person's two photographs."""
POINTS = (
    np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]) + 0.5
) / SIDE
"""(5, 2) as insightface's `face_align.arcface_dst` has them, in shares of the side."""


class ArcFaceEmbedder:
    """See `experts.embedding.Embedder`. `path`: an ONNX file as insightface has them. It runs on the CPU.

    Raises ExpertError where insightface is not installed, or can't make sense of the file.
    """

    def __init__(self, path: Path, *, label: str, licence: str) -> None:
        self._network = _open(path)
        if tuple(self._network.input_size) != (SIDE, SIDE):
            raise ExpertError(f"{path} takes faces of {self._network.input_size} pixels, ArcFace's have {SIDE}")
        self._size = int(self._network.output_shape[-1])
        self._info = EmbedderInfo(
            ID, self._size, THRESHOLD, label, licence, device="cpu", runtime="onnxruntime", precision="float32"
        )

    @property
    def info(self) -> EmbedderInfo:
        return self._info

    def embed(self, crops: Image, template: Points = align.TEMPLATE) -> Vectors:
        if not len(crops):
            return np.empty((0, self._size), np.float32)
        # insightface takes OpenCV's order of colours, and turns it round itself. One by one, as it does in its own use:
        # files are known that hold a batch of one alone.
        faces = [np.ascontiguousarray(chip[..., ::-1]) for chip in realigned(crops, template, POINTS, SIDE)]
        try:
            vectors = np.concatenate([self._network.get_feat(face) for face in faces])
        except Exception as error:
            # Its runtime's own errors have no root but this.
            raise ExpertError(f"ArcFace failed: {reason(error)}") from error
        return unit(np.asarray(vectors, np.float32), ID)


def make(store: Store, _runtime: RuntimeSettings) -> ArcFaceEmbedder:
    # Looked at first: a file of 174 MB may have to be fetched.
    check_packages()
    entry = store.entry(WEIGHTS)
    return ArcFaceEmbedder(store.find(entry.id), label=entry.digest, licence=entry.licence)


def check_packages() -> tuple[Any, Any]:
    """ONNX Runtime, and insightface's module of ArcFace. Raises ExpertError where one is missing or does not load."""
    onnxruntime = import_package("onnxruntime", extra="identity", refusal=ExpertError)
    return onnxruntime, import_package("insightface.model_zoo.arcface_onnx", extra="identity", refusal=ExpertError)


def _open(path: Path) -> Any:
    """insightface's `ArcFaceONNX`, on one core, as it judges beside the networks that people wait for."""
    onnxruntime, insightface = check_packages()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return insightface.ArcFaceONNX(str(path), session=session)
    except Exception as error:
        # Neither ONNX nor its runtime has a root for what they raise.
        raise ExpertError(f"{path} can't be read as a face network in ONNX: {reason(error)}") from error
