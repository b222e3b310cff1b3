"""How sound and picture stand to each other in a file."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.errors import FacelaneError
from streamer.media.demux import describe, open_input, packets
from streamer.media.describe import choose_video

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Starts:
    """When a file's first picture is shown, its first packet of sound is due, and its first decoded sample is heard, in
    seconds. The last two differ by the samples that an encoder puts before the sound, where the file states them."""

    codec: str
    picture: Fraction | None = None
    packet: Fraction | None = None
    sample: Fraction | None = None

    @property
    def complete(self) -> bool:
        return None not in (self.picture, self.packet, self.sample)


def first_pts_difference(path: Path, *, video_index: int | None = None) -> Fraction | None:
    """Seconds by which the first picture is shown after the first packet of sound; None where there are not both.

    Of the first sound that can be decoded, and of the stream at `video_index`, or the one that `FileReader` reads.
    Pictures count from the first that decodes. Raises nothing for a file that can't be read: None is the answer then.
    """
    starts = _measured(path, video_index)
    return None if starts is None else _later(starts.picture, starts.packet)


def sync_shift(before: Path, after: Path, *, video_index: int | None = None) -> Fraction | None:
    """Seconds by which the picture comes later after the sound in the film `after` than in `before`, which it was made
    of; `video_index` is of `before`. None, and no error, as `first_pts_difference`.

    Sound that was copied is compared by its packets, because a copy can lose how much of the first is to be skipped;
    sound that was encoded again by its samples, because every encoder puts another length of silence before them.
    """
    old, new = _measured(before, video_index), _measured(after, None)
    if old is None or new is None:
        return None
    if old.codec == new.codec:
        was, is_now = _later(old.picture, old.packet), _later(new.picture, new.packet)
    else:
        was, is_now = _later(old.picture, old.sample), _later(new.picture, new.sample)
    return _later(is_now, was)


def _later(moment: Fraction | None, other: Fraction | None) -> Fraction | None:
    return None if moment is None or other is None else moment - other


def _measured(path: Path, video_index: int | None) -> _Starts | None:
    try:
        with open_input(path) as container:
            video = _video(container, path, video_index)
            audio = next((stream for stream in container.streams.audio if _has_decoder(stream)), None)
            return None if video is None or audio is None else _starts(container, video, audio)
    except FacelaneError as error:
        # A measurement fails no film that is finished.
        logger.info("sound and picture were not compared: %s", error)
        return None


def _video(container: InputContainer, path: Path, index: int | None) -> VideoStream | None:
    if index is None:
        return choose_video(container, path)
    return next((stream for stream in container.streams.video if stream.index == index), None)


def _has_decoder(stream: AudioStream) -> bool:
    # PyAV gives a stream without a decoder no context, whatever its stubs say.
    return getattr(stream, "codec_context", None) is not None


def _starts(container: InputContainer, video: VideoStream, audio: AudioStream) -> _Starts:
    starts = _Starts(audio.codec_context.codec.canonical_name)
    try:
        for packet in packets(container, video, audio):
            if packet.stream.index == audio.index:
                if starts.packet is None and packet.pts is not None:
                    starts.packet = packet.pts * packet.time_base
                if starts.sample is None:
                    starts.sample = _moment(packet)
            elif starts.picture is None:
                starts.picture = _moment(packet)
            if starts.complete:
                break
    except av.FFmpegError as error:
        logger.info("sound and picture were compared at the beginning only: %s", describe(error))
    return starts


def _moment(packet: Packet[Stream]) -> Fraction | None:
    """When the first picture or sound of a packet is due; None where nothing comes out of it yet."""
    try:
        frames = packet.decode()
    except av.FFmpegError as error:
        logger.debug("skipped a corrupt packet: %s", describe(error))
        return None
    for frame in frames:
        if isinstance(frame, av.VideoFrame | AudioFrame) and frame.time_base is not None:
            time = frame.pts if frame.pts is not None else frame.dts
            if time is not None:
                return time * frame.time_base
    return None
