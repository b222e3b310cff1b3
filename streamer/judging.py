"""Who judges restored faces: an embedder with a thread of its own, behind all streams."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from experts.embedding import Embedder, EmbedderInfo, laid_on
from streamer.frame import Plane


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A face to be judged: `crop` (S, S, 3) and what an expert made of it, `restored` (R, R, 3), of which the lane lays
    on `strength`. Both are aligned to `blending.align.TEMPLATE`."""

    crop: Plane
    restored: Plane
    strength: float


class Judge:
    """Takes cases from any thread and tells of each when it is done. `close` it; what still waits is dropped then."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="judge")

    @property
    def info(self) -> EmbedderInfo:
        return self._embedder.info

    def begin(self, case: Case) -> Future[float]:
        """The cosine between a face as it was and as its lane lays it on, to come.

        The arrays stay as they are until then. The result raises ExpertError where the embedder fails.
        """
        return self._thread.submit(self._similarity, case)

    def _similarity(self, case: Case) -> float:
        before = self._embedder.embed(case.crop[None])[0]
        seen = laid_on(case.crop[None], case.restored[None], case.strength)
        return float(before @ self._embedder.embed(seen)[0])

    def close(self) -> None:
        """May be called twice."""
        self._thread.shutdown(wait=True, cancel_futures=True)
