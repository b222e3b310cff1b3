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

_ICON: Final = base64.b64encode((STATIC / "icon.svg").read_bytes()).decode()

# The colours are those of the page's own style sheet.
_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.45 system-ui, "Noto Sans", "DejaVu Sans", sans-serif;
  --ground: #f3f5f8; --surface: #fff; --line: #cfd6e0; --ink: #151a21; --quiet: #525d6b;
  --accent: #0b5cad; --on-accent: #fff; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root {
  --ground: #0e1116; --surface: #161b22; --line: #333d4a; --ink: #e8ecf2; --quiet: #9dabbb;
  --accent: #7ab8ff; --on-accent: #06172b; --bad: #ff8f86 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink) }
form { display: grid; gap: .9rem; width: min(24rem, 100vw - 2rem); padding: 1.5rem;
  border: 1px solid var(--line); border-radius: .6rem; background: var(--surface) }
h1 { display: flex; align-items: center; gap: .6rem; font-size: 1.15rem; font-weight: 650; margin: 0 }
p { margin: 0 }
.quiet { color: var(--quiet); font-size: .92rem }
label { font-size: .92rem; margin-bottom: -.5rem }
input, button { font: inherit; min-height: 2.75rem; padding: .35rem .8rem; border-radius: .6rem }
input { width: 100%; border: 1px solid var(--quiet); background: var(--surface); color: var(--ink) }
input[aria-invalid] { border-color: var(--bad) }
button { border: 0; background: var(--accent); color: var(--on-accent); cursor: pointer }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
[role=alert] { color: var(--bad) }
"""

_LOGIN: Final = """<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Facelane: token</title>
<link rel="icon" href="data:image/svg+xml;base64,{icon}" type="image/svg+xml">
<style>{style}</style>
</head>
<body>
<form method="post" action="/login">
<h1><img src="data:image/svg+xml;base64,{icon}" alt="" width="28" height="28">Facelane</h1>
<p id="why" class="quiet">This server lets in whoever knows its token. Whoever runs it can tell you.</p>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" aria-describedby="{described}"{invalid}
 required autofocus>
{message}
<button>Log in</button>
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
    alert = f'<p id="wrong" role="alert">{html.escape(message)}</p>' if message else ""
    text = _LOGIN.format(
        style=_STYLE,
        icon=_ICON,
        message=alert,
        described="wrong why" if message else "why",
        invalid=' aria-invalid="true"' if message else "",
    )
    response = web.Response(
        status=status,
        text=text,
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
