from __future__ import annotations

import hashlib
import io
import logging
import multiprocessing
import os
import resource
import socketserver
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import weights.https
import weights.places
from weights.manifest import ArchiveMember, Entry, PackageFile
from weights.store import Store, StoreSettings, WeightsError, default_folder, sha256_of

logger = logging.getLogger(__name__)

LEFT, RIGHT = b"the left weights" * 999, b"the right weights" * 999
WHEEL = "tiny_weights-1.0-py3-none-any.whl"
SDIST = "tiny-weights-1.0.tar.gz"


def make_wheel() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        # ZipInfo without a time: every process must make the same bytes.
        archive.writestr(zipfile.ZipInfo("tiny/left.bin"), LEFT)
        archive.writestr(zipfile.ZipInfo("tiny/right.bin"), RIGHT)
    return buffer.getvalue()


def make_sdist() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("tiny-weights-1.0/left.bin")
        info.size = len(LEFT)
        archive.addfile(info, io.BytesIO(LEFT))
        setup = b"raise SystemExit('the build must never run')"
        info = tarfile.TarInfo("tiny-weights-1.0/setup.py")
        info.size = len(setup)
        archive.addfile(info, io.BytesIO(setup))
    return buffer.getvalue()


ARCHIVES = {WHEEL: make_wheel(), SDIST: make_sdist()}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(name: str, data: bytes, *, archive: str = WHEEL, member: str | None = None) -> Entry:
    inside = member or (f"tiny/{name}.bin" if archive == WHEEL else f"tiny-weights-1.0/{name}.bin")
    source = ArchiveMember(
        kind="wheel" if archive == WHEEL else "sdist",
        distribution="Tiny_Weights",
        version="1.0",
        archive=archive,
        sha256=digest(ARCHIVES[archive]),
        member=inside,
    )
    return Entry(
        id=name, purpose="a test", licence="MIT", terms="none", sha256=digest(data), size=len(data), sources=(source,)
    )


MANIFEST = {"left": entry("left", LEFT), "right": entry("right", RIGHT)}


@dataclass(slots=True)
class Index:
    """A package index on this machine. `pages` are what it answers; `asked` is what it was asked for."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    status: int = 200


def handler_of(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            index.authorizations.append(self.headers.get("Authorization"))
            body = index.pages.get(self.path)
            self.send_response(index.status if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index that pip is set up for, and nothing else that the machine's pip knows."""
    for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(weights.https, "WAITS_SECONDS", (0.01, 0.02))
    made = Index()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(made))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    links = "".join(f'<a href="../../files/{name}#sha256=ignored">{name}</a>' for name in ARCHIVES)
    made.pages = {f"/files/{name}": data for name, data in ARCHIVES.items()}
    made.pages["/simple/tiny-weights/"] = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{made.url}/simple")
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


def a_store(
    tmp_path: Path,
    manifest: Mapping[str, Entry] = MANIFEST,
    *,
    offline: bool = False,
    say: Callable[[str], None] = logger.info,
) -> Store:
    return Store(StoreSettings(folder=tmp_path / "cache", offline=offline), manifest=manifest, say=say)


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").iterdir() if path.name != ".lock")


def test_one_archive_brings_all_its_files_once(tmp_path: Path, index: Index) -> None:
    store = a_store(tmp_path)
    assert store.find("left").read_bytes() == LEFT
    assert store.find("right").read_bytes() == RIGHT
    assert index.asked == ["/simple/tiny-weights/", f"/files/{WHEEL}"]
    assert leftovers(tmp_path) == sorted(store.find(name).name for name in MANIFEST)


def test_the_second_run_asks_nobody(tmp_path: Path, index: Index) -> None:
    a_store(tmp_path).find("left")
    index.asked.clear()
    again = a_store(tmp_path, offline=True)
    assert again.find("left").read_bytes() == LEFT
    assert again.present("right") is not None
    assert index.asked == []


def test_a_source_archive_is_opened_and_never_built(tmp_path: Path, index: Index) -> None:
    store = a_store(tmp_path, {"left": entry("left", LEFT, archive=SDIST)})
    assert store.find("left").read_bytes() == LEFT
    assert index.asked[-1] == f"/files/{SDIST}"


@pytest.mark.parametrize("as_url", [False, True])
def test_a_folder_of_archives_serves_as_well(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, as_url: bool
) -> None:
    (tmp_path / WHEEL).write_bytes(ARCHIVES[WHEEL])
    monkeypatch.setenv("PIP_FIND_LINKS", tmp_path.as_uri() if as_url else str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert a_store(tmp_path).find("left").read_bytes() == LEFT
    assert index.asked == []


def test_an_index_in_a_folder_serves_as_well(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "a mirror" / "tiny-weights"
    mirror.mkdir(parents=True)
    (mirror / WHEEL).write_bytes(ARCHIVES[WHEEL])
    (mirror / "index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    monkeypatch.setenv("PIP_INDEX_URL", mirror.parent.as_uri())
    assert a_store(tmp_path).find("left").read_bytes() == LEFT
    assert index.asked == []


def test_a_second_index_answers_where_the_first_has_nothing(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/empty/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple/")
    assert a_store(tmp_path).find("left").read_bytes() == LEFT


def test_an_index_that_is_down_is_passed_over_and_named(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple/")
    with caplog.at_level(logging.WARNING):
        assert a_store(tmp_path).find("left").read_bytes() == LEFT
    assert "passed over http://127.0.0.1:9/simple/tiny-weights/" in caplog.text


def test_a_name_and_password_go_in_the_header_and_in_no_message(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:se%20cret@") + "/simple")
    index.pages.pop(f"/files/{WHEEL}")
    with pytest.raises(WeightsError) as caught:
        a_store(tmp_path).find("left")
    # The page and the file: who asks for the one is asked by the other.
    assert index.authorizations == ["Basic bWU6c2UgY3JldA=="] * 2
    assert f"{index.url}/files/{WHEEL}: HTTP 404" in str(caught.value)
    assert "cret" not in str(caught.value)


def test_wrong_bytes_are_set_aside_and_never_used(tmp_path: Path, index: Index) -> None:
    index.pages[f"/files/{WHEEL}"] = b"something else"
    with pytest.raises(WeightsError, match=r"other bytes than the manifest's SHA-256 .*\.whl\.corrupt") as caught:
        a_store(tmp_path).find("left")
    assert caught.value.exit_code == 9
    (place,) = (tmp_path / "cache").glob(".archive-*")
    assert [path.name for path in place.iterdir()] == [f"{WHEEL}.corrupt"]
    index.pages[f"/files/{WHEEL}"] = ARCHIVES[WHEEL]
    assert a_store(tmp_path).find("left").read_bytes() == LEFT
    assert not place.exists()


@pytest.mark.parametrize("status", [403, 500])
def test_an_index_in_trouble_is_named(tmp_path: Path, index: Index, status: int) -> None:
    index.status = status
    with pytest.raises(WeightsError, match=f"{index.url}/simple/tiny-weights/: ") as caught:
        a_store(tmp_path).find("left")
    assert caught.value.retryable


def test_an_index_without_the_package_is_no_matter_of_trying_again(tmp_path: Path, index: Index) -> None:
    index.pages.clear()
    with pytest.raises(WeightsError, match="no place that pip is set up for lists it") as caught:
        a_store(tmp_path).find("left")
    assert not caught.value.retryable


def test_no_network_is_said_in_one_line(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(WeightsError, match="check the network") as caught:
        a_store(tmp_path).find("left")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)


def test_offline_fetches_nothing_and_says_what_to_do(tmp_path: Path, index: Index) -> None:
    with pytest.raises(WeightsError, match="run once with offline off"):
        a_store(tmp_path, offline=True).find("left")
    assert index.asked == []


def test_a_damaged_file_is_set_aside_and_fetched_anew(
    tmp_path: Path, index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    path = a_store(tmp_path).find("left")
    path.write_bytes(LEFT[:-1] + b"?")
    with caplog.at_level(logging.WARNING):
        assert a_store(tmp_path).find("left").read_bytes() == LEFT
    assert str(path) in caplog.text
    assert path.with_name(f"{path.name}.corrupt").read_bytes().endswith(b"?")


def test_a_damaged_file_without_network_is_not_used(tmp_path: Path, index: Index) -> None:
    path = a_store(tmp_path).find("left")
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"left is damaged .* and offline is set"):
        a_store(tmp_path, offline=True).find("left")


def test_whoever_only_looks_moves_nothing(tmp_path: Path, index: Index) -> None:
    path = a_store(tmp_path).find("left")
    path.write_bytes(b"")
    before = leftovers(tmp_path)
    assert a_store(tmp_path).present("left") is None
    assert leftovers(tmp_path) == before


def test_a_damaged_file_that_cannot_be_moved_is_no_traceback(tmp_path: Path, index: Index) -> None:
    path = a_store(tmp_path).find("left")
    path.write_bytes(b"")
    path.with_name(f"{path.name}.corrupt").mkdir()
    with pytest.raises(WeightsError, match="can't be written to"):
        a_store(tmp_path).find("left")


@pytest.mark.parametrize("look", [Store.find, Store.present])
def test_a_file_that_cannot_be_looked_at_is_no_traceback(look: Callable[[Store, str], object], tmp_path: Path) -> None:
    # A name that is too long is refused to every user, root too, as other people's files are not.
    store = Store(StoreSettings(folder=tmp_path / ("x" * 300)), manifest=MANIFEST)
    with pytest.raises(WeightsError, match=r"can't be read .* choose another folder"):
        look(store, "left")


def test_a_fetch_is_told_once_for_each_archive(tmp_path: Path, index: Index) -> None:
    said: list[str] = []
    store = a_store(tmp_path, say=said.append)
    store.find("left")
    store.find("right")
    assert said == [f"fetching {WHEEL} from 127.0.0.1 ..."]


def test_a_certificate_file_that_is_not_there_is_named(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "absent.pem"))
    with pytest.raises(WeightsError, match=r"certificates .*absent\.pem can't be read .* PIP_CERT"):
        a_store(tmp_path).find("left")
    assert index.asked == []


def test_a_certificate_file_that_is_none_is_named(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    with pytest.raises(WeightsError, match=r"certificates .*ca\.pem can't be read"):
        a_store(tmp_path).find("left")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """What a full disk is to a process: no file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("archive", "size"),
    [
        pytest.param(WHEEL, len(ARCHIVES[WHEEL]) // 2, id="less than the archive"),
        pytest.param(SDIST, len(LEFT) // 2, id="less than what is in it"),
    ],
)
def test_a_full_disk_is_called_that_and_no_other_place_is_asked(
    tmp_path: Path, index: Index, archive: str, size: int
) -> None:
    index.pages["/simple/tiny-weights/"] *= 2
    store = a_store(tmp_path, {"left": entry("left", LEFT, archive=archive)})
    with largest_file(size), pytest.raises(WeightsError, match="no space left") as caught:
        store.find("left")
    assert not caught.value.retryable
    assert index.asked == ["/simple/tiny-weights/", f"/files/{archive}"]
    assert store.find("left").read_bytes() == LEFT
    assert leftovers(tmp_path) == [store.find("left").name]


@contextmanager
def one_answer(answer: bytes) -> Iterator[str]:
    """The URL of a server that says the same to everybody, whether that is HTTP or not."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<html>"], ids=["no HTTP", "cut off"]
)
def test_an_index_that_breaks_the_protocol_may_be_asked_again(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with one_answer(answer) as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        with pytest.raises(WeightsError, match="check the network") as caught:
            a_store(tmp_path).find("left")
    assert caught.value.retryable
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (entry("left", LEFT, member="tiny/middle.bin"), "can't be taken out"),
        (replace(MANIFEST["left"], sha256="0" * 64), "is not what the manifest states"),
    ],
)
def test_an_archive_that_is_not_as_the_manifest_says(tmp_path: Path, index: Index, changed: Entry, said: str) -> None:
    with pytest.raises(WeightsError, match=said):
        a_store(tmp_path, {"left": changed}).find("left")
    assert leftovers(tmp_path) == []


def find_left(folder: Path) -> bytes:
    return Store(StoreSettings(folder=folder), manifest=MANIFEST).find("left").read_bytes()


def test_processes_fetch_once_between_them(tmp_path: Path, index: Index) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(find_left, [tmp_path / "cache"] * 4)
        pool.close()
        pool.join()
    assert found == [LEFT] * 4
    assert index.asked.count(f"/files/{WHEEL}") == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, index: Index) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match="choose another folder by FACELANE_WEIGHTS"):
        a_store(tmp_path).find("left")


def test_files_of_the_package_come_first_and_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.places, "PACKAGE_FILES", tmp_path)
    ours = replace(MANIFEST["left"], sources=(PackageFile("left.bin"),))
    with pytest.raises(WeightsError, match="install Facelane anew"):
        a_store(tmp_path, {"left": ours}).find("left")
    (tmp_path / "left.bin").write_bytes(LEFT)
    assert a_store(tmp_path, {"left": ours}).find("left") == tmp_path / "left.bin"
    (tmp_path / "left.bin").write_bytes(RIGHT)
    with pytest.raises(WeightsError, match="not the file that the manifest names"):
        a_store(tmp_path, {"left": ours}).find("left")


def test_a_wrong_id_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="did you mean 'right'"):
        a_store(tmp_path).find("rihgt")


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"FACELANE_WEIGHTS": "/chosen", "XDG_CACHE_HOME": "/cache"}, "/chosen"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/facelane/weights"),
        ({}, str(Path.home() / ".cache/facelane/weights")),
    ],
)
def test_where_weights_are_kept(environ: dict[str, str], folder: str) -> None:
    assert default_folder(environ) == Path(folder)


def test_a_folder_of_the_settings_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store(StoreSettings(folder=Path("~/weights"))).folder == tmp_path / "weights"


@pytest.mark.network
def test_the_real_index_has_what_the_manifest_says(tmp_path: Path) -> None:
    store = Store(StoreSettings(folder=tmp_path))
    path = store.find("mtcnn-pnet")
    assert sha256_of(path) == store.entry("mtcnn-pnet").sha256
    assert store.present("mtcnn-onet") is not None
