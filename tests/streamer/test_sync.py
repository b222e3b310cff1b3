"""How far sound and picture moved from each other between two files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.stream import VideoStream

from streamer.media.encoders import EncodeSettings
from streamer.media.sync import first_pts_difference, sync_shift
from tests.helpers.clips import moving_frames, write_clip
from tests.helpers.films import SourceMaker, rewrite, tone


def film(path: Path, *, first_picture: int = 0) -> Path:
    """Two seconds with AAC sound from 0 on, and pictures from `first_picture` ms on."""
    maker = SourceMaker(path, range(first_picture, 2000, 40), Fraction(1, 1000))
    maker.add_tone(2.0)
    maker.write()
    return path


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm"])
@pytest.mark.parametrize("source_suffix", ["mkv", "mp4"])
def test_sound_that_stays_where_it_was_shows_no_shift(tmp_path: Path, source_suffix: str, suffix: str) -> None:
    """Though WebM's is encoded again, with a third of the silence that AAC has before it, and a copy into Matroska
    doesn't say how much there is."""
    source, target = film(tmp_path / f"source.{source_suffix}"), tmp_path / f"target.{suffix}"
    rewrite(source, target, EncodeSettings("vp9" if suffix == "webm" else "h264"))
    shift = sync_shift(source, target)
    assert shift is not None
    assert abs(shift) <= Fraction(1, 1000)


def test_pictures_that_come_later_are_measured(tmp_path: Path) -> None:
    before, after = film(tmp_path / "before.mkv"), film(tmp_path / "after.mkv", first_picture=120)
    assert sync_shift(before, after) == Fraction(120, 1000)
    assert sync_shift(after, before) == Fraction(-120, 1000)
    early, late = first_pts_difference(before), first_pts_difference(after)
    assert early is not None
    assert late == early + Fraction(120, 1000)


def test_pictures_before_the_first_key_frame_do_not_count(tmp_path: Path) -> None:
    """A recording that begins in the middle of a group of pictures has half a second that nobody can show."""
    source, target = tmp_path / "source.ts", tmp_path / "target.mkv"
    with av.open(str(source), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"g": "20", "bf": "0", "sc_threshold": "0"})
        assert isinstance(video, VideoStream)
        video.width, video.height = 64, 48
        sound = output.add_stream("mp2", rate=44100, layout="stereo")
        packets = [packet for frame in [*moving_frames(60), None] for packet in video.encode(frame)][5:]
        packets += [packet for frame in [*tone(2.4), None] for packet in sound.encode(frame)]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            output.mux(packet)
    rewrite(source, target)
    shift = sync_shift(source, target)
    assert shift is not None
    assert abs(shift) <= Fraction(1, 1000)
    assert (first_pts_difference(source) or 0) > Fraction(7, 10)


def test_the_picture_that_is_read_is_the_one_that_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as output:
        videos = [output.add_stream("libx264", rate=25, options={"bf": "0"}) for _ in range(2)]
        sound = output.add_stream("mp2", rate=44100, layout="stereo")
        for number, video in enumerate(videos):
            assert isinstance(video, VideoStream)
            video.width, video.height = 64 + 32 * number, 48
        for number, video in enumerate(videos):
            for index, frame in enumerate(moving_frames(10, width=video.width)):
                frame.pts, frame.time_base = index + 5 * number, Fraction(1, 25)
                output.mux(video.encode(frame))
            output.mux(video.encode(None))
        for moment in [*tone(0.4), None]:
            output.mux(sound.encode(moment))
    first, second = (first_pts_difference(path, video_index=index) for index in range(2))
    assert first is not None
    assert second == first + Fraction(1, 5)
    assert first_pts_difference(path) == second  # the larger, as `FileReader` has it
    assert first_pts_difference(path, video_index=2) is None


def test_what_cannot_be_measured_is_none_and_no_error(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "silent.mkv", moving_frames(5))
    assert first_pts_difference(silent) is None
    assert first_pts_difference(tmp_path / "missing.mkv") is None
    whole = film(tmp_path / "whole.mkv")
    assert sync_shift(whole, silent) is None
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(whole.read_bytes()[:1500] + bytes(3000))
    assert sync_shift(whole, broken) is None
