"""`facelane train`: photographs of all kinds in, weights out, taken up again after any interruption."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from experts.networks import NETWORKS
from experts.neural import NeuralExpert
from routing.detector import DetectorSettings, MtcnnDetector
from routing.types import Box, Detection
from streamer.album import Album, Image, look_through
from streamer.cli import main
from streamer.errors import SourceError
from tests.helpers.portraits import album
from weights.session import RuntimeSettings
from weights.store import Store

STAGE = """
network = "{network}"
pairs = 12
held_out = 2
[degradation]
widths = [[80, 100]]
presets = ["ultrafast"]
[optimiser]
minutes = 1e6
steps = {steps}
batch = 2
[run]
threads = 1
workers = 1
samples = 2
checkpoint_minutes = {minutes}
"""


@pytest.fixture(autouse=True)
def _own_threads() -> Iterator[None]:
    ours = torch.get_num_threads()
    yield
    torch.set_num_threads(ours)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("data") / "album", count=10)


@pytest.fixture(scope="module")
def detector(store: Store) -> MtcnnDetector:
    return MtcnnDetector(store, DetectorSettings(min_face_px=50.0), RuntimeSettings())


def words(
    folder: Path, faces: Path, out: str, *, steps: int, network: str = "background", minutes: float = 1e6
) -> list[str]:
    stage = folder / "stage.toml"
    stage.write_text(STAGE.format(network=network, steps=steps, minutes=minutes))
    return [
        "train",
        network,
        "--faces",
        str(faces),
        "--out",
        str(folder / out),
        "--stage",
        str(stage),
        "--device",
        "cpu",
    ]


def test_ten_pictures_make_an_expert(tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(tmp_path, faces, "out", steps=2, network="transformer")) == 0
    path = tmp_path / "out" / "transformer-faithful.safetensors"
    assert f"faithful: {path}" in capsys.readouterr().err
    expert = NeuralExpert(
        "t", NETWORKS["transformer"](), weights=path, label="t", licence="-", runtime=RuntimeSettings()
    )
    assert expert.restore(np.zeros((1, 192, 192, 3), np.uint8)).shape == (1, 384, 384, 3)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_goes_on_to_the_same_weights(tmp_path: Path, faces: Path, number: signal.Signals) -> None:
    steps = 40
    assert main(words(tmp_path, faces, "whole", steps=steps)) == 0
    shutil.copytree(tmp_path / "whole" / "pools", tmp_path / "cut" / "pools")
    process = start(words(tmp_path, faces, "cut", steps=steps, minutes=0.001))
    checkpoint = tmp_path / "cut" / "background-faithful" / "checkpoint.pt"
    deadline = time.monotonic() + 90
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), told
    assert number == signal.SIGKILL or "the same command goes on from there" in told
    stopped = torch.load(checkpoint, weights_only=True)["state"]["step"]
    assert 0 < stopped < steps
    assert main(words(tmp_path, faces, "cut", steps=steps)) == 0
    files = [tmp_path / out / "background-faithful.safetensors" for out in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    lines = [json.loads(line) for line in (checkpoint.parent / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)


def test_a_run_ends_after_its_minutes_and_goes_on(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(tmp_path, faces, "out", steps=3)
    assert main([*command, "--minutes", "0.0001"]) == 0
    assert "the time is up" in capsys.readouterr().err
    assert main(command) == 0
    assert "the time is up" not in capsys.readouterr().err


def test_a_full_disk_is_said_and_what_was_saved_is_kept(tmp_path: Path, faces: Path) -> None:
    """A limit on the size of files gives the system's error in the middle of writing, as a full disk does."""
    command = words(tmp_path, faces, "out", steps=2)
    assert main(command) == 0
    checkpoint = tmp_path / "out" / "background-faithful" / "checkpoint.pt"
    before = checkpoint.read_bytes()
    process = start(command, file_limit=checkpoint.stat().st_size // 2)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 8, told
    assert "no space left" in told
    assert checkpoint.read_bytes() == before
    assert not list((tmp_path / "out").rglob("*.part"))


def test_a_checkpoint_of_other_settings_is_refused(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(tmp_path, faces, "out", steps=1)) == 0
    assert main(words(tmp_path, faces, "out", steps=2)) == 10
    assert "optimiser.steps = 1, not 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (["--faces", "nowhere"], 3, "nowhere is no folder"),
        (["--minutes", "0"], 2, "more than 0"),
        (["--identity", "nothing.onnx"], 2, "is no file"),
        (["--stage", "judged.toml"], 2, "--identity"),
        (["--stage", "missing.toml"], 10, "missing.toml"),
    ],
)
def test_wrong_words_are_answered_before_any_work(
    tmp_path: Path,
    faces: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: Sequence[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("judged.toml").write_text('network = "transformer"\nstage = "judged"\n[losses]\nidentity = 0.1\n')
    command = ["train", "transformer", "--faces", str(faces), "--out", str(tmp_path / "out"), *more]
    assert main(command) == code
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "faces").mkdir()
    assert main(words(tmp_path, tmp_path / "faces", "out", steps=1)) == 3
    assert "it holds no picture" in capsys.readouterr().err


def test_photographs_of_all_kinds_are_sorted(tmp_path: Path, store: Store, detector: MtcnnDetector) -> None:
    original = cv2.imread(str(store.find("sample-astronaut")))
    assert original is not None
    portrait = cv2.resize(original, (1024, 1024), interpolation=cv2.INTER_CUBIC)
    folder = tmp_path / "faces"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), portrait)
    cv2.imwrite(str(folder / "b-rotated.jpg"), cv2.rotate(portrait, cv2.ROTATE_90_COUNTERCLOCKWISE))
    turn_by_exif(folder / "b-rotated.jpg")
    cv2.imwrite(str(folder / "c-opaque.png"), with_alpha(portrait, 255))
    cv2.imwrite(str(folder / "clear.png"), with_alpha(portrait, 100))
    cv2.imwrite(str(folder / "grey.png"), cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY))
    cv2.imwrite(str(folder / "small.png"), cv2.resize(portrait, (80, 80)))
    cv2.imwrite(str(folder / "far.png"), original)
    cv2.imwrite(str(folder / "wall.png"), portrait[660:, :500])
    (folder / "broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("no picture either")
    found = look_through(folder, tmp_path, detect=detector.detect, looked=lambda *_: None)
    assert [photo.path.name for photo in found.photos] == ["a.png", "b-rotated.jpg", "c-opaque.png"]
    assert found.upright == 1
    assert dict(found.refused) == {
        "broken.jpg": "unreadable",
        "clear.png": "partly transparent",
        "far.png": "a face under 100 px wide",
        "grey.png": "grey",
        "small.png": "tiny",
        "wall.png": "without a face",
    }
    np.testing.assert_allclose(found.photos[0].landmarks, found.photos[1].landmarks, atol=4.0)
    assert "left out, grey: 1 (grey.png)" in found.lines()


def test_photographs_are_looked_at_once(tmp_path: Path, faces: Path, detector: MtcnnDetector) -> None:
    folder = Path(shutil.copytree(faces, tmp_path / "faces"))
    (folder / "face3.png").unlink()

    def look() -> Album:
        return look_through(folder, tmp_path, detect=detector.detect, looked=lambda *_: None)

    first = look()
    assert list(first.refused) == [("face3.png", "not there")]
    assert first.photos[0].width == 200.0
    assert [photo.path for photo in look().photos] == [photo.path for photo in first.photos]
    (folder / "face5.png").write_bytes(b"broken since")
    assert ("face5.png", "unreadable") in look().refused


def test_another_detector_looks_again(tmp_path: Path, faces: Path) -> None:
    folder = Path(shutil.copytree(faces, tmp_path / "faces"))
    (folder / "faces.csv").unlink()
    asked: list[str] = []

    def look(finder: str) -> Album:
        def detect(image: Image) -> list[Detection]:
            asked.append(finder)
            side = image.shape[0] / (2 if finder == "mtcnn" else 4)
            return [Detection(Box(0, 0, side, side), np.zeros((5, 2), np.float32), 1.0)]

        return look_through(folder, tmp_path, detect=detect, looked=lambda *_: None, finder=finder)

    widths = [{photo.width for photo in look(finder).photos} for finder in ("mtcnn", "yunet", "mtcnn")]
    assert widths[0] == widths[2] != widths[1]
    assert asked == ["mtcnn"] * 10 + ["yunet"] * 10


def test_the_detector_is_that_of_the_settings(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(faces, tmp_path / "faces"))
    (folder / "faces.csv").unlink()
    monkeypatch.setenv("FACELANE_ROUTING__DETECTOR__METHOD", "yunet")
    monkeypatch.setenv("FACELANE_ROUTING__DETECTOR__FILE", str(tmp_path / "mine.onnx"))
    assert main(words(tmp_path, folder, "out", steps=1)) != 0
    assert "mine.onnx, which [routing.detector] file names, is not there" in capsys.readouterr().err


def test_nothing_to_learn_from_is_said_with_the_reasons(tmp_path: Path, detector: MtcnnDetector) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"unreadable: 1 \(broken\.jpg\)"):
        look_through(folder, tmp_path, detect=detector.detect, looked=lambda *_: None)


def with_alpha(image: np.ndarray, level: int) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], level, np.uint8)])


def turn_by_exif(path: Path) -> None:
    """Says in a JPEG's EXIF that it is to be turned clockwise by 90 degrees to be seen (orientation 6)."""
    orientation = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    exif = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01" + orientation + b"\x00\x00\x00\x00"
    content = path.read_bytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    path.write_bytes(content[:2] + segment + content[2:])


def start(arguments: list[str], *, file_limit: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.Popen(
        [sys.executable, "-m", "streamer.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        cwd=Path(__file__).parents[2],
        env=os.environ,
    )
