"""Requests that can't be met, told as RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from web.feeds import FeedError
from web.problems import problem

RETRY_SECONDS = 5


class Refusal(Exception):  # noqa: N818 - an answer, not a failure
    """`detail`: one line that says what to do."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        return problem(self.status, str(self), headers=self.headers)


def refusal_of(error: FeedError) -> Refusal:
    headers = {"Retry-After": str(RETRY_SECONDS)} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Refusal(HTTPStatus(error.status), str(error), headers)
