"""How sound and picture stand to each other in a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from streamer.media.demux import open_input, packets


def first_pts_difference(path: Path) -> Fraction | None:
    """Seconds by which the first picture is shown after the first sound; None where a file lacks one of them.

    Raises SourceError where the file can't be read.
    """
    with open_input(path) as container:
        videos = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        audios = container.streams.audio
        if not videos or not audios:
            return None
        earliest: dict[int, Fraction] = {}
        # Packets of B-frames come out of order, so a later packet can hold an earlier picture: look at a few.
        seen = dict.fromkeys((videos[0].index, audios[0].index), 0)
        for packet in packets(container, videos[0], audios[0]):
            if packet.pts is None:
                continue
            moment = packet.pts * packet.time_base
            index = packet.stream.index
            earliest[index] = min(earliest.get(index, moment), moment)
            seen[index] += 1
            if min(seen.values()) >= 20:
                break
        if len(earliest) < 2:
            return None
        return earliest[videos[0].index] - earliest[audios[0].index]
