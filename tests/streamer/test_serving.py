"""`facelane serve` as a process: says where it is, serves, and ends in good order in every state."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from streamer.cli import main
from streamer.telling import StateTeller
from tests.helpers.rtsp import free_port, numbered_film

ROOT = Path(__file__).parents[2]
# A machine with much to do takes its time to import.
PATIENCE = 90.0


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered_film(tmp_path_factory.mktemp("film") / "hall.mp4", frames=100)


class Process:
    """A command under way, and what it has said so far."""

    def __init__(self, *words: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "streamer.cli", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()

    def until(self, pattern: str) -> re.Match[str]:
        """Waits until it says something like this."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if found := re.search(pattern, "".join(self.said)):
                return found
            assert self._process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Sends the signal; returns the exit code, and the seconds that it took."""
        begun = time.monotonic()
        self._process.send_signal(number)
        return self.wait(), time.monotonic() - begun

    def wait(self) -> int:
        code = self._process.wait(PATIENCE)
        self._listener.join()
        assert "Traceback" not in "".join(self.said), self.said
        return code

    def _listen(self) -> None:
        assert self._process.stderr is not None
        self.said.extend(iter(self._process.stderr.readline, ""))
        self._process.stderr.close()


def get(url: str, *, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: dict[str, Any] = json.load(answer)
    return body


def test_streams_are_served_until_a_signal_comes(film: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[[streams]]\nname = "empty"\nsource = ""\n', encoding="utf-8")
    token = "a-token-of-sixteen-letters-and-more"
    words = ["serve", f"hall={film}", str(film), "--port", "0", "--config", str(config)]
    with Process(*words, environment={"FACELANE_WEB__TOKEN": token}) as process:
        url = process.until(r"open (http://127\.0\.0\.1:\d+) in a browser")[1]
        process.until(r"hall: live")
        process.until(r"hall-2: live")
        process.until(r"empty: waiting for somebody to publish")
        streams = {stream["name"]: stream for stream in get(f"{url}/api/streams", token=token)["streams"]}
        assert {name: stream["state"] for name, stream in streams.items()} == {
            "hall": "live",
            "hall-2": "live",
            "empty": "waiting",
        }
        with pytest.raises(urllib.error.HTTPError, match="401"):
            get(f"{url}/api/streams")
        code, seconds = process.end(signal.SIGTERM)
        assert code == 143
        assert seconds < PATIENCE / 3
        assert process.said[-1] == "facelane: ended by SIGTERM: all streams are closed\n"
        assert token not in "".join(process.said)


def test_it_ends_while_networks_are_loaded_and_sources_tried() -> None:
    with Process("serve", "door=rtsp://user:sesame@127.0.0.1:9/x", "--port", "0") as process:
        process.until(r"Ctrl-C ends the service")
        code, seconds = process.end(signal.SIGINT)
        assert code == 130
        assert seconds < PATIENCE / 3
        assert "sesame" not in "".join(process.said)


def test_what_fails_while_networks_are_loaded_ends_it(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('[routing.detector]\nmethod = "yunet"\nfile = "absent.onnx"\n', encoding="utf-8")
    with Process("serve", "--port", "0", "--config", str(config)) as process:
        assert process.wait() == 10
        assert process.said[-1].startswith("facelane: error: absent.onnx, which ")


@pytest.mark.parametrize(
    ("settings", "message", "code"),
    [
        ("[weights]\noffline = true\n", "offline is set", 9),
        ('[runtime]\ndevice = "cuda"\n', 'set device to "cpu" or "auto"', 9),
        ('[identity]\njudge = "arcface"\n', "insightface is not installed", 10),
    ],
)
def test_no_page_is_promised_where_the_networks_can_not_be(
    settings: str,
    message: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setitem(sys.modules, "insightface", None)
    monkeypatch.setenv("FACELANE_WEIGHTS", str(tmp_path))
    config = tmp_path / "c.toml"
    config.write_text(settings, encoding="utf-8")
    assert main(["serve", "--port", "0", "--config", str(config)]) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("facelane: error: ")
    assert said.count("\n") == 1


BAD_WORDS: list[tuple[list[str], int, str]] = [
    (["ftp://user:sesame@x/y"], 2, "can't be read by ftp:"),
    (["no-such-film.mp4"], 3, "no-such-film.mp4 does not exist"),
    (["a=rtsp://x", "a=rtsp://y"], 2, "two streams are called a"),
    (["--host", "0.0.0.0"], 2, "open_to_all"),
    (["--port", "70000"], 2, "not 70000 (by --port)"),
    (["--token", "sesame"], 2, "FACELANE_WEB__TOKEN"),
    (["--metrics"], 2, "--judge NAME measures"),
    (["--fast"], 2, "facelane serve --help"),
]


@pytest.mark.parametrize(("words", "code", "message"), BAD_WORDS)
def test_bad_words_are_answered_in_one_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *words]) == code
    told = capsys.readouterr().err
    assert told.startswith("facelane: error: ")
    assert told.count("\n") == 1
    assert message in told
    assert "sesame" not in told


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 13
    told = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 is in use" in told
    assert told.count("\n") == 1


def test_more_streams_than_may_be_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[live]\nmax_streams = 1\n", encoding="utf-8")
    words = ["serve", "rtsp://127.0.0.1:9/a", "rtsp://127.0.0.1:9/b", "--port", "0", "--config", str(config)]
    assert main(words) == 2
    assert "stream 127-0-0-1-b: there are 1 streams" in capsys.readouterr().err


def test_a_line_is_said_for_every_change_and_no_other() -> None:
    said: list[str] = []
    teller = StateTeller(said.append)
    live = {"name": "a", "state": "live", "cause": "none", "message": "", "width": None}
    source = {"address": "rtsp://x"}
    teller.look([{**live, "state": "connecting", "message": "connecting", "source": source}])
    teller.look([{**live, "source": source}])
    teller.look([{**live, "source": source}])
    for seconds in (3, 2):
        told = {"state": "retrying", "cause": "refused", "message": f"refused, again in {seconds} s"}
        teller.look([{**live, **told, "source": source}])
    teller.look([])
    assert said == [
        "a: connecting to rtsp://x",
        "a: live",
        "a: not there, tried again by itself: refused, again in 3 s",
        "a: removed",
    ]
