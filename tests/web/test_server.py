"""Starting, listening, limits, files and the end."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from pathlib import Path

import pytest

import web.security as security
import web.server
from tests.helpers.http import Answer, Served, answer, head, serving
from tests.helpers.studio import DemoStudio
from web.feeds import FeedError
from web.pages import STATIC, TYPES, Pages
from web.server import CannotListenError, Server
from web.settings import WebSettings


async def start(settings: WebSettings) -> str:
    async with serving(settings=settings) as served:
        return served.server.url


def test_a_free_port_is_told_by_its_address() -> None:
    url = asyncio.run(start(WebSettings(port=0)))
    assert url.startswith("http://127.0.0.1:")
    assert int(url.rpartition(":")[2]) > 0


@pytest.mark.parametrize(
    ("host", "said"), [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_the_address_is_one_that_this_machine_can_open(host: str, said: str) -> None:
    server = Server(DemoStudioLess(), WebSettings(host=host, port=8080, open_to_all=True))  # type: ignore[arg-type]
    assert server.url == f"http://{said}:8080"


class DemoStudioLess:
    """Nothing is asked of a studio before the server starts."""


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListenError) as raised:
            asyncio.run(start(WebSettings(port=port)))
    assert str(raised.value) == f"port {port} of 127.0.0.1 is in use: stop what listens there, or choose another port"
    assert isinstance(raised.value, FeedError)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_one_clear_line(host: str) -> None:
    with pytest.raises(CannotListenError, match="is no address of this machine: choose one that is"):
        asyncio.run(start(WebSettings(host=host, port=0, open_to_all=True)))


def test_it_can_be_closed_in_every_state() -> None:
    async def close() -> None:
        studio = DemoStudio()
        server = Server(studio, WebSettings(port=0))
        await server.aclose()
        await server.start()
        await asyncio.gather(server.aclose(), server.aclose())
        await server.aclose()
        await studio.aclose()

    asyncio.run(close())


def test_it_ends_soon_though_clients_hold_on() -> None:
    async def close() -> float:
        async with serving() as served:
            held = [await served.connect() for _ in range(3)]
            held[1][1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await head(held[1][0])
            held[2][1].write(b"POST /api/streams HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
            await asyncio.sleep(0.1)
            began = time.monotonic()
            await served.server.aclose()
            took = time.monotonic() - began
            for _, writer in held:
                writer.close()
            return took

    assert asyncio.run(close()) < 5.0


def send(*parts: bytes, settings: WebSettings | None = None) -> Answer:
    async def exchange() -> Answer:
        async with serving(settings=settings) as served:
            return await served.send(b"".join(parts))

    return asyncio.run(exchange())


POST = b"POST /api/streams HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
SMALL = WebSettings(port=0, max_body_bytes=1024)


def test_a_body_beyond_the_limit_is_refused() -> None:
    announced = send(POST, b"Content-Length: 2000\r\n\r\n", settings=SMALL)
    chunked = send(POST, b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n", b"x" * 2000, b"\r\n0\r\n\r\n", settings=SMALL)
    packed = gzip.compress(b" " * 500_000)
    length = b"Content-Length: %d\r\n" % len(packed)
    bomb = send(POST, b"Content-Encoding: gzip\r\n", length, b"\r\n", packed, settings=SMALL)
    for refused in (announced, chunked, bomb):
        assert refused.status == 413
        assert "[web] max_body_bytes" in refused.detail


BROKEN = {
    "no gzip": b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    "a bad chunk": b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
def test_a_body_that_is_not_what_its_headers_say_is_refused(rest: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert send(POST, rest).status == 400
    assert not caplog.records


def test_a_body_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(web.server, "LINGER_SECONDS", 0.2)
    assert send(POST, b"Content-Length: 9\r\n\r\n{").status == 408


def test_who_leaves_amid_a_body_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def leave() -> None:
        async with serving() as served:
            _, writer = await served.connect()
            writer.write(POST + b"Content-Length: 9\r\n\r\n{")
            await asyncio.sleep(0.2)
            writer.transport.abort()
            await asyncio.sleep(0.2)

    asyncio.run(leave())
    assert not caplog.records


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web.server, "IDLE_SECONDS", 0.3)

    async def dawdle() -> list[bytes]:
        async with serving() as served:
            silent, slow = await served.connect(), await served.connect()
            slow[1].write(b"GET / HTTP/1.1\r\nHost: loc")
            try:
                async with asyncio.timeout(10):
                    return [await reader.read() for reader, _ in (silent, slow)]
            finally:
                silent[1].close()
                slow[1].close()

    assert asyncio.run(dawdle()) == [b"", b""]


def test_headers_have_a_limit() -> None:
    long = send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: ", b"x" * 10_000, b"\r\n\r\n")
    many = send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", b"X: y\r\n" * 500, b"\r\n")
    assert (long.status, many.status) == (400, 400)


def test_two_requests_on_one_connection() -> None:
    async def ask(served: Served) -> list[int]:
        reader, writer = await served.connect()
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        writer.write(request + b"\r\n")
        first, headers = await head(reader)
        await reader.readexactly(int(headers["content-length"]))
        writer.write(request + b"Connection: close\r\n\r\n")
        second = await answer(reader)
        writer.close()
        return [first, second.status]

    async def within() -> list[int]:
        async with serving() as served:
            return await ask(served)

    assert asyncio.run(within()) == [200, 200]


def test_the_page_and_its_files_are_served_as_they_are() -> None:
    async def fetch() -> dict[str, Answer]:
        async with serving() as served:
            names = [path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()]
            found = {name: await served.ask("GET", f"/static/{name}") for name in names}
            return {**found, "/": await served.ask("GET", "/")}

    found = asyncio.run(fetch())
    assert found["/"].body == found["index.html"].body
    for name, got in found.items():
        path = STATIC / (name if name != "/" else "index.html")
        assert (got.status, got.body) == (200, path.read_bytes()), name
        assert got.headers["content-type"] == TYPES[path.suffix]
        assert got.headers["cache-control"] == "no-cache"


def test_a_browser_that_has_a_file_is_told_so() -> None:
    async def fetch() -> list[Answer]:
        async with serving() as served:
            first = await served.ask("GET", "/")
            tags = [first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*", '"other"']
            return [first, *[await served.ask("GET", "/", headers={"If-None-Match": tag}) for tag in tags]]

    first, *again = asyncio.run(fetch())
    assert [got.status for got in again] == [304, 304, 304, 200]
    assert all((got.body, got.headers["etag"]) == (b"", first.headers["etag"]) for got in again[:3])


@pytest.mark.parametrize(
    "path",
    ["../server.py", "..%2Fserver.py", "%2e%2e/server.py", "./main.js/", "/etc/passwd", "none.js", "%00", "main.js%00"],
)
def test_no_path_leads_out_of_the_folder(path: str) -> None:
    async def fetch() -> Answer:
        async with serving() as served:
            return await served.ask("GET", f"/static/{path}")

    assert asyncio.run(fetch()).status == 404


def test_a_file_of_unknown_type_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "page.php").write_text("")
    with pytest.raises(ValueError, match="add it to TYPES"):
        Pages(tmp_path)
