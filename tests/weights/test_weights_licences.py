"""Whose terms have to be accepted, and files that a user brings."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from tests.weights.test_weights_store import largest_file, leftovers
from weights.manifest import Entry, HttpsFile
from weights.store import Store, StoreSettings, WeightsError

URL = "https://127.0.0.1:9/v1/Model.pth"


def torch_file(content: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


DATA = torch_file({"params": {"weight": torch.arange(9.0)}})
NEWER = torch_file({"params": {"weight": torch.arange(5.0)}})


def an_entry(name: str, data: bytes | None = DATA, *, commercial_use: bool = True) -> Entry:
    digest = None if data is None else hashlib.sha256(data).hexdigest()
    size = None if data is None else len(data)
    terms = "for research; https://127.0.0.1/terms"
    return Entry(name, "a test", "research only", terms, digest, size, (HttpsFile(URL),), commercial_use)


FREE, BOUND = an_entry("free"), an_entry("bound", commercial_use=False)
UNSEEN, UNSEEN_BOUND = an_entry("unseen", None), an_entry("unseen-bound", None, commercial_use=False)


def a_store(tmp_path: Path, *entries: Entry) -> Store:
    manifest = {entry.id: entry for entry in entries or (FREE, BOUND, UNSEEN, UNSEEN_BOUND)}
    return Store(StoreSettings(folder=tmp_path / "cache"), manifest=manifest)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "Model.pth"
    path.write_bytes(DATA)
    return path


def test_bound_weights_are_refused_with_the_command_until_somebody_accepts(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    with pytest.raises(WeightsError, match=r"facelane weights pull bound --accept-licence bound$") as caught:
        store.find("bound")
    assert "research only; for research; https://127.0.0.1/terms" in str(caught.value)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(WeightsError, match=f"import bound {re.escape(str(file))} --accept-licence bound$"):
        store.import_file("bound", file)
    assert not (tmp_path / "cache").exists()
    store.accept("bound")
    assert store.import_file("bound", file) == store.find("bound")


def test_who_accepted_what_and_when_is_remembered_beside_the_files(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    store.accept("bound")
    (written,) = json.loads((tmp_path / "cache" / "accepted-licences.json").read_text()).values()
    assert written["licence"] == "research only"
    assert written["by"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(written["at"])).total_seconds()) < 60
    store.import_file("bound", file)
    assert a_store(tmp_path).find("bound").read_bytes() == DATA
    assert a_store(tmp_path).acceptance("bound") is not None
    assert a_store(tmp_path).acceptance("unseen-bound") is None


def test_a_file_that_lies_there_is_not_used_under_terms_that_nobody_accepted(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / BOUND.file_name).write_bytes(DATA)
    with pytest.raises(WeightsError, match="--accept-licence bound"):
        a_store(tmp_path).find("bound")


def test_other_terms_have_to_be_accepted_anew(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    store.accept("bound")
    store.import_file("bound", file)
    with pytest.raises(WeightsError, match="--accept-licence bound"):
        a_store(tmp_path, replace(BOUND, terms="dearer ones")).find("bound")


@pytest.mark.parametrize("content", ["{", "[]", '{"bound": {"licence": "research only"}}'])
def test_a_damaged_record_is_named_and_counts_for_nothing(tmp_path: Path, content: str) -> None:
    store = a_store(tmp_path)
    store.accept("bound")
    record = tmp_path / "cache" / "accepted-licences.json"
    record.write_text(content)
    with pytest.raises(WeightsError, match=f"{re.escape(str(record))} is damaged .* delete it"):
        a_store(tmp_path).find("bound")


def test_a_file_of_the_published_bytes_is_taken_in(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    path = store.import_file("free", file)
    file.unlink()
    assert store.find("free") == path == tmp_path / "cache" / FREE.file_name
    assert path.read_bytes() == DATA
    assert leftovers(tmp_path) == [FREE.file_name]


@pytest.mark.parametrize("content", [b"", DATA[:-1], NEWER], ids=["empty", "cut off", "another"])
def test_other_bytes_than_the_published_are_refused(tmp_path: Path, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"is not free: its SHA-256 is .*get it anew from {re.escape(URL)}"):
        a_store(tmp_path).import_file("free", file)
    assert leftovers(tmp_path) == []


def test_what_nobody_vouches_for_is_never_fetched_but_may_be_brought(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    command = f"download {re.escape(URL)} and run: facelane weights import unseen Model.pth$"
    with pytest.raises(WeightsError, match=command):
        store.find("unseen")
    with pytest.raises(WeightsError, match=r"import unseen-bound Model\.pth --accept-licence unseen-bound$"):
        store.find("unseen-bound")
    assert store.state("unseen") == "absent"
    store.import_file("unseen", file)
    later = a_store(tmp_path)
    assert later.find("unseen").read_bytes() == DATA
    assert later.state("unseen") == "cache"
    assert later.entry("unseen").digest == f"unseen@{hashlib.sha256(DATA).hexdigest()[:12]}"
    assert later.entry("unseen").size == len(DATA)


def test_what_was_brought_is_held_to_the_bytes_that_it_had(tmp_path: Path, file: Path) -> None:
    path = a_store(tmp_path).import_file("unseen", file)
    path.write_bytes(NEWER)
    store = a_store(tmp_path)
    assert store.state("unseen") == "damaged"
    with pytest.raises(WeightsError, match=r"facelane weights import unseen Model\.pth"):
        store.find("unseen")
    file.write_bytes(NEWER)
    assert store.import_file("unseen", file).read_bytes() == NEWER
    assert store.find("unseen").read_bytes() == NEWER


def test_a_newer_file_takes_the_place_of_the_one_brought_before(tmp_path: Path, file: Path) -> None:
    store = a_store(tmp_path)
    store.import_file("unseen", file)
    store.find("unseen")
    file.write_bytes(NEWER)
    store.import_file("unseen", file)
    assert store.find("unseen").read_bytes() == NEWER
    assert leftovers(tmp_path) == ["imported.json", store.find("unseen").name]


class Code:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (DATA[:-9], "is cut off or damaged"), (torch_file(Code()), "is a pickle with code in it")],
    ids=["empty", "cut off", "code"],
)
def test_not_even_by_hand_comes_what_is_no_tensors(tmp_path: Path, file: Path, content: bytes, said: str) -> None:
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=f"{re.escape(str(file))} {said}"):
        a_store(tmp_path).import_file("unseen", file)
    assert leftovers(tmp_path) == []


def test_a_full_disk_leaves_nothing_half_imported(tmp_path: Path, file: Path) -> None:
    with largest_file(len(DATA) // 2), pytest.raises(WeightsError, match="no space left"):
        a_store(tmp_path).import_file("free", file)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("name", ["absent.pth", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match=f"{re.escape(str(tmp_path / name))} can't be read"):
        a_store(tmp_path).import_file("free", tmp_path / name)


def test_a_file_that_fails_while_it_is_read_is_named_and_not_the_folder(tmp_path: Path) -> None:
    """A process has nothing at the beginning of its memory."""
    file = Path("/proc/self/mem")
    with pytest.raises(WeightsError, match=f"{file} can't be read .*; name a file of weights"):
        a_store(tmp_path).import_file("free", file)
    assert leftovers(tmp_path) == []


def test_no_file_takes_the_place_of_ours(tmp_path: Path, file: Path) -> None:
    with pytest.raises(WeightsError, match="is a part of Facelane"):
        Store(StoreSettings(folder=tmp_path)).import_file("facelane-transformer", file)
