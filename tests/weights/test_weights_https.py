"""Files from a project's own address, by a real HTTPS server that does what servers do."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import multiprocessing
import os
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import weights.https
from tests.helpers.releases import Releases, released
from tests.weights.test_weights_store import largest_file, leftovers
from weights.errors import LocalError
from weights.manifest import Entry, HttpsFile, HttpsMember
from weights.network import Network, NetworkSettings, public
from weights.store import Store, StoreSettings, WeightsError

logger = logging.getLogger(__name__)

DATA = os.urandom(300_000)
OTHER = os.urandom(len(DATA))
PATH = "/v1/big.pth"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(weights.https, "WAITS_SECONDS", (0.01, 0.02, 0.04, 0.08))
    with released(tmp_path) as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        made.files[PATH] = DATA
        yield made


def big(releases: Releases, path: str = PATH, *, size: int | None = len(DATA), mirrors: tuple[str, ...] = ()) -> Entry:
    sources = tuple(HttpsFile(f"{releases.url}{each}") for each in (path, *mirrors))
    return Entry("big", "a test", "MIT", "none", digest(DATA), size, sources)


def a_store(
    tmp_path: Path,
    *entries: Entry,
    say: Callable[[str], None] = logger.info,
    watch: Callable[[str, int, int | None], None] | None = None,
) -> Store:
    manifest = {entry.id: entry for entry in entries}
    return Store(StoreSettings(folder=tmp_path / "cache"), manifest=manifest, say=say, watch=watch)


def part_of(tmp_path: Path, entry: Entry, content: bytes) -> Path:
    """What another run left."""
    (tmp_path / "cache").mkdir(exist_ok=True)
    path = tmp_path / "cache" / f"{entry.file_name}.part"
    path.write_bytes(content)
    return path


def test_a_slow_file_comes_with_a_line_and_with_progress(tmp_path: Path, releases: Releases) -> None:
    releases.piece_seconds = 0.002
    said: list[str] = []
    seen: list[tuple[str, int, int | None]] = []
    entry = big(releases)
    store = a_store(tmp_path, entry, say=said.append, watch=lambda *progress: seen.append(progress))
    assert store.find("big").read_bytes() == DATA
    assert said == ["fetching big.pth (0.3 MB) from 127.0.0.1 ..."]
    done = [each for _, each, _ in seen]
    assert len(done) > 10
    assert done == sorted(done)
    assert seen[-1] == ("big.pth", len(DATA), len(DATA))
    assert leftovers(tmp_path) == [entry.file_name]


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, releases: Releases) -> None:
    releases.cuts = [100_000, 50_000]
    said: list[str] = []
    assert a_store(tmp_path, big(releases), say=said.append).find("big").read_bytes() == DATA
    assert [wanted for _, wanted in releases.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert sum("the connection broke off; trying again" in words for words in said) == 2


def test_what_came_is_kept_for_the_next_run(tmp_path: Path, releases: Releases) -> None:
    releases.cuts, releases.statuses = [100_000], []
    entry = big(releases)
    interrupted = a_store(tmp_path, entry, watch=interrupt_at(60_000))
    with pytest.raises(KeyboardInterrupt):
        interrupted.find("big")
    part = tmp_path / "cache" / f"{entry.file_name}.part"
    come = part.stat().st_size
    assert 60_000 <= come <= 100_000
    assert interrupted.present("big") is None
    said: list[str] = []
    assert a_store(tmp_path, entry, say=said.append).find("big").read_bytes() == DATA
    assert releases.asked[-1] == (PATH, f"bytes={come}-")
    assert said == [f"going on with big.pth from 127.0.0.1 at {come / 1e6:.1f} of 0.3 MB ..."]
    assert leftovers(tmp_path) == [entry.file_name]


def interrupt_at(size: int) -> Callable[[str, int, int | None], None]:
    def watch(_name: str, done: int, _total: int | None) -> None:
        if done >= size:
            raise KeyboardInterrupt

    return watch


def test_a_server_that_knows_no_ranges_is_read_from_the_beginning(tmp_path: Path, releases: Releases) -> None:
    releases.ranges = False
    releases.cuts = [100_000]
    assert a_store(tmp_path, big(releases)).find("big").read_bytes() == DATA
    assert len(releases.asked) == 2


@pytest.mark.parametrize(
    "left", [DATA, OTHER[:1000], DATA + b"more", OTHER], ids=["all of it", "wrong", "too much", "all wrong"]
)
@pytest.mark.parametrize("size", [len(DATA), None], ids=["known size", "unknown size"])
def test_whatever_another_run_left_the_file_is_right(
    tmp_path: Path, releases: Releases, left: bytes, size: int | None
) -> None:
    entry = big(releases, size=size)
    part_of(tmp_path, entry, left)
    assert a_store(tmp_path, entry).find("big").read_bytes() == DATA
    assert leftovers(tmp_path) == [entry.file_name]
    if size and left == DATA:
        assert releases.asked == []


@pytest.mark.parametrize("size", [len(DATA), None], ids=["known size", "unknown size"])
def test_where_another_range_comes_than_was_asked_for_all_is_fetched_anew(
    tmp_path: Path, releases: Releases, size: int | None
) -> None:
    entry = big(releases, size=size)
    part_of(tmp_path, entry, DATA[:1000])
    releases.shifts = [7]
    assert a_store(tmp_path, entry).find("big").read_bytes() == DATA
    assert [wanted for _, wanted in releases.asked] == ["bytes=1000-", None]
    assert leftovers(tmp_path) == [entry.file_name]


def test_wrong_bytes_are_named_and_set_aside(tmp_path: Path, releases: Releases) -> None:
    releases.files[PATH] = OTHER
    entry = big(releases)
    store = a_store(tmp_path, entry)
    with pytest.raises(WeightsError, match=r"other bytes than the manifest's SHA-256 .*\.corrupt") as caught:
        store.find("big")
    assert not caught.value.retryable
    assert leftovers(tmp_path) == [f"{entry.file_name}.corrupt"]
    assert store.present("big") is None
    releases.files[PATH] = DATA
    assert store.find("big").read_bytes() == DATA


def test_a_file_of_another_size_is_not_even_fetched(tmp_path: Path, releases: Releases) -> None:
    entry = big(releases)
    part = part_of(tmp_path, entry, DATA[:1000])
    releases.files[PATH] = b"<html>Please log in</html>"
    releases.ranges = False
    with pytest.raises(WeightsError, match="has 26 bytes, and the manifest says 300000"):
        a_store(tmp_path, entry).find("big")
    assert part.read_bytes() == DATA[:1000]


def test_a_file_that_is_gone_is_asked_for_once_and_the_next_address_tried(
    tmp_path: Path, releases: Releases, caplog: pytest.LogCaptureFixture
) -> None:
    gone = big(releases, "/gone/big.pth")
    with pytest.raises(WeightsError, match=r"HTTP 404 .* facelane weights import big FILE") as caught:
        a_store(tmp_path, gone).find("big")
    assert not caught.value.retryable
    assert releases.asked == [("/gone/big.pth", None)]
    with caplog.at_level(logging.WARNING):
        found = a_store(tmp_path, big(releases, "/gone/big.pth", mirrors=(PATH,))).find("big")
    assert found.read_bytes() == DATA
    assert "trying the next source" in caplog.text


def test_a_server_in_trouble_is_asked_again_after_growing_waits(tmp_path: Path, releases: Releases) -> None:
    releases.statuses = [503, 429, 500]
    said: list[str] = []
    assert a_store(tmp_path, big(releases), say=said.append).find("big").read_bytes() == DATA
    assert [words.rpartition("in ")[2] for words in said[1:]] == ["0.01 s", "0.02 s", "0.04 s"]
    assert "HTTP 503" in said[1]


def test_after_some_tries_it_ends_with_what_was_wrong(tmp_path: Path, releases: Releases) -> None:
    releases.statuses = [503] * 9
    with pytest.raises(WeightsError, match="HTTP 503") as caught:
        a_store(tmp_path, big(releases)).find("big")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)
    assert len(releases.asked) == 5


def test_redirects_are_followed_with_the_range(tmp_path: Path, releases: Releases) -> None:
    entry = big(releases, "/latest/big.pth")
    part_of(tmp_path, entry, DATA[:1000])
    releases.redirects = {"/latest/big.pth": f"{releases.url}/moved", "/moved": PATH}
    assert a_store(tmp_path, entry).find("big").read_bytes() == DATA
    assert releases.asked[-1] == (PATH, "bytes=1000-")


def test_no_redirect_leads_out_of_encryption(tmp_path: Path, releases: Releases) -> None:
    releases.redirects = {PATH: "http://127.0.0.1:9/big.pth"}
    with pytest.raises(WeightsError, match=r"http://127\.0\.0\.1:9/big\.pth, which is not encrypted"):
        a_store(tmp_path, big(releases)).find("big")


def test_a_password_goes_to_no_server_but_its_own(tmp_path: Path, releases: Releases) -> None:
    (tmp_path / "other").mkdir()
    with released(tmp_path / "other") as other:
        trusted = tmp_path / "both.pem"
        trusted.write_bytes(releases.certificate.read_bytes() + other.certificate.read_bytes())
        other.files[PATH] = DATA
        releases.redirects = {"/latest": "/moved", "/moved": f"{other.url}{PATH}"}
        url = releases.url.replace("https://", "https://me:secret@")
        with Network(NetworkSettings(certificates=trusted)).open(f"{url}/latest") as answer:
            assert answer.read() == DATA
    sent = f"Basic {base64.b64encode(b'me:secret').decode()}"
    assert (releases.credentials, other.credentials) == ([sent, sent], [None])


def test_a_certificate_that_nobody_vouches_for_is_no_matter_of_trying_again(
    tmp_path: Path, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(WeightsError, match=r"certificate is not trusted .* SSL_CERT_FILE") as caught:
        a_store(tmp_path, big(releases)).find("big")
    assert not caught.value.retryable
    assert releases.asked == []


def test_no_network_is_said_in_one_line(tmp_path: Path, releases: Releases) -> None:
    away = replace(big(releases), sources=(HttpsFile("https://127.0.0.1:9/big.pth"),))
    with pytest.raises(WeightsError, match=r"big can't be fetched .*refused.*check the network") as caught:
        a_store(tmp_path, away).find("big")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_called_that_and_what_came_is_used_later(tmp_path: Path, releases: Releases) -> None:
    store = a_store(tmp_path, big(releases))
    with largest_file(100_000), pytest.raises(LocalError, match="no space left"):
        store.find("big")
    assert len(releases.asked) == 1
    assert store.find("big").read_bytes() == DATA
    assert (releases.asked[-1][1] or "").startswith("bytes=")


def test_a_folder_that_nobody_may_write_to_is_named(tmp_path: Path, releases: Releases) -> None:
    # The kernel lets nobody make files there, root neither.
    store = Store(StoreSettings(folder=Path("/sys/kernel")), manifest={"big": big(releases)})
    with pytest.raises(LocalError, match=r"/sys/kernel can't be written to .* FACELANE_WEIGHTS"):
        store.find("big")
    assert releases.asked == []


@contextmanager
def proxy(asked: list[str]) -> Iterator[str]:
    """The URL of a proxy that lets every CONNECT through."""
    server = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with source, target:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        client, _ = server.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        asked.append(head.decode().splitlines()[0])
        host, _, port = head.split()[1].decode().partition(":")
        upstream = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(upstream, client.dup()))
        back.start()
        pump(client, upstream.dup())
        back.join()

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://me:secret@127.0.0.1:{server.getsockname()[1]}"
    thread.join()
    server.close()


def test_the_proxy_of_the_environment_is_used(
    tmp_path: Path, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with proxy(asked) as url:
        monkeypatch.setenv("https_proxy", url)
        assert a_store(tmp_path, big(releases)).find("big").read_bytes() == DATA
    assert asked == [f"CONNECT {releases.url.removeprefix('https://')} HTTP/1.0"]


def test_a_proxy_that_is_down_is_named_without_its_password(
    tmp_path: Path, releases: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(WeightsError, match=r"by the proxy http://127\.0\.0\.1:9: .*refused") as caught:
        a_store(tmp_path, big(releases)).find("big")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("https://me:se@cret@host:8080/a/b@c?signature=secret#sha256=1", "https://host:8080/a/b@c"),
        ("me:secret@host:3128", "host:3128"),
        ("host:3128", "host:3128"),
        ("/home/me@work/wheels #1", "/home/me@work/wheels #1"),
    ],
)
def test_nothing_secret_of_a_place_is_shown(place: str, shown: str) -> None:
    assert public(place) == shown


def find_bytes(folder: Path, entry: Entry) -> str:
    return digest(Store(StoreSettings(folder=folder), manifest={"big": entry}).find("big").read_bytes())


def test_processes_fetch_once_between_them(tmp_path: Path, releases: Releases) -> None:
    releases.piece_seconds = 0.001
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(find_bytes, [(tmp_path / "cache", big(releases))] * 2)
        pool.close()
        pool.join()
    assert found == [digest(DATA)] * 2
    assert len(releases.asked) == 1


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_an_archive_of_the_project_brings_what_may_be_used_of_it(tmp_path: Path, releases: Releases) -> None:
    archive = zipped({"one.onnx": DATA, "two.onnx": OTHER, "three.onnx": b"three"})
    releases.files["/pack.zip"] = archive
    sources = {
        name: HttpsMember(f"{releases.url}/pack.zip", digest(archive), f"{name}.onnx") for name in ("one", "two")
    }
    one = Entry("one", "a test", "MIT", "none", digest(DATA), len(DATA), (sources["one"],))
    two = Entry("two", "a test", "research only", "none", digest(OTHER), len(OTHER), (sources["two"],), False)
    releases.cuts = [1000]
    store = a_store(tmp_path, one, two)
    assert store.find("one").read_bytes() == DATA
    assert [wanted for _, wanted in releases.asked] == [None, "bytes=1000-"]
    assert leftovers(tmp_path) == [one.file_name]
    store.accept("two")
    assert store.find("two").read_bytes() == OTHER
