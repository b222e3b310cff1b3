"""A film's frames, one after the other: decoded, made progressive, converted, turned upright and timed."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.codec.context import ThreadType
from av.container import InputContainer

from streamer.color import ColorSpec, Planes
from streamer.errors import NoVideoError, SourceError, UnsupportedError
from streamer.frame import Frame
from streamer.media.conform import fitted, recolored
from streamer.media.damage import is_cut
from streamer.media.decode import SourceCounters, VideoDecoder
from streamer.media.decoding import Decoding
from streamer.media.demux import describe, open_input
from streamer.media.describe import choose_video, describe_source, stated_rate
from streamer.media.hardware import Device
from streamer.media.timeline import Timeline
from streamer.media.upright import PlaneMaker

_USUAL_TIME_BASE = Fraction(1, 90000)


class FileReader:
    """The frames of a local film in presentation order, by iteration; synchronous, for one thread at a time.

    The first frame is decoded at once, so that whatever is wrong with the file is raised here: SourceError (can't be
    read), NoVideoError (no film in it), UnsupportedError (would come out wrong; later frames can raise it too).
    Frames of another size, matrix or range than the first are made to fit it. Memory does not grow with the film's
    length. `threads`: of the decoder, 0 for as many as there are processors. `device`: where it is decoded; raises
    UsageError for "cuda" where there is no card, UnsupportedError where the card doesn't take the film. `close` may be
    called twice.
    """

    def __init__(self, path: Path, *, threads: int = 0, device: Device = "cpu") -> None:
        self.path = path
        self._decoding = Decoding(device, setting="[source] decoder_device")
        # Once more where the card refused: FFmpeg, which has turned to one processor, would stay there.
        first = self._open(threads) or self._open(threads)
        assert first is not None
        self._frames = self._rest(first)

    def _open(self, threads: int) -> Frame | None:
        """Opens the film and decodes its first frame; None, with nothing open, where the card refuses it."""
        self.counters = SourceCounters()
        self._seq = 0
        self._is_read = False
        self._container = self._open_container()
        try:
            self._is_cut = is_cut(self.path, self._container.format.name)  # now: the file may be gone later
            self._video = choose_video(self._container, self.path)
            self._video.thread_type = ThreadType.AUTO
            self._video.codec_context.thread_count = 1 if self._decoding.tries_card else threads
            self._time_base = self._video.time_base or _USUAL_TIME_BASE
            self._timeline = self._new_timeline()
            self._decoder = VideoDecoder(self._container, self._video, self.counters)
            self._pictures = iter(self._decoder)
            first = self._begin()
        except BaseException:
            self._container.close()
            raise
        if first is None:
            self._container.close()
        return first

    def _open_container(self) -> InputContainer:
        """FFmpeg takes hold of the card as the file is opened: where that fails, either may be at fault."""
        try:
            return open_input(self.path, self._decoding.hwaccel)
        except SourceError as error:
            if not self._decoding.tries_card:
                raise
            container, cause = open_input(self.path), error.__cause__
        try:
            self._decoding.give_up(f"NVDEC can't begin ({cause.strerror if isinstance(cause, OSError) else cause})")
        except UnsupportedError:
            container.close()
            raise
        return container

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file; the iteration is over."""
        self._frames.close()
        self._container.close()

    @property
    def decoder(self) -> str:
        """What decodes the film, and where, in a few words."""
        return self._decoding.taken

    @property
    def damaged(self) -> str | None:
        """What is wrong with the file, as far as it was read, in one line; None for a sound one."""
        findings = []
        if self._is_cut:
            findings.append("it is shorter than its own structure says")
        elif self._is_read and (shortfall := self._decoder.reach.shortfall()):
            findings.append(shortfall)
        if self._is_missing_frames():
            findings.append(f"{_several(self.counters.corrupt_packets, 'packet')} could not be read whole")
        if self.counters.corrupt_frames:
            findings.append(f"the decoder filled holes in {_several(self.counters.corrupt_frames, 'frame')}")
        return f"{self.path} is damaged: {'; '.join(findings)}" if findings else None

    def _is_missing_frames(self) -> bool:
        """A packet that the demuxer only flagged may hold all of its picture, as where two recordings were joined."""
        if self.counters.refused_packets:
            return True
        return (
            self._is_read and self.counters.corrupt_packets > 0 and self._decoder.frames < self._decoder.reach.packets
        )

    def seek(self, pts: int) -> None:
        """Goes on from the key frame at or before `pts`, in units of `info.time_base`.

        Raises SourceError where the container can't.
        """
        self._frames.close()
        try:
            self._container.seek(pts, stream=self._video)
        except av.FFmpegError as error:
            raise SourceError(f"{self.path} can't be searched ({describe(error)}): read it through") from error
        self._timeline = self._new_timeline()
        self._pictures = iter(self._decoder)
        self._frames = self._rest()

    def _new_timeline(self) -> Timeline:
        return Timeline(self._time_base, stated_rate(self._video), start=self._video.start_time)

    def _begin(self) -> Frame | None:
        picture, decoded = next(self._pictures, (None, None))
        if not self._decoding.accepts(self._video.codec_context, has_come=decoded is not None):
            return None
        if picture is None or decoded is None:
            raise NoVideoError(
                f"no frame of {self.path} can be decoded: is it damaged, cut off or encrypted, "
                "or of a kind that FFmpeg can't decode?"
            )
        self._planes = PlaneMaker(decoded)
        planes, color = self._planes.make(picture, decoded)
        frame = self._timed(planes, color, decoded)
        orientation = self._planes.orientation(decoded)
        self.info = describe_source(
            self.path, self._container, self._video, first=frame, decoded=decoded, orientation=orientation
        )
        return frame

    def _rest(self, *already: Frame) -> Generator[Frame, None, None]:
        yield from already
        for picture, decoded in self._pictures:
            self._decoding.accepts(self._video.codec_context)
            planes, color = self._planes.make(picture, decoded)
            yield self._timed(self._fitted(planes, color), self.info.color, decoded)
        self._is_read = True

    def _fitted(self, planes: Planes, color: ColorSpec) -> Planes:
        """The planes as the first frame's are."""
        height, width = self.info.height, self.info.width
        fitting = recolored(planes, color, self.info.color)
        if fitting[0].shape != (height, width):
            fitting = fitted(fitting, height, width, black=self.info.color.black)
        self.counters.resized_frames += fitting is not planes
        return fitting

    def _timed(self, planes: Planes, color: ColorSpec, decoded: av.VideoFrame) -> Frame:
        duration = decoded.duration or 0
        pts = self._timeline.place(decoded.pts, decoded.dts, duration)
        self.counters.mended_timestamps = self._timeline.mended + self._decoder.clock.restarts
        seq = self._seq
        self._seq += 1
        return Frame(*planes, color, pts, self._time_base, seq, time.monotonic(), duration)


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
