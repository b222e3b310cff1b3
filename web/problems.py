"""What goes wrong, told as RFC 9457 has it: `application/problem+json`, its `detail` one line that says what to do."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from web.feeds import FeedError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"

_ADVICE = {
    404: "there is nothing here: /api/openapi.json lists every path of this server",
    405: "this path doesn't know that method: the header Allow lists those that it knows",
    413: "the body is too large: send less, or raise [web] max_body_bytes",
    417: "leave out the header Expect, or send 100-continue",
}
_RETRY = {"Retry-After": "5"}
_FRAMING = frozenset({"content-type", "content-length", "transfer-encoding"})


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer that tells of a problem of this HTTP `status`."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(status=status, text=json.dumps(body), content_type=CONTENT_TYPE, headers=headers)


def error(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> web.HTTPException:
    """The same to be raised."""
    raised = _Problem(headers=headers, text=detail)
    raised.set_status(status)
    return raised


class _Problem(web.HTTPException):
    status_code = 500


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into an answer. What nobody foresaw is logged, and told without its inner parts."""
    try:
        return await handler(request)
    except FeedError as raised:
        return problem(raised.status, str(raised), headers=_RETRY if raised.status == 503 else None)
    except web.HTTPException as raised:
        return _of_exception(raised)
    except ConnectionError:
        raise
    except Exception:
        if request.writer.output_size > 0:  # the answer has begun: it can only be broken off
            raise
        logger.exception("could not answer %s %s", request.method, request.rel_url.raw_path)
        return problem(500, "the server failed here: its log says how")


def _of_exception(raised: web.HTTPException) -> web.StreamResponse:
    if raised.status < 400:
        raise raised
    kept = {name: value for name, value in raised.headers.items() if name.lower() not in _FRAMING}
    own = raised.text if isinstance(raised, _Problem) else None
    return problem(raised.status, own or _ADVICE.get(raised.status) or raised.text or raised.reason, headers=kept)
