"""What a session is asked for, what it answers, and what it really took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Outcome = Callable[[], tuple[Array, ...]]
"""Waits for what was begun and returns the network's outputs, or raises what went wrong. To be called once."""
Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "openvino", "torch", "onnxruntime", "tensorrt"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """What networks run on. "auto" takes what is known to be the fastest of what is there; a name takes that or raises
    WeightsError.

    `device`: "auto" is the card where there is one that the runtime can use. `runtime`: "auto" is torch on CUDA, else
    OpenVINO. `precision`: "auto" is, by torch on CUDA, bfloat16 where the card computes in it by itself (compute
    capability 8.0), else float16 where it has tensor cores for that (7.0), else float32, and float16 before bfloat16
    for networks that were made elsewhere (`weights.torch_session.finest_half`); on the CPU bfloat16 where that is in
    hardware; by ONNX Runtime and TensorRT float32. float32 is that in full, without TensorFloat-32.
    `threads`: of one inference; 0 leaves it to the runtime.
    """

    device: Device = "auto"
    runtime: Runtime = "auto"
    precision: Precision = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("device", Device), ("runtime", Runtime), ("precision", Precision)):
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"{name} is one of {', '.join(get_args(allowed))}, not {getattr(self, name)!r}")
        if self.threads < 0:
            raise ValueError(f"threads is 0 or more, not {self.threads}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a session really runs on, as the runtime itself answers, not as it was asked for."""

    device: str
    runtime: str
    precision: str


class Session(Protocol):
    """A network that is ready to run, from any thread."""

    @property
    def taken(self) -> Taken: ...

    def run(self, array: Array) -> tuple[Array, ...]:
        """The network's outputs for one batch, in the order in which its `forward` returns them.

        `array` has the shape and type that the session was opened for, with any extent where that said None. The
        outputs belong to the caller, and floats come as float32 whatever they were computed in.

        Raises OutOfMemoryError, which is a MemoryError and a WeightsError, where there is not memory enough, on the
        processor or the card; and RuntimeError where the runtime fails otherwise.
        """
        ...

    def prepare(self) -> None:
        """Does now what the first calls would have to wait for."""
        ...


class ItemSession(Session, Protocol):
    """A session whose items (the first extent) are each work enough for a core."""

    def begin(self, array: Array) -> Outcome:
        """Begins what `run` does, while the caller does something else or begins with other sessions, too.

        Each item keeps to its own share of the cores. The caller leaves `array` as it is until the outcome is there.
        """
        ...


def check_input(array: Array, shape: tuple[int | None, ...], *, dtype: np.dtype[Any]) -> None:
    """Raises ValueError unless `array` is of that type and shape, in which None stands for any extent."""
    fits = array.ndim == len(shape) and all(
        wanted in (None, extent) for wanted, extent in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != dtype:
        raise ValueError(f"input is {shape} {dtype}, not {array.shape} {array.dtype}")
