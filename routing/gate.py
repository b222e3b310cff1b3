"""The gate: which lane a face takes. A pure function of its traits, the bounds and the lane it was on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from routing.checks import require_between, require_not_negative, require_positive
from routing.types import Lane, Traits


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The bounds between the lanes.

    Faces narrower than `skip_below_px` are left alone; from there to `frequency_from_px` they go to the transformer;
    from there to `resize_from_px` the sharpness decides, frequency from `sharpness` on and transformer below; wider
    ones are only resized; beyond infinity no face is. `width_margin` and `sharpness_margin`: by what share of
    a bound a face must pass it before it changes lanes, once it is on one.

    The default of `sharpness` is where `facelane bench gate` finds that the frequency expert begins to restore faces
    nearer to the truth than the transformer does.
    """

    skip_below_px: float = 50.0
    frequency_from_px: float = 100.0
    resize_from_px: float = 150.0
    sharpness: float = 60.0
    width_margin: float = 0.06
    sharpness_margin: float = 0.2

    def __post_init__(self) -> None:
        require_not_negative(sharpness=self.sharpness)
        require_positive(skip_below_px=self.skip_below_px)
        require_between(0.0, 0.5, width_margin=self.width_margin, sharpness_margin=self.sharpness_margin)
        if not self.skip_below_px <= self.frequency_from_px <= self.resize_from_px:
            raise ValueError(
                f"skip_below_px = {self.skip_below_px!r}, frequency_from_px = {self.frequency_from_px!r}, "
                f"resize_from_px = {self.resize_from_px!r}: rising widths are wanted"
            )


class Decision(NamedTuple):
    """A lane, and why, in words that are the same for all faces in the same case."""

    lane: Lane
    reason: str


def decide(traits: Traits, settings: GateSettings, last_lane: Lane | None = None) -> Decision:
    """The lane for a face of `traits`.

    `last_lane`: the lane of the same face in the frame before; each bound then moves away from it by the margin, so
    that a face that hovers at a bound stays where it is. None: no margins.
    """
    lane = _lane(traits, _Bounds.favouring(last_lane, settings))
    plain = lane if last_lane is None else _lane(traits, _Bounds.favouring(None, settings))
    if lane is not plain:
        return Decision(lane, f"stays {lane.value}: within the margin of a bound")
    return Decision(lane, _reason(traits, lane, settings))


class _Bounds(NamedTuple):
    skip_below: float
    frequency_from: float
    resize_from: float
    sharpness: float

    @classmethod
    def favouring(cls, lane: Lane | None, settings: GateSettings) -> _Bounds:
        """The bounds with those of `lane` moved outwards."""

        def moved(bound: float, margin: float, *, below: bool, above: bool) -> float:
            return bound * (1.0 + margin * (below - above))

        is_skip, is_frequency, is_resize = lane is Lane.SKIP, lane is Lane.FREQUENCY, lane is Lane.RESIZE
        known, is_transformer = lane is not None, lane is Lane.TRANSFORMER
        width, sharp = settings.width_margin, settings.sharpness_margin
        return cls(
            moved(settings.skip_below_px, width, below=is_skip, above=known and not is_skip),
            moved(settings.frequency_from_px, width, below=is_transformer, above=is_frequency),
            moved(settings.resize_from_px, width, below=known and not is_resize, above=is_resize),
            moved(settings.sharpness, sharp, below=is_transformer, above=is_frequency),
        )


def _lane(traits: Traits, bounds: _Bounds) -> Lane:
    if traits.width_px < bounds.skip_below:
        return Lane.SKIP
    if traits.width_px >= bounds.resize_from:
        return Lane.RESIZE
    if traits.width_px < bounds.frequency_from or traits.sharpness < bounds.sharpness:
        return Lane.TRANSFORMER
    return Lane.FREQUENCY


def _reason(traits: Traits, lane: Lane, settings: GateSettings) -> str:
    low, middle, high = settings.skip_below_px, settings.frequency_from_px, settings.resize_from_px
    if lane is Lane.SKIP:
        return f"under {low:g} px"
    if lane is Lane.RESIZE:
        return f"{high:g} px or wider"
    if math.isinf(middle):
        return f"{low:g} px or wider"
    if traits.width_px < middle:
        return f"{low:g} to {middle:g} px"
    return f"{middle:g} to {high:g} px, {'soft' if lane is Lane.TRANSFORMER else 'sharp'}"
