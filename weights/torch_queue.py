"""Batches on a card, which computes while the caller goes on: copied there, computed and copied back, all in order.

Nothing waits before the result is asked for. Copies go through memory that the card reads and writes by itself (pinned:
of torch's own pool, which lends none again before the copy is done).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from weights.batching import fill, joined, padded_size, parts_of
from weights.failures import telling_memory
from weights.runtime import Array, Outcome

Compute = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]


@dataclass(frozen=True, slots=True)
class _Begun:
    """Outputs that are on their way, and what tells that they have come: None where nothing is left to wait for."""

    outputs: tuple[torch.Tensor, ...]
    done: torch.cuda.Event | None

    def wait(self) -> tuple[Array, ...]:
        if self.done is not None:
            self.done.synchronize()
        return tuple(output.numpy() for output in self.outputs)


class DeviceQueue:
    """Runs `compute` on `device`. `pads`: batches are filled up to the next power of two, and cut into parts.

    It works on any device of torch; on the processor nothing is pinned, and all is done when `begin` returns.
    """

    def __init__(self, compute: Compute, device: torch.device, *, name: str, pads: bool) -> None:
        self._compute = compute
        self._device = device
        self._name = name
        self._pads = pads

    def begin(self, array: Array) -> Outcome:
        """Begins with a batch, and is done with `array` when it returns. It and the outcome raise OutOfMemoryError for
        want of the card's memory, and RuntimeError where the card fails otherwise."""
        with telling_memory(self._name):
            begun = [self._enqueue(part) for part in (parts_of(array) if self._pads else (array,))]
        return lambda: self._finish(begun)

    def _enqueue(self, part: Array) -> _Begun:
        size = padded_size(len(part)) if self._pads else len(part)
        staged = self._host((size, *part.shape[1:]), torch.from_numpy(np.empty(0, part.dtype)).dtype)
        fill(part, staged.numpy())
        outputs = self._compute(staged.to(self._device, non_blocking=True))
        fetched = tuple(self._fetch(output[: len(part)] if self._pads else output) for output in outputs)
        return _Begun(fetched, self._mark())

    def _fetch(self, output: torch.Tensor) -> torch.Tensor:
        host = self._host(tuple(output.shape), output.dtype)
        # In one piece, else the copy would wait.
        return host.copy_(output.contiguous(), non_blocking=True)

    def _host(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(shape, dtype=dtype, pin_memory=self._device.type == "cuda")

    def _mark(self) -> torch.cuda.Event | None:
        if self._device.type != "cuda":
            return None
        # One that lets the thread sleep: it would spin, and take a core from whoever has the next frame.
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # torch has no types there
        done.record(torch.cuda.current_stream(self._device))
        return done

    def _finish(self, begun: list[_Begun]) -> tuple[Array, ...]:
        with telling_memory(self._name):
            return joined([part.wait() for part in begun])
