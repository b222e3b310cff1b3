"""`facelane bench detectors`: pictures in, a line for each detector out, and why others are absent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import pytest

from streamer.cli import main
from streamer.errors import SourceError, UsageError
from tests.helpers.detectors import scrfd_file
from weights.sources import Sources
from weights.store import Store


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    """The sample of six faces in half its size."""
    picture = cv2.imread(str(store.find("sample-t1")))
    assert picture is not None
    (tmp_path / "pictures").mkdir()
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "pictures" / "six.png"), half)
    return tmp_path / "pictures"


def test_every_detector_that_is_there_is_compared_and_others_are_named(
    tmp_path: Path, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SCRFD by a file that sees no face here; nothing is fetched, though it may be."""
    store.find("mtcnn-onet")
    monkeypatch.setattr(Sources, "fetch", pytest.fail)
    monkeypatch.setitem(sys.modules, "facexlib", None)
    monkeypatch.setenv("FACELANE_WEIGHTS", str(_mtcnn_alone(store, tmp_path / "weights")))
    monkeypatch.setenv("FACELANE_ROUTING__DETECTOR__METHOD", "scrfd")
    monkeypatch.setenv("FACELANE_ROUTING__DETECTOR__FILE", str(scrfd_file(tmp_path / "scrfd.onnx")))
    report = tmp_path / "detectors.json"
    assert main(["bench", "detectors", str(folder), "--report", str(report)]) == 0
    figures = json.loads(report.read_text())
    mtcnn, scrfd = figures["rows"]
    assert (mtcnn["detector"], mtcnn["faces"], mtcnn["agreed"], mtcnn["missed"]) == ("mtcnn", 6, 6, 0)
    assert (mtcnn["width"], mtcnn["landmarks"]) == (1.0, 0.0)
    assert (scrfd["detector"], scrfd["agreed"], scrfd["missed"]) == ("scrfd", 0, 6)
    assert scrfd["width"] is None
    assert set(figures["absent"]) == {"yunet", "retinaface-resnet50", "retinaface-mobilenet0.25"}
    assert figures["absent"]["yunet"] == "the weights yunet are not here; fetch them: facelane weights pull yunet"
    assert figures["absent"]["retinaface-resnet50"].startswith("facexlib is not installed; pip install")
    printed = capsys.readouterr().out
    assert "absent: retinaface-resnet50:" in printed
    assert "--accept-licence retinaface-resnet50" in printed.replace("\n", "")


def _mtcnn_alone(store: Store, folder: Path) -> Path:
    folder.mkdir()
    for stage in ("pnet", "rnet", "onet"):
        path = store.find(f"mtcnn-{stage}")
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.mark.shared
def test_yunet_agrees_with_mtcnn_on_a_clip(
    tmp_path: Path, shared_data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELANE_WEIGHTS", str(_mtcnn_alone(store, tmp_path / "weights")))
    monkeypatch.setenv("FACELANE_WEIGHTS__OFFLINE", "true")
    monkeypatch.setenv("FACELANE_ROUTING__DETECTOR__METHOD", "yunet")
    monkeypatch.setenv(
        "FACELANE_ROUTING__DETECTOR__FILE", str(shared_data / "models" / "yunet" / "yunet_n_dynamic.onnx")
    )
    report = tmp_path / "detectors.json"
    clip = shared_data / "videos" / "talking_d0.mp4"
    assert main(["bench", "detectors", str(clip), "--frames", "4", "--report", str(report)]) == 0
    mtcnn, yunet = json.loads(report.read_text())["rows"]
    assert (yunet["agreed"], yunet["missed"]) == (mtcnn["faces"], 0)
    assert yunet["width"] == pytest.approx(1.0, abs=0.1)
    assert yunet["landmarks"] < 0.08


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["absent.mp4"], "absent.mp4 is not there: give clips, and folders of pictures", SourceError.exit_code),
        (["."], "there is no picture to look at", SourceError.exit_code),
        ([".", "--frames", "0"], "--frames 0: look at 1 frame or more", UsageError.exit_code),
    ],
)
def test_what_can_not_be_looked_at_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
    code: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "detectors", *words]) == code
    assert message in capsys.readouterr().err.replace("\n", " ")
