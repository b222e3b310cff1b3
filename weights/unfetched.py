"""Weights for what nobody asked for by name: taken where they are here, and never fetched."""

from __future__ import annotations

from pathlib import Path

from weights.errors import WeightsError
from weights.store import Store


def find_unfetched(store: Store, name: str) -> Path:
    """The path of a file of the manifest that is here already. Raises WeightsError, with the command that fetches it,
    where it is absent, damaged, or waits for its licence to be accepted."""
    store.check_accepted(name)
    path = store.present(name)
    if path is None:
        state = "are damaged" if store.state(name) == "damaged" else "are not here"
        raise WeightsError(f"the weights {name} {state}; fetch them: facelane weights pull {name}")
    return path
