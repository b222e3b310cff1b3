"""The settings: the file in the repository says the defaults, and every source of a setting outranks the one before."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from streamer.config import Settings, load_settings
from streamer.entries import StreamEntry, entries_of
from streamer.errors import SourceError, UsageError
from streamer.settings_tree import table_of
from web.settings import WebSettings

CONFIG = Path(__file__).parents[2] / "config.toml"


def test_config_toml_is_complete_and_says_the_defaults() -> None:
    table = tomllib.loads(CONFIG.read_text(encoding="utf-8"))
    assert table == table_of(Settings())
    assert load_settings(CONFIG, environment={}, overrides={}) == Settings()


def test_a_flag_outranks_the_environment_which_outranks_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('scale = 4\n[output]\nquality = 30\ncodec = "hevc"\n', encoding="utf-8")
    environment = {"FACELANE_OUTPUT__QUALITY": "25", "FACELANE_SCALE": "1", "FACELANE_CONFIG": str(file)}
    settings = load_settings(None, environment=environment, overrides={"scale": 2})
    assert (settings.scale, settings.output.quality, settings.output.codec) == (2, 25, "hevc")


def test_variables_that_name_places_are_no_settings() -> None:
    places = {"FACELANE_WEIGHTS": "/x", "FACELANE_SHARED": "/y", "OTHER": "z"}
    assert load_settings(None, environment=places, overrides={}) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale = 3", r"setting scale: 3 is not one of 1, 2, 4"),
        ("scale = ", r"is not valid TOML"),
        ("[routing.gate]\nskip_bellow_px = 3.0", r"did you mean 'skip_below_px'\?"),
        ("[routing.gate]\nskip_below_px = 300.0", r"rising widths are wanted"),
        ('[experts]\ntransformer = "transfomer"', r"did you mean 'transformer'\?"),
        ('[blending]\nmethod = "poison"', r"'poison' is not one of|poisson"),
        ('[background]\nmethod = "x"', r"bicubic, lanczos"),
        ('[output]\ncodec = "h265"', r"is not one of 'h264', 'hevc'"),
        ("[output]\nquality = 99", r"quality 99 is outside"),
        ('[[streams]]\nname = "a b"\nsource = "rtsp://x"', r"streams.0: a stream's name is .* not 'a b'"),
        ('[[streams]]\nname = "a"\nsource = "ftp://u:sesame@x"', r"streams.0: sources can't be read by ftp:"),
        ('streams = [{name="a", source="rtsp://x"}, {name="a", source="rtsp://y"}]', r"two streams are called a"),
        ("[web]\nport = 99999", r"setting web: port lies between 0 and 65535"),
        ('[runtime]\ndevice = "gpu"', r"setting runtime.device: 'gpu' is not one of 'auto', 'cpu', 'cuda'"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        load_settings(file, environment={}, overrides={})
    assert "\n" not in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_a_missing_file_and_an_unknown_variable_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't read the settings .*: No such file"):
        load_settings(tmp_path / "none.toml", environment={}, overrides={})
    with pytest.raises(UsageError, match=r"unknown setting 'ouput': did you mean 'output'\?"):
        load_settings(None, environment={"FACELANE_OUPUT__CODEC": "vp9"}, overrides={})


def test_a_message_says_where_the_wrong_value_was_given(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[output]\nquality = 60\ncodec = "h264"\n', encoding="utf-8")
    words: list[tuple[dict[str, str], dict[str, object], str]] = [
        ({}, {}, rf"quality 60 is outside .* \(in {file}\)"),
        ({"FACELANE_OUTPUT__QUALITY": "61"}, {}, rf"quality 61 .* \(in FACELANE_OUTPUT__QUALITY, in {file}\)"),
        ({"FACELANE_OUTPUT__QUALITY": "1"}, {"output": {"quality": 62}}, rf"62 .* \(by --quality, in {file}\)"),
        (
            {"FACELANE_OUTPUT__QUALITY": "1", "FACELANE_STREAMS__0__NAME": "a"},
            {},
            r"0: source is missing \(in FACELANE_STREAMS__0__NAME\)",
        ),
        ({"FACELANE_OUTPUT__QUALITY": "x"}, {}, r"'x' is not a whole number \(in FACELANE_OUTPUT__QUALITY\)"),
        ({"FACELANE_OUTPUT__QUALITY": "1", "FACELANE_SCALE": "3"}, {}, r"3 is not .* \(in FACELANE_SCALE\)"),
        (
            {"FACELANE_OUTPUT__QUALITY": "1", "FACELANE_SCALE": "3"},
            {"scale": 5},
            r"5 is not one of 1, 2, 4 \(on the command line\)",
        ),
    ]
    for environment, overrides, message in words:
        with pytest.raises(UsageError, match=message) as caught:
            load_settings(file, environment=environment, overrides=overrides, flags={"output.quality": "--quality"})
        assert "\n" not in str(caught.value)


def test_streams_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[streams]]\nname = "a"\nsource = "rtsp://x/a"\n', encoding="utf-8")
    environment = {
        "FACELANE_STREAMS__0__SOURCE": "rtsp://y/a",
        "FACELANE_STREAMS__1__NAME": "b",
        "FACELANE_STREAMS__1__SOURCE": "rtsp://x/b",
    }
    settings = load_settings(file, environment=environment, overrides={})
    assert settings.streams == (StreamEntry("a", "rtsp://y/a"), StreamEntry("b", "rtsp://x/b"))


def test_streams_on_the_command_line_get_names_that_tell_them_apart(tmp_path: Path) -> None:
    film = tmp_path / "the hall.mp4"
    film.write_bytes(b"film")
    words = ["rtsp://user:sesame@camera.lan:8554/main/h264.sdp", "door=rtsp://camera.lan/x?a=b", str(film), str(film)]
    entries = entries_of([*words, "/dev/video0", "http://10.0.0.2/cam=1"], taken=["the-hall"])
    names = ["camera-lan-main-h264", "door", "the-hall-2", "the-hall-3", "video0", "10-0-0-2-cam-1"]
    assert [entry.name for entry in entries] == names
    assert entries[1].source == "rtsp://camera.lan/x?a=b"
    assert "sesame" not in repr(entries)


def test_streams_on_the_command_line_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two streams are called a"):
        entries_of(["a=rtsp://x", "a=rtsp://y"])
    with pytest.raises(UsageError, match="two streams are called a"):
        entries_of(["a=rtsp://x"], taken=["a"])
    with pytest.raises(UsageError, match="ftp"):
        entries_of(["ftp://x"])
    with pytest.raises(SourceError, match="does not exist"):
        entries_of([str(tmp_path / "none.mp4")])


def test_no_secret_is_ever_told() -> None:
    entry = StreamEntry("door", "rtsp://user:sesame@camera.lan/main")
    settings = Settings(streams=(entry,), web=WebSettings(token="sesame", turn_password="sesame"))
    assert "sesame" not in str(table_of(settings))
    assert "sesame" not in repr(settings)
    assert "camera.lan/main" in str(table_of(settings))
    with pytest.raises(UsageError) as caught:
        load_settings(None, environment={}, overrides={"streams": [{"name": "a", "source": ["//u:sesame@x"]}]})
    assert "sesame" not in str(caught.value)
