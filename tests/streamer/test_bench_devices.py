"""`facelane bench devices`: faces in, how near and how fast each runtime is out, and why others are absent."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.bench_devices import CHOICES
from streamer.bench_devices_networks import NAMES
from streamer.bench_devices_report import BOUNDS, DevicesReport, Difference, Row
from streamer.cli import main
from streamer.demo import sample_pictures
from streamer.errors import SourceError, UsageError
from weights.runtime import Taken
from weights.store import Store


def test_what_is_here_is_compared_and_what_is_not_is_named(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two networks stand for all: one of faces, one of whole pictures."""
    picture = cv2.imread(str(store.find("sample-astronaut")))
    assert picture is not None
    (tmp_path / "faces").mkdir()
    cv2.imwrite(str(tmp_path / "faces" / "one.png"), picture[:240, 100:340])
    out = tmp_path / "new" / "devices"
    words = ["--networks", "mtcnn-onet,compact", "--repeats", "1", "--strict", "--out", str(out)]
    assert main(["bench", "devices", str(tmp_path / "faces"), *words]) == 0
    report = json.loads((out / "devices.json").read_text())
    assert report["passed"]
    assert report["items"] == {"mtcnn-onet": 1, "compact": 1}
    rows = {(row["network"], row["taken"]["runtime"], row["taken"]["precision"]): row for row in report["rows"]}
    for runtime in ("torch", "openvino", "onnxruntime"):
        faces, picture = rows["mtcnn-onet", runtime, "float32"], rows["compact", runtime, "float32"]
        assert set(faces["ms"]) == {"1", "4", "16"}
        assert set(picture["ms"]) == {"1"}
        assert picture["taken"]["device"]
        assert min(faces["ms"].values()) > 0.0
    assert rows["compact", "torch", "float32"]["difference"] == {"largest": 0.0, "mean": 0.0}
    assert report["rows"][0]["network"] == "mtcnn-onet"
    tried = {f"{runtime} on {device} in {each}" for device, runtime, precisions in CHOICES for each in precisions}
    assert set(report["absent"]) <= tried
    assert all(report["absent"].values())
    markdown = (out / "devices.md").read_text()
    assert "| mtcnn-onet | openvino | cpu | float32 |" in markdown
    assert "largest" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 16])
def test_the_demos_pictures_hold_faces_enough(store: Store, count: int) -> None:
    pictures = sample_pictures(store, count)
    assert [picture.shape for picture in pictures] == [(480, 640, 3)] * count


def row(largest: float, mean: float, precision: str = "float32", fault: str = "") -> Row:
    difference = None if fault else Difference(largest, mean)
    return Row("some", Taken("card", "torch", precision), difference, {1: 1.0}, fault)


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([row(1.0, 0.01), row(3.0, 0.3, "float16")], True),
        ([row(1.0, 0.01), row(2.0, 0.01)], False),
        ([row(0.0, 0.02)], False),
        ([row(float("nan"), float("nan"), "float16")], False),
        ([row(0.0, 0.0), row(0.0, 0.0, fault="no memory")], False),
        ([], False),
    ],
)
def test_strict_wants_everything_to_run_and_within_its_bounds(rows: list[Row], passed: bool) -> None:
    report = DevicesReport(rows, {}, {})
    assert report.passed is passed
    table = "\n".join(report.lines())
    assert ("beyond its bounds" in table or "no memory" in table) is (bool(rows) and not passed)
    json.loads(json.dumps(report.to_dict(), allow_nan=False))


def test_every_precision_that_can_be_taken_has_a_bound() -> None:
    assert {each for _, _, precisions in CHOICES for each in precisions} | {"float32/tf32"} == set(BOUNDS)


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["absent.mp4"], "absent.mp4 is not there", SourceError.exit_code),
        (["--networks", "pnet"], f"there is no network 'pnet'; known: {NAMES[0]}, {NAMES[1]}", UsageError.exit_code),
        (["--repeats", "0"], "--repeats 0: give 1 or more", UsageError.exit_code),
        (["empty"], "there is no picture to look at", SourceError.exit_code),
    ],
)
def test_what_can_not_be_compared_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    np.zeros(0).tofile(tmp_path / "empty" / "readme")
    assert main(["bench", "devices", "--out", "out", *words]) == code
    assert message in capsys.readouterr().err.replace("\n", " ")
