"""Where the benches write: tried before anything is measured; a disk that is full afterwards takes no figures away."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from streamer import bench_devices
from streamer.cli import main
from streamer.errors import DiskFullError, SinkError

# Nobody makes a file there, not even root.
CLOSED = Path("/sys/kernel")


@pytest.mark.parametrize(
    ("bench", "words"),
    [
        ("bench_devices", ["devices", "--out", str(CLOSED)]),
        ("benchmarks", ["quality", ".", "--out", str(CLOSED)]),
        ("bench_gate", ["gate", ".", "--report", str(CLOSED / "gate.json")]),
        ("bench_detectors", ["detectors", ".", "--report", str(CLOSED / "detectors.json")]),
    ],
)
def test_what_can_not_be_written_is_said_before_anything_is_loaded(
    bench: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"streamer.{bench}.make_store", pytest.fail)
    assert main(["bench", *words]) == SinkError.exit_code
    said = capsys.readouterr().err
    assert f"{words[-1]} can't be written" in " ".join(said.split())
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_folders_name_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "here").touch()
    assert main(["bench", "devices", "--out", str(tmp_path / "here")]) == SinkError.exit_code
    assert "is no folder: write to another name" in " ".join(capsys.readouterr().err.split())


def test_the_table_is_shown_also_where_the_disk_is_full_by_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(path: Path, content: bytes) -> None:
        assert json.loads(content)["absent"] == {"the network": "nothing is measured here"}
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(bench_devices, "load_subjects", lambda *_: ([], {"the network": "nothing is measured here"}))
    monkeypatch.setattr(bench_devices, "CHOICES", ())
    monkeypatch.setattr(bench_devices, "write_whole", fail)
    assert main(["bench", "devices", "--out", str(tmp_path)]) == DiskFullError.exit_code
    assert "absent: the network: nothing is measured here" in capsys.readouterr().out
