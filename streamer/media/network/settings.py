"""The settings of live sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from streamer.media.decoding import Decoding
from streamer.media.hardware import Device

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`transport`: of RTSP's media. `open_timeout_seconds`: for each step of connecting. `read_timeout_seconds`: a
    source that sends nothing for so long is connected to anew; `stall_seconds`: after so long without a picture it is
    said to be stalled.

    `retry_first_seconds`, `retry_max_seconds`: the longest wait before the first retry, and before any; it doubles from
    one to the other, and a random share of it is taken. `retry_jitter`: how large that share's random part is, 0 to 1.

    `catch_up_seconds`: when reading was behind for so long, decoding goes on at the next key frame. `decoder_threads`:
    0 for as many as help. `decoder_device`: "cuda" for a graphics card's NVDEC, "auto" for that where it takes the
    stream. `sound_kbps`: of sound that has to be coded anew. `loop`: a file that is played as if it were
    live begins again at its end.

    Sources that come by the API may use `api_schemes` (with spaces between), reach `api_hosts` alone (names, with a
    leading dot for all below them, addresses or networks; empty for all), and this machine's own networks only with
    `api_private`. Raises ValueError where a value makes no sense.
    """

    transport: Transport = "tcp"
    open_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 10.0
    stall_seconds: float = 2.0
    retry_first_seconds: float = 1.0
    retry_max_seconds: float = 30.0
    retry_jitter: float = 1.0
    catch_up_seconds: float = 1.0
    decoder_threads: int = 0
    decoder_device: Device = "cpu"
    sound_kbps: int = 96
    loop: bool = True
    api_schemes: str = "rtsp rtsps rtmp rtmps srt http https"
    api_hosts: str = ""
    api_private: bool = False

    def __post_init__(self) -> None:
        if self.transport not in get_args(Transport):
            raise ValueError(f"transport is one of {', '.join(get_args(Transport))}, not {self.transport!r}")
        for name in (
            "open_timeout_seconds",
            "read_timeout_seconds",
            "stall_seconds",
            "retry_first_seconds",
            "catch_up_seconds",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is more than 0, not {getattr(self, name)}")
        if self.retry_max_seconds < self.retry_first_seconds:
            raise ValueError(f"retry_max_seconds is at least retry_first_seconds, not {self.retry_max_seconds}")
        if not 0 <= self.retry_jitter <= 1:
            raise ValueError(f"retry_jitter is 0 to 1, not {self.retry_jitter}")
        if self.decoder_threads < 0:
            raise ValueError(f"decoder_threads is 0 or more, not {self.decoder_threads}")
        if not 6 <= self.sound_kbps <= 510:
            raise ValueError(f"sound_kbps is 6 to 510, not {self.sound_kbps}")

    def decoding(self, known_fault: str = "") -> Decoding:
        """For one connection. `known_fault` and what it raises: see `Decoding`."""
        return Decoding(self.decoder_device, setting="[network] decoder_device", known_fault=known_fault)
