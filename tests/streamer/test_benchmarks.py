"""`facelane bench quality`: pictures and a clip in, a table, a sheet and plots out."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from experts.pictures import Rescaled
from experts.realesrgan import open_ncnn
from streamer.bench_clips import LEAD
from streamer.bench_film import RATE, write
from streamer.cli import main
from streamer.media.reader import FileReader
from tests.helpers.portraits import album, portrait
from weights.session import RuntimeSettings
from weights.store import Store

FRAMES = 3
"""A clip may be shorter than what would be measured of a long one."""


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return album(tmp_path_factory.mktemp("data") / "album", count=2)


def write_film(path: Path, store: Store) -> None:
    """A portrait, 215 px from ear to ear, that drifts by a pixel a frame."""
    still = cv2.imread(str(store.find("sample-astronaut")))
    assert still is not None
    large = cv2.resize(still, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 448, 448, "yuv420p"
        for t in range(LEAD + FRAMES):
            cut = np.array(large[0:448, 220 + t : 668 + t], np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="bgr24")))
        container.mux(stream.encode(None))


def test_pictures_are_measured_and_what_is_absent_is_named(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["--methods", "bicubic,realesr-general-x4v3,expert-T,expert-F,as routed", "--limit", "1"]
    assert main(["bench", "quality", str(faces), "--out", str(out), *words]) == 0
    told = json.loads((out / "quality.json").read_text())
    assert [row["method"] for row in told["rows"][:4]] == ["bicubic", "expert-T", "expert-F", "as routed"]
    assert {row["faces"] for row in told["rows"]} == {1}
    assert [method["name"] for method in told["absent"]] == ["realesr-general-x4v3"]
    assert any("identity is not measured" in note for note in told["notes"])
    assert told["settings"]["degradation"]["codec_share"] == 1.0
    gains = [row["own"]["psnr"] - row["bicubic"]["psnr"] for row in told["rows"] if row["method"] == "expert-T"]
    assert max(map(abs, gains)) > 0.1
    for name in ("sheet.png", "pictures.png"):
        assert cv2.imread(str(out / name)) is not None
    assert "| expert-T" in (out / "card.md").read_text()
    assert {row["group"]["band"][0] for row in told["classes"]} == {50, 100}
    printed = capsys.readouterr().out
    assert "absent: realesr-general-x4v3" in printed
    assert "--general" in (out / "quality.md").read_text()


def test_default_and_faithful_stand_side_by_side(tmp_path: Path, faces: Path, store: Store) -> None:
    words = ["--methods", "expert-F,expert-F faithful", "--limit", "1", "--fidelity", "0", "-q"]
    assert main(["bench", "quality", str(faces), "--out", str(tmp_path), *words]) == 0
    told = json.loads((tmp_path / "quality.json").read_text())
    crisp, faithful = told["rows"][:2]
    assert [crisp["method"], faithful["method"]] == ["expert-F", "expert-F faithful"]
    assert crisp["own"]["psnr"] != faithful["own"]["psnr"]
    assert told["settings"]["lanes"]["frequency"]["weights"] == store.entry("facelane-frequency-crisp").digest


def test_a_clip_is_shrunk_coded_and_sent_through_the_pipeline(tmp_path: Path, store: Store) -> None:
    film, out = tmp_path / "portrait.mp4", tmp_path / "out"
    write_film(film, store)
    assert main(["bench", "quality", str(film), "--out", str(out), "--methods", "bicubic,as routed", "-q"]) == 0
    told = json.loads((out / "quality.json").read_text())
    rows = {(row["group"]["band"][0], row["group"]["sharpness"], row["method"]): row for row in told["rows"]}
    # A face of 215 px is the truth of one of 60 and of 85, not of 115.
    assert {band for band, _, _ in rows} == {50, 75}
    assert any("too small" in note for note in told["notes"])
    for (_, _, method), row in rows.items():
        assert row["group"]["source"] == "clips"
        assert row["own"]["flicker"] > 0.0
        assert row["own"]["psnr"] > 24.0
        assert sum(row["lanes"].values()) == (FRAMES if method == "as routed" else 0)
        if method == "as routed":
            assert row["own"] != row["bicubic"]
            assert row["lanes"] == {"transformer": FRAMES}


def test_people_are_told_apart_by_the_tables_set(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "album"
    shutil.copytree(faces, folder)
    head, *rows = (folder / "faces.csv").read_text().splitlines()
    (folder / "faces.csv").write_text("\n".join([f"{head},set", f"{rows[0]},north", f"{rows[1]},south", ""]))
    out = tmp_path / "out"
    assert main(["bench", "quality", str(folder), "--out", str(out), "--methods", "bicubic,expert-T"]) == 0
    told = [row for row in json.loads((out / "quality.json").read_text())["groups"] if row["kind"] == "set"]
    # Two bands of its lane, sharp and soft.
    assert [(row["group"], row["method"], row["people"], row["faces"]) for row in told] == [
        ("north", "expert-T", 1, 4),
        ("south", "expert-T", 1, 4),
    ]
    assert "too few people" in capsys.readouterr().out


def test_a_small_clip_is_a_file_at_the_stated_quality(tmp_path: Path) -> None:
    frames = [np.asarray(np.roll(portrait(1)[:240, :320], shift, axis=1)) for shift in range(6)]
    write(tmp_path / "small.mp4", frames, crf=30.0)
    assert b"crf=30.0" in (tmp_path / "small.mp4").read_bytes()
    with FileReader(tmp_path / "small.mp4") as reader:
        read = list(reader)
    assert [float(frame.pts * frame.time_base) for frame in read] == pytest.approx([n / RATE for n in range(6)])
    assert {(frame.color.matrix, frame.color.full_range) for frame in read} == {("bt601", False)}
    for frame, true in zip(read, frames, strict=True):
        assert 28.0 < cv2.PSNR(frame.rgb(), true) < 45.0
        # No shift of colour on the way.
        assert np.abs(frame.rgb().mean(axis=(0, 1)) - true.mean(axis=(0, 1))).max() < 1.5


def test_runtime_that_is_missing_is_named(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As Python has it for a module that is known not to be there.
    monkeypatch.setitem(sys.modules, "ncnn", None)
    words = ["--methods", "bicubic,realesrgan-x4plus", "--limit", "1"]
    assert main(["bench", "quality", str(faces), "--out", str(tmp_path), *words]) == 0
    command = "pip install -c constraints.txt 'facelane[ncnn]'"
    assert f"absent: realesrgan-x4plus: ncnn is not installed; {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--methods", "bicubik"], 2, "no such method"),
        (["--limit", "0"], 2, "--limit 0"),
        (["--identity", "nowhere.onnx"], 2, "--identity nowhere.onnx"),
        (["--methods", "realesr-general-x4v3"], 2, "no method can run"),
    ],
)
def test_wrong_words_are_answered(
    tmp_path: Path, faces: Path, words: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "quality", str(faces), "--out", str(tmp_path), *words]) == code
    assert complaint in capsys.readouterr().err


def test_sources_that_hold_nothing_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "quality", str(tmp_path / "absent"), "--out", str(tmp_path)]) == 3
    assert "absent is not there" in capsys.readouterr().err


@pytest.mark.network
def test_peers_come_out_of_their_wheel_and_run(store: Store) -> None:
    picture = np.full((24, 32, 3), 120, np.uint8)
    large = Rescaled(open_ncnn("realesr-animevideov3", store, RuntimeSettings()), 2).upscale(picture)
    assert large.shape == (48, 64, 3)
    assert abs(float(large.mean()) - 120.0) < 3.0
