"""The gate's table: each bound from both sides, with and without a lane to leave."""

from __future__ import annotations

import math

import pytest

from routing.gate import GateSettings, decide
from routing.types import Lane, Traits

SETTINGS = GateSettings(sharpness=100.0, width_margin=0.1, sharpness_margin=0.2)
SKIP, RESIZE, TRANSFORMER, FREQUENCY = Lane.SKIP, Lane.RESIZE, Lane.TRANSFORMER, Lane.FREQUENCY


@pytest.mark.parametrize(
    ("width", "sharpness", "lane", "reason"),
    [
        (0.0, 0.0, SKIP, "under 50 px"),
        (49.99, 999.0, SKIP, "under 50 px"),
        (50.0, 0.0, TRANSFORMER, "50 to 100 px"),
        (50.0, 999.0, TRANSFORMER, "50 to 100 px"),
        (99.99, 999.0, TRANSFORMER, "50 to 100 px"),
        (100.0, 99.99, TRANSFORMER, "100 to 150 px, soft"),
        (100.0, 100.0, FREQUENCY, "100 to 150 px, sharp"),
        (149.99, 99.99, TRANSFORMER, "100 to 150 px, soft"),
        (149.99, 100.0, FREQUENCY, "100 to 150 px, sharp"),
        (150.0, 0.0, RESIZE, "150 px or wider"),
        (4000.0, 999.0, RESIZE, "150 px or wider"),
    ],
)
def test_a_new_face_takes_the_lane_of_its_traits(width: float, sharpness: float, lane: Lane, reason: str) -> None:
    assert decide(Traits(width, sharpness), SETTINGS) == (lane, reason)


@pytest.mark.parametrize(
    ("last", "width", "sharpness", "lane"),
    [
        # The lower bound of 50: 45 on the way down, 55 on the way up.
        (SKIP, 54.9, 0.0, SKIP),
        (SKIP, 55.1, 0.0, TRANSFORMER),
        (TRANSFORMER, 45.1, 0.0, TRANSFORMER),
        (TRANSFORMER, 44.9, 0.0, SKIP),
        (FREQUENCY, 45.1, 0.0, TRANSFORMER),
        # The bound of 100: 90 down, 110 up, where sharpness allows.
        (TRANSFORMER, 109.9, 999.0, TRANSFORMER),
        (TRANSFORMER, 110.1, 999.0, FREQUENCY),
        (FREQUENCY, 90.1, 999.0, FREQUENCY),
        (FREQUENCY, 89.9, 999.0, TRANSFORMER),
        # The upper bound of 150: 135 down, 165 up.
        (FREQUENCY, 164.9, 999.0, FREQUENCY),
        (FREQUENCY, 165.1, 999.0, RESIZE),
        (TRANSFORMER, 164.9, 0.0, TRANSFORMER),
        (TRANSFORMER, 165.1, 0.0, RESIZE),
        (RESIZE, 135.1, 999.0, RESIZE),
        (RESIZE, 134.9, 999.0, FREQUENCY),
        (RESIZE, 134.9, 0.0, TRANSFORMER),
        # The sharpness of 100: 80 down, 120 up.
        (TRANSFORMER, 125.0, 119.9, TRANSFORMER),
        (TRANSFORMER, 125.0, 120.1, FREQUENCY),
        (FREQUENCY, 125.0, 80.1, FREQUENCY),
        (FREQUENCY, 125.0, 79.9, TRANSFORMER),
    ],
)
def test_a_face_leaves_its_lane_only_beyond_the_margin(last: Lane, width: float, sharpness: float, lane: Lane) -> None:
    assert decide(Traits(width, sharpness), SETTINGS, last).lane is lane


@pytest.mark.parametrize("last", list(Lane))
@pytest.mark.parametrize(("width", "sharpness"), [(52.0, 10.0), (98.0, 999.0), (148.0, 103.0), (140.0, 95.0)])
def test_no_face_swings_between_lanes(last: Lane, width: float, sharpness: float) -> None:
    """Traits that breathe by less than the margins end on one lane, wherever they began."""
    lane, lanes = last, []
    for frame in range(12):
        breath = 1.0 + 0.03 * (-1) ** frame
        lane = decide(Traits(width * breath, sharpness * breath), SETTINGS, lane).lane
        lanes.append(lane)
    assert len(set(lanes[1:])) == 1


def test_a_face_that_is_kept_says_so() -> None:
    assert decide(Traits(52.0, 0.0), SETTINGS, SKIP).reason == "stays skip: within the margin of a bound"
    assert decide(Traits(60.0, 0.0), SETTINGS, SKIP).reason == "50 to 100 px"


def test_all_four_numbers_are_settings() -> None:
    moved = GateSettings(skip_below_px=20, frequency_from_px=30, resize_from_px=40, sharpness=7)
    widths = [(19.0, 9.0), (25.0, 9.0), (35.0, 6.0), (35.0, 8.0), (41.0, 9.0)]
    lanes = [decide(Traits(*traits), moved).lane for traits in widths]
    assert lanes == [SKIP, TRANSFORMER, TRANSFORMER, FREQUENCY, RESIZE]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"skip_below_px": 0.0}, "skip_below_px = 0.0"),
        ({"skip_below_px": 120.0}, "rising widths"),
        ({"resize_from_px": 99.0}, "rising widths"),
        ({"sharpness": -1.0}, "sharpness = -1.0"),
        ({"sharpness": float("nan")}, "sharpness = nan"),
        ({"width_margin": 0.6}, "width_margin = 0.6"),
        ({"sharpness_margin": -0.1}, "sharpness_margin = -0.1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GateSettings(**settings)


def test_beyond_infinity_no_lane_is_taken() -> None:
    settings = GateSettings(frequency_from_px=math.inf, resize_from_px=math.inf)
    for width in (50.0, 120.0, 900.0):
        assert decide(Traits(width, 1e4), settings) == (Lane.TRANSFORMER, "50 px or wider")
    assert decide(Traits(49.0, 1e4), settings).lane is Lane.SKIP
