"""dlib's face recognition network as an embedder: free for every use, and 22 MB.

It is run by our own session, not by dlib: that takes fifteen times as long, with all other threads standing still.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from blending import align
from experts.contract import ExpertError, Image
from experts.dlib_file import read_network
from experts.embedding import EmbedderInfo, Points, Vectors, realigned, unit
from experts.failures import reason
from experts.networks.dlib_resnet import SIDE, SIZE
from weights.session import RuntimeSettings, choose_runtime, open_session
from weights.store import Store

ID = "dlib"
WEIGHTS = "dlib-embedding"
THRESHOLD = 0.92
"""Of 300 photographs' faces, spoiled and restored, the least alike has 0.94 with the face before; with another's, 1 in
100 has 0.92. dlib's own rule, a distance of 0.6 between vectors that are not of length 1, comes to about 0.90."""

_PADDING = 0.25
_MEAN_FACE = np.array(
    [[0.22549, 0.21599], [0.75476, 0.21599], [0.49013, 0.51563], [0.25415, 0.78023], [0.72610, 0.78023]]
)
POINTS = (_MEAN_FACE + _PADDING) / (1.0 + 2.0 * _PADDING)
"""(5, 2): the middles of the eyes, the tip of the nose and the corners of the mouth in dlib's chip, in shares of its
side: those of the mean face in its `get_face_chip_details`, with its padding around."""


class DlibEmbedder:
    """See `experts.embedding.Embedder`. `path`: dlib's own file.

    Raises ExpertError where it is another file, WeightsError where what `runtime` asks for is not there.
    """

    def __init__(self, path: Path, *, label: str, licence: str, runtime: RuntimeSettings) -> None:
        # One core is left to it: it judges beside the networks that people wait for. By torch threads are counted for
        # the whole process, so that one for it would be one for all.
        settings = runtime if choose_runtime(runtime) == "torch" else replace(runtime, threads=1)
        self._session = open_session(
            read_network(path), weights=None, input_shape=(None, SIDE, SIDE, 3), settings=settings, batches=(1,)
        )
        self._session.prepare()
        taken = self._session.taken
        self._info = EmbedderInfo(
            ID, SIZE, THRESHOLD, label, licence, device=taken.device, runtime=taken.runtime, precision=taken.precision
        )

    @property
    def info(self) -> EmbedderInfo:
        return self._info

    def embed(self, crops: Image, template: Points = align.TEMPLATE) -> Vectors:
        if not len(crops):
            return np.empty((0, SIZE), np.float32)
        try:
            (vectors,) = self._session.run(realigned(crops, template, POINTS, SIDE))
        except (RuntimeError, MemoryError) as error:
            raise ExpertError(f"dlib's network failed: {reason(error)}") from error
        return unit(np.asarray(vectors, np.float32), ID)


def make(store: Store, runtime: RuntimeSettings) -> DlibEmbedder:
    entry = store.entry(WEIGHTS)
    return DlibEmbedder(store.find(entry.id), label=entry.digest, licence=entry.licence, runtime=runtime)
