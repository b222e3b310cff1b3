"""The experts that there are, and which of them stands on which lane. A new expert is one line here, and one more
if it has weights."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experts import frequency, resize, transformer
from experts.contract import Expert, ExpertError
from weights.session import RuntimeSettings
from weights.store import Store

Builder = Callable[[Store, RuntimeSettings], Expert]


def _resize(_store: Store, _runtime: RuntimeSettings) -> Expert:
    return resize.ResizeExpert()


EXPERTS: Mapping[str, Builder] = MappingProxyType(
    {
        transformer.ID: transformer.make,
        frequency.ID: frequency.make,
        resize.ID: _resize,
    }
)

# What of the manifest an expert asks the store for; one that learned nothing is not here.
WEIGHTS: Mapping[str, str] = MappingProxyType(
    {
        transformer.ID: transformer.WEIGHTS_ID,
        frequency.ID: frequency.WEIGHTS_ID,
    }
)


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """Which expert, by its id in `EXPERTS`, stands on each lane that restores; and how much of its work is laid on.

    A strength of 0 leaves the background, 1 lays the restored face on whole.
    """

    transformer: str = transformer.ID
    transformer_strength: float = 1.0
    frequency: str = frequency.ID
    frequency_strength: float = 1.0

    def __post_init__(self) -> None:
        for lane in ("transformer", "frequency"):
            _builder(getattr(self, lane))
            strength = getattr(self, f"{lane}_strength")
            if not 0.0 <= strength <= 1.0:
                raise ExpertError(f"{lane}_strength lies between 0 and 1, not {strength}")


def weights_of(settings: ExpertSettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen experts need, each once."""
    chosen = dict.fromkeys((settings.transformer, settings.frequency))
    return tuple(WEIGHTS[id] for id in chosen if id in WEIGHTS)


def make_expert(id: str, store: Store, runtime: RuntimeSettings) -> Expert:
    """The expert of that id, loaded and ready.

    Raises ExpertError for an unknown id, and WeightsError where its weights are missing or do not fit.
    """
    return _builder(id)(store, runtime)


def _builder(id: str) -> Builder:
    builder = EXPERTS.get(id)
    if builder is None:
        near = difflib.get_close_matches(id, EXPERTS, n=1, cutoff=0.0)
        raise ExpertError(f"there is no expert {id!r}; did you mean {near[0]!r}? Known: {', '.join(EXPERTS)}")
    return builder
