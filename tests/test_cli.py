"""The main job from the command line: real films in, real films out, and every bad input answered in one line."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import __version__
from streamer.cli import main
from streamer.demo import build_sample
from tests.helpers.films import SourceMaker, frames_of, packets_of, times_of
from weights.store import Store

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
SMALL = ("--quiet", "--preset", "ultrafast")


@pytest.fixture(scope="session")
def meeting(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiled meeting with sound: faces on every lane."""
    return build_sample(store, tmp_path_factory.mktemp("meeting") / "meeting.mp4")


@pytest.fixture(scope="session")
def driver(store: Store) -> Path:
    """A real talking head, 176x144, 120 frames, a face of 46 to 54 px: about the gate's lower bound."""
    return store.find("sample-carphone")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A film without faces, with sound."""
    path = tmp_path / "plain.mkv"
    maker = SourceMaker(path, [0, 40, 80, 160, 200, 300], Fraction(1, 1000))
    maker.add_tone(0.4)
    maker.write()
    return path


def test_a_meeting_comes_out_whole(meeting: Path, tmp_path: Path, store: Store) -> None:
    output, told = tmp_path / "out.mp4", tmp_path / "report.json"
    assert main(["process", str(meeting), str(output), "--report", str(told), "--fidelity", "0.25", *SMALL]) == 0
    assert times_of(output) == times_of(meeting)
    sound = next(i for i, kind in enumerate(_kinds(meeting)) if kind == "audio")
    assert packets_of(output, sound) == packets_of(meeting, sound)
    report = json.loads(told.read_text(encoding="utf-8"))
    assert report["frames"] == {"in": 240, "out": 240, "dropped": 0, "dropped_by_reason": {}}
    lanes = report["faces"]["by_lane"]
    assert lanes["transformer"] > 100
    assert lanes["resize"] > 10
    assert sum(lanes.values()) == report["faces"]["seen"] == sum(report["faces"]["by_reason"].values())
    assert report["timing"]["audio_visual_sync_ms"] == 0.0
    assert report["degraded"] == {}
    assert report["video_quality_percent"] == 400.0
    assert set(report["stages_ms"]) >= {"decode", "detect", "track", "gate", "background", "blend", "encode"}
    for lane, info in report["experts"].items():
        faithful, crisp = (store.entry(f"facelane-{lane}{end}").digest for end in ("", "-crisp"))
        assert info["weights"] == f"{faithful} + {crisp}, fidelity 0.25"
        assert (info["device"], info["licence"]) == ("cpu", "MIT")
    with av.open(output) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (1280, 960)
        assert film.metadata["comment"].startswith(f"Enhanced by Facelane {__version__}: faces are restored")
        for info in report["experts"].values():
            assert info["weights"] in film.metadata["comment"]
    assert report["identity"]["judge"] is None


def test_the_comparison_is_made_in_the_same_pass(driver: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert main(["process", str(driver), str(output), "--compare", "--overlay", "--codec", "ffv1", "--quiet"]) == 0
    baseline, both = tmp_path / "out.baseline.mkv", tmp_path / "out.side-by-side.mkv"
    for result, scaled, beside in zip(frames_of(output), frames_of(baseline), frames_of(both), strict=True):
        assert result.pts == scaled.pts == beside.pts
        assert (result.width, scaled.width) == (352, 352)
        assert beside.width > 704
    for path, says in ((output, True), (both, True), (baseline, False)):
        with av.open(path) as film:
            assert ("COMMENT" in film.metadata) is says
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.baseline.mkv", "out.mkv", "out.side-by-side.mkv"]


def test_what_is_not_a_face_is_as_it_would_be_only_scaled(driver: Path, tmp_path: Path) -> None:
    """The corners, where no face is, are bit-equal to the baseline; the face, once wide enough, is not."""
    output = tmp_path / "out.mkv"
    assert main(["process", str(driver), str(output), "--compare", "--codec", "ffv1", "--quiet"]) == 0
    changed = 0
    for result, scaled in zip(frames_of(output), frames_of(tmp_path / "out.baseline.mkv"), strict=True):
        assert np.array_equal(result.y[-32:, :32], scaled.y[-32:, :32])
        assert np.array_equal(result.u[-16:, -16:], scaled.u[-16:, -16:])
        changed += not np.array_equal(result.y, scaled.y)
    assert 20 < changed < 100


def test_a_film_without_faces_passes_bit_for_bit(plain: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert main(["process", str(plain), str(output), "--scale", "1", "--codec", "ffv1", "--quiet"]) == 0
    for before, after in zip(frames_of(plain), frames_of(output), strict=True):
        assert before.pts * before.time_base == after.pts * after.time_base
        for old, new in zip(before.planes, after.planes, strict=True):
            assert np.array_equal(old, new)


def test_a_film_is_marked_where_that_is_asked_for(plain: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"
    assert main(["process", str(plain), str(output), "--scale", "4", "--codec", "ffv1", "--mark", "--quiet"]) == 0
    for picture in frames_of(output):
        corner = picture.y[-16:-8, -40:-8]
        assert (corner < 60).mean() > 0.3, "a dark ground"
        assert (corner > 180).mean() > 0.1, "light letters"


def test_an_unknown_judge_is_refused_in_one_line(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["process", str(plain), str(tmp_path / "out.mkv"), "--judge", "dlip"]) == 2
    assert "did you mean 'dlib'" in capsys.readouterr().err


def test_probe_tells_streams_faces_and_lanes(meeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", str(meeting), "--frames", "5"]) == 0
    told = capsys.readouterr().out
    for words in ("640x480", "29.970 fps", "audio", "aac", "sample of 5 frame(s)", "Width in pixels", "transformer"):
        assert words in told


def test_the_table_is_printed(driver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["process", str(driver), str(tmp_path / "out.mp4")]) == 0
    told = capsys.readouterr().out
    for words in ("120 in, 120 out, 0 dropped", "Faces by lane and reason", "p99 ms", "no sound", "expert.transformer"):
        assert words in told


Case = Callable[[Path, Path], list[str]]


def _file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def _read_only(folder: Path) -> str:
    (folder / "out.mp4").mkdir()
    return str(folder / "out.mp4")


BAD_INPUT: dict[str, tuple[int, str, Case]] = {
    "missing": (3, "does not exist", lambda tmp, _: [str(tmp / "none.mp4"), str(tmp / "o.mp4")]),
    "folder as input": (3, "is a folder", lambda tmp, _: [str(tmp), str(tmp / "o.mp4")]),
    "text": (3, "can't be read as media", lambda tmp, _: [_file(tmp, "a.mp4", b"Dear diary\n"), str(tmp / "o.mp4")]),
    "empty": (3, "is empty", lambda tmp, _: [_file(tmp, "a.mp4", b""), str(tmp / "o.mp4")]),
    "no output folder": (6, "folder", lambda tmp, plain: [str(plain), str(tmp / "none" / "o.mp4")]),
    "output is a folder": (6, "folder", lambda tmp, plain: [str(plain), _read_only(tmp)]),
    "output without an ending": (6, "end", lambda tmp, plain: [str(plain), str(tmp / "out")]),
    "output exists": (7, "--overwrite", lambda tmp, plain: [str(plain), _file(tmp, "o.mp4", b"precious")]),
    "output is the input": (6, "input", lambda _, plain: [str(plain), str(plain), "--overwrite"]),
    "scale 3": (2, "scale", lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--scale", "3"]),
    "fidelity 1.5": (
        2,
        "fidelity lies between 0 (crisp) and 1 (faithful), not 1.5 (by --fidelity)",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--fidelity", "1.5"],
    ),
    "fidelity in words": (2, "--fidelity", lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--fidelity", "half"]),
    "unknown codec": (2, "'h264', 'hevc'", lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--codec", "x"]),
    "codec and container": (2, "webm", lambda tmp, plain: [str(plain), str(tmp / "o.webm")]),
    "unknown setting": (
        2,
        "did you mean 'scale'",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--config", _file(tmp, "c.toml", b"scael = 2")],
    ),
    "setting of a wrong type": (
        2,
        "'two' is not one of 1, 2, 4",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--config", _file(tmp, "c.toml", b'scale = "two"')],
    ),
    "report exists": (
        7,
        "report",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--report", _file(tmp, "r.json", b"{}")],
    ),
    "report over the input": (
        6,
        "is the input itself",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--report", str(plain), "--overwrite"],
    ),
    "report over the film": (
        6,
        "would replace a film",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--report", str(tmp / "o.mp4")],
    ),
    "report over the baseline": (
        6,
        "would replace a film",
        lambda tmp, plain: [
            *(str(plain), str(tmp / "o.mp4"), "--compare"),
            *("--report", str(tmp / "o.baseline.mp4"), "--overwrite"),
        ],
    ),
    "report is a folder": (
        6,
        "is a folder",
        lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--report", str(tmp), "--overwrite"],
    ),
    "report nowhere": (6, "report", lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--report", "/nope/r.json"]),
    "no such option": (2, "--help", lambda tmp, plain: [str(plain), str(tmp / "o.mp4"), "--fast"]),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_answered_in_one_line(
    name: str, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words, case = BAD_INPUT[name]
    arguments = case(tmp_path, plain)
    before = _contents(tmp_path)
    assert main(["process", *arguments, *SMALL]) == code
    told = capsys.readouterr().err
    assert told.startswith("facelane: error: ")
    assert told.count("\n") == 1
    assert words in told
    assert _contents(tmp_path) == before


LIGHT = """
import contextlib, sys
from streamer.cli import main
for words in (["--help"], ["process", "--help"], ["process", "a", "b", "--fast"], ["watch", "a", "b", "--metrics"],
              ["process", "no-such-film.mp4", "b.mp4"], ["serve", "no-such-film.mp4"]):
    with contextlib.suppress(SystemExit):
        assert main(words) in (2, 3), words
    heavy = {"torch", "cv2", "openvino", "scipy"} & set(sys.modules)
    assert not heavy, (words, heavy)
"""


def test_help_and_a_slip_in_the_words_wait_for_no_library() -> None:
    """On a busy machine they take half a minute to be imported."""
    subprocess.run([sys.executable, "-c", LIGHT], check=True, stdout=subprocess.DEVNULL)


def test_sound_alone_is_no_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sound.wav"
    with av.open(path, "w") as film:
        stream = film.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        film.mux(stream.encode(frame))
    assert main(["process", str(path), str(tmp_path / "o.mp4")]) == 4
    assert "no video" in capsys.readouterr().err


def test_a_film_cut_in_the_middle_gives_what_is_there(
    driver: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut, output = tmp_path / "whole.mkv", tmp_path / "cut.mkv", tmp_path / "out.mp4"
    assert main(["process", str(driver), str(whole), "--scale", "1", *SMALL]) == 0
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    capsys.readouterr()
    assert main(["probe", str(cut), "--frames", "2"]) == 11
    assert main(["process", str(cut), str(output), *SMALL]) == 11
    assert "facelane: warning: " in capsys.readouterr().err
    assert 20 < len(times_of(output)) < 120


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_job_leaves_nothing(meeting: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = _start(["process", str(meeting), str(tmp_path / "out.mp4"), "--scale", "4", "--compare"])
    _wait_for(lambda: any(path.stat().st_size > 20_000 for path in tmp_path.iterdir()), process)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    assert told.strip().splitlines()[-1].endswith("nothing unfinished was left behind")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("delay", [0.0, 1.0, 2.0, 4.0])
def test_an_interruption_at_the_start_is_no_error(meeting: Path, tmp_path: Path, delay: float) -> None:
    """While libraries are imported, while models are loaded, and after: twice, as impatient people do."""
    process = _start(["process", str(meeting), str(tmp_path / "out.mp4"), "--scale", "4", "--compare"])
    _wait_for(lambda: _catches_signals(process.pid), process)
    time.sleep(delay)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_said(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    process = _start(["process", str(plain), str(folder / "out.mp4"), "--quiet"], obey_permissions=True)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 6, told
    assert "permissions" in told
    assert told.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error(meeting: Path) -> None:
    with _start(["probe", str(meeting), "--frames", "1"]) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 141


def test_a_full_disk_is_said_and_leaves_nothing(meeting: Path, tmp_path: Path) -> None:
    """A limit on the size of files gives the same error of the system in the middle of writing as a full disk does."""
    process = _start(["process", str(meeting), str(tmp_path / "out.mp4"), "--quiet"], file_limit=300_000)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 8, told
    assert told.count("\n") == 1
    assert told.startswith("facelane: error: ")
    assert list(tmp_path.iterdir()) == []


def _start(
    arguments: list[str], *, file_limit: int | None = None, obey_permissions: bool = False
) -> subprocess.Popen[str]:
    def limit() -> None:
        if file_limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
        if obey_permissions and os.geteuid() == 0:
            # Root may write anywhere, unless it gives up that capability.
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)

    return subprocess.Popen(
        [sys.executable, "-m", "streamer.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
        cwd=Path(__file__).parents[1],
        env=os.environ,
    )


def _wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _catches_signals(pid: int) -> bool:
    """Whether the process has taken charge of its ending: Python itself answers SIGINT, but not SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _contents(folder: Path) -> dict[str, Any]:
    def read() -> Iterator[tuple[str, bytes | None]]:
        for path in sorted(folder.rglob("*")):
            yield str(path), path.read_bytes() if path.is_file() else None

    return dict(read())


def _kinds(path: Path) -> list[str]:
    with av.open(path) as film:
        return [stream.type for stream in film.streams]
