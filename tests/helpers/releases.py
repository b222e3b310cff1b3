"""A project's release page or package index on this machine: a real server, with all that such do to a download."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

PIECE = 1 << 12


@dataclass(slots=True)
class Releases:
    """`files` and `pages` by path. `asked`: each request's path and Range header; `credentials`: its name and password,
    as sent.

    Pages always come whole. `statuses`, `cuts` and `shifts` are used up, one a request for a file: an answer other than
    the file, how many bytes of the body go out before the connection breaks, and by how many bytes a range is not the
    one that was asked for.
    """

    url: str
    certificate: Path
    files: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    shifts: list[int] = field(default_factory=list)
    ranges: bool = True
    piece_seconds: float = 0.0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    credentials: list[str | None] = field(default_factory=list)


def _handler(releases: Releases) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            releases.asked.append((self.path, wanted))
            releases.credentials.append(self.headers.get("Authorization"))
            if self.path in releases.pages:
                return self._send(200, releases.pages[self.path])
            if self.path in releases.redirects:
                return self._answer(302, Location=releases.redirects[self.path])
            if releases.statuses:
                return self._answer(releases.statuses.pop(0))
            if self.path not in releases.files:
                return self._answer(404)
            body = releases.files[self.path]
            if wanted is None or not releases.ranges:
                return self._send(200, body)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) + (
                releases.shifts.pop() if releases.shifts else 0
            )
            if start >= len(body):
                return self._answer(416, **{"Content-Range": f"bytes */{len(body)}"})
            said = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self._send(206, body[start:], **{"Content-Range": said})

        def _answer(self, status: int, **headers: str) -> None:
            self._send(status, b"", **headers)

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            cut = releases.cuts and body and self.path not in releases.pages
            sent = body[: releases.cuts.pop(0)] if cut else body
            for place in range(0, len(sent), PIECE):
                self.wfile.write(sent[place : place + PIECE])
                time.sleep(releases.piece_seconds)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@contextmanager
def released(folder: Path, scheme: Literal["http", "https"] = "https") -> Iterator[Releases]:
    """The server, and in `folder` the certificate to trust. Nobody trusts it who isn't told."""
    certificate, key = _certificate(folder)
    releases = Releases("", certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(releases))
    # A client that hangs up in the middle is what some tests are about.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    releases.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield releases
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    # Each its own: of two of one name OpenSSL may take the wrong one.
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{serial:x}")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret
