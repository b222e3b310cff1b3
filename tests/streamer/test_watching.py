"""`facelane watch` as a process: a real camera into a film that is whole, in time and in step, whatever happens."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import av
import numpy as np
import pytest

from streamer.cli import main
from tests.helpers.rtsp import RtspServer, is_flash, numbered_film, read_number

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
SETTINGS = "[network]\nretry_first_seconds = 0.3\nretry_max_seconds = 0.5\nread_timeout_seconds = 2.0\n"
FAST = ("--scale", "1", "--preset", "ultrafast")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s with a number in every picture, and a flash with a beep every second."""
    return numbered_film(tmp_path_factory.mktemp("film") / "hall.mp4", frames=100)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def start(*words: str, file_limit: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    return subprocess.Popen(
        [sys.executable, "-m", "streamer.cli", "watch", *words, *FAST],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=limit,
    )


def hear(process: subprocess.Popen[str]) -> tuple[list[str], threading.Thread]:
    """What the process says, while it runs."""
    said: list[str] = []
    assert process.stderr is not None
    listener = threading.Thread(target=_listen, args=(process.stderr, said))
    listener.start()
    return said, listener


def _listen(stream: IO[str], said: list[str]) -> None:
    with stream:
        said.extend(iter(stream.readline, ""))


def wait_for(happened: Callable[[], bool], said: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, said
        time.sleep(0.05)


def pictures(path: Path) -> list[tuple[float, int | None, bool]]:
    """Time, number, and whether it flashes, of every picture."""
    shown = []
    with av.open(path) as film:
        for picture in film.decode(video=0):
            grey = picture.to_ndarray(format="gray")
            assert picture.time is not None
            shown.append((picture.time, read_number(grey), is_flash(grey)))
    return shown


def beeps(path: Path) -> list[float]:
    """When sound begins, in seconds of the film."""
    starts: list[float] = []
    last = -1.0
    with av.open(path) as film:
        for sound in film.decode(audio=0):
            assert sound.time is not None
            samples = np.abs(sound.to_ndarray()[0].astype(np.float64))
            step = 1 if sound.format.is_planar else 2
            loud = np.flatnonzero(samples > 0.1 * (32768 if sound.format.name.startswith("s16") else 1)) // step
            for at in sound.time + loud / sound.sample_rate:
                if at - last > 0.3:
                    starts.append(float(at))
                last = float(at)
    return starts


def test_a_camera_that_dies_and_comes_back_leaves_a_gap_in_a_whole_film(
    film: Path, config: Path, tmp_path: Path
) -> None:
    output, told = tmp_path / "out.mkv", tmp_path / "report.json"
    server = RtspServer({"cam": film})
    server.start()
    process = start(server.url("cam"), str(output), "--config", str(config), "--report", str(told))
    said, listener = hear(process)
    try:
        wait_for(lambda: any("watch: live" in line for line in said), said)
        time.sleep(3)
        server.kill()
        wait_for(lambda: any("tried again by itself" in line for line in said), said)
        lives = sum("watch: live" in line for line in said)
        # By chance the next try comes at once; a gap that can be told is left for certain.
        time.sleep(0.5)
        server.start()
        wait_for(lambda: sum("watch: live" in line for line in said) > lives, said)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, said
    finally:
        process.kill()
        process.wait()
        listener.join()
        server.kill()
    assert said[-1].startswith(f"facelane: {output}: "), said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mkv", "report.json", "settings.toml"]
    shown = pictures(output)
    times = np.array([at for at, _, _ in shown])
    steps = np.diff(times)
    gap = int(np.argmax(steps))
    assert steps[gap] > 0.3
    assert times[gap] > 1.5
    assert times[-1] - times[gap + 1] > 1.5
    # A capture time's step is a whole number of pictures of the camera's, of which some were left out.
    in_order = [round(step * 25) - step * 25 for index, step in enumerate(steps) if index != gap]
    assert float(np.abs(np.median(in_order))) < 0.1
    flashes = [at for at, _, flash in shown if flash]
    heard = np.array(beeps(output))
    assert len(flashes) >= 2
    nearest = [float(np.min(np.abs(heard - flash))) for flash in flashes]
    assert float(np.median(nearest)) < 0.045
    report = json.loads(told.read_text(encoding="utf-8"))
    assert report["frames"]["out"] == len(shown)
    assert report["source_counters"]["reconnects"] == 1
    assert report["recorded_seconds"] == pytest.approx(times[-1], abs=0.002)


def test_a_film_played_as_if_live_ends_with_it(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    process = start(str(film), str(output))
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert "came to its end" in told
    numbers = [number for _, number, _ in pictures(output)]
    assert len(numbers) > 20
    assert all(number is not None for number in numbers)
    assert numbers == sorted(set(numbers), key=lambda number: number or 0)


def test_a_duration_is_kept(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    process = start(str(film), str(output), "--duration", "1.5")
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told
    assert 1.0 < pictures(output)[-1][0] < 1.5


def test_a_full_disk_ends_it_and_keeps_what_was_recorded(film: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    process = start(str(film), str(output), "--quality", "1", file_limit=40_000)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 8, told
    assert "no space left" in told
    assert f"before that are in {output}" in told.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [output]
    with av.open(output) as kept:
        assert kept.streams.video[0].width == 640


def test_a_signal_before_the_first_picture_leaves_nothing(config: Path, tmp_path: Path) -> None:
    process = start("rtsp://127.0.0.1:9/x", str(tmp_path / "out.mkv"), "--config", str(config))
    said, listener = hear(process)
    try:
        wait_for(lambda: any("refuses" in line for line in said), said)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130, said
    finally:
        process.kill()
        process.wait()
        listener.join()
    assert list(tmp_path.iterdir()) == [config]


def test_a_source_that_is_not_there_at_first_is_an_error(film: Path, tmp_path: Path) -> None:
    server = RtspServer({"cam": film})
    server.start()
    try:
        process = start(server.url("nothing"), str(tmp_path / "out.mkv"))
        _, told = process.communicate(timeout=PATIENCE)
    finally:
        server.kill()
    assert process.returncode == 3, told
    assert told.splitlines()[-1].startswith("facelane: error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["rtsp://x", "out.mkv", "--duration", "0"], 2, "more than 0"),
        (["ftp://user:sesame@x", "out.mkv"], 2, "can't be read by ftp:"),
        (["rtsp://x", "out.avi"], 6, "AVI"),
        (["rtsp://x", "no-such-folder/out.mkv"], 6, "no folder that exists"),
        (["rtsp://x", "pyproject.toml"], 7, "--overwrite"),
        (["rtsp://x", "out.webm"], 2, "webm"),
        (["rtsp://x", "out.mkv", "--fast"], 2, "facelane watch --help"),
        (["rtsp://x", "out.mkv", "--metrics"], 2, "--metrics measures a film once it is done"),
    ],
)
def test_bad_words_are_answered_in_one_line(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["watch", *words]) == code
    told = capsys.readouterr().err
    assert told.startswith("facelane: error: ")
    assert told.count("\n") == 1
    assert message in told
    assert "sesame" not in told
