"""What may be asked for as a source, what is shown of it, and what the API refuses."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from streamer.errors import UsageError
from streamer.media.network.address import parse
from streamer.media.network.policy import SourceDeniedError, SourcePolicy
from streamer.media.network.resolving import pinned
from streamer.media.network.settings import NetworkSettings


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("rtsp://cam/stream", "rtsp", "rtsp://cam/stream"),
        ("rtsp://admin:s3cret@cam:8554/stream", "rtsp", "rtsp://cam:8554/stream"),
        ("RTSPS://admin:s3c@ret@cam/x", "rtsp", "rtsps://cam/x"),
        ("rtsp://admin:s3cret@[fe80::1]:554/x", "rtsp", "rtsp://[fe80::1]:554/x"),
        ("rtsp://cam/user=admin&password=s3cret&channel=1", "rtsp", "rtsp://cam/user=...&password=...&channel=1"),
        ("rtsp://cam/user=admin_password=s3cret_channel=1", "rtsp", "rtsp://cam/user=..._password=..._channel=1"),
        (
            "rtsp://cam/user=admin_password=_s3cret__s3cret_channel=1",
            "rtsp",
            "rtsp://cam/user=..._password=..._channel=1",
        ),
        ("rtsp://cam/live&pwd=s3cret", "rtsp", "rtsp://cam/live&pwd=..."),
        ("https://cam/live.m3u8?token=s3cret", "hls", "https://cam/live.m3u8?..."),
        ("http://u:s3cret@cam/video.mjpg", "http", "http://cam/video.mjpg"),
        ("srt://cam:9000?passphrase=s3cret", "srt", "srt://cam:9000?..."),
        ("rtmp://cam/app/name", "rtmp", "rtmp://cam/app/name"),
        ("/dev/video0", "device", "/dev/video0"),
        ("v4l2:/dev/video1", "device", "/dev/video1"),
        ("file:/films/a.mp4", "file", "/films/a.mp4"),
        ("/films/a.mp4", "file", "/films/a.mp4"),
    ],
)
def test_an_address_is_understood_and_shown_without_secrets(text: str, kind: str, shown: str) -> None:
    address = parse(text)
    assert (address.kind, address.shown) == (kind, shown)
    assert "s3cret" not in f"{address} {address!r}"


def test_what_is_opened_keeps_its_login() -> None:
    assert parse("rtsp://admin:s3cret@cam/x").url == "rtsp://admin:s3cret@cam/x"
    assert (parse("rtsp://cam/x").host, parse("rtsp://cam/x").port) == ("cam", 554)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rtsp://",
        "rtsp://u:s3cret@cam:port/x",
        "rtsp://u:s3c/ret@cam/x",
        "ftp://u:s3cret@cam/x",
        "srt://cam",
        "a\nb",
    ],
)
def test_what_makes_no_sense_is_refused_without_its_secrets(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(text)
    assert "s3c" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_mistyped_address_shows_no_login() -> None:
    assert "s3cret" not in parse("rtsp:/admin:s3cret@cam/x").shown


@pytest.mark.parametrize(
    "text",
    [
        "/dev/video0",
        "file:/etc/passwd",
        "films/a.mp4",
        "rtsp://127.0.0.1/x",
        "rtsp://localhost/x",
        "rtsp://[::1]/x",
        "rtsp://[::ffff:127.0.0.1]/x",
        "rtsp://[64:ff9b::7f00:1]/x",
        "rtsp://[fe80::1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/x",
        "http://192.168.1.9/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "http://127.1/x",
        "rtsp://100.64.0.1/x",
        "rtsp://239.1.1.1/x",
    ],
)
def test_the_api_reaches_no_files_and_nothing_private(text: str) -> None:
    with pytest.raises(SourceDeniedError):
        SourcePolicy().admit(text)


def test_the_api_reaches_what_is_out_in_the_open() -> None:
    assert SourcePolicy().admit("rtsp://u:w@8.8.8.8/x").shown == "rtsp://8.8.8.8/x"
    assert SourcePolicy().admit("rtsp://no-such-camera.invalid/x").host == "no-such-camera.invalid"


@pytest.mark.parametrize(
    ("hosts", "text", "allowed"),
    [
        ("10.1.0.0/16", "rtsp://10.1.2.3/x", True),
        ("10.1.0.0/16", "rtsp://10.2.2.3/x", False),
        ("10.1.0.0/16", "rtsp://8.8.8.8/x", False),
        ("127.0.0.1", "rtsp://127.0.0.1/x", True),
        ("8.8.8.8", "rtsp://8.8.8.8/x", True),
        ("cam.example .lan", "rtsp://other.example/x", False),
        (".invalid", "rtsp://cam.invalid/x", True),
        (".invalid", "rtsp://caminvalid/x", False),
    ],
)
def test_only_the_named_hosts_are_reached(hosts: str, text: str, allowed: bool) -> None:
    policy = SourcePolicy.of(NetworkSettings(api_hosts=hosts))
    if allowed:
        assert policy.admit(text).host
    else:
        with pytest.raises(SourceDeniedError):
            policy.admit(text)


def test_schemes_and_private_networks_by_setting() -> None:
    policy = SourcePolicy.of(NetworkSettings(api_schemes="rtsp", api_private=True))
    assert policy.admit("rtsp://127.0.0.1/x").port == 554
    with pytest.raises(SourceDeniedError, match="only rtsp"):
        policy.admit("http://127.0.0.1/x")
    with pytest.raises(SourceDeniedError):
        SourcePolicy.of(NetworkSettings(api_schemes="file rtsp")).admit("file:/etc/passwd")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transport", "sctp"),
        ("open_timeout_seconds", 0.0),
        ("read_timeout_seconds", -1.0),
        ("stall_seconds", float("nan")),
        ("retry_max_seconds", 0.1),
        ("retry_jitter", 1.5),
        ("decoder_threads", -1),
        ("sound_kbps", 5),
    ],
)
def test_settings_that_make_no_sense_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        NetworkSettings(**{name: value})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("text", "ip", "url"),
    [
        ("rtsp://cam/x", "192.0.2.7", "rtsp://192.0.2.7/x"),
        ("rtsp://admin:s3c@ret@cam:8554/cam?x=//cam", "192.0.2.7", "rtsp://admin:s3c@ret@192.0.2.7:8554/cam?x=//cam"),
        ("rtsp://u:w@[2001:db8::1]/x", "2001:db8::2", "rtsp://u:w@[2001:db8::2]/x"),
        ("srt://cam:9000?passphrase=s3cret", "192.0.2.7", "srt://192.0.2.7:9000?passphrase=s3cret"),
    ],
)
def test_a_checked_address_takes_the_place_of_the_name_alone(text: str, ip: str, url: str) -> None:
    address = parse(text)
    at = address.at(ipaddress.ip_address(ip))
    assert (at.url, at.shown, at.host, at.port) == (url, address.shown, address.host, address.port)


def names_of(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """Of `cam`."""
    look_up, found = socket.getaddrinfo, [(0, 0, 0, "", (ip, 0)) for ip in ips]

    def of_cam(host: str, *words: Any, **more: Any) -> Any:
        return found if host == "cam" else look_up(host, *words, **more)

    monkeypatch.setattr(socket, "getaddrinfo", of_cam)


OPEN = SourcePolicy(allow_private=True)


def test_names_are_resolved_once_where_a_policy_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    names_of(monkeypatch, "192.0.2.7")
    pinned_urls = [pinned(parse(text), OPEN).url for text in ("rtsp://cam/x", "srt://cam:9000")]
    assert pinned_urls == ["rtsp://192.0.2.7/x", "srt://192.0.2.7:9000"]
    for text in ("rtsps://cam/x", "rtmp://cam/app/x", "rtmps://cam/app/x"):
        assert pinned(parse(text), OPEN).url == text
    assert pinned(parse("rtsp://cam/x"), None).url == "rtsp://cam/x"
    names_of(monkeypatch, "fe80::1")
    assert pinned(parse("rtsp://cam/x"), OPEN).url == "rtsp://cam/x"


def test_of_several_addresses_the_one_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as camera:
        port = camera.getsockname()[1]
        names_of(monkeypatch, "127.0.0.2", "127.0.0.1")
        assert pinned(parse(f"rtsp://cam:{port}/x"), OPEN).url == f"rtsp://127.0.0.1:{port}/x"
    assert pinned(parse(f"rtsp://cam:{port}/x"), OPEN).url == f"rtsp://127.0.0.2:{port}/x"
    with pytest.raises(SourceDeniedError):
        pinned(parse(f"rtsp://cam:{port}/x"), SourcePolicy())
