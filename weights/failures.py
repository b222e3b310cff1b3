"""What a runtime says when it fails, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from weights.errors import OutOfMemoryError

# How torch on CUDA, cuDNN (whose last way of a convolution found no room, either) and cuBLAS, torch on the CPU,
# OpenVINO, and ONNX Runtime say it.
_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|unable to find an engine to execute|ALLOC_FAILED|can't allocate memory|bad.alloc"
    r"|failed to allocate memory",
    re.IGNORECASE,
)


def reason(error: Exception) -> str:
    """The first line that says something; OpenVINO begins with those of its own source."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("Exception from ")), type(error).__name__)


def is_want_of_memory(error: Exception) -> bool:
    """Whether a runtime means that there was not memory enough, on the processor or a card."""
    return isinstance(error, MemoryError) or bool(_NO_MEMORY.search(str(error)))


@contextmanager
def telling_memory(device: str) -> Iterator[None]:
    """Raises OutOfMemoryError where a runtime on that device has not memory enough, in whatever way it says so."""
    try:
        yield
    except OutOfMemoryError:
        raise
    except (RuntimeError, MemoryError) as error:
        if not is_want_of_memory(error):
            raise
        raise OutOfMemoryError(device, reason(error)) from error
