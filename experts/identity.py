"""Whether a restored face is still the same person, as a network sees it that tells people apart.

For measuring what restoration does to a face, not for finding out who somebody is. A new embedder is one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from experts import arcface_embedder, dlib_embedder
from experts.contract import ExpertError
from experts.embedding import Embedder
from experts.failures import no_such
from weights.session import RuntimeSettings
from weights.store import Store

Maker = Callable[[Store, RuntimeSettings], Embedder]

EMBEDDERS: Mapping[str, Maker] = MappingProxyType(
    {
        dlib_embedder.ID: dlib_embedder.make,
        arcface_embedder.ID: arcface_embedder.make,
    }
)

# What of the manifest each of them asks the store for.
WEIGHTS: Mapping[str, str] = MappingProxyType(
    {
        dlib_embedder.ID: dlib_embedder.WEIGHTS,
        arcface_embedder.ID: arcface_embedder.WEIGHTS,
    }
)


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """Who judges restored faces, and what follows; see `streamer.guarding`.

    `judge`: an id of `EMBEDDERS`; empty: nobody. `share`: of each track's restored faces that are judged. `first`: so
    many at a track's beginning are judged in any case. `threshold`: the cosine below which a restored face is not taken
    for the person's; None: the judge's own. `margin`: a face is fine again from so much above. `step`: how much of the
    strength a judgement takes away or gives back. `recover_after`: judgements in a row that must be fine for a step
    back up. `delay_frames`: of a film, from a frame to the one on which its judgement takes effect.
    """

    judge: str = ""
    share: float = 0.1
    first: int = 3
    threshold: float | None = None
    margin: float = 0.01
    step: float = 0.25
    recover_after: int = 3
    delay_frames: int = 8

    def __post_init__(self) -> None:
        if self.judge:
            _maker(self.judge)
        for name in ("share", "step"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ExpertError(f"{name} is above 0 and 1 at most, not {getattr(self, name)}")
        if self.threshold is not None and not -1.0 <= self.threshold <= 1.0:
            raise ExpertError(f"threshold is a cosine, from -1 to 1, not {self.threshold}")
        if not 0.0 <= self.margin <= 1.0:
            raise ExpertError(f"margin lies between 0 and 1, not {self.margin}")
        for name, least in (("first", 0), ("recover_after", 1), ("delay_frames", 1)):
            if getattr(self, name) < least:
                raise ExpertError(f"{name} is {least} or more, not {getattr(self, name)}")


def weights_of(settings: IdentitySettings) -> tuple[str, ...]:
    """The ids of the weights that the chosen judge needs."""
    return (WEIGHTS[settings.judge],) if settings.judge else ()


def check_packages(settings: IdentitySettings) -> None:
    """Raises ExpertError where a package that the chosen judge needs is missing or does not load."""
    if settings.judge == arcface_embedder.ID:
        arcface_embedder.check_packages()


def make_embedder(id: str, store: Store, runtime: RuntimeSettings) -> Embedder:
    """The embedder of that id. Raises ExpertError for an unknown id or a missing package, WeightsError where its
    weights are missing, damaged, or wait for their licence to be accepted."""
    return _maker(id)(store, runtime)


def _maker(id: str) -> Maker:
    maker = EMBEDDERS.get(id)
    if maker is None:
        raise no_such("judge", id, EMBEDDERS)
    return maker
