"""What is installed, present and missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import av
from av.codec.codec import UnknownCodecError
from rich.console import Console

from experts import background as background_room
from experts import catalog
from experts import identity as identity_room
from experts.background import BackgroundSettings, weights_of
from experts.catalog import ExpertSettings
from experts.contract import ExpertError
from experts.identity import IdentitySettings
from experts.identity import weights_of as judge_weights_of
from routing import detectors
from routing.detector import DetectorSettings
from routing.detectors import weights_of as detector_weights_of
from routing.types import RoutingError
from streamer import __version__
from streamer.doctor_devices import cards, processor, runtimes
from streamer.errors import EXIT_NOT_READY
from streamer.findings import Finding, State, can_process, render
from streamer.media.encoders import ENCODERS
from weights.session import RuntimeSettings, WeightsError
from weights.store import Store, StoreSettings

PACKAGES = (
    *("av", "openvino", "torch", "numpy", "scipy", "opencv-python-headless", "safetensors"),
    *("aiohttp", "aiortc", "prometheus-client"),
)
# What live streams come by, as FFmpeg names its demuxers.
LIVE_FORMATS = {
    "rtsp": "RTSP",
    "flv": "RTMP",
    "hls": "HLS",
    "mpjpeg": "MJPEG",
    "video4linux2,v4l2": "V4L2",
}
# Of what is not installed with the rest: the packages by which an extra is known, and what it is for.
EXTRAS = {
    "gan": (("gfpgan", "basicsr", "facexlib", "realesrgan"), "GFPGAN and Real-ESRGAN"),
    "spandrel": (("spandrel",), "networks of one's own"),
    "ncnn": (("ncnn",), "Real-ESRGAN on the processor"),
    "identity": (("insightface",), "ArcFace and SCRFD"),
    "onnx": (("onnx", "onnxruntime"), "ONNX Runtime and TensorRT"),
    "metrics": (("lpips", "scikit-image"), "figures of fidelity"),
}
NEEDED_DECODERS = ("h264", "hevc", "vp9", "av1", "aac")
LOW_DISK_BYTES = 1 << 30
GIB = 1 << 30


def examine(
    runtime: RuntimeSettings | None = None,
    weights: StoreSettings | None = None,
    *,
    experts: ExpertSettings | None = None,
    background: BackgroundSettings | None = None,
    detector: DetectorSettings | None = None,
    identity: IdentitySettings | None = None,
) -> list[Finding]:
    """Looks at everything that the main job needs: opens a small session on each runtime, fetches and moves nothing."""
    wanted = runtime or RuntimeSettings()
    needed = needed_weights(
        experts or ExpertSettings(),
        background,
        detector=detector,
        identity=identity,
        store=Store(weights),
        runtime=wanted,
    )
    chosen = (
        ("chosen experts", lambda: catalog.check_packages(experts or ExpertSettings())),
        ("chosen detector", lambda: detectors.check_packages(detector or DetectorSettings())),
        (
            "chosen background",
            lambda: background_room.check_packages(background or BackgroundSettings(), Store(weights), wanted),
        ),
        ("chosen judge", lambda: identity_room.check_packages(identity or IdentitySettings())),
    )
    parts: Iterable[Callable[[], Iterator[Finding]]] = (
        _versions,
        processor,
        cards,
        lambda: runtimes(wanted),
        lambda: _weights(Store(weights), needed),
        lambda: _extras(chosen),
        _codecs,
        _live,
        lambda: _places(Store(weights).folder),
    )
    return [finding for part in parts for finding in part()]


def needed_weights(
    experts: ExpertSettings,
    background: BackgroundSettings | None = None,
    *,
    detector: DetectorSettings | None = None,
    identity: IdentitySettings | None = None,
    store: Store,
    runtime: RuntimeSettings,
) -> tuple[str, ...]:
    """The ids of all weights without which the main job can't run."""
    return (
        *detector_weights_of(detector or DetectorSettings()),
        *catalog.weights_of(experts),
        *weights_of(background or BackgroundSettings(), store, runtime),
        *judge_weights_of(identity or IdentitySettings()),
    )


def main_table(
    console: Console,
    *,
    runtime: RuntimeSettings | None = None,
    weights: StoreSettings | None = None,
    experts: ExpertSettings | None = None,
    background: BackgroundSettings | None = None,
    detector: DetectorSettings | None = None,
    identity: IdentitySettings | None = None,
) -> int:
    """Examines, prints, and returns the exit code: 0 if the main job can run, else EXIT_NOT_READY."""
    findings = examine(runtime, weights, experts=experts, background=background, detector=detector, identity=identity)
    render(findings, console)
    return 0 if can_process(findings) else EXIT_NOT_READY


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "facelane", State.GOOD, __version__)
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("versions", "python", State.GOOD, f"{platform.python_version()}, {system}")
    for name in PACKAGES:
        if version := _version(name):
            yield Finding("versions", name, State.GOOD, version)
        else:
            yield Finding("versions", name, State.BAD, "not installed", "install Facelane anew with its requirements")
    yield Finding("versions", "ffmpeg", State.GOOD, str(av.ffmpeg_version_info))


def _weights(store: Store, needed: Sequence[str]) -> Iterator[Finding]:
    for name in needed:
        yield _weight(name, store)
    try:
        accepted = [name for name in store.entries if store.acceptance(name) is not None]
    except WeightsError as error:
        yield Finding("weights", "accepted terms", State.NOTE, "damaged or unreadable", str(error))
    else:
        if accepted:
            yield Finding("weights", "accepted terms", State.GOOD, ", ".join(accepted))


def _weight(name: str, store: Store) -> Finding:
    if name not in store.entries:
        return Finding("weights", name, State.BAD, "not in the manifest", "install Facelane anew")
    try:
        path = store.present(name)
    except WeightsError as error:
        return Finding("weights", name, State.BAD, "damaged or unreadable", str(error))
    try:
        store.check_accepted(name)
    except WeightsError as error:
        return Finding("weights", name, State.BAD, "terms not accepted", str(error))
    if path is not None:
        return Finding("weights", name, State.GOOD, _where(path, store))
    try:
        store.check_fetchable(name)
    except WeightsError as error:
        return Finding("weights", name, State.BAD, "no sound copy here", str(error))
    fetch = "is fetched on first use, which needs the network once"
    return Finding("weights", name, State.NOTE, "no sound copy here yet", fetch)


def _where(path: Path, store: Store) -> str:
    # The cache's path is told once, among the places.
    return "in the cache" if path.is_relative_to(store.folder) else "in the package"


def _extras(chosen: Sequence[tuple[str, Callable[[], None]]]) -> Iterator[Finding]:
    """Which extras are here; that their packages load is tried for what is chosen."""
    for name, check in chosen:
        try:
            check()
        except (ExpertError, RoutingError, WeightsError) as error:
            yield Finding("extras", name, State.BAD, "a package is missing or does not load", str(error))
    for extra, (packages, purpose) in EXTRAS.items():
        versions = [f"{name} {version}" for name in packages if (version := _version(name))]
        absent = f"not installed; for {purpose}: pip install 'facelane[{extra}]'"
        yield Finding("extras", extra, State.GOOD, ", ".join(versions) if len(versions) == len(packages) else absent)


def _version(name: str) -> str | None:
    # The same package for cards goes by another name.
    for distribution in (name, f"{name}-gpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _codecs() -> Iterator[Finding]:
    lacking = [name for name in NEEDED_DECODERS if not _has_codec(name, "r")]
    advice = "install the av package from its wheel; films of these kinds can't be read" if lacking else ""
    state = State.NOTE if lacking else State.GOOD
    yield Finding("codecs", "decoders", state, f"no {', '.join(lacking)}" if lacking else "all common ones", advice)
    for name, encoder in ENCODERS.items():
        if _has_codec(encoder.name, "w"):
            yield Finding("codecs", name, State.GOOD, encoder.name)
            continue
        # The default codec's absence stops the main job; any other only takes away a choice.
        state = State.BAD if name == "h264" else State.NOTE
        yield Finding("codecs", name, state, f"no {encoder.name}", "install the av package from its wheel")


def _live() -> Iterator[Finding]:
    """Nothing of this keeps films from being enhanced."""
    lacking = [name for key, name in LIVE_FORMATS.items() if key not in av.formats_available]
    advice = "install the av package from its wheel; live streams can't come by these" if lacking else ""
    value = f"no {', '.join(lacking)}" if lacking else ", ".join(LIVE_FORMATS.values())
    yield Finding("live streams", "sources", State.NOTE if lacking else State.GOOD, value, advice)
    coders = [name for name in ("libx264", "libopus") if not _has_codec(name, "w")]
    advice = "install the av package from its wheel; browsers can't be served without" if coders else ""
    value = f"no {', '.join(coders)}" if coders else "H.264 and Opus"
    yield Finding("live streams", "to browsers", State.NOTE if coders else State.GOOD, value, advice)


def _has_codec(name: str, mode: str) -> bool:
    try:
        av.Codec(name, "w" if mode == "w" else "r")
    except UnknownCodecError:
        return False
    return True


def _places(cache: Path) -> Iterator[Finding]:
    yield _place("temporary files", Path(tempfile.gettempdir()))
    yield _place("weights cache", cache)
    yield _place("this folder", Path.cwd())


def _can_be_seen(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:
        return False


def _place(name: str, path: Path) -> Finding:
    nearest = next(folder for folder in (path, *path.parents) if _can_be_seen(folder))
    free = shutil.disk_usage(nearest).free
    value = f"{free / GIB:.1f} GiB free, {path}"
    if not os.access(nearest, os.W_OK):
        return Finding(
            "places", name, State.NOTE, f"{value}, not writeable", "choose another folder, or its owner's leave"
        )
    if free < LOW_DISK_BYTES:
        return Finding("places", name, State.NOTE, value, "make room: a film of an hour takes about 1 GiB")
    return Finding("places", name, State.GOOD, value)
