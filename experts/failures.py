"""What went wrong, in one line: what a runtime says when it fails, and names that are none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from experts.contract import ExpertError
from weights.failures import reason

__all__ = ["no_such", "reason", "telling"]


@contextmanager
def telling(id: str) -> Iterator[None]:
    """Raises ExpertError, of the expert of that id, where a session fails; for want of memory that says what to do."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        raise ExpertError(f"{id} failed: {reason(error)}") from error


def no_such(what: str, word: str, known: Collection[str], *, more: str = "") -> ExpertError:
    """To be raised for a name that is none of `known`: with the nearest, and all that would do. `more`: what else."""
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? Known" if near else "known"
    return ExpertError(f"there is no {what} {word!r}; {hint}: {', '.join(known)}{more and f', {more}'}")
