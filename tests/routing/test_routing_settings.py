"""Settings: refused where they make no sense, by key, value and what is wanted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from routing.detector import DetectorSettings
from routing.gate import GateSettings
from routing.router import RoutingSettings
from routing.types import Box


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_face_px": 0.0}, "min_face_px = 0.0: a number above 0 is wanted"),
        ({"min_face_px": float("inf")}, "min_face_px = inf"),
        ({"pyramid_step": 1.0}, r"pyramid_step = 1.0: a number from 0.3 to 0.95 is wanted"),
        ({"proposal_score": -0.1}, "proposal_score = -0.1: a number from 0 to 1"),
        ({"refine_score": 1.1}, "refine_score = 1.1"),
        ({"face_score": 2.0}, "face_score = 2.0"),
        ({"follow_score": float("nan")}, "follow_score = nan"),
        (
            {"method": "retinaface"},
            r"there is no detector 'retinaface'; did you mean 'retinaface-resnet50'\? Known: mtcnn, ",
        ),
        ({"method": "mtcnn", "file": Path("own.onnx")}, "file is for the other detectors"),
    ],
)
def test_a_detector_setting_that_makes_no_sense_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectorSettings(**settings)


def test_the_detector_looks_a_little_below_the_gates_first_bound() -> None:
    """So that the margin of the skip lane has faces to work on."""
    gate = GateSettings()
    assert DetectorSettings().min_face_px < gate.skip_below_px * (1 - gate.width_margin)


def test_settings_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RoutingSettings().gate = GateSettings()  # type: ignore[misc]  # that is the test


class TestBox:
    BOX = Box(10.0, 20.0, 30.0, 60.0)

    def test_size(self) -> None:
        assert (self.BOX.width, self.BOX.height, self.BOX.area) == (20.0, 40.0, 800.0)

    @pytest.mark.parametrize(
        ("other", "overlap"),
        [
            (Box(10.0, 20.0, 30.0, 60.0), 1.0),
            (Box(20.0, 20.0, 40.0, 60.0), 1 / 3),
            (Box(30.0, 20.0, 50.0, 60.0), 0.0),
            (Box(90.0, 90.0, 95.0, 95.0), 0.0),
            (Box(5.0, 5.0, 5.0, 5.0), 0.0),
        ],
    )
    def test_overlap(self, other: Box, overlap: float) -> None:
        assert self.BOX.iou(other) == pytest.approx(overlap)
        assert other.iou(self.BOX) == pytest.approx(overlap)

    def test_clip(self) -> None:
        assert Box(-5.0, 10.0, 40.0, 90.0).clip(30, 50) == Box(0.0, 10.0, 30.0, 50.0)
