"""What a browser is shown: the page with its files, and the form that asks for the token."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import ETag, web

from web.problems import error

STATIC: Final = Path(__file__).parent / "static"

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "img-src 'self' data:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center }
form { display: grid; gap: .75rem; width: min(20rem, 88vw) }
h1 { font-size: 1.25rem; margin: 0 }
p { margin: 0 }
input, button { font: inherit; padding: .55rem .7rem; border-radius: .4rem; border: 1px solid GrayText }
button { background: AccentColor; color: AccentColorText; border-color: transparent; cursor: pointer }
[role=alert] { color: light-dark(#b3261e, #ffb4ab) }
"""

_LOGIN: Final = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Facelane: token</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<form method="post" action="/login">
<h1>Facelane</h1>
<label for="token">Whoever started this server has set a token. Enter it to go on.</label>
{message}
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Go on</button>
</form>
</body>
</html>
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

LOGIN_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def login_page(*, status: int, message: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    """The form that asks for the token; complete in itself, since whoever sees it may fetch nothing else yet."""
    alert = f'<p role="alert">{html.escape(message)}</p>' if message else ""
    response = web.Response(
        status=status,
        text=_LOGIN.format(style=_STYLE, message=alert),
        content_type="text/html",
        charset="utf-8",
        headers=headers,
    )
    response.headers["Content-Security-Policy"] = LOGIN_POLICY
    return response


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    content_type: str
    etag: str


class Pages:
    """`/` and `/static/...`, held in memory: so no path can lead out of the folder, and none is read on the event loop.

    Browsers keep the files but ask each time whether they have changed, so a new version shows at once. Raises
    ValueError for a file of a type that isn't in `TYPES`.
    """

    def __init__(self, folder: Path = STATIC) -> None:
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        self._files = {path.relative_to(folder).as_posix(): _load(path) for path in paths}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/", self.index), web.get("/static/{path:.+}", self.static)]

    async def index(self, request: web.Request) -> web.Response:
        return self._answer(request, "index.html")

    async def static(self, request: web.Request) -> web.Response:
        return self._answer(request, request.match_info["path"])

    def _answer(self, request: web.Request, name: str) -> web.Response:
        file = self._files.get(name)
        if file is None:
            raise error(404, "there is no such file: the page at / links those that there are")
        response = web.Response(headers={"Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY})
        response.etag = file.etag
        if _has(request, file):
            response.set_status(304)
            return response
        response.headers["Content-Type"] = file.content_type
        response.body = file.body
        return response


def _load(path: Path) -> _File:
    if path.suffix not in TYPES:
        raise ValueError(f"{path} is of a type that the server doesn't know: add it to TYPES in web/pages.py")
    body = path.read_bytes()
    return _File(body, TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:32])


def _has(request: web.Request, file: _File) -> bool:
    """Whether the browser has this version (If-None-Match, RFC 9110, section 13.1.2)."""
    known: tuple[ETag, ...] = request.if_none_match or ()
    return any(tag.value in (file.etag, "*") for tag in known)
