"""What NVENC is told, held against what this FFmpeg's NVENC knows, and what is said where there is no card."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.errors import SinkError, UsageError
from streamer.media.choosing import choose
from streamer.media.encoders import CARD_ENCODERS, CodecName, Encoder, EncodeSettings
from streamer.media.hardware import card_fault
from streamer.media.info import SourceInfo
from streamer.media.live_file import LiveFileWriter
from streamer.media.sink import FileWriter
from tests.helpers.films import SourceMaker, frames_at, info_of

TICK = Fraction(1, 25)
CODECS = sorted(CARD_ENCODERS)


@pytest.fixture
def info(tmp_path: Path) -> SourceInfo:
    SourceMaker(tmp_path / "source.mkv", range(3), TICK).write()
    return info_of(tmp_path / "source.mkv")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("quality", [0, 1, 18, 51])
def test_nvenc_knows_every_word_that_it_is_told(codec: CodecName, quality: int) -> None:
    encoder = CARD_ENCODERS[codec]
    context = av.CodecContext.create(encoder.name, "w")
    known = {option.name: option for option in context.supported_options.private}
    for preset in (None, *encoder.presets):
        for name, value in encoder.options(quality, preset).items():
            option = known[name]
            if option.choices:
                assert value in [choice.name for choice in option.choices]
            else:
                assert option.min <= float(value) <= option.max
    assert "yuv420p" in [format.name for format in av.Codec(encoder.name, "w").video_formats or ()]


@pytest.mark.parametrize("codec", CODECS)
def test_quality_asks_for_constant_quality_and_0_for_none_lost(codec: CodecName) -> None:
    """A CQ of 0 leaves the choice to the card; only "lossless" is so."""
    encoder = CARD_ENCODERS[codec]
    asked = [int(encoder.options(quality, None)["cq"]) for quality in range(1, 52)]
    assert asked == sorted(asked)
    assert asked[0] > 0
    assert encoder.options(18, None)["rc"] == "vbr"
    if encoder.lossless is not None:
        assert encoder.options(0, None)["tune"] == "lossless"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"codec": "vp9", "encoder_device": "cuda"}, "NVENC knows no vp9: use codec h264, hevc, av1, or"),
        ({"encoder_device": "cuda", "preset": "fast"}, "not one of h264_nvenc's: p1, p2"),
        ({"encoder_device": "auto", "preset": "p4"}, "one encoder's own word"),
        ({"codec": "av1", "encoder_device": "cuda", "quality": 0}, "no lossless mode"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EncodeSettings(**settings)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9"])
def test_auto_writes_the_film_and_says_what_encoded_it(tmp_path: Path, info: SourceInfo, codec: CodecName) -> None:
    writer = FileWriter(tmp_path / "out.mkv", info, EncodeSettings(codec, encoder_device="auto"), overwrite=False)
    assert writer.encoder == ""
    for frame in frames_at(range(6), TICK, size=(320, 192)):
        writer.write(frame)
    writer.complete()
    writer.publish()
    software = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9"}[codec]
    if codec not in CARD_ENCODERS:
        assert writer.encoder == software
    elif fault := card_fault(CARD_ENCODERS[codec].name):
        assert writer.encoder == f"{software}: {fault}"
    else:
        assert writer.encoder == f"{codec}_nvenc"
    with av.open(tmp_path / "out.mkv") as film:
        assert film.streams.video[0].codec_context.codec.canonical_name == codec
        assert [frame.pts for frame in film.decode(video=0)] == [round(index / 25 * 1000) for index in range(6)]


def test_a_card_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path, info: SourceInfo) -> None:
    settings = EncodeSettings(encoder_device="cuda")
    if not card_fault("h264_nvenc"):
        FileWriter(tmp_path / "out.mp4", info, settings, overwrite=False).abort()
        LiveFileWriter(tmp_path / "out.mp4", settings, overwrite=False).finish()
    else:
        told = r"encoder_device is cuda, but .*NVIDIA.*: set it to cpu or auto"
        with pytest.raises(UsageError, match=told):
            FileWriter(tmp_path / "out.mp4", info, settings, overwrite=False)
        with pytest.raises(UsageError, match=told):
            LiveFileWriter(tmp_path / "out.mp4", settings, overwrite=False)
    assert {path.name for path in tmp_path.iterdir()} == {"source.mkv"}


def test_what_a_card_refuses_is_encoded_by_the_processor_or_told() -> None:
    """No card encodes pictures so small, or so large."""
    for size in ((16, 16), (20000, 64)):
        taken = choose(EncodeSettings(encoder_device="auto"), *size)
        assert taken.encoder.name == "libx264"
        assert taken.fault
        with pytest.raises(SinkError, match=rf"h264 of {size[0]}x{size[1]}: .*encoder_device to cpu or auto"):
            choose(EncodeSettings(encoder_device="cuda"), *size)


def test_the_processors_encoders_are_never_tried_on_a_card() -> None:
    taken = choose(EncodeSettings(), 64, 48)
    assert str(taken) == "libx264"
    assert isinstance(taken.encoder, Encoder)
