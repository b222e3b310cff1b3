"""What FFmpeg hangs on a decoded frame beside its pixels.

Not for every frame: PyAV ties a frame whose side data was asked for into a reference cycle, so that its pixels stay
until the garbage collector comes by, hundreds of frames later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import av
from av.sidedata.sidedata import SideData, Type


def payload(frame: av.VideoFrame, kind: Type) -> bytes | None:
    """The bytes of the frame's side data of this kind, as FFmpeg lays out its structure; None where it has none."""
    # PyAV's stubs describe this container as a dictionary of one key.
    for data in cast("Iterable[SideData]", frame.side_data):
        if data.type == kind:
            return bytes(data)
    return None
