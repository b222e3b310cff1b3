"""What ONNX Runtime is to run on, and whether it really does: it falls back to the CPU where something is missing, and
says so to nobody but its log."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal

from weights.batching import MOST_AT_ONCE
from weights.cuda import find_driver, has_card
from weights.errors import WeightsError
from weights.onnx_export import EXTRA, INPUT
from weights.packages import import_package
from weights.places import engine_folder
from weights.runtime import RuntimeSettings

logger = logging.getLogger(__name__)

Target = Literal["cpu", "cuda", "tensorrt"]
Place = Literal["cpu", "cuda"]
Provider = tuple[str, dict[str, Any]]
PROVIDERS: Mapping[Target, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
NAMES: Mapping[Target, str] = {"cpu": "the CPU", "cuda": "CUDA", "tensorrt": "TensorRT"}
HEAVY = frozenset({"Conv", "FusedConv", "ConvTranspose", "Gemm", "FusedGemm", "MatMul", "FusedMatMul"})
"""The operations that a network's time goes into. Others, as those that compute with shapes, may well be on the CPU."""
GPU_PACKAGE = "install onnxruntime-gpu in the place of onnxruntime"
CPU_INSTEAD = 'or set [runtime] device to "cpu"'
TORCH_INSTEAD = 'or set [runtime] runtime to "auto"'


def onnxruntime() -> Any:
    """The package, of whatever distribution. Raises WeightsError where it is not installed or does not load."""
    return import_package("onnxruntime", extra=EXTRA, refusal=WeightsError)


@cache
def load_cuda() -> None:
    """Loads CUDA and cuDNN from where pip puts them: ONNX Runtime does not look there by itself, and torch has loaded
    its own, which may be of another version. To be called before it is asked what it knows; does nothing in a build
    for the processor."""
    package, said = onnxruntime(), io.StringIO()
    if not hasattr(package, "preload_dlls"):  # before 1.21, which SCRFD and ArcFace may still run by
        return
    with redirect_stdout(said):
        package.preload_dlls()
    for line in said.getvalue().splitlines():
        logger.warning("ONNX Runtime: %s", line)


def choose_target(settings: RuntimeSettings) -> Target:
    """What the settings lead to with the ONNX Runtime and the cards that are here. Raises WeightsError where they ask
    for what is not."""
    if settings.device != "cpu" and has_card():
        load_cuda()
    known = onnxruntime().get_available_providers()
    if settings.runtime == "tensorrt":
        _check_tensorrt(settings, known)
        return "tensorrt"
    if settings.device == "cpu":
        target: Target = "cpu"
    elif settings.device == "cuda":
        _check_cuda(known)
        target = "cuda"
    else:
        target = "cuda" if PROVIDERS["cuda"] in known and has_card() else "cpu"
    _check_precision(settings, target)
    return target


def _check_cuda(known: Sequence[str]) -> None:
    if PROVIDERS["cuda"] not in known:
        raise WeightsError(f"this ONNX Runtime knows no CUDA; {GPU_PACKAGE}, {CPU_INSTEAD}")
    if not has_card():
        raise WeightsError(f'no NVIDIA driver with a card is here; install one, {CPU_INSTEAD} or "auto"')


def _check_tensorrt(settings: RuntimeSettings, known: Sequence[str]) -> None:
    if settings.device == "cpu":
        raise WeightsError('TensorRT runs on CUDA alone; set device to "auto", or runtime to "auto"')
    if PROVIDERS["tensorrt"] not in known:
        raise WeightsError(f"this ONNX Runtime knows no TensorRT; {GPU_PACKAGE}, {TORCH_INSTEAD}")
    if not has_card():
        raise WeightsError(f"TensorRT wants an NVIDIA driver with a card; install one, {TORCH_INSTEAD}")
    _check_precision(settings, "tensorrt")


def _check_precision(settings: RuntimeSettings, target: Target) -> None:
    able = ("float32",) if target == "cpu" else ("float32", "float16")
    if settings.precision not in ("auto", *able):
        where = "TensorRT" if target == "tensorrt" else f"ONNX Runtime on {NAMES[target]}"
        said = " or ".join(f'"{word}"' for word in ("auto", *able))
        raise WeightsError(f"{where} computes in {' or '.join(able)} here; set precision to {said}")


def providers_for(target: Target, model: bytes, input_shape: tuple[int | None, ...], *, half: bool) -> list[Provider]:
    """What to open a session with, the wanted one first. For TensorRT, which leaves to CUDA what it can't, its folder
    is made."""
    if target != "tensorrt":
        return providers_on(target)
    tensorrt = (PROVIDERS["tensorrt"], _tensorrt_options(model, input_shape, half=half))
    return [tensorrt, *providers_on("cuda")]


def providers_on(target: Place) -> list[Provider]:
    """The processor; before it the card, if that is wanted."""
    on_cpu: Provider = (PROVIDERS["cpu"], {})
    if target == "cpu":
        return [on_cpu]
    # Exhaustive search, its default, tries every way anew for each size of a batch; TensorFloat-32 is not float32.
    return [(PROVIDERS["cuda"], {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}), on_cpu]


def record_places(options: Any) -> None:
    """So that a session can be asked where each operation really is, as `check_taken` does."""
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")


def device_name(target: Target) -> str:
    """What a session on that runs on, by its name."""
    driver = None if target == "cpu" else find_driver()
    return "cpu" if driver is None else driver.cards[0].name


def _tensorrt_options(model: bytes, input_shape: tuple[int | None, ...], *, half: bool) -> dict[str, Any]:
    """Engines are cached by model: by itself ONNX Runtime would take the engine of one with other weights for this."""
    tensorrt = _import_tensorrt()
    profile = _profile(input_shape)
    made_of = (model, profile, half, onnxruntime().__version__, getattr(tensorrt, "__version__", ""))
    folder = engine_folder(os.environ) / hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(f"{folder}, for what TensorRT builds, can't be made: {error.strerror}") from error
    cache = {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(folder)}
    timing = {"trt_timing_cache_enable": True, "trt_timing_cache_path": str(folder.parent)}
    return {**cache, **timing, **profile, "trt_fp16_enable": half}


def _import_tensorrt() -> Any:
    """The package, which loads its libraries for ONNX Runtime to find; None where they may lie on the system's path."""
    if find_spec("tensorrt") is None:
        return None
    return import_package("tensorrt", extra=EXTRA, refusal=WeightsError, advice="install it anew: pip install tensorrt")


def _profile(input_shape: tuple[int | None, ...]) -> dict[str, str]:
    """One engine for all batches; where other extents are open it builds one for each range that it meets."""
    if input_shape[0] is not None or None in input_shape[1:]:
        return {}
    item = "x".join(map(str, input_shape[1:]))
    sizes = {"min": 1, "opt": 4, "max": MOST_AT_ONCE}
    return {f"trt_profile_{word}_shapes": f"{INPUT}:{size}x{item}" for word, size in sizes.items()}


def check_taken(session: Any, target: Target) -> None:
    """Raises WeightsError unless the session runs on that, with all of its heavy operations."""
    wanted = PROVIDERS[target]
    if session.get_providers()[0] != wanted:
        raise WeightsError(not_taken(target, "its log says why"))
    if target == "cpu":
        return
    if not hasattr(session, "get_provider_graph_assignment_info"):
        raise WeightsError(f"ONNX Runtime {onnxruntime().__version__} is too old; install 1.24 or a newer one")
    parts = session.get_provider_graph_assignment_info()
    check_placed({(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()}, target)


def check_placed(placed: Collection[tuple[str, str]], target: Target) -> None:
    """`placed`: providers, and types of operations that are on them. Raises WeightsError where a heavy one is on the
    processor, or nothing where it was to be."""
    on_card = {PROVIDERS["tensorrt"], PROVIDERS["cuda"]}
    astray = sorted({type for provider, type in placed if type in HEAVY and provider not in on_card})
    if astray:
        raise WeightsError(f"ONNX Runtime puts {', '.join(astray)} of this network on the CPU; {TORCH_INSTEAD[3:]}")
    if PROVIDERS[target] not in {provider for provider, _ in placed}:
        raise WeightsError(f"{NAMES[target]} takes nothing of this network; {TORCH_INSTEAD[3:]}")


def not_taken(target: Target, why: str) -> str:
    """What is told where a provider does not load, or a network not on it."""
    if target == "cpu":
        return f"ONNX Runtime can't load this network ({why}); {TORCH_INSTEAD[3:]}"
    if target == "tensorrt":
        return (
            f"TensorRT does not take this network ({why}); if it does not load, pip install tensorrt, {TORCH_INSTEAD}"
        )
    needs = "the CUDA and cuDNN that this onnxruntime-gpu was built for"
    return f"ONNX Runtime can't use CUDA ({why}); install {needs}, {CPU_INSTEAD}"
