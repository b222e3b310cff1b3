"""Pictures joined from RTP payloads: what is given is what was coded, and nothing is given before it is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streamer.live.ports import Cause
from streamer.media.network.access_units import AccessUnits, Arrival
from streamer.media.network.endings import Endings
from streamer.media.network.failure import Failure
from streamer.media.network.nal_units import READERS, payload
from tests.helpers.rtsp import numbered

START = b"\0\0\0\1"
ROOM = 1386
FRAMES = 100
X264 = {"preset": "ultrafast", "tune": "zerolatency", "g": "10", "threads": "1"}
X265 = {"preset": "ultrafast", "tune": "zerolatency"}
CODINGS = {
    "plain": ("libx264", X264),
    "four slices": ("libx264", X264 | {"slices": "4"}),
    "reordered": ("libx264", {"preset": "veryfast", "bf": "2", "g": "12"}),
    "intra refresh": ("libx264", X264 | {"intra-refresh": "1"}),
    "many slices": ("libx264", X264 | {"slice-max-size": "700"}),
    "interlaced": ("libx264", X264 | {"flags": "+ildct+ilme"}),
    "hevc": ("libx265", X265 | {"x265-params": "keyint=10:log-level=none"}),
    "hevc slices": ("libx265", X265 | {"x265-params": "keyint=10:slices=2:log-level=none"}),
    "hevc open": ("libx265", {"preset": "ultrafast", "x265-params": "keyint=12:open-gop=1:bframes=2:log-level=none"}),
}

Picture = tuple[int, list[bytes]]
"""Its time, and its NAL units."""


class Film:
    """A coded film. `pictures`: in the order of coding; `is_key`, `decoded`: what FFmpeg says of them."""

    def __init__(self, path: Path, codec: str, options: dict[str, str]) -> None:
        with av.open(str(path), "w", format="mpegts") as output:
            stream = output.add_stream(codec, rate=25, options=options)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
            for number in range(FRAMES):
                frame = av.VideoFrame.from_ndarray(numbered(number, height=180, width=320, grain=40), "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        self.container = av.open(str(path))
        self.video = self.container.streams.video[0]
        packets = [packet for packet in self.container.demux(self.video) if packet.size]
        self.is_key = [packet.is_keyframe for packet in packets]
        self.pictures: list[Picture] = [(packet.pts or 0, nals(bytes(packet))) for packet in packets]
        with av.open(str(path)) as again:
            self.decoded = [frame.to_ndarray() for frame in again.decode(video=0)]

    @property
    def codec(self) -> str:
        return self.video.codec_context.codec.canonical_name


def nals(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream, as RTP carries them."""
    parts = data.replace(START, START[1:]).split(START[1:])[1:]
    return [part.rstrip(b"\0") for part in parts]


def parts_of(nal: bytes, *, codec: str = "h264", even: bool = False) -> list[bytes]:
    """The packets that FFmpeg gives for a NAL unit: filled, or `even`, of equal size."""
    if len(nal) <= ROOM:
        return [START + nal]
    header = 1 if codec == "h264" else 2
    count = -(-(len(nal) - header) // ROOM)
    room = -(-(len(nal) - header) // count) if even else ROOM
    rests = [nal[at : at + room] for at in range(header, len(nal), room)]
    return [START + nal[:header] + rests[0], *rests[1:]]


def sent(film: Film, pictures: Iterable[Picture], *, even: bool = False) -> list[list[tuple[int, bytes]]]:
    """The packets of each picture, each with its time."""
    split = partial(parts_of, codec=film.codec, even=even)
    return [[(pts, part) for nal in units for part in split(nal)] for pts, units in pictures]


class Reading:
    """What came of reading these packets: `given`, and how many packets had been read at each."""

    def __init__(self, film: Film, packets: Iterable[tuple[int | None, bytes]], *, fails: bool = False) -> None:
        self.given: list[Arrival] = []
        self.read_at: list[int] = []
        self.cuts = 0
        self._video = film.video
        self._read = 0
        units = AccessUnits(film.video, on_cut=self._cut)
        try:
            for arrival in units.joined(self._arrivals(packets, fails=fails)):
                self.given.append(arrival)
                self.read_at.append(self._read)
        except Failure:
            assert fails

    def _cut(self) -> None:
        self.cuts += 1

    def _arrivals(self, packets: Iterable[tuple[int | None, bytes]], *, fails: bool) -> Iterator[Arrival]:
        for pts, data in packets:
            packet: Packet[Stream] = Packet(data)
            packet.stream, packet.pts, packet.time_base = self._video, pts, Fraction(1, 90000)
            self._read += 1
            yield Arrival(packet, float(self._read), 0.001)
        if fails:
            raise Failure(Cause.CLOSED, "gone")

    @property
    def nals(self) -> list[list[bytes]]:
        return [nals(bytes(arrival.packet)) for arrival in self.given]

    def waits(self, pictures: list[list[tuple[int, bytes]]]) -> list[int]:
        """How many packets of the next picture each had to wait for; the last waited for the end."""
        ends = np.cumsum([len(packets) for packets in pictures])
        return [read - int(end) for read, end in zip(self.read_at, ends, strict=True)][:-1]


@pytest.fixture(scope="module")
def film_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Film]]:
    made: dict[str, Film] = {}

    def film(name: str) -> Film:
        if name not in made:
            made[name] = Film(tmp_path_factory.mktemp("films") / "film.ts", *CODINGS[name])
        return made[name]

    yield film
    for one in made.values():
        one.container.close()


@pytest.fixture
def plain(film_of: Callable[[str], Film]) -> Film:
    return film_of("plain")


def flat(pictures: Iterable[list[tuple[int, bytes]]]) -> list[tuple[int | None, bytes]]:
    return [packet for packets in pictures for packet in packets]


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("coding", CODINGS)
def test_pictures_come_out_as_they_were_coded(film_of: Callable[[str], Film], coding: str, even: bool) -> None:
    film = film_of(coding)
    reading = Reading(film, flat(sent(film, film.pictures, even=even)))
    assert reading.nals == [units for _, units in film.pictures]
    assert [arrival.packet.pts for arrival in reading.given] == [pts for pts, _ in film.pictures]
    assert [arrival.packet.is_keyframe for arrival in reading.given] == film.is_key
    assert not reading.cuts
    decoder = av.CodecContext.create(film.codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [frame for arrival in reading.given for frame in decoder.decode(arrival.packet)]
    frames += decoder.decode(None)
    assert len(frames) == len(film.decoded) == FRAMES
    assert all(np.array_equal(frame.to_ndarray(), wanted) for frame, wanted in zip(frames, film.decoded, strict=True))


@pytest.mark.parametrize("coding", ["plain", "four slices", "hevc", "hevc slices", "interlaced"])
def test_a_picture_is_given_with_its_last_packet_once_that_is_known(
    film_of: Callable[[str], Film], coding: str
) -> None:
    film = film_of(coding)
    pictures = sent(film, film.pictures)
    reading = Reading(film, flat(pictures))
    waits = reading.waits(pictures)
    assert set(waits[:24]) == {1}
    assert np.mean(waits[FRAMES // 2 :]) < 0.2
    # Each arrived with its last packet, given early or not.
    assert [arrival.at for arrival in reading.given] == np.cumsum([len(packets) for packets in pictures]).tolist()
    assert sum(arrival.waited for arrival in reading.given) == pytest.approx(0.001 * len(flat(pictures)))


@pytest.mark.parametrize("coding", ["plain", "hevc"])
def test_parts_of_equal_size_tell_nothing(film_of: Callable[[str], Film], coding: str) -> None:
    film = film_of(coding)
    pictures = sent(film, film.pictures, even=True)
    assert set(Reading(film, flat(pictures)).waits(pictures)) == {1}


def test_slices_that_vary_in_number_tell_nothing(film_of: Callable[[str], Film]) -> None:
    film = film_of("many slices")
    pictures = sent(film, film.pictures)
    assert set(Reading(film, flat(pictures)).waits(pictures)) == {1}


def test_what_follows_the_slices_now_and_then_is_waited_for(plain: Film) -> None:
    filler = bytes([12, *[255] * 20, 128])
    filled = [
        (pts, [*units, filler] if number % 7 == 3 else units) for number, (pts, units) in enumerate(plain.pictures)
    ]
    pictures = sent(plain, filled)
    reading = Reading(plain, flat(pictures))
    assert set(reading.waits(pictures)) == {1}
    assert reading.nals == [units for _, units in filled]


def test_more_of_a_picture_that_was_given_is_left_out_once_and_never_again(plain: Film) -> None:
    filler = bytes([12, *[255] * 20, 128])
    late = [
        (pts, [*units, filler, filler] if number == 75 else units) for number, (pts, units) in enumerate(plain.pictures)
    ]
    pictures = sent(plain, late)
    reading = Reading(plain, flat(pictures))
    assert reading.cuts == 1
    assert reading.nals == [units for _, units in plain.pictures]
    waits = reading.waits(pictures)
    assert waits[74] == 0
    assert waits[75] == -2
    assert set(waits[76:]) == {1}


def test_several_units_in_one_packet_are_told_apart(plain: Film) -> None:
    def joined(units: list[bytes]) -> list[bytes]:
        # As of a STAP-A.
        *before, last = units
        return [b"".join(START + unit for unit in before), *parts_of(last)]

    pictures = [[(pts, part) for part in joined(units)] for pts, units in plain.pictures]
    assert max(len(unit) for _, units in plain.pictures for unit in units[:-1]) < ROOM
    reading = Reading(plain, flat(pictures))
    assert reading.nals == [units for _, units in plain.pictures]
    assert np.mean(reading.waits(pictures)[FRAMES // 2 :]) < 0.2


def test_a_report_between_two_packets_moves_no_seam(plain: Film) -> None:
    pictures = sent(plain, plain.pictures)
    moved = [(pts + (at % 2) * 40, data) for at, (pts, data) in enumerate(packet for one in pictures for packet in one)]
    reading = Reading(plain, moved)
    assert reading.nals == [units for _, units in plain.pictures]
    assert not reading.cuts


def test_times_that_stand_still_or_are_missing_are_no_need(plain: Film) -> None:
    pictures = sent(plain, plain.pictures)
    for pts in (0, None):
        reading = Reading(plain, [(pts, data) for _, data in flat(pictures)])
        assert reading.nals == [units for _, units in plain.pictures]


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_lost_packets_harm_only_their_own_pictures(film_of: Callable[[str], Film], share: float) -> None:
    film = film_of("four slices")
    pictures = sent(film, film.pictures)
    rng = np.random.default_rng(4)
    kept = [[packet for packet in packets if rng.random() > share] for packets in pictures]
    reading = Reading(film, flat(kept))
    assert not reading.cuts
    wanted = [b"".join(data for _, data in packets) for packets in kept if packets]
    given = [bytes(arrival.packet) for arrival in reading.given]
    assert b"".join(given) == b"".join(wanted)
    # What is left of one that lost all of its slices goes to the next.
    assert len(set(given) & set(wanted)) > 0.9 * FRAMES


def test_what_is_pending_is_given_when_reading_fails(plain: Film) -> None:
    pictures = sent(plain, plain.pictures[:10])
    reading = Reading(plain, flat(pictures), fails=True)
    assert reading.nals == [units for _, units in plain.pictures[:10]]


def test_memory_is_bounded_for_streams_that_are_never_alike() -> None:
    endings = Endings()
    part = payload(START + b"\x41\x9a" + bytes(100), READERS["h264"])
    for number in range(5000):
        signature = tuple(1 + (number >> bit) % 2 for bit in range(13))
        endings.payload(part, is_first=True)
        assert not endings.ends(signature)
        endings.complete(signature)
    assert len(endings._seen) <= 64


def test_a_recovery_point_is_where_decoding_can_begin() -> None:
    read = READERS["h264"]
    buffering_first = bytes([6, 0, 3, 0, 0, 3, 1, 6, 1, 0x80, 0x80])
    assert payload(START + bytes([6, 6, 1, 0x80, 0x80]), read).nals[0].is_key
    assert payload(START + buffering_first, read).nals[0].is_key
    assert not payload(START + bytes([6, 5, 3, 6, 6, 6, 0x80]), read).nals[0].is_key
    assert not payload(START + bytes([6, 0xFF, 0xFF]), read).nals[0].is_key
    assert not payload(START, read).nals
