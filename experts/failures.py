"""What a runtime says when it fails, in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from experts.contract import ExpertError
from weights.failures import reason

__all__ = ["reason", "telling"]


@contextmanager
def telling(id: str) -> Iterator[None]:
    """Raises ExpertError, of the expert of that id, where a session fails; for want of memory that says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise ExpertError(f"{id} failed: {reason(error)}") from error
