"""Where films and live sources are decoded: what is asked, what is taken, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from streamer.errors import UnsupportedError, UsageError
from streamer.frame import Frame
from streamer.live.ports import SourceState
from streamer.media import decoding
from streamer.media.hardware import Device, decoding_fault
from streamer.media.network.settings import NetworkSettings
from streamer.media.network.source import NetworkSource
from streamer.media.reader import FileReader
from tests.helpers.clips import frame_of, noise_samples, write_clip
from tests.helpers.inlet import CollectingInlet

# Which of these a card takes is not ours to know: it is either said, or so.
FILMS = {"h264": ("libx264", {"preset": "ultrafast"}), "ffv1": ("ffv1", {})}


def film(folder: Path, codec: str, *, pictures: int = 6, key_every: int = 250) -> Path:
    name, options = FILMS[codec]
    options = {**options, "g": str(key_every)}
    noise = [frame_of("yuv420p", noise_samples("yuv420p", 96, 128, seed=seed), space=1) for seed in range(pictures)]
    times = [0, 1, 2, 4, *range(7, 7 + pictures - 4)]
    return write_clip(folder / f"{codec}.mkv", noise, codec=name, options=options, times=times)


def spoiled(film: Path, path: Path) -> Path:
    """The same film with nothing in its pictures that could be decoded, though what they are can be told."""
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                noise = av.Packet(_emptied(bytes(packet)))
                noise.pts, noise.dts, noise.time_base = packet.pts, packet.dts, packet.time_base
                noise.is_keyframe, noise.stream = packet.is_keyframe, stream
                target.mux(noise)
    return path


def _emptied(picture: bytes) -> bytes:
    """H.264 with zeros behind the first byte of each of its units, which have their lengths before them."""
    units, at = b"", 0
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4], "big")
        units += picture[at : at + 5] + bytes(length - 1)
        at += 4 + length
    return units


def decoded(path: Path, device: Device) -> tuple[list[Frame], str]:
    with FileReader(path, device=device) as reader:
        return list(reader), reader.decoder


@pytest.mark.parametrize("codec", sorted(FILMS))
def test_auto_gives_the_same_film_and_says_what_decoded_it(tmp_path: Path, codec: str) -> None:
    path = film(tmp_path, codec)
    wanted, plain = decoded(path, "cpu")
    frames, taken = decoded(path, "auto")
    assert plain == f"{codec} on cpu"
    assert taken == f"{codec} on cuda" or taken.startswith(f"{codec} on cpu: ")
    assert [(f.pts, f.duration, f.color) for f in frames] == [(f.pts, f.duration, f.color) for f in wanted]
    for frame, other in zip(frames, wanted, strict=True):
        # H.264 says exactly what comes out of a decoder.
        assert all(np.array_equal(one, two) for one, two in zip(frame.planes, other.planes, strict=True))


def test_what_no_card_decodes_is_decoded_by_the_processor_or_refused(tmp_path: Path) -> None:
    path = film(tmp_path, "ffv1")
    why = decoding_fault() or "FFmpeg's decoder ffv1 knows no NVDEC"
    assert decoded(path, "auto")[1] == f"ffv1 on cpu: {why}"
    with pytest.raises(UsageError if decoding_fault() else UnsupportedError) as raised:
        FileReader(path, device="cuda")
    assert why in str(raised.value)
    assert "[source] decoder_device" in str(raised.value)
    assert str(raised.value).endswith("to cpu or auto")


def test_a_card_that_is_lost_as_a_film_is_opened_is_at_fault_and_not_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg asks for a card that is in no machine, once it was found that there is one."""
    monkeypatch.setattr(decoding, "decoding_fault", lambda: "")
    monkeypatch.setattr(decoding, "cuda_decoding", lambda: HWAccel("cuda", device="99"))
    path = film(tmp_path, "h264")
    wanted, _ = decoded(path, "cpu")
    frames, taken = decoded(path, "auto")
    assert len(frames) == len(wanted)
    assert taken.startswith("h264 on cpu: NVDEC can't begin (")
    with pytest.raises(
        UnsupportedError, match=r"NVDEC can't begin \(.+\): set \[source\] decoder_device to cpu or auto"
    ):
        FileReader(path, device="cuda")


def test_a_film_that_is_nothing_is_told_as_ever(tmp_path: Path) -> None:
    path = film(tmp_path, "h264")
    path.write_bytes(path.read_bytes()[:600])
    messages = set()
    for device in ("cpu", "auto"):
        with pytest.raises(Exception, match=r"can be decoded|can't be read") as raised:
            FileReader(path, device=device)
        messages.add(str(raised.value))
    assert len(messages) == 1


def test_a_live_source_says_what_decodes_it(tmp_path: Path) -> None:
    heard = CollectingInlet()
    source = NetworkSource(str(film(tmp_path, "h264")), NetworkSettings(decoder_device="auto", loop=False))
    source.start(heard)
    heard.wait_frames(1)
    source.close()
    assert source.decoder == "h264 on cuda" or source.decoder.startswith("h264 on cpu: ")


def test_a_live_source_that_the_card_gives_no_picture_of_goes_to_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in for a card that fails is the processor, with nothing that it could decode at first."""
    monkeypatch.setattr(decoding, "decoding_fault", lambda: "")
    monkeypatch.setattr(decoding, "cuda_decoding", lambda: None)
    sound = film(tmp_path, "h264", pictures=60)
    path = spoiled(sound, tmp_path / "spoiled.mkv")
    heard = CollectingInlet()
    source = NetworkSource(str(path), NetworkSettings(decoder_device="auto", loop=False))
    source.start(heard)
    refused = heard.wait_state(SourceState.RETRYING)
    sound.replace(path)
    heard.wait_frames(1)
    source.close()
    why = "NVDEC gives no picture of this h264"
    assert refused.message.endswith(f"can't be read ({why}; the processor decodes it from now on)")
    assert source.decoder == f"h264 on cpu: {why}"


def test_a_lost_beginning_is_not_the_cards_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the first key frame nothing can be decoded, by whatever."""
    monkeypatch.setattr(decoding, "decoding_fault", lambda: "")
    monkeypatch.setattr(decoding, "cuda_decoding", lambda: None)
    monkeypatch.setattr(decoding, "is_accelerated", lambda _: True)
    whole, path = film(tmp_path, "h264", pictures=150, key_every=100), tmp_path / "late.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size and index >= 10:
                kept = av.Packet(bytes(packet) if index >= 100 else _emptied(bytes(packet)))
                kept.pts, kept.dts, kept.time_base = packet.pts, packet.dts, packet.time_base
                kept.is_keyframe, kept.stream = packet.is_keyframe, stream
                target.mux(kept)
    heard = CollectingInlet()
    live = NetworkSource(str(path), NetworkSettings(decoder_device="cuda", loop=False))
    live.start(heard)
    heard.wait_state(SourceState.ENDED)
    live.close()
    assert heard.drops["undecodable"] > 60
    assert heard.frames
    assert live.decoder == "h264 on cuda"


def test_a_live_source_wants_no_card_that_is_not_there() -> None:
    if not decoding_fault():
        NetworkSource("rtsp://127.0.0.1/a", NetworkSettings(decoder_device="cuda"))
        return
    with pytest.raises(UsageError, match=r"\[network\] decoder_device is cuda, but .* NVIDIA.*to cpu or auto"):
        NetworkSource("rtsp://127.0.0.1/a", NetworkSettings(decoder_device="cuda"))
