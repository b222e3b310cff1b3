from __future__ import annotations

from pathlib import Path

import pytest

from weights.index import parse_pip_config
from weights.manifest import PackageFile, read_manifest
from weights.store import PACKAGE_FILES, Store, WeightsError

ENTRY = """
[tiny]
purpose = "a test"
licence = "MIT"
terms = "none"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
bytes = 3
[[tiny.source]]
kind = "package"
file = "tiny.safetensors"
"""


def test_the_manifest_names_every_file_of_the_package_and_no_other() -> None:
    named = {
        source.file for entry in read_manifest().values() for source in entry.sources if isinstance(source, PackageFile)
    }
    assert named == {path.name for path in PACKAGE_FILES.glob("*.safetensors")}
    store = Store()
    for entry in read_manifest().values():
        if isinstance(entry.sources[0], PackageFile):
            assert store.find(entry.id) == PACKAGE_FILES / entry.sources[0].file


def test_every_entry_says_under_which_terms() -> None:
    for entry in read_manifest().values():
        assert entry.licence
        assert entry.terms
        assert entry.digest == (f"{entry.id}@{entry.sha256[:12]}" if entry.sha256 else entry.id)
        assert entry.commercial_use is not any(word in entry.licence for word in ("non-commercial", "research"))


def test_an_entry_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(ENTRY)
    entry = read_manifest(path)["tiny"]
    assert entry.size == 3
    assert entry.sources == (PackageFile("tiny.safetensors"),)


@pytest.mark.parametrize(
    ("good", "wrong"),
    [
        ("bytes = 3", "bytes = 0"),
        ("bytes = 3", ""),
        ('sha256 = "00', 'sha256 = "0X'),
        ('kind = "package"', 'kind = "torrent"'),
        ('file = "tiny.safetensors"', 'file = "../tiny.safetensors"'),
        ('file = "tiny.safetensors"', 'member = "tiny.safetensors"'),
        ('licence = "MIT"', 'license = "MIT"'),
    ],
)
def test_an_entry_that_is_wrong_is_named(tmp_path: Path, good: str, wrong: str) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text(ENTRY.replace(good, wrong))
    with pytest.raises(WeightsError, match=r"the entry \[tiny\] is wrong"):
        read_manifest(path)


def test_a_manifest_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "manifest.toml"
    path.write_text("[tiny")
    with pytest.raises(WeightsError, match="not a readable manifest"):
        read_manifest(path)


def test_the_stronger_of_pips_options_wins() -> None:
    printed = "\n".join(
        (
            ":env:.index-url='from a variable'",
            "global.index-url='from a file'",
            "global.find-links='one\\ntwo'",
            "download.extra-index-url='for downloads'",
            "global.extra-index-url='for all'",
            "install.extra-index-url='for installs'",
            ":env:.default-timeout='180'",
        )
    )
    assert parse_pip_config(printed) == {
        "index-url": "from a variable",
        "find-links": "one\ntwo",
        "extra-index-url": "for downloads",
        "timeout": "180",
    }
