"""Sessions on OpenVINO for items that are each work enough for a core, as faces are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch

from weights.openvino_session import OpenVinoSession, aim
from weights.runtime import Array, Outcome, RuntimeSettings, check_input

MOST_STREAMS = 4
"""With more cores than that, each stream has several: few frames have more faces."""


class OpenVinoItemSession(OpenVinoSession):
    """A lone item has all cores; several are computed side by side, each in a stream of its own: two threads at one
    item wait for each other, which costs a quarter more of the processor's time."""

    def __init__(
        self,
        module: torch.nn.Module,
        *,
        input_shape: tuple[int | None, ...],
        settings: RuntimeSettings,
        dtype: npt.DTypeLike,
    ) -> None:
        super().__init__(module, input_shape=input_shape, settings=settings, dtype=dtype, batches=(1,))
        self._streams: ov.CompiledModel | None = None
        self._idle: list[ov.InferRequest] = []

    def run(self, array: Array) -> tuple[Array, ...]:
        check_input(array, self._shape, dtype=self._dtype)
        return super().run(array) if len(array) == 1 else self.begin(array)()

    def begin(self, array: Array) -> Outcome:
        check_input(array, self._shape, dtype=self._dtype)
        items = np.require(array, requirements=("C", "W"))
        outputs = self._empty_outputs(len(items))
        started = _Started(self._idle, outputs)
        for index in range(len(items)):
            request = self._idle_request()
            aim(request, items[index : index + 1], [out[index : index + 1] for out in outputs])
            started.add(request, items)
        return started

    def prepare(self) -> None:
        super().prepare()
        self._compiled_streams()

    def _idle_request(self) -> ov.InferRequest:
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled_streams().create_infer_request()

    def _compiled_streams(self) -> ov.CompiledModel:
        threads = self._plan(1).get_property("INFERENCE_NUM_THREADS")
        with self._plans_lock:
            if self._streams is None:
                self._streams = self._compile(1, _stream_config(threads))
            return self._streams


class _Started:
    """Requests under way, and what they write into. Forgotten, it waits: nothing else keeps that memory."""

    def __init__(self, idle: list[ov.InferRequest], outputs: Sequence[Array]) -> None:
        self._idle = idle
        self._outputs = tuple(outputs)
        self._busy: list[tuple[ov.InferRequest, Array]] = []

    def add(self, request: ov.InferRequest, items: Array) -> None:
        self._busy.append((request, items))
        request.start_async()

    def __call__(self) -> tuple[Array, ...]:
        self._wait()
        return self._outputs

    def __del__(self) -> None:
        self._wait()

    def _wait(self) -> None:
        busy, self._busy = self._busy, []
        # Of several that fail, the rest must have ended, too, before the error is told.
        with ExitStack() as all_of_them:
            for request, _ in busy:
                all_of_them.callback(request.wait)
        self._idle.extend(request for request, _ in busy)


def _stream_config(threads: int) -> dict[str, object]:
    return {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": min(threads, MOST_STREAMS),
        "INFERENCE_NUM_THREADS": threads,
        # Each model would pin its first stream to the first core, where two models are to share the cores.
        "ENABLE_CPU_PINNING": False,
    }
