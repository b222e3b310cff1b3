"""What of HTTP reaches the log: nothing that a client sent but method and path, since the rest may hold a token."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError


class AccessLog(AbstractAccessLogger):
    """One line a request, for debugging; the path without its query."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.DEBUG)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.rel_url.raw_path
        self.logger.debug("%s %s %s %d, %.0f ms", request.remote, request.method, path, response.status, time * 1000)


class _Malformed(logging.Filter):
    """aiohttp logs what it can't parse as an error, with the line in question. That is the client's error, and that
    line may be the one with the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        raised = record.exc_info[1] if record.exc_info else None
        if not isinstance(raised, HttpProcessingError):
            return True
        access.debug("answered %d to what isn't proper HTTP", raised.code)
        return False


access = logging.getLogger("web.access")
connections = logging.getLogger("web.connections")
connections.addFilter(_Malformed())
