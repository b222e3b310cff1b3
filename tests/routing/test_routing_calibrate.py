"""The calibration of the gate's sharpness."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from routing.calibrate import best_bound, largest_face, main, measure
from routing.detector import MtcnnDetector
from routing.pyramid import Image


@pytest.fixture(scope="module")
def portrait(six_people: Image) -> Image:
    """One of the six, enlarged: 210 px wide."""
    return cv2.resize(six_people[20:300, 780:1130], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def test_the_bound_parts_what_can_be_parted() -> None:
    assert best_bound([10.0, 12.0, 15.0], [1.0, 5.0, 9.0]) == (10.0, 1.0)


def test_the_bound_calls_the_fewest_wrongly() -> None:
    bound, right = best_bound([4.0, 10.0, 12.0, 14.0, 16.0], [1.0, 2.0, 5.0, 6.0, 11.0])
    assert bound == 10.0
    assert right == pytest.approx(0.8)


def test_each_loss_is_measured_at_each_width(detector: MtcnnDetector, portrait: Image) -> None:
    face = largest_face(portrait, detector)
    assert face is not None
    assert face.box.width == pytest.approx(212, rel=0.1)
    values = measure(portrait, face)
    assert {len(measured) for measured in values.values()} == {3}
    for none, slight, strong in zip(values["none"], values["defocused .8 %"], values["defocused 1.5 %"], strict=True):
        assert none > slight > strong


def test_it_prints_distribution_and_bound(portrait: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), portrait[:, :, ::-1])
    assert main([str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "enlarged 2x" in printed
    assert "best bound" in printed


def test_a_folder_without_faces_is_said_to_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 300, 3), 90, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    assert main([str(tmp_path)]) == 1
    assert "give a folder of portraits" in capsys.readouterr().err
