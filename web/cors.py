"""Pages of other origins that may publish and view (CORS, as https://fetch.spec.whatwg.org has it); none by default."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from web.settings import WebSettings

SHARED_PATHS: Final = ("/whip/", "/whep/")
"""What pages of other origins may ever be let into."""

_PREFLIGHT_SECONDS = 600
_ALLOWED: Final = {
    # RFC 9725, section 4.2: any OPTIONS says what may be posted. ICE servers, which come with passwords, are not told
    # here: browsers send no token with a preflight.
    "Accept-Post": "application/sdp",
    "Access-Control-Allow-Methods": "DELETE, OPTIONS, PATCH, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
}
_EXPOSED = "Accept-Patch, Accept-Post, Allow, ETag, Link, Location, Retry-After, WWW-Authenticate"


class Sharing:
    """Knows the origins of the settings. Their pages never come in by a cookie: Access-Control-Allow-Credentials is not
    sent, and whoever asks this must not look at cookies either."""

    def __init__(self, settings: WebSettings) -> None:
        self._origins = settings.origins

    def includes(self, request: web.Request) -> bool:
        """Whether a page of another origin asks, that may."""
        return (
            bool(self._origins)
            and request.headers.get(hdrs.ORIGIN) in self._origins
            and request.headers.get("Sec-Fetch-Site") != "same-origin"
            and _is_shared(request)
        )

    def preflight(self, request: web.Request) -> web.Response | None:
        """The answer where a browser asks whether such a page may ask; before any token, since it has none."""
        if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            return None
        return web.Response(headers=_ALLOWED)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """For `Application.on_response_prepare`."""
        if not self._origins or not _is_shared(request):
            return
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        if self.includes(request):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = request.headers[hdrs.ORIGIN]
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"


def _is_shared(request: web.Request) -> bool:
    """Goes by the route that was found, so that no spelling of a path can lead to another."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical.startswith(SHARED_PATHS)
