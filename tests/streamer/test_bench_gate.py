"""`facelane bench gate`: photographs in, the sharpness from which faces are better off on the frequency lane out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from experts.quality.parting import Compared, best_bound, table
from routing.pyramid import Image
from streamer.cli import main
from weights.store import Store


@pytest.fixture(scope="module")
def portrait(store: Store) -> Image:
    """One of the sample's six, BGR; her face is 105 px wide."""
    picture = cv2.imread(str(store.find("sample-t1")), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[20:300, 780:1130].astype(np.uint8)


def face(sharpness: float, psnr: float) -> Compared:
    return Compared(sharpness, psnr, 0.0)


def test_the_bound_is_where_all_together_gain_most() -> None:
    """One face that does not fit in must not move it."""
    faces = [face(10, -1.0), face(20, -0.2), face(30, 0.1), face(40, -0.05), face(50, 0.3)]
    assert best_bound(faces) == 30


def test_no_face_goes_where_none_gains() -> None:
    assert best_bound([face(10, -1.0), face(90, -0.1)]) == float("inf")
    assert best_bound([]) == float("inf")


def test_table_tells_the_means_of_each_range() -> None:
    _, low, high = table([face(5, -1.0), face(9, -2.0), face(350, 0.25)])
    assert low.split() == ["0", "to", "10", "2", "-1.50", "+0.0000"]
    assert high.split() == ["300", "to", "inf", "1", "+0.25", "+0.0000"]


def test_blurred_faces_are_the_transformers_and_sharp_ones_are_not(
    portrait: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Enlarged to twice the widths at which the gate asks."""
    large = cv2.resize(portrait, None, fx=2.4, fy=2.4, interpolation=cv2.INTER_CUBIC)
    folder = tmp_path / "faces"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.png"), large)
    cv2.imwrite(str(folder / "grey.png"), np.full((300, 300, 3), 90, np.uint8))
    report = tmp_path / "gate.json"
    assert main(["bench", "gate", str(folder), "--report", str(report), "-q"]) == 0
    told = capsys.readouterr()
    assert "best bound" in told.out
    assert "grey.png" in told.err
    figures = json.loads(report.read_text())
    compared = figures["compared"]
    assert (figures["photographs"], len(compared)) == (1, 6)
    sharpness = [each["sharpness"] for each in compared]
    assert sharpness == sorted(sharpness, reverse=True)
    assert compared[-1]["psnr"] < compared[0]["psnr"]
    assert compared[-1]["psnr"] < 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing"], "missing is no folder: give one with photographs of faces"),
        ([".", "--limit", "0"], "--limit 0: give 1 or more"),
    ],
)
def test_what_can_not_be_measured_is_said(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "gate", *arguments]) != 0
    assert told in capsys.readouterr().err


def test_faces_too_narrow_are_said_to_be(portrait: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "narrow.png"), portrait)
    assert main(["bench", "gate", str(tmp_path), "-q"]) != 0
    assert "no face of 200 px or more" in " ".join(capsys.readouterr().err.split())
