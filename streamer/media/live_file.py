"""A live stream as a film: pictures at the times of their capture, the sound in step, whole whatever ends it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from streamer.frame import Frame
from streamer.live.ports import SoundPacket
from streamer.media.choosing import check_fits
from streamer.media.conform import fitted, recolored
from streamer.media.containers import Container, container_of
from streamer.media.demux import file_url
from streamer.media.encoders import EncodeSettings
from streamer.media.live_sound import SoundTimes, SoundTrack, sound_track
from streamer.media.mux import disclosed
from streamer.media.target import Target, writing
from streamer.media.video_track import VideoTrack

logger = logging.getLogger(__name__)

TIME_BASE = Fraction(1, 90_000)
# Sound is ahead of the pictures that are worked on; so much of it waits for the first of them.
_EARLY_SECONDS = 5.0
# What a power cut may take: a file is whole but for its last second.
_SAFE = {
    "matroska": {"cluster_time_limit": "1000", "flush_packets": "1"},
    "webm": {"cluster_time_limit": "1000", "flush_packets": "1"},
    # In fragments while it grows, in one piece once it is closed (FFmpeg's movenc, since 7.1).
    "mp4": {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"},
    "mov": {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "flush_packets": "1"},
    "mpegts": {"flush_packets": "1"},
}
_INTERLEAVE_MICROSECONDS = "0"
"""Sound waits for its picture, however long that takes: a first picture behind sound that is written already ends in
FFmpeg's own abort."""


class LiveFileWriter:
    """Writes a film of what comes, on whatever thread calls it, one call at a time.

    A picture's time is its `captured_at`, from the first one on: a source that was away leaves a gap, in which players
    show the last picture. Pictures of another size or colour are made to fit the first. `finish` gives the film its
    name, also after an error, as long as there is a picture in it.
    """

    def __init__(self, path: Path, settings: EncodeSettings, *, overwrite: bool) -> None:
        """Raises UsageError where codec and container don't go together; SinkError, OutputExistsError, DiskFullError
        where `path` can't be written."""
        # B-frames would come late, and a fragment can't say that its pictures are meant to be earlier.
        self._container = replace(container_of(path), reorders=False)
        check_fits(settings, self._container)
        self._settings = settings
        self._disclosure = ""
        self._film: _LiveFilm | None = None
        self._early: deque[SoundPacket] = deque()
        self._closed = False
        self._target = Target(path, source=None, overwrite=overwrite)

    @property
    def path(self) -> Path:
        return self._target.path

    @property
    def part(self) -> Path:
        """Where the film is as long as it grows."""
        return self._target.part

    @property
    def pictures(self) -> int:
        return 0 if self._film is None else self._film.pictures

    @property
    def seconds(self) -> float:
        """From the first picture to the last one."""
        return 0.0 if self._film is None else self._film.seconds

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self._film is None else self._film.notes

    @property
    def encoder(self) -> str:
        """What encodes the pictures; empty before the first."""
        return "" if self._film is None else self._film.encoder

    def disclose(self, what: str) -> None:
        """What the film is to say of itself among its tags; before the first picture."""
        self._disclosure = what

    def write(self, frame: Frame, *, has_sound: bool) -> int:
        """Encode one picture; returns the bytes of what the encoder gave out. `has_sound`: whether sound is to be
        expected; counts with the first picture.

        Raises DiskFullError or SinkError; the film can then only be finished.
        """
        with writing(self.path):
            film = self._film or self._open(frame, has_sound=has_sound or bool(self._early))
            return film.write(frame)

    def hear(self, packet: SoundPacket) -> None:
        """Write one packet of sound. Raises as `write`."""
        if self._film is not None:
            with writing(self.path):
                self._film.hear(packet)
            return
        self._early.append(packet)
        while self._early[0].captured_at < packet.captured_at - _EARLY_SECONDS:
            self._early.popleft()

    def finish(self) -> None:
        """Write the rest and give the film its name; without a picture nothing is left. May be called twice.

        Raises DiskFullError or SinkError where the end can't be written: what was there before has its name then.
        """
        if self._closed:
            return
        self._closed = True
        if self._film is None or not self._film.pictures:
            self._drop()
            return
        try:
            with writing(self.path):
                self._film.close()
        finally:
            self._target.publish()

    def _drop(self) -> None:
        if self._film is not None:
            self._film.drop()
        self._target.discard()

    def _open(self, first: Frame, *, has_sound: bool) -> _LiveFilm:
        self._film = film = _LiveFilm(
            self._target.part,
            first,
            self._settings,
            self._container,
            has_sound=has_sound,
            disclosure=self._disclosure,
        )
        for packet in self._early:
            film.hear(packet)
        self._early.clear()
        return film


class _LiveFilm:
    """An open output container with its tracks."""

    def __init__(
        self,
        part: Path,
        first: Frame,
        settings: EncodeSettings,
        container: Container,
        *,
        has_sound: bool,
        disclosure: str,
    ) -> None:
        self.pictures = 0
        self.seconds = 0.0
        self._first = first
        self._misfits = self._unheard = self._lost = 0
        options = {"max_interleave_delta": _INTERLEAVE_MICROSECONDS, **_SAFE[container.muxer]}
        self._output: OutputContainer = av.open(file_url(part), "w", format=container.muxer, container_options=options)
        try:
            self._video = VideoTrack(self._output, self._timed(first), settings=settings, container=container)
            self._sound: SoundTrack | None = sound_track(self._output, container) if has_sound else None
            self._times = SoundTimes(first.captured_at)
            self._output.metadata.update(disclosed({}, disclosure))
            self._output.start_encoding()
        except BaseException:
            self.drop()
            raise

    @property
    def notes(self) -> tuple[str, ...]:
        told = (
            (self._misfits, "pictures of another size or colour were made to fit the first"),
            (self._video.moved, "pictures had times that did not rise: each came one tick after the one before"),
            (self._unheard, "packets of sound left out: the film had begun without sound"),
            (self._lost, "packets of sound left out: they lay over others, or are damaged"),
        )
        return (*self._video.notes, *(f"{count} {what}" for count, what in told if count))

    @property
    def encoder(self) -> str:
        return self._video.encoder

    def write(self, frame: Frame) -> int:
        written = self._mux(self._video.encode(self._timed(self._fitted(frame))))
        self.pictures += 1
        self.seconds = max(0.0, frame.captured_at - self._first.captured_at)
        return written

    def hear(self, packet: SoundPacket) -> None:
        if self._sound is None:
            self._unheard += 1
            return
        pts = self._times.place(packet)
        if pts is not None:
            self._mux(self._sound.put(packet, pts))
        elif packet.captured_at >= self._first.captured_at:
            self._lost += 1

    def close(self) -> None:
        try:
            self._mux(self._video.flush())
            if self._sound is not None:
                self._mux(self._sound.flush())
                self._lost += self._sound.lost
        except (OSError, av.FFmpegError):
            self.drop()
            raise
        self._output.close()

    def drop(self) -> None:
        """Close without minding what the disk says."""
        try:
            self._output.close()
        except (OSError, av.FFmpegError) as error:
            logger.debug("while closing an unfinished film: %s", error)

    def _timed(self, frame: Frame) -> Frame:
        """The frame with the time of its capture as its time in the film."""
        return replace(
            frame,
            pts=round((frame.captured_at - self._first.captured_at) / TIME_BASE),
            time_base=TIME_BASE,
            duration=round(frame.duration * frame.time_base / TIME_BASE),
        )

    def _fitted(self, frame: Frame) -> Frame:
        first = self._first
        if frame.y.shape == first.y.shape and frame.color == first.color:
            return frame
        self._misfits += 1
        planes = recolored(frame.planes, frame.color, first.color)
        if frame.y.shape != first.y.shape:
            planes = fitted(planes, first.height, first.width, black=first.color.black)
        return replace(frame, y=planes[0], u=planes[1], v=planes[2], color=first.color)

    def _mux(self, packets: Sequence[Packet[Any]]) -> int:
        written = sum(packet.size for packet in packets)
        for packet in packets:
            self._output.mux_one(packet)
        return written
