"""Archives of the package index, by a real server that breaks off, lies, or is given up half-way."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import weights.https
from tests.helpers.releases import Releases, released
from tests.weights.test_weights_store import digest, leftovers
from weights.manifest import ArchiveMember, Entry
from weights.network import Network, NetworkSettings
from weights.store import Store, StoreSettings, WeightsError

logger = logging.getLogger(__name__)

LEFT, RIGHT = os.urandom(2_000_000), os.urandom(1_000_000)
NAME = "big_weights-1.0-py3-none-any.whl"


def make_wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("big/left.bin", LEFT)
        archive.writestr("big/right.bin", RIGHT)
    return buffer.getvalue()


WHEEL = make_wheel()
OTHER = os.urandom(len(WHEEL))


def entry(name: str, data: bytes) -> Entry:
    source = ArchiveMember("wheel", "big-weights", "1.0", NAME, digest(WHEEL), f"big/{name}.bin")
    return Entry(name, "a test", "MIT", "none", digest(data), len(data), (source,))


MANIFEST = {"left": entry("left", LEFT), "right": entry("right", RIGHT)}
TOML = "".join(
    f"""
[{each.id}]
purpose = "a test"
licence = "MIT"
terms = "none"
sha256 = "{each.sha256}"
bytes = {each.size}
[[{each.id}.source]]
kind = "wheel"
distribution = "big-weights"
version = "1.0"
archive = "{NAME}"
sha256 = "{digest(WHEEL)}"
member = "big/{each.id}.bin"
"""
    for each in MANIFEST.values()
)


@pytest.fixture(params=["https"])
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Releases]:
    """Two places that pip is set up for, /first and /second, on one server; only the first lists something."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(weights.https, "WAITS_SECONDS", (0.01, 0.02))
    with released(tmp_path, request.param) as made:
        list_wheel(made, "first")
        made.files[f"/first/{NAME}"] = WHEEL
        for name, value in {
            "CONFIG_FILE": os.devnull,
            "CERT": str(made.certificate),
            "INDEX_URL": f"{made.url}/first/simple",
            "EXTRA_INDEX_URL": f"{made.url}/second/simple",
        }.items():
            monkeypatch.setenv(f"PIP_{name}", value)
        yield made


def list_wheel(index: Releases, place: str) -> None:
    index.pages[f"/{place}/simple/big-weights/"] = f'<a href="../../{NAME}#sha256=0">{NAME}</a>'.encode()


def find(tmp_path: Path, say: Callable[[str], None] = logger.info) -> bytes:
    store = Store(StoreSettings(folder=tmp_path / "cache"), manifest=MANIFEST, say=say)
    found = store.find("left").read_bytes()
    # One archive brought both, and nothing else is left of it.
    assert leftovers(tmp_path) == sorted(each.file_name for each in MANIFEST.values())
    return found


def wanted(index: Releases, place: str = "first") -> list[str | None]:
    """What was asked for of the wheel at that place, request by request."""
    return [wanted for path, wanted in index.asked if path == f"/{place}/{NAME}"]


def part(tmp_path: Path) -> Path:
    return tmp_path / "cache" / f".archive-{digest(WHEEL)[:12]}" / f"{NAME}.part"


@pytest.mark.parametrize("index", ["http", "https"], indirect=True)
def test_an_archive_that_breaks_off_is_gone_on_with(tmp_path: Path, index: Releases) -> None:
    index.cuts = [1_000_000, 500_000]
    said: list[str] = []
    assert find(tmp_path, said.append) == LEFT
    assert wanted(index) == [None, "bytes=1000000-", "bytes=1500000-"]
    assert said[0] == f"fetching {NAME} from 127.0.0.1 ..."
    assert said[1] == f"{index.url}/first/{NAME}: the connection broke off; trying again in 0.01 s"


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(tmp_path: Path, index: Releases) -> None:
    index.ranges = False
    index.cuts = [1_000_000]
    assert find(tmp_path) == LEFT
    assert len(wanted(index)) == 2


def test_a_server_in_trouble_is_asked_again(tmp_path: Path, index: Releases) -> None:
    index.statuses = [503, 429]
    assert find(tmp_path) == LEFT
    assert len(wanted(index)) == 3


def test_what_came_before_a_server_fell_silent_is_kept(tmp_path: Path, index: Releases) -> None:
    index.cuts = [1_000_000, 0, 0]
    with pytest.raises(WeightsError, match=rf"{NAME} can't be fetched .* broke off\); check the network") as caught:
        find(tmp_path)
    assert caught.value.retryable
    assert "\n" not in str(caught.value)
    assert part(tmp_path).read_bytes() == WHEEL[:1_000_000]
    said: list[str] = []
    assert find(tmp_path, said.append) == LEFT
    assert said == [f"going on with {NAME} from 127.0.0.1 at 1.0 MB ..."]


def test_wrong_bytes_at_one_place_are_named_and_the_next_is_asked(
    tmp_path: Path, index: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    list_wheel(index, "second")
    index.files |= {f"/first/{NAME}": OTHER, f"/second/{NAME}": WHEEL}
    with caplog.at_level(logging.WARNING):
        assert find(tmp_path) == LEFT
    assert wanted(index, "second") == [None]
    assert f"{index.url}/first/{NAME} holds other bytes" in caplog.text
    assert "trying the next place" in caplog.text


def test_half_of_the_wrong_bytes_spoil_nothing_at_the_next_place(tmp_path: Path, index: Releases) -> None:
    list_wheel(index, "second")
    index.files |= {f"/first/{NAME}": OTHER, f"/second/{NAME}": WHEEL}
    index.cuts = [1_000_000, 0, 0]
    assert find(tmp_path) == LEFT
    assert wanted(index, "second") == ["bytes=1000000-", None]


def test_a_local_file_with_wrong_bytes_is_passed_over_and_what_came_is_not_lost(
    tmp_path: Path, index: Releases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / NAME).write_bytes(OTHER)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    part(tmp_path).parent.mkdir(parents=True)
    part(tmp_path).write_bytes(WHEEL[:1_000_000])
    with caplog.at_level(logging.WARNING):
        assert find(tmp_path) == LEFT
    assert wanted(index) == ["bytes=1000000-"]
    assert f"{tmp_path / 'wheels' / NAME} holds other bytes" in caplog.text
    assert (tmp_path / "wheels" / NAME).read_bytes() == OTHER


def test_a_password_goes_to_its_own_server_alone_and_is_never_shown(
    tmp_path: Path, index: Releases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:secret@") + "/first/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index.url.replace("//", "//me:secret@") + "/second/simple")
    (tmp_path / "files").mkdir()
    with released(tmp_path / "files", "http") as files, caplog.at_level(logging.DEBUG):
        files.files[f"/{NAME}"] = WHEEL
        index.pages["/second/simple/big-weights/"] = f'<a href="{files.url}/{NAME}">{NAME}</a>'.encode()
        index.files[f"/first/{NAME}"] = OTHER
        index.cuts = [1_000_000]
        said: list[str] = []
        assert find(tmp_path, said.append) == LEFT
    assert set(index.credentials) == {"Basic bWU6c2VjcmV0"}
    assert files.credentials == [None]
    assert any("trying again" in words for words in said)
    assert "secret" not in caplog.text + "".join(said)


def test_a_certificate_that_is_not_pips_is_answered_with_pips_setting(
    tmp_path: Path, index: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "files").mkdir()
    with released(tmp_path / "files") as files:
        index.pages["/first/simple/big-weights/"] = f'<a href="{files.url}/{NAME}">{NAME}</a>'.encode()
        with pytest.raises(WeightsError, match=r"certificate is not trusted .* PIP_CERT") as caught:
            find(tmp_path)
    assert not caught.value.retryable


@pytest.mark.parametrize("index", ["http"], indirect=True)
def test_no_redirect_leads_out_of_http(index: Releases) -> None:
    index.redirects = {"/away": "ftp://127.0.0.1:9/away"}
    with pytest.raises(OSError, match="which is no HTTP address"):
        Network(NetworkSettings()).open(f"{index.url}/away")


PULL = """
import sys
from pathlib import Path
import weights.store
from weights.manifest import read_manifest

weights.store.read_manifest = lambda: read_manifest(Path(sys.argv[1]))
from streamer.cli import main

sys.exit(main(["weights", "pull", "left"]))
"""


def pull(tmp_path: Path) -> subprocess.Popen[str]:
    """`facelane weights pull left` with the manifest of this test."""
    (tmp_path / "manifest.toml").write_text(TOML)
    return subprocess.Popen(
        [sys.executable, "-c", PULL, str(tmp_path / "manifest.toml")],
        env={**os.environ, "FACELANE_WEIGHTS": str(tmp_path / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_pull_that_is_interrupted_goes_on_from_there(tmp_path: Path, index: Releases) -> None:
    index.piece_seconds = 0.005
    running = pull(tmp_path)
    end = time.monotonic() + 30
    while not (part(tmp_path).exists() and part(tmp_path).stat().st_size >= 500_000) and time.monotonic() < end:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=10)
    assert running.returncode == 128 + signal.SIGINT
    assert "what has come is kept, and the same command goes on from there" in " ".join(told.split())
    come = part(tmp_path).stat().st_size
    assert 500_000 <= come < len(WHEEL)
    index.piece_seconds = 0.0
    again = pull(tmp_path)
    _, told = again.communicate(timeout=30)
    assert again.returncode == 0, told
    assert wanted(index) == [None, f"bytes={come}-"]
    assert find(tmp_path) == LEFT
