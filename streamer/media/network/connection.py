"""One connection of a live source, from its first packet to its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from streamer.errors import FacelaneError
from streamer.live.clock import ArrivalClock
from streamer.live.ports import Cause
from streamer.media.demux import packets
from streamer.media.describe import films, has_decoder, preferred
from streamer.media.network.access_units import AccessUnits, Arrival
from streamer.media.network.address import Address
from streamer.media.network.failure import explain, failure
from streamer.media.network.lag import Lag
from streamer.media.network.mending import Mender
from streamer.media.network.nal_units import READERS
from streamer.media.network.opening import OpenMedia
from streamer.media.network.outlet import Outlet
from streamer.media.network.pace import Pacer
from streamer.media.network.pictures import Pictures
from streamer.media.network.settings import NetworkSettings
from streamer.media.network.sound import Sound, sound_of

logger = logging.getLogger(__name__)

# Their demuxers know no times: they count pictures, and call that time.
_TIMELESS = frozenset({"mpjpeg", "mjpeg", "jpeg_pipe", "mjpeg_2000"})
_FUTILE_READS = 32
# A packet that had to be waited for so long ends what was there from the beginning; so do this many.
_BEGUN_SECONDS = 0.005
_MOST_BACKLOG = 512


class Connection:
    """Reads an open source and hands on what it brings, until `stopping`. For one thread.

    Live sources are timed by when their packets arrive; sources that hold more than the present (files, segments) are
    let out at their own pace. Raises Failure where there is no video that can be decoded.
    """

    def __init__(
        self,
        media: OpenMedia,
        address: Address,
        settings: NetworkSettings,
        *,
        outlet: Outlet,
        stopping: threading.Event,
        on_picture: Callable[[], None],
        on_behind: Callable[[], None],
    ) -> None:
        """`on_picture` is called after each picture, `on_behind` where pictures are passed over for want of time."""
        self._container = media.container
        self._address = address
        self._settings = settings
        self._decoding = media.decoding
        self._outlet = outlet
        self._stopping = stopping
        self._on_picture = on_picture
        self._on_behind = on_behind
        self._mender = Mender(outlet.mended)
        self._clock = ArrivalClock()
        self._offset = 0.0
        self._has_seen_video = False
        self._lag = Lag(settings.catch_up_seconds)
        self._is_timeless = bool(_TIMELESS & set(self._container.format.name.split(",")))
        self._pacer: Pacer[Packet[Stream]] | None = Pacer(stopping) if self._is_stored() else None
        self._video = self._choose_video()
        self._audio = self._choose_audio()
        self._units = self._make_units() if media.is_split else None

    @property
    def has_seen_video(self) -> bool:
        """Whether anything of the picture came, decodable or not."""
        return self._has_seen_video

    @property
    def has_sound(self) -> bool:
        return self._audio is not None

    def run(self) -> None:
        """Returns at the end of the source or when stopped. Raises Failure, and CardFault as `Pictures.feed`."""
        pictures = Pictures(
            self._video,
            self._settings,
            self._outlet,
            decoding=self._decoding,
            capture=self._capture_picture,
            on_picture=self._on_picture,
        )
        sound = self._make_sound()
        try:
            for packet in self._due():
                if packet.stream.index == self._video.index:
                    self._has_seen_video = True
                    pictures.feed(packet, is_near=self._lag.is_near)  # type: ignore[arg-type]  # its index says so
                    if self._lag.is_behind:
                        pictures.skip_to_key()
                        self._on_behind()
                elif sound is not None and packet.size:
                    sound.feed(packet)  # type: ignore[arg-type]
                if self._stopping.is_set():
                    return
        except FacelaneError as error:
            raise failure(Cause.CODEC, self._address, detail=str(error)) from None

    def _is_stored(self) -> bool:
        """Whether the source holds more than the present."""
        return self._address.kind in ("file", "hls") or (
            self._address.kind == "http" and self._container.duration is not None
        )

    def _choose_video(self) -> VideoStream:
        streams = [stream for stream in films(self._container) if has_decoder(stream)]
        if not streams:
            raise failure(Cause.CODEC, self._address)
        return preferred(streams)

    def _choose_audio(self) -> AudioStream | None:
        streams = [stream for stream in self._container.streams.audio if has_decoder(stream)]
        return streams[0] if streams else None

    def _make_units(self) -> AccessUnits | None:
        if self._video.codec_context.codec.canonical_name not in READERS:
            return None
        return AccessUnits(self._video, on_cut=lambda: self._outlet.mended("access_unit_cut"))

    def _make_sound(self) -> Sound | None:
        if self._audio is None:
            return None
        kbps = self._settings.sound_kbps
        return sound_of(self._audio, kbps=kbps, outlet=self._outlet, capture=self._capture)

    def _capture(self, seconds: float) -> float:
        return seconds + self._offset

    def _capture_picture(self, seconds: float) -> float:
        captured_at = self._capture(seconds)
        if self._pacer is not None:
            # A picture may leave the decoder before its time.
            self._pacer.wait_until(captured_at)
        return captured_at

    def _due(self) -> Iterator[Packet[Stream]]:
        """Packets whose time has come, with `_offset` set for them."""
        if self._pacer is None:
            yield from self._arriving()
            return
        for due, packet in self._pacer.paced(self._ahead()):
            self._offset = due - self._decoding_time(packet)
            yield packet

    def _arriving(self) -> Iterator[Packet[Stream]]:
        backlog: list[Arrival] = []
        is_beginning = True
        for arrival in self._read():
            self._mend(arrival)
            captured_at = self._place(arrival)
            if is_beginning:
                # What came while FFmpeg looked into the source comes all at once: the clock learns from the last of it.
                backlog.append(arrival)
                is_beginning = arrival.waited < _BEGUN_SECONDS and len(backlog) < _MOST_BACKLOG
                yield from () if is_beginning else self._placed(backlog)
            else:
                self._lag.note(arrival.waited, now=arrival.at, age=arrival.at - captured_at)
                yield arrival.packet
        if is_beginning:
            yield from self._placed(backlog)

    def _placed(self, backlog: list[Arrival]) -> Iterator[Packet[Stream]]:
        for arrival in backlog:
            self._place(arrival)
            yield arrival.packet

    def _place(self, arrival: Arrival) -> float:
        seconds = float((arrival.packet.pts or 0) * arrival.packet.time_base)
        captured_at = self._clock.place(seconds, arrival.at)
        self._offset = captured_at - seconds
        return captured_at

    def _ahead(self) -> Iterator[tuple[float, Packet[Stream]]]:
        for arrival in self._read():
            self._mend(arrival)
            yield self._decoding_time(arrival.packet), arrival.packet

    def _decoding_time(self, packet: Packet[Stream]) -> float:
        return float((packet.dts or 0) * packet.time_base)

    def _mend(self, arrival: Arrival) -> None:
        """Gives the packet times that go on from those before."""
        packet = arrival.packet
        if self._is_timeless:
            packet.pts = packet.dts = round(arrival.at / packet.time_base)
            return
        ticks = packet.pts if packet.dts is None else packet.dts
        base = packet.time_base
        stated = None if ticks is None else float(ticks * base)
        duration = float((packet.duration or 0) * base)
        placed = self._mender.place(packet.stream.index, stated, duration=duration, arrived_at=arrival.at)
        moved = round(placed / base)
        packet.pts = moved if packet.pts is None or ticks is None else packet.pts + moved - ticks
        packet.dts = moved

    def _read(self) -> Iterator[Arrival]:
        """Whole pictures and sound, as they come."""
        arrivals = self._received()
        return arrivals if self._units is None else self._units.joined(arrivals)

    def _received(self) -> Iterator[Arrival]:
        """Packets as they come, past those that are damaged."""
        streams: list[Stream] = [self._video] if self._audio is None else [self._video, self._audio]
        before = time.monotonic()
        for _ in range(_FUTILE_READS):
            try:
                for packet in packets(self._container, *streams):
                    now = time.monotonic()
                    if packet.size:
                        yield Arrival(packet, now, now - before)
                    before = time.monotonic()
            except av.error.InvalidDataError:
                self._outlet.dropped("undecodable")
            except (av.FFmpegError, OSError) as error:
                raise explain(error, self._address) from None
            else:
                return
