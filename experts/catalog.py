"""The experts that there are, and which of them stands on which lane. A new expert is one line here, and one more
if it has weights."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experts import fidelity, frequency, resize, transformer
from experts.contract import Expert, ExpertError
from experts.fidelity import Pair
from weights.session import RuntimeSettings
from weights.store import Store

Builder = Callable[[Store, RuntimeSettings, float], Expert]


def _resize(_store: Store, _runtime: RuntimeSettings, _fidelity: float) -> Expert:
    return resize.ResizeExpert()


EXPERTS: Mapping[str, Builder] = MappingProxyType(
    {
        transformer.ID: transformer.make,
        frequency.ID: frequency.make,
        resize.ID: _resize,
    }
)

# What of the manifest an expert asks the store for; one that learned nothing is not here.
WEIGHTS: Mapping[str, Pair[str]] = MappingProxyType(
    {
        transformer.ID: transformer.WEIGHTS,
        frequency.ID: frequency.WEIGHTS,
    }
)


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """Which expert, by its id in `EXPERTS`, stands on each lane that restores; and how much of its work is laid on.

    `fidelity`: how the networks restore, from 0, crisp, to 1, faithful; see `experts.fidelity`. A strength of 0 leaves
    the background, 1 lays the restored face on whole.
    """

    fidelity: float = fidelity.DEFAULT
    transformer: str = transformer.ID
    transformer_strength: float = 1.0
    frequency: str = frequency.ID
    frequency_strength: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.fidelity <= 1.0:
            raise ExpertError(f"fidelity lies between 0 (crisp) and 1 (faithful), not {self.fidelity}")
        for lane in ("transformer", "frequency"):
            _builder(getattr(self, lane))
            strength = getattr(self, f"{lane}_strength")
            if not 0.0 <= strength <= 1.0:
                raise ExpertError(f"{lane}_strength lies between 0 and 1, not {strength}")


def weights_of(settings: ExpertSettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen experts need at that fidelity, each once."""
    chosen = dict.fromkeys((settings.transformer, settings.frequency))
    pairs = (WEIGHTS[id] for id in chosen if id in WEIGHTS)
    return tuple(id for pair in pairs for id in pair.needed(settings.fidelity))


def make_expert(id: str, store: Store, runtime: RuntimeSettings, *, fidelity: float) -> Expert:
    """The expert of that id, loaded and ready; `fidelity` as in `ExpertSettings`.

    Raises ExpertError for an unknown id, and WeightsError where its weights are missing or do not fit.
    """
    return _builder(id)(store, runtime, fidelity)


def _builder(id: str) -> Builder:
    builder = EXPERTS.get(id)
    if builder is None:
        near = difflib.get_close_matches(id, EXPERTS, n=1, cutoff=0.0)
        raise ExpertError(f"there is no expert {id!r}; did you mean {near[0]!r}? Known: {', '.join(EXPERTS)}")
    return builder
