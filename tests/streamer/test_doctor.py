from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console

from experts.background import BackgroundSettings
from experts.catalog import ExpertSettings, make_expert
from experts.identity import IdentitySettings
from routing.detector import DetectorSettings, MtcnnDetector
from routing.router import RoutingSettings
from streamer import doctor_devices, doctor_media
from streamer.cli import main
from streamer.config import Settings, load_settings
from streamer.doctor import examine, main_table
from streamer.errors import EXIT_NOT_READY
from streamer.findings import Finding, State, can_process, render
from streamer.media.hardware import Hardware
from streamer.readiness import needed_weights
from weights.cuda import Card, Driver
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings

CPU = RuntimeSettings(device="cpu")


@pytest.fixture(scope="module")
def findings(store: Store) -> dict[str, Finding]:
    store.find("mtcnn-pnet")
    return {finding.name: finding for finding in examine(Settings(runtime=CPU))}


def test_what_the_tests_run_with_is_found(findings: dict[str, Finding]) -> None:
    for name in ("torch", "openvino", "av", "ffmpeg", "as set", "torch float32", "mtcnn-pnet", "decoders", "h264"):
        assert findings[name].state is State.GOOD, findings[name]
    assert findings["torch"].value == torch.__version__


def test_whatever_is_not_good_comes_with_advice(findings: dict[str, Finding], tmp_path: Path) -> None:
    poor = examine(Settings(runtime=CPU, weights=StoreSettings(folder=tmp_path, offline=True)))
    for finding in (*findings.values(), *poor):
        assert (
            finding.state in (State.GOOD, State.INSTALLED, State.ABSENT)
            or finding.advice
            or finding.topic == "runtimes"
        ), finding


def test_absent_weights_matter_only_where_they_cannot_be_fetched(tmp_path: Path) -> None:
    states = {}
    for offline in (False, True):
        found = examine(Settings(runtime=CPU, weights=StoreSettings(folder=tmp_path, offline=offline)))
        states[offline] = next(finding for finding in found if finding.name == "mtcnn-pnet").state
        assert list(tmp_path.iterdir()) == []
    assert states == {False: State.NOTE, True: State.BAD}


def test_terms_that_nobody_accepted_keep_the_job_from_running_and_those_accepted_are_told(tmp_path: Path) -> None:
    settings = StoreSettings(folder=tmp_path)

    def found() -> dict[str, Finding]:
        chosen = ExpertSettings(transformer="gfpgan")
        return {each.name: each for each in examine(Settings(runtime=CPU, weights=settings, experts=chosen))}

    before = found()
    assert before["gfpgan-1.4"].state is State.BAD
    assert "facelane weights pull gfpgan-1.4 --accept-licence gfpgan-1.4" in before["gfpgan-1.4"].advice
    assert "accepted terms" not in before
    Store(settings).accept("gfpgan-1.4")
    assert found()["gfpgan-1.4"].state is State.NOTE
    assert found()["accepted terms"].value == "gfpgan-1.4"


def test_doctor_looks_for_the_judges_weights_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FACELANE_WEIGHTS", str(tmp_path))
    settings = tmp_path / "facelane.toml"
    settings.write_text('[identity]\njudge = "arcface"\n', encoding="utf-8")
    assert main(["doctor", "--config", str(settings)]) == EXIT_NOT_READY
    assert "facelane weights pull arcface --accept-licence arcface" in capsys.readouterr().out


def test_a_runtime_that_is_set_and_not_there_keeps_the_job_from_running() -> None:
    if torch.cuda.is_available():
        settings = RuntimeSettings(device="cuda", runtime="openvino")
    else:
        settings = RuntimeSettings(device="cuda")
    found = {finding.name: finding for finding in examine(Settings(runtime=settings))}
    assert found["as set"].state is State.BAD
    assert not can_process(list(found.values()))


CARD_SETTINGS = {"source": "decoder_device", "network": "decoder_device", "output": "encoder_device"}


@pytest.mark.parametrize("table", CARD_SETTINGS)
@pytest.mark.parametrize("fault", ["no NVIDIA driver here", ""])
def test_a_card_that_films_are_to_have_and_that_is_not_there_keeps_the_job_from_running(
    table: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting asks its own part of the card alone."""
    asked, other = ("card_fault", "decoding_fault") if table == "output" else ("decoding_fault", "card_fault")
    monkeypatch.setattr(doctor_media, asked, lambda *_: fault)
    monkeypatch.setattr(doctor_media, other, pytest.fail)
    name = f"[{table}] {CARD_SETTINGS[table]}"
    found = {each.name: each for each in doctor_media.wanted_cards(_settings_with(table, "cuda"))}
    assert list(found) == [name]
    assert can_process(list(found.values())) is not bool(fault)
    assert fault in found[name].value
    assert ("set it to cpu or auto" in found[name].advice) is bool(fault)
    assert list(doctor_media.wanted_cards(_settings_with(table, "auto"))) == []


def _settings_with(table: str, device: str) -> Settings:
    return load_settings(None, environment={}, overrides={table: {CARD_SETTINGS[table]: device}})


def test_the_command_fails_where_nvdec_is_wanted_and_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor_media, "decoding_fault", lambda: "no NVIDIA driver here")
    settings = tmp_path / "facelane.toml"
    settings.write_text('[source]\ndecoder_device = "cuda"\n', encoding="utf-8")
    assert main(["doctor", "--config", str(settings)]) == EXIT_NOT_READY
    assert "[source] decoder_device: set it to cpu or auto" in capsys.readouterr().out


def test_a_background_for_a_card_that_is_not_there_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = BackgroundSettings(method="realesrgan-x4plus")
    found = examine(Settings(runtime=RuntimeSettings(device="cuda"), background=chosen))
    bad = {each.name for each in found if each.state is State.BAD}
    assert {"as set", "chosen background"} <= bad


def test_the_table_shows_each_finding_and_the_advice_below() -> None:
    said = io.StringIO()
    render(
        [
            Finding("codecs", "h264", State.GOOD, "libx264"),
            Finding("codecs", "av1", State.NOTE, "no [encoder]", "install it"),
        ],
        Console(file=said, width=80),
    )
    lines = said.getvalue().splitlines()
    assert lines[1].split() == ["codecs"]
    assert lines[2].split() == ["h264", "ok", "libx264"]
    assert "no [encoder]" in lines[3]
    assert lines[4] == "av1: install it"


def test_the_table_of_this_machine_breaks_no_word_at_80_columns(findings: dict[str, Finding]) -> None:
    said = io.StringIO()
    shown = [finding for finding in findings.values() if finding.topic != "places"]
    render(shown, Console(file=said, width=80))
    words = set(said.getvalue().split())
    for finding in shown:
        assert words.issuperset(f"{finding.name} {finding.value}".split()), finding


def test_the_exit_code_says_whether_the_main_job_can_run(tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    assert main_table(quiet, Settings(weights=StoreSettings(folder=tmp_path, offline=True))) == EXIT_NOT_READY


class ToldStore(Store):
    """The real weights, and which of them were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def find(self, name: str) -> Path:
        self.asked.append(name)
        return super().find(name)


@pytest.mark.parametrize(
    "chosen",
    [
        ExpertSettings(),
        ExpertSettings(fidelity=0.0),
        ExpertSettings(transformer="frequency", frequency="resize", fidelity=1.0),
    ],
)
def test_the_weights_that_are_needed_are_those_that_a_job_asks_for(chosen: ExpertSettings) -> None:
    store, runtime = ToldStore(), RuntimeSettings(device="cpu", runtime="torch")
    MtcnnDetector(store, DetectorSettings(), runtime)
    for id in {chosen.transformer, chosen.frequency}:
        make_expert(id, store, runtime, chosen)
    assert sorted(store.asked) == sorted(needed_weights(Settings(experts=chosen, runtime=runtime), store))


def test_extras_are_told_and_one_that_a_chosen_expert_lacks_keeps_the_job_from_running(
    findings: dict[str, Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings["metrics"].value.startswith("lpips ")
    assert "chosen experts" not in findings
    monkeypatch.setattr("streamer.doctor.EXTRAS", {"gan": (("no-such-package",), "GFPGAN")})
    monkeypatch.setitem(sys.modules, "gfpgan", None)
    found = {each.name: each for each in examine(Settings(experts=ExpertSettings(every="gfpgan")))}
    assert findings["metrics"].state is State.INSTALLED
    assert found["gan"].state is State.ABSENT
    assert found["gan"].value == "not installed; for GFPGAN: pip install -c constraints.txt 'facelane[gan]'"
    assert found["chosen experts"].state is State.BAD
    assert found["chosen experts"].advice.startswith("gfpgan is not installed; ")


def test_packages_of_everything_chosen_are_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("spandrel", "insightface", "facexlib", "ncnn", "onnx"):
        monkeypatch.setitem(sys.modules, package, None)
    found = {
        each.name: each
        for each in examine(
            Settings(
                runtime=RuntimeSettings(device="cpu", runtime="onnxruntime"),
                experts=ExpertSettings(transformer=str(tmp_path / "mine.pth")),
                background=BackgroundSettings(method="realesrgan-x4plus"),
                routing=RoutingSettings(detector=DetectorSettings(method="retinaface-resnet50")),
                identity=IdentitySettings(judge="arcface"),
            )
        )
    }
    said = {
        "chosen experts": "spandrel is not installed; pip install -c constraints.txt 'facelane[spandrel]'",
        "chosen background": "ncnn is not installed; pip install -c constraints.txt 'facelane[ncnn]'",
        "chosen judge": "insightface is not installed; pip install -c constraints.txt 'facelane[identity]'",
    }
    for name, advice in said.items():
        assert (found[name].state, found[name].advice) == (State.BAD, advice)
    assert found["chosen detector"].state is State.BAD
    assert found["as set"].state is State.BAD
    assert "onnx is not installed; pip install -c constraints.txt 'facelane[onnx]'" in found["as set"].value


CARD = Driver("550.54.14", "12.4", (Card("NVIDIA L4", 24 << 30, (8, 9)),))


@pytest.mark.parametrize(
    ("driver", "built", "state", "value", "advice"),
    [
        (None, None, State.ABSENT, "a build for the processor", ""),
        (None, "12.8", State.ABSENT, "built for CUDA 12.8, finds no card", ""),
        (CARD, None, State.NOTE, "a build for the processor", "install a CUDA build of torch"),
        (CARD, "13.0", State.NOTE, "built for CUDA 13.0, can't use the card", "a torch for CUDA 12.4"),
    ],
)
def test_a_card_that_torch_does_not_use_is_worth_a_note(
    monkeypatch: pytest.MonkeyPatch, driver: Driver | None, built: str | None, state: State, value: str, advice: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor_devices, "find_driver", lambda: driver)
    monkeypatch.setattr(doctor_devices, "hardware_decoders", lambda: [Hardware("h264", "no card")])
    monkeypatch.setattr(doctor_devices, "hardware_encoders", lambda: [Hardware("h264_nvenc", "no card"), Hardware("x")])
    found = {finding.name: finding for finding in doctor_devices.cards()}
    assert (found["CUDA in torch"].state, found["CUDA in torch"].value) == (state, value)
    assert advice in found["CUDA in torch"].advice
    assert found["NVENC"].value == "x"
    if driver is not None:
        assert found["driver"].value == "550.54.14, for CUDA up to 12.4"
        assert found["card 0"].value == "NVIDIA L4, 24.0 GiB, compute capability 8.9"
        assert found["CUDA in ONNX Runtime"].advice.startswith("install onnxruntime-gpu")


def test_looking_moves_no_damaged_file(store: Store, tmp_path: Path) -> None:
    damaged = tmp_path / store.find("mtcnn-pnet").name
    damaged.write_bytes(b"")
    found = examine(Settings(runtime=CPU, weights=StoreSettings(folder=tmp_path)))
    assert next(finding for finding in found if finding.name == "mtcnn-pnet").state is State.NOTE
    assert list(tmp_path.iterdir()) == [damaged]


def test_a_folder_that_cannot_be_looked_at_is_a_finding(tmp_path: Path) -> None:
    found = examine(Settings(runtime=CPU, weights=StoreSettings(folder=tmp_path / ("x" * 300))))
    finding = next(finding for finding in found if finding.name == "mtcnn-pnet")
    assert finding.state is State.BAD
    assert "choose another folder" in finding.advice


def test_it_tells_what_live_streams_come_by() -> None:
    found = {finding.name: finding for finding in examine() if finding.topic == "live streams"}
    assert found["sources"].value == "RTSP, RTMP, HLS, MJPEG, V4L2"
    assert found["to browsers"].value == "H.264 and Opus"
