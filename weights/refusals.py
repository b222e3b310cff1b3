"""Why a file is not to be had just so, and what a user can do about it, as errors to be raised."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path

from weights.errors import WeightsError
from weights.manifest import Entry, HttpsFile


def unknown(name: str, known: Collection[str]) -> WeightsError:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(sorted(known))}"
    return WeightsError(f"the manifest has no weights {name!r}; {hint}")


def not_accepted(entry: Entry, command: str) -> WeightsError:
    """`command`: the words after `facelane weights` that would do it once the terms are accepted."""
    return WeightsError(
        f"{entry.id} is not for commercial use ({entry.licence}; {entry.terms}); if you may use it under these terms, "
        f"run: facelane weights {command} --accept-licence {entry.id}"
    )


def by_hand(entry: Entry, *, accepted: bool) -> WeightsError:
    """For a file without a published SHA-256."""
    source = next(source for source in entry.sources if isinstance(source, HttpsFile))
    accept = "" if accepted else f" --accept-licence {entry.id}"
    return WeightsError(
        f"{entry.id} is not fetched, since nobody has published its SHA-256; download {source.url} and run: "
        f"facelane weights import {entry.id} {source.file}{accept}"
    )


def offline(name: str, path: Path) -> WeightsError:
    state = f"is damaged ({path})" if path.exists() else f"is not in {path.parent}"
    return WeightsError(f"{name} {state} and offline is set; run once with offline off")
