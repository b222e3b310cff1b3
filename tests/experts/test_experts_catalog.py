"""The list of experts, the shipped weights, and the expert that learned nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from experts import fidelity
from experts.catalog import EXPERTS, ExpertSettings, make_expert
from experts.contract import Expert, ExpertError
from experts.resize import ResizeExpert
from weights.session import RuntimeSettings
from weights.store import Store

SHIPPED = [id for id in EXPERTS if id != "gfpgan"]


@pytest.fixture(scope="module")
def experts() -> dict[str, Expert]:
    """All that need no weights but shipped ones."""
    return {id: make_expert(id, Store(), RuntimeSettings(threads=1), ExpertSettings()) for id in SHIPPED}


@pytest.mark.parametrize("id", SHIPPED)
def test_every_expert_keeps_the_contract(experts: dict[str, Expert], id: str) -> None:
    expert = experts[id]
    info = expert.info
    assert info.id == id
    side = info.input_size
    y, x = np.mgrid[0:side, 0:side] / side
    ramp = (255 * np.stack([x, y, (x + y) / 2], axis=-1)).astype(np.uint8)
    flat = np.full_like(ramp, (200, 150, 120))
    restored = expert.restore(np.stack([ramp, flat]))
    assert restored.shape == (2, side * info.scale, side * info.scale, 3)
    assert restored.dtype == np.uint8
    # Colour is the input's to within what an eye tells apart side by side, and each crop comes back in its own place.
    inner = slice(side // 4, -side // 4)
    for low, high in zip((ramp, flat), restored, strict=True):
        shift = high[inner, inner].mean(axis=(0, 1)) - cv2.resize(low, high.shape[:2])[inner, inner].mean(axis=(0, 1))
        assert np.abs(shift).max() < 3.0


@pytest.mark.parametrize("softness", [1 / 160, 1 / 80])
@pytest.mark.parametrize("id", ["transformer", "frequency"])
def test_shipped_weights_sharpen_a_soft_edge(experts: dict[str, Expert], id: str, softness: float) -> None:
    """`softness`: of the lens, in shares of the crop, so that it is the same for a face in any of them."""
    expert = experts[id]
    side = expert.info.input_size
    step = np.full((side, side, 3), 90, np.uint8)
    step[:, side // 2 :] = 170
    low = np.asarray(cv2.GaussianBlur(step, (0, 0), softness * side), np.uint8)
    restored = expert.restore(low[None])[0].astype(float)
    plain = cv2.resize(low, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(float)
    rows = slice(side // 2, -side // 2)

    def steepest(picture: np.ndarray) -> float:
        return float(np.diff(picture[rows].mean(axis=(0, 2))).max())

    assert steepest(restored) > 1.1 * steepest(plain)


def test_shipped_experts_name_their_weights(experts: dict[str, Expert]) -> None:
    info = experts["frequency"].info
    faithful, crisp = (Store().entry(id).digest for id in ("facelane-frequency", "facelane-frequency-crisp"))
    assert info.weights == f"{faithful} + {crisp}, fidelity {fidelity.DEFAULT:g}"
    assert info.licence == "MIT"


def test_unknown_expert_is_answered_with_the_nearest() -> None:
    with pytest.raises(ExpertError, match="did you mean 'transformer'"):
        make_expert("transfomer", Store(), RuntimeSettings(), ExpertSettings())


def test_settings_refuse_unknown_experts_and_wrong_strengths() -> None:
    with pytest.raises(ExpertError, match="there is no expert 'foo'; known: transformer, frequency"):
        ExpertSettings(every="foo")
    with pytest.raises(ExpertError, match="did you mean 'frequency'"):
        ExpertSettings(frequency="frequenzy")
    with pytest.raises(ExpertError, match="transformer_strength"):
        ExpertSettings(transformer_strength=1.5)
    with pytest.raises(ExpertError, match="frequency_strength"):
        ExpertSettings(frequency_strength=float("nan"))


def test_any_expert_may_stand_on_any_lane() -> None:
    assert ExpertSettings(transformer="resize", frequency="transformer").transformer == "resize"


def test_resize_is_opencvs_lanczos() -> None:
    crops = np.random.default_rng(1).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)
    found = ResizeExpert(24, 3).restore(crops)
    expected = [cv2.resize(crop, (72, 72), interpolation=cv2.INTER_LANCZOS4) for crop in crops]
    assert np.array_equal(found, np.stack(expected))


@pytest.mark.parametrize(("size", "scale"), [(0, 2), (24, 1)])
def test_resize_refuses_to_return_its_input(size: int, scale: int) -> None:
    with pytest.raises(ExpertError):
        ResizeExpert(size, scale)


def test_resize_refuses_crops_of_another_size() -> None:
    with pytest.raises(ExpertError, match="takes crops"):
        ResizeExpert(24, 2).restore(np.zeros((1, 25, 25, 3), np.uint8))
