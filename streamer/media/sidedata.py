"""What FFmpeg hangs on a decoded frame beside its pixels.

Not for every frame: PyAV ties a frame whose side data was asked for into a reference cycle, so that its pixels stay
until the garbage collector comes by, hundreds of frames later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import cast

import av
from av.sidedata.sidedata import SideData, Type

logger = logging.getLogger(__name__)


def payload(frame: av.VideoFrame, kind: Type) -> bytes | None:
    """The bytes of the frame's side data of this kind, as FFmpeg lays out its structure; None where it has none, or
    has some beside it that PyAV can't read."""
    try:
        # PyAV's stubs describe this container as a dictionary of one key.
        everything = cast("Iterable[SideData]", frame.side_data)
    except ValueError as error:
        # One kind that PyAV 18 has no name for, such as the EXIF of a photograph, hides all others.
        logger.info("what comes with a picture can't be read (%s), so it is done without its %s", error, kind.name)
        return None
    return next((bytes(data) for data in everything if data.type == kind), None)
