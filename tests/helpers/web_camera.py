"""A web server as cameras have them: MJPEG, files and playlists, redirects, logins; on loopback."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from tests.helpers.rtsp import numbered

BOUNDARY = "frame-boundary"


class WebCamera:
    """`/video.mjpg`: numbered pictures, 25 a second, without end; `/private.mjpg`: the same for `login` ("user:word");
    `/files/...`: of `folder`; `redirects`: from one path to another address; `/silent`: accepts and says nothing.
    `asked`: the paths that were asked for."""

    def __init__(self, folder: Path, *, login: str = "", redirects: Mapping[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.folder = folder
        self.login = login
        self.redirects = dict(redirects or {})
        camera = self

        class Handler(_Handler):
            web = camera

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str, *, login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests leave as they like."""


class _Handler(BaseHTTPRequestHandler):
    web: WebCamera

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        path = self.path.partition("?")[0].strip("/")
        if path in self.web.redirects:
            self._answer(302, b"", Location=self.web.redirects[path])
        elif path == "private.mjpg" and not self._is_known():
            self._answer(401, b"", **{"WWW-Authenticate": 'Basic realm="camera"'})
        elif path.endswith(".mjpg"):
            self._show()
        elif path == "silent":
            self.web.closing.wait(30)
        else:
            self._send_file(path.removeprefix("files/"))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def _is_known(self) -> bool:
        wanted = "Basic " + base64.b64encode(self.web.login.encode()).decode()
        return self.headers.get("Authorization") == wanted

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, name: str) -> None:
        path = self.web.folder / name
        if path.is_file():
            self._answer(200, path.read_bytes())
        else:
            self._answer(404, b"")

    def _show(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.end_headers()
        started = time.monotonic()
        for number in range(10_000):
            picture = cv2.cvtColor(numbered(number, height=180, width=320), cv2.COLOR_YUV2BGR_I420)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            if self.web.closing.wait(max(0.0, started + number * 0.04 - time.monotonic())):
                return
