"""What a stream may be called."""

from __future__ import annotations

import re

from web.feeds import BadRequestError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def check_name(name: str) -> str:
    """The name, if it can be part of an address and a metric's label. Raises BadRequestError."""
    if not _NAME.fullmatch(name):
        raise BadRequestError("a stream's name is 1 to 40 letters, digits, - and _, and begins with a letter or digit")
    return name
