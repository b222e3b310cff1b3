"""The experts that there are, and which of them stands on which lane. A new expert is one line here, and one more
if it has weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from experts import fidelity, frequency, gfpgan, gfpgan_networks, own_models, resize, transformer
from experts.contract import Expert, ExpertError
from experts.failures import no_such
from experts.fidelity import Pair
from experts.gfpgan import GfpganSettings
from weights.session import RuntimeSettings
from weights.store import Store

Builder = Callable[[Store, RuntimeSettings, "ExpertSettings"], Expert]


def _by_fidelity(make: Callable[[Store, RuntimeSettings, float], Expert]) -> Builder:
    return lambda store, runtime, settings: make(store, runtime, settings.fidelity)


EXPERTS: Mapping[str, Builder] = MappingProxyType(
    {
        transformer.ID: _by_fidelity(transformer.make),
        frequency.ID: _by_fidelity(frequency.make),
        resize.ID: lambda _store, _runtime, _settings: resize.ResizeExpert(),
        gfpgan.ID: lambda store, runtime, settings: gfpgan.make(store, runtime, settings.gfpgan),
    }
)

# What of the manifest an expert whose weights are mixed by fidelity asks the store for.
WEIGHTS: Mapping[str, Pair[str]] = MappingProxyType(
    {
        transformer.ID: transformer.WEIGHTS,
        frequency.ID: frequency.WEIGHTS,
    }
)


@dataclass(frozen=True, slots=True)
class ExpertSettings:
    """Which expert stands on each lane that restores, by its id in `EXPERTS` or the path of a network's weights that
    spandrel knows; and how much of its work is laid on.

    `fidelity`: how the networks of this project restore, from 0, crisp, to 1, faithful; see `experts.fidelity`. A
    strength of 0 leaves the background, 1 lays the restored face on whole. `every`: the expert that restores all faces
    that are not too narrow, whatever the gate says, in the place of those of the lanes; empty: the lanes have theirs.
    `licence`: of files that the user brings along, to be told.
    """

    fidelity: float = fidelity.DEFAULT
    transformer: str = transformer.ID
    transformer_strength: float = 1.0
    frequency: str = frequency.ID
    frequency_strength: float = 1.0
    every: str = ""
    every_strength: float = 1.0
    licence: str = ""
    gfpgan: GfpganSettings = field(default_factory=GfpganSettings)

    def __post_init__(self) -> None:
        if not 0.0 <= self.fidelity <= 1.0:
            raise ExpertError(f"fidelity lies between 0 (crisp) and 1 (faithful), not {self.fidelity}")
        for id in (self.transformer, self.frequency, self.every):
            if id:
                _builder(id)
        for lane in ("transformer", "frequency", "every"):
            strength = getattr(self, f"{lane}_strength")
            if not 0.0 <= strength <= 1.0:
                raise ExpertError(f"{lane}_strength lies between 0 and 1, not {strength}")

    @property
    def on_transformer(self) -> tuple[str, float]:
        """Who really restores the faces of that lane, and how much of it is laid on."""
        return (self.every, self.every_strength) if self.every else (self.transformer, self.transformer_strength)

    @property
    def on_frequency(self) -> tuple[str, float]:
        """The same for the other lane."""
        return (self.every, self.every_strength) if self.every else (self.frequency, self.frequency_strength)


def weights_of(settings: ExpertSettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen experts need with those settings, each once."""
    chosen = dict.fromkeys((settings.on_transformer[0], settings.on_frequency[0]))
    paired = [id for expert in chosen if expert in WEIGHTS for id in WEIGHTS[expert].needed(settings.fidelity)]
    return (*paired, *(gfpgan.weights_of(settings.gfpgan) if gfpgan.ID in chosen else ()))


def check_packages(settings: ExpertSettings) -> None:
    """Raises ExpertError where a package that a chosen expert needs is missing or does not load."""
    chosen = (settings.on_transformer[0], settings.on_frequency[0])
    if gfpgan.ID in chosen:
        gfpgan_networks.import_package(settings.gfpgan.version)
    if any(own_models.is_file_name(id) for id in chosen):
        own_models.check_packages()


def make_expert(id: str, store: Store, runtime: RuntimeSettings, settings: ExpertSettings) -> Expert:
    """The expert of that id, loaded and ready, with what `settings` say of it.

    Raises ExpertError for an unknown id, or where packages of its extra are missing; and WeightsError where its weights
    are missing or do not fit.
    """
    return _builder(id)(store, runtime, settings)


def _builder(id: str) -> Builder:
    if own_models.is_file_name(id):
        return lambda _store, runtime, settings: own_models.load_expert(id, runtime, licence=settings.licence)
    builder = EXPERTS.get(id)
    if builder is None:
        raise no_such("expert", id, EXPERTS, more=own_models.A_FILE)
    return builder
