"""New weights into the package, and the manifest with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from weights.manifest import read_manifest
from weights.ship import ship
from weights.store import WeightsError, sha256_of

MANIFEST = """# What there is.
[old]
purpose = "first"
licence = "MIT"
terms = "-"
sha256 = "{zeros}"
bytes = 1
[[old.source]]
kind = "package"
file = "old.safetensors"

# The other.
[fetched]
purpose = "second"
licence = "MIT"
terms = "-"
sha256 = "{zeros}"
bytes = 1
[[fetched.source]]
kind = "wheel"
distribution = "tiny"
version = "1.0"
archive = "tiny-1.0.whl"
sha256 = "{zeros}"
member = "tiny/weights"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.toml"
    path.write_text(MANIFEST.format(zeros="0" * 64), encoding="utf-8")
    return path


def test_the_file_and_its_entry_are_renewed_and_nothing_else(tmp_path: Path, manifest: Path) -> None:
    made, before = tmp_path / "made.safetensors", manifest.read_text()
    made.write_bytes(b"new weights")
    (tmp_path / "old.safetensors").write_bytes(b"old weights")
    digest = ship("old", made, manifest=manifest, folder=tmp_path)
    assert (tmp_path / "old.safetensors").read_bytes() == b"new weights"
    entry = read_manifest(manifest)["old"]
    assert (entry.sha256, entry.size, entry.digest) == (sha256_of(made), 11, digest)
    changed = [
        two for two in zip(before.splitlines(), manifest.read_text().splitlines(), strict=True) if len({*two}) > 1
    ]
    assert changed == [(f'sha256 = "{"0" * 64}"', f'sha256 = "{sha256_of(made)}"'), ("bytes = 1", "bytes = 11")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made.safetensors", "manifest.toml", "old.safetensors"]


@pytest.mark.parametrize(
    ("id", "name", "said"),
    [
        ("new", "made", r"has no entry \[new\]"),
        ("fetched", "made", r"has no entry \[fetched\] of a file in the package"),
        ("old", "none", "none can't be read"),
    ],
)
def test_what_cannot_be_is_told_and_changes_nothing(
    tmp_path: Path, manifest: Path, id: str, name: str, said: str
) -> None:
    (tmp_path / "made").write_bytes(b"new weights")
    before = manifest.read_text()
    with pytest.raises(WeightsError, match=said):
        ship(id, tmp_path / name, manifest=manifest, folder=tmp_path)
    assert manifest.read_text() == before
    assert not (tmp_path / "old.safetensors").exists()


def test_a_file_that_cannot_be_replaced_leaves_nothing_unfinished(tmp_path: Path, manifest: Path) -> None:
    (tmp_path / "made").write_bytes(b"new weights")
    (tmp_path / "old.safetensors").mkdir()
    before = manifest.read_text()
    with pytest.raises(WeightsError):
        ship("old", tmp_path / "made", manifest=manifest, folder=tmp_path)
    assert manifest.read_text() == before
    assert not list(tmp_path.glob(".*.part"))
