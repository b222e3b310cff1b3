"""What is installed, present and missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import av
from rich.console import Console

from experts.contract import ExpertError
from routing.types import RoutingError
from streamer import __version__
from streamer.config import Settings
from streamer.doctor_devices import cards, processor, runtimes
from streamer.doctor_media import codecs, live, wanted_cards
from streamer.errors import EXIT_NOT_READY
from streamer.findings import Finding, State, can_process, render
from streamer.readiness import needed_weights, package_checks
from weights.packages import install_command
from weights.store import Store, WeightsError

PACKAGES = (
    *("av", "openvino", "torch", "numpy", "scipy", "opencv-python-headless", "safetensors"),
    *("aiohttp", "aiortc", "prometheus-client"),
)
# Of what is not installed with the rest: the packages by which an extra is known, and what it is for.
EXTRAS = {
    "gan": (("gfpgan", "basicsr", "facexlib", "realesrgan"), "GFPGAN and Real-ESRGAN"),
    "spandrel": (("spandrel",), "networks of one's own"),
    "ncnn": (("ncnn",), "Real-ESRGAN on the processor"),
    "identity": (("insightface",), "ArcFace and SCRFD"),
    "onnx": (("onnx", "onnxruntime"), "ONNX Runtime and TensorRT"),
    "metrics": (("lpips", "scikit-image"), "figures of fidelity"),
}
LOW_DISK_BYTES = 1 << 30
GIB = 1 << 30


def examine(settings: Settings | None = None) -> list[Finding]:
    """Looks at everything that the main job needs: opens a small session on each runtime, fetches and moves nothing."""
    wanted = settings or Settings()
    store = Store(wanted.weights)
    parts: Iterable[Callable[[], Iterator[Finding]]] = (
        _versions,
        processor,
        cards,
        lambda: wanted_cards(wanted),
        lambda: runtimes(wanted.runtime),
        lambda: _weights(store, wanted),
        lambda: _extras(package_checks(wanted, store)),
        codecs,
        live,
        lambda: _places(store.folder),
    )
    return [finding for part in parts for finding in part()]


def main_table(console: Console, settings: Settings | None = None) -> int:
    """Examines, prints, and returns the exit code: 0 if the main job can run, else EXIT_NOT_READY."""
    findings = examine(settings)
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


def _weights(store: Store, wanted: Settings) -> Iterator[Finding]:
    try:
        needed = needed_weights(wanted, store)
    except (ExpertError, WeightsError):
        # What is wrong with the background is told where its packages are tried.
        yield Finding("weights", "needed", State.ABSENT, "not known: the chosen background can't be")
        needed = ()
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


def _extras(chosen: Mapping[str, Callable[[], None]]) -> Iterator[Finding]:
    """Which extras are here; that their packages load is tried for what is chosen."""
    for name, check in chosen.items():
        try:
            check()
        except (ExpertError, RoutingError, WeightsError) as error:
            yield Finding("extras", f"chosen {name}", State.BAD, "a package is missing or does not load", str(error))
    for extra, (packages, purpose) in EXTRAS.items():
        versions = [f"{name} {version}" for name in packages if (version := _version(name))]
        if len(versions) == len(packages):
            yield Finding("extras", extra, State.INSTALLED, ", ".join(versions))
        else:
            absent = f"not installed; for {purpose}: {install_command(extra)}"
            yield Finding("extras", extra, State.ABSENT, absent)


def _version(name: str) -> str | None:
    # The same package for cards goes by another name.
    for distribution in (name, f"{name}-gpu"):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


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
