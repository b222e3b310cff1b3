"""Teaches Schemathesis, which loads this file, to send the media types of WHIP and WHEP."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import SerializationContext


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def as_text(ctx: SerializationContext, value: Any) -> bytes:
    return str(value).encode()
