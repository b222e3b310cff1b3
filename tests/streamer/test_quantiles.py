"""The sketch's quantiles against numpy's, and its constant size."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.quantiles import BUCKETS, DurationSketch


@pytest.mark.parametrize("scale", [2e-6, 3e-3, 4.0])
def test_quantiles_are_right_within_two_percent(scale: float) -> None:
    durations = np.random.default_rng(1).lognormal(0.0, 0.8, 5000) * scale
    sketch = DurationSketch()
    for seconds in durations:
        sketch.add(float(seconds))
    for share in (0.5, 0.95, 0.99):
        exact = float(np.quantile(durations, share, method="inverted_cdf"))
        assert sketch.quantile(share) == pytest.approx(exact, rel=0.02)
    assert sketch.total == pytest.approx(float(durations.sum()))


def test_an_empty_sketch_says_zero() -> None:
    assert DurationSketch().quantile(0.5) == 0.0


def test_extremes_stay_inside_the_sketch() -> None:
    sketch = DurationSketch()
    for seconds in (0.0, 1e-12, 1e9):
        sketch.add(seconds)
    assert sketch.quantile(1.0) <= 1e9
    assert sketch.quantile(0.3) <= 2e-7
    assert len(sketch._counts) == BUCKETS
