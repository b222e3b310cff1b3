"""Sound, text, data, attachments, tags and chapters after the sink."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import AttachmentStream, Disposition

from streamer.errors import SinkError
from streamer.media.encoders import EncodeSettings
from tests.helpers.films import SourceMaker, frames_of, info_of, packets_of, rewrite, times_of, tone

MILLI = Fraction(1, 1000)
TIMES = [40 * k for k in range(50)]
WEBM = EncodeSettings(codec="vp9")


def maker(path: Path) -> SourceMaker:
    return SourceMaker(path, TIMES, MILLI)


def hashes(path: Path, index: int) -> list[str]:
    return [digest for digest, _ in packets_of(path, index)]


@pytest.mark.parametrize(
    ("codec", "suffix", "target"),
    [
        ("aac", ".mp4", ".mp4"),
        ("aac", ".mp4", ".mov"),
        ("aac", ".mp4", ".mkv"),
        ("aac", ".mkv", ".mp4"),
        ("aac", ".ts", ".ts"),
        ("flac", ".mkv", ".mkv"),
        ("libopus", ".mkv", ".mp4"),
        ("libmp3lame", ".mkv", ".ts"),
        ("pcm_s16le", ".mkv", ".mov"),
    ],
)
def test_sound_is_copied_byte_for_byte(tmp_path: Path, codec: str, suffix: str, target: str) -> None:
    source, made = tmp_path / f"in{suffix}", tmp_path / f"out{target}"
    film = maker(source)
    film.add_tone(2, codec=codec)
    film.write()
    rewrite(source, made)
    assert len(hashes(source, 1)) >= 20
    assert hashes(made, 1) == hashes(source, 1)


def test_several_sounds_keep_their_order_language_and_default(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.mkv"
    film = maker(source)
    for language, disposition in (("deu", Disposition(0)), ("fra", Disposition.default)):
        track = film.add_tone(1)
        track.metadata["language"] = language
        track.disposition = disposition
    film.write()
    rewrite(source, made)
    with av.open(str(made)) as got:
        assert [s.language for s in got.streams.audio] == ["deu", "fra"]
        assert [bool(s.disposition & Disposition.default) for s in got.streams.audio] == [False, True]
    assert hashes(made, 2) == hashes(source, 2)


def test_a_film_whose_picture_is_not_first_keeps_its_order(tmp_path: Path) -> None:
    first = tmp_path / "first.mkv"
    film = maker(first)
    film.add_tone(2)
    film.write()
    source, made = tmp_path / "in.mkv", tmp_path / "out.mkv"
    with av.open(str(first)) as given, av.open(str(source), "w") as turned:
        places = {1: turned.add_stream_from_template(given.streams[1], opaque=True)}
        places[0] = turned.add_stream_from_template(given.streams[0], opaque=True)
        for packet in given.demux():
            if packet.size:
                packet.stream = places[packet.stream.index]
                turned.mux(packet)
    rewrite(source, made)
    with av.open(str(made)) as got:
        assert [s.type for s in got.streams] == ["audio", "video"]
    assert hashes(made, 0) == hashes(source, 0)
    assert times_of(made) == times_of(source)


def test_matroska_carries_text_attachments_chapters_and_tags(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.mkv"
    film = maker(source)
    film.add_lines(["one", "zwei", "trois é"]).metadata["language"] = "fra"
    film.output.add_attachment("face.ttf", "font/ttf", b"not really a font")
    film.output.metadata.update({"title": "A film", "SHOT_BY": "nobody"})
    film.output.set_chapters(
        [{"id": 1, "start": 0, "end": 900, "time_base": MILLI, "metadata": {"title": "Before noon"}}]
    )
    film.write()
    assert rewrite(source, made) == ()
    assert packets_of(made, 1) == packets_of(source, 1)
    with av.open(str(made)) as got:
        assert got.metadata["title"] == "A film"
        assert got.metadata["SHOT_BY"] == "nobody"
        assert got.streams.subtitles[0].language == "fra"
        (chapter,) = got.chapters()
        assert chapter["metadata"]["title"] == "Before noon"
        assert chapter["end"] * (chapter["time_base"] or 0) == Fraction(9, 10)
        (attachment,) = got.streams.attachments
        assert isinstance(attachment, AttachmentStream)
        assert (attachment.name, attachment.mimetype, attachment.data) == ("face.ttf", "font/ttf", b"not really a font")


def test_mp4_carries_chapters_and_the_tags_that_it_knows(tmp_path: Path) -> None:
    source, made, again = tmp_path / "in.mp4", tmp_path / "out.mp4", tmp_path / "again.mp4"
    film = maker(source)
    film.output.metadata.update({"title": "A film", "artist": "Somebody", "creation_time": "2020-02-02T20:20:20Z"})
    film.output.set_chapters([{"id": 1, "start": 0, "end": 900, "time_base": MILLI, "metadata": {"title": "One"}}])
    film.write()
    assert rewrite(source, made) == ()
    # Once more: an MP4's chapters are a track too, which must not be copied beside the chapters that it holds.
    assert rewrite(made, again) == ()
    with av.open(str(again)) as got:
        assert (got.metadata["title"], got.metadata["artist"]) == ("A film", "Somebody")
        assert got.metadata["creation_time"].startswith("2020-02-02T20:20:20")
        (chapter,) = got.chapters()
        assert chapter["metadata"]["title"] == "One"
        assert len(got.streams) == 2


def test_a_time_code_stays(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mov", tmp_path / "out.mov"
    film = SourceMaker(source, range(25), Fraction(1, 25))
    film.video.metadata["timecode"] = "01:02:03:04"
    film.write()
    assert rewrite(source, made) == ()
    with av.open(str(made)) as got:
        assert [s.metadata["timecode"] for s in got.streams.data] == ["01:02:03:04"]


def test_text_is_rewritten_for_mp4(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.mp4"
    film = maker(source)
    film.add_lines(["one", "zwei", "trois é"]).metadata["language"] = "fra"
    film.write()
    notes = rewrite(source, made)
    assert notes == ("subtitle stream 1 (subrip) doesn't go into mp4: re-encoded as mov_text",)
    with av.open(str(made)) as got:
        (text,) = got.streams.subtitles
        assert text.language == "fra"
        lines = [
            (packet.pts * packet.time_base, bytes(packet)[2:].decode())
            for packet in got.demux(text)
            # Two bytes of length and nothing more fill the time between two lines.
            if packet.size > 2 and packet.pts is not None
        ]
    assert lines == [(Fraction(0), "one"), (Fraction(1, 2), "zwei"), (Fraction(1), "trois é")]


def test_text_comes_back_from_mp4(tmp_path: Path) -> None:
    source, between, made = tmp_path / "in.mkv", tmp_path / "between.mp4", tmp_path / "out.mkv"
    film = maker(source)
    film.add_lines(["one", "zwei"])
    film.write()
    rewrite(source, between)
    rewrite(between, made)
    with av.open(str(made)) as got:
        text = [bytes(packet).decode() for packet in got.demux(got.streams.subtitles[0]) if packet.size]
    assert text == ["one", "zwei"]


@pytest.mark.parametrize("start", [0, 22050])
def test_sound_is_re_encoded_where_it_does_not_fit(tmp_path: Path, start: int) -> None:
    source, made = tmp_path / "in.mp4", tmp_path / "out.webm"
    film = maker(source)
    film.add_tone(2, start=start)
    film.write()
    notes = rewrite(source, made, WEBM)
    assert notes == ("audio stream 1 (aac) doesn't go into webm: re-encoded as opus",)
    before, after = loudness(source), loudness(made)
    assert first_loud(after) == pytest.approx(first_loud(before), abs=0.005)
    assert after.size == pytest.approx(before.size, abs=480)


def test_a_hole_in_re_encoded_sound_stays_where_it_was(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.webm"
    film = maker(source)
    track = film.add_tone(0)
    film.sounds[0] = (track, [*tone(0.5), *tone(0.5, start=44100)])
    film.write()
    rewrite(source, made, WEBM)
    with av.open(str(made)) as got:
        times = [f.pts * f.time_base for f in got.decode(audio=0) if f.pts is not None and f.time_base and is_loud(f)]
    assert max(later - sooner for sooner, later in pairwise(times)) > Fraction(45, 100)
    assert float(times[-1]) == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("unsupported", ["warn", "error"])
def test_what_does_not_fit_is_left_out_or_an_error(tmp_path: Path, unsupported: str) -> None:
    source, made = tmp_path / "in.mp4", tmp_path / "out.webm"
    film = maker(source)
    film.add_tone(1)
    film.write()
    settings = EncodeSettings(codec="vp9", unsupported="warn" if unsupported == "warn" else "error")
    if unsupported == "error":
        with pytest.raises(SinkError, match=r"audio stream 1 \(aac\) doesn't go into webm: choose another container"):
            rewrite(source, made, settings)
        return
    assert rewrite(source, made, settings) == ("audio stream 1 (aac) doesn't go into webm: left out",)
    with av.open(str(made)) as got:
        assert [s.type for s in got.streams] == ["video"]


def test_what_can_not_be_rewritten_is_named(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.ts"
    film = maker(source)
    film.add_lines(["one"])
    film.output.add_attachment("notes.txt", "text/plain", b"words")
    film.output.set_chapters([{"id": 1, "start": 0, "end": 900, "time_base": MILLI, "metadata": {}}])
    film.write()
    assert rewrite(source, made) == (
        "subtitle stream 1 (subrip) doesn't go into mpegts: left out",
        "attachment stream 2 (notes.txt) doesn't go into mpegts: left out",
        "1 chapters left out: mpegts has no place for them",
    )


def test_a_sound_that_nobody_knows_is_named_and_left_out(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mp4", tmp_path / "out.mp4"
    film = maker(source)
    film.add_tone(1)
    film.write()
    source.write_bytes(source.read_bytes().replace(b"mp4a", b"zzzz").replace(b"esds", b"zzzz"))
    assert rewrite(source, made) == ("audio stream 1 (unknown) doesn't go into mp4: left out",)
    assert times_of(made) == times_of(source)


def test_a_second_film_is_named_and_left_out(tmp_path: Path) -> None:
    one, source, made = tmp_path / "one.mkv", tmp_path / "in.mkv", tmp_path / "out.mkv"
    maker(one).write()
    with av.open(str(one)) as given, av.open(str(source), "w") as double:
        tracks = [double.add_stream_from_template(given.streams[0], opaque=True) for _ in range(2)]
        for packet in given.demux():
            if packet.size:
                for track in tracks:
                    packet.stream = track
                    double.mux(packet)
    assert rewrite(source, made) == ("video stream 1 (h264) left out: only one picture track is written",)


def test_sound_that_can_not_be_decoded_is_skipped_and_counted(tmp_path: Path) -> None:
    whole, source, made = tmp_path / "whole.mkv", tmp_path / "in.mkv", tmp_path / "out.webm"
    film = maker(whole)
    film.add_tone(2)
    film.write()
    with av.open(str(whole)) as given, av.open(str(source), "w") as spoilt:
        tracks = [spoilt.add_stream_from_template(stream, opaque=True) for stream in given.streams]
        for number, packet in enumerate(given.demux()):
            if packet.size and packet.stream.type == "audio" and number % 10 == 5:
                packet.update(bytes([255]) * packet.size)
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                spoilt.mux(packet)
    notes = rewrite(source, made, WEBM)
    assert any("skipped: they are damaged" in note for note in notes)
    assert packets_of(made, 1)[-1][1] > Fraction(19, 10)


def test_sound_keeps_in_step_with_a_long_film(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mp4", tmp_path / "out.mkv"
    film = SourceMaker(source, range(30), Fraction(1))
    film.add_tone(30)
    film.write()
    rewrite(source, made)
    reached = {0: Fraction(0), 1: Fraction(0)}
    with av.open(str(made)) as got:
        for packet in got.demux():
            if packet.dts is not None:
                reached[packet.stream.index] = packet.dts * packet.time_base
                # Pictures are a second apart, and a few are reordered.
                assert abs(reached[0] - reached[1]) < 5


def test_sound_that_lies_at_the_file_s_end_is_still_written_in_step(tmp_path: Path) -> None:
    plain, source, made = tmp_path / "plain.mp4", tmp_path / "in.mkv", tmp_path / "out.mkv"
    film = maker(plain)
    film.add_tone(2)
    film.write()
    with av.open(str(plain)) as given:
        packets = sorted((p for p in given.demux() if p.size), key=lambda p: p.stream.index)
        # Clusters of half a minute, so that FFmpeg keeps the order given.
        with av.open(str(source), "w", container_options={"max_interleave_delta": "1"}) as bad:
            tracks = [bad.add_stream_from_template(stream, opaque=True) for stream in given.streams]
            for packet in packets:
                packet.stream = tracks[packet.stream.index]
                bad.mux(packet)
    assert order_of(source)[:5] == [0] * 5
    rewrite(source, made)
    assert hashes(made, 1) == hashes(source, 1)
    assert sorted(set(order_of(made)[:5])) == [0, 1]


def order_of(path: Path) -> list[int]:
    with av.open(str(path)) as film:
        return [packet.stream.index for packet in film.demux() if packet.size]


def test_data_in_a_transport_stream_is_copied(tmp_path: Path) -> None:
    source, made = tmp_path / "in.ts", tmp_path / "out.ts"
    film = maker(source)
    data = film.output.add_data_stream("klv")
    data.time_base = Fraction(1, 90000)
    film.add_raw(data, [b"\x06\x0e\x2b\x34" + bytes(40) + bytes([k]) for k in range(5)], [k * 36000 for k in range(5)])
    film.write()
    with av.open(str(source)) as given:
        assert [s.name for s in given.streams.data] == ["klv"]
    assert rewrite(source, made) == ()
    assert len(hashes(source, 1)) == 5
    assert packets_of(made, 1) == packets_of(source, 1)


def test_a_cover_is_carried_from_mp4_to_mp4(tmp_path: Path) -> None:
    plain, source, made = tmp_path / "plain.mp4", tmp_path / "in.mp4", tmp_path / "out.mp4"
    maker(plain).write()
    cover = jpeg()
    with av.open(str(plain)) as given, av.open(str(source), "w") as covered, av.open(io.BytesIO(cover), "r") as art:
        picture = covered.add_stream_from_template(given.streams[0], opaque=True)
        track = covered.add_stream_from_template(art.streams[0], opaque=True)
        track.disposition = Disposition.attached_pic
        for packet in art.demux():
            if packet.size:
                packet.stream = track
                covered.mux(packet)
        for packet in given.demux():
            if packet.size:
                packet.stream = picture
                covered.mux(packet)
    assert rewrite(source, made) == ()
    with av.open(str(made)) as got:
        (kept,) = [s for s in got.streams.video if s.disposition & Disposition.attached_pic]
        (art_packet,) = [p for p in got.demux(kept) if p.size]
        assert bytes(art_packet) == cover
    assert times_of(made) == times_of(source)


def test_a_truncated_input_gives_the_sound_that_is_left(tmp_path: Path) -> None:
    whole, source, made = tmp_path / "whole.mkv", tmp_path / "in.mkv", tmp_path / "out.mkv"
    film = maker(whole)
    film.add_tone(2)
    film.write()
    data = whole.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    rewrite(source, made)
    kept = hashes(made, 1)
    assert 20 < len(kept) < len(hashes(whole, 1))
    assert kept == hashes(whole, 1)[: len(kept)]


def test_damaged_sound_is_skipped_and_counted(tmp_path: Path) -> None:
    whole, source, made = tmp_path / "whole.ts", tmp_path / "in.ts", tmp_path / "out.mkv"
    film = maker(whole)
    film.add_tone(2)
    film.write()
    cells = [whole.read_bytes()[at : at + 188] for at in range(0, whole.stat().st_size, 188)]
    # FFmpeg gives the second stream of a transport stream the number 0x101.
    sound = [n for n, cell in enumerate(cells) if int.from_bytes(cell[1:3], "big") & 0x1FFF == 0x101]
    lost = set(sound[len(sound) // 2 :: 40])
    source.write_bytes(b"".join(cell for n, cell in enumerate(cells) if n not in lost))
    notes = rewrite(source, made)
    assert any("skipped: they are damaged" in note for note in notes)
    assert 20 < len(hashes(made, 1)) <= len(hashes(whole, 1))
    assert packets_of(made, 1)[-1][1] > Fraction(19, 10)


def test_tags_about_the_old_file_are_not_carried(tmp_path: Path) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / "out.mkv"
    film = maker(source)
    film.video.metadata.update({"rotate": "90", "BPS": "12345", "title": "Camera 1"})
    film.write()
    rewrite(source, made)
    with av.open(str(made)) as got:
        tags = {key.lower() for key in got.streams.video[0].metadata}
        assert "title" in tags
        assert not tags & {"rotate", "bps"}
        assert all(frame.rotation == 0 for frame in got.decode(video=0))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["crowd_1080p.mp4", "stage_360p_cuts.mp4"])
def test_real_films_pass_whole(tmp_path: Path, shared_data: Path, name: str) -> None:
    source, made = shared_data / "videos" / name, tmp_path / "out.mp4"
    assert rewrite(source, made, EncodeSettings(preset="ultrafast", quality=30)) == ()
    assert times_of(made) == times_of(source)
    assert packets_of(made, 1) == packets_of(source, 1)


def is_loud(frame: av.AudioFrame) -> bool:
    return bool(np.abs(frame.to_ndarray()).max() > 0.02)


def loudness(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sample by sample of the first channel at 48 kHz, silence before the first included."""
    resampler = av.AudioResampler("fltp", "mono", 48000)
    parts: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    with av.open(str(path)) as film:
        for frame in film.decode(audio=0):
            if not parts:
                assert frame.pts is not None
                assert frame.time_base is not None
                parts.append(np.zeros(max(0, round(frame.pts * frame.time_base * 48000))))
            frame.pts = None
            parts += [piece.to_ndarray()[0].astype(np.float64) for piece in resampler.resample(frame)]
    return np.concatenate(parts)


def first_loud(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Seconds until there is sound."""
    return float(np.argmax(np.abs(samples) > 0.05)) / 48000


def jpeg() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as film:
        stream = film.add_stream("mjpeg", rate=1)
        stream.codec_context.width, stream.codec_context.height = 64, 64
        stream.codec_context.pix_fmt = "yuvj420p"
        film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((96, 64), 100, np.uint8), format="yuv420p")))
        film.mux(stream.encode(None))
    return buffer.getvalue()


def test_helper_reads_what_it_wrote(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    maker(source).write()
    assert [frame.pts for frame in frames_of(source)] == TIMES
    assert info_of(source).time_base == MILLI


DISCLOSURE = "Enhanced by Facelane 1: faces are restored, and no evidence. transformer lane: t (w@0123 + w@4567), é"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("comment", ["", "Filmed on a Sunday"])
def test_an_enhanced_film_says_so_beside_the_tags_that_it_had(tmp_path: Path, suffix: str, comment: str) -> None:
    source, made = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    film = maker(source)
    film.output.metadata.update({"title": "A film", **({"comment": comment} if comment else {})})
    film.write()
    rewrite(source, made, WEBM if suffix == ".webm" else None, disclosure=DISCLOSURE)
    told = _tags(made)
    assert told["title"] == "A film"
    assert told["comment"] == (f"{comment}\n{DISCLOSURE}" if comment else DISCLOSURE)
    again = tmp_path / f"again{suffix}"
    rewrite(made, again, WEBM if suffix == ".webm" else None)
    assert _tags(again)["comment"] == told["comment"]


def test_a_container_without_tags_says_that_it_has_no_place_for_it(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    maker(source).write()
    notes = rewrite(source, tmp_path / "out.ts", disclosure=DISCLOSURE)
    assert "mpegts has no place to say that the film was enhanced" in notes


def _tags(path: Path) -> dict[str, str]:
    with av.open(path) as film:
        return {key.lower(): value for key, value in film.metadata.items()}
