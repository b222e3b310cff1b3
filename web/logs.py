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


class _ClientsFault(logging.Filter):
    """aiohttp logs as errors, with a traceback, what it can't parse and who hangs up. Neither is this server's error,
    and the line that can't be parsed, which it cites, may be the one with the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        raised = record.exc_info[1] if record.exc_info else None
        if not isinstance(raised, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            return True
        access.debug("a client sent what isn't proper HTTP, or hung up: %s", type(raised).__name__)
        return False


access = logging.getLogger("web.access")
connections = logging.getLogger("web.connections")
connections.addFilter(_ClientsFault())
