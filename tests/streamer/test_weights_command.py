from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamer.cli import main
from weights.manifest import read_manifest
from weights.places import PACKAGE_FILES

OURS = "facelane-background"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights but those of the package, and no way to others."""
    monkeypatch.setenv("FACELANE_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setenv("FACELANE_WEIGHTS__OFFLINE", "true")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "cache"


def test_the_list_says_what_where_and_under_which_terms(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["weights", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert set(read_manifest()) <= set(lines)
    assert lines[OURS].split()[:4] == [OURS, "0.2", "package", "MIT"]
    assert lines["gfpgan-1.4"].split()[:3] == ["gfpgan-1.4", "348.6", "absent"]
    assert "non-commercial weights *" in lines["gfpgan-1.4"]
    assert lines["gfpgan-1"].split()[1:4] == ["?", "by", "hand"]
    assert not folder.exists()


def test_paths_are_printed_whole_for_other_programs(
    capsys: pytest.CaptureFixture[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    assert main(["weights", "path"]) == 0
    assert main(["weights", "path", OURS]) == 0
    assert capsys.readouterr().out.splitlines() == [str(folder), str(PACKAGE_FILES / f"{OURS}.safetensors")]
    assert main(["weights", "path", "yunet"]) == 9
    assert "facelane weights pull yunet" in capsys.readouterr().err


def test_accepting_is_a_word_of_its_own_and_remembered(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["weights", "pull", "gfpgan-1.4"]) == 9
    assert "facelane weights pull gfpgan-1.4 --accept-licence gfpgan-1.4" in capsys.readouterr().err
    assert main(["weights", "pull", "gfpgan-1.4", "--accept-licence", "gfpgan-1.4"]) == 9
    assert f"gfpgan-1.4 is not in {folder} and offline is set" in capsys.readouterr().err
    assert main(["weights", "licences"]) == 0
    told = capsys.readouterr().out
    assert "- gfpgan-1.4, accepted by " in told
    assert "- gfpgan-1.3, not accepted" in told
    assert "for commercial use" not in told.split("Apache-2.0 code")[0]


def test_what_is_here_is_read_through_and_damage_named(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["weights", "pull", OURS]) == 0
    assert main(["weights", "verify"]) == 0
    assert f"{OURS}: sound" in capsys.readouterr().out
    folder.mkdir()
    (folder / read_manifest()["yunet"].file_name).write_bytes(b"half of it")
    assert main(["weights", "verify"]) == 9
    told = capsys.readouterr()
    assert "yunet: damaged" in told.out
    assert "facelane weights pull yunet" in told.err
    assert main(["weights", "verify", OURS]) == 0
    assert main(["weights", "verify", "arcface"]) == 9


@pytest.mark.parametrize(
    "words",
    [("pull", "gfpgn-1.4"), ("pull", OURS, "--accept-licence", "gfpgn-1.4"), ("import", "gfpgn-1.4", "a.pth")],
    ids=["pull", "accept", "import"],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str], folder: Path, words: tuple[str, ...]
) -> None:
    assert main(["weights", *words]) == 9
    assert "did you mean 'gfpgan-1.4'" in capsys.readouterr().err
    assert not folder.exists()


def test_a_wrong_file_is_not_imported(capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"something else")
    assert main(["weights", "import", "yunet", str(wrong)]) == 9
    assert "is not yunet: its SHA-256 is" in capsys.readouterr().err
    assert main(["weights", "list"]) == 0
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_file_that_nobody_can_vouch_for_is_taken_and_that_is_said(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.pth"
    torch.save({"params_ema": {"x": torch.zeros(3)}}, file)
    assert main(["weights", "import", "gfpgan-1", str(file), "--accept-licence", "gfpgan-1"]) == 0
    place, caveat = capsys.readouterr().out.splitlines()
    assert Path(place.partition(": ")[2]).parent == folder
    assert "nobody has published its SHA-256" in caveat
