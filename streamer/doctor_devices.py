"""What there is to compute with: the processor, cards, the runtimes that use them; and what a card does for films."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import torch

from streamer.findings import Finding, State
from streamer.media.hardware import Hardware, hardware_decoders, hardware_encoders
from streamer.probing import probe
from weights.cuda import Driver, find_driver
from weights.failures import reason
from weights.onnx_providers import load_cuda, onnxruntime
from weights.packages import install_command
from weights.session import Device, Precision, Runtime, RuntimeSettings, WeightsError
from weights.torch_cuda import NONE, cuda_fault

GIB = 1 << 30
ON_CPU: tuple[tuple[Runtime, Precision], ...] = (
    ("openvino", "float32"),
    ("openvino", "bfloat16"),
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("onnxruntime", "float32"),
)
ON_CUDA: tuple[tuple[Runtime, Precision], ...] = (
    ("torch", "float32"),
    ("torch", "bfloat16"),
    ("torch", "float16"),
    ("onnxruntime", "float32"),
    ("onnxruntime", "float16"),
)


def processor() -> Iterator[Finding]:
    """The processor, and what it is able of."""
    able = torch.cpu.get_capabilities()
    kinds = [name for name in ("amx_bf16", "avx512_bf16", "avx512_f", "avx2", "bf16", "neon") if able.get(name)]
    bfloat16 = any("bf16" in kind for kind in kinds)
    name = f"{able.get('cpu_name', 'unknown')}, {os.cpu_count()} cores: {' '.join(kinds)}"
    yield Finding("processor", "cpu", State.GOOD, name)
    advice = "" if bfloat16 else "networks run in float32 here, two to four times slower; nothing else changes"
    value = "in hardware" if bfloat16 else "not in hardware"
    yield Finding("processor", "bfloat16", State.GOOD if bfloat16 else State.NOTE, value, advice)


def cards() -> Iterator[Finding]:
    """What the driver, torch and ONNX Runtime know of cards, and what a card decodes and encodes. No card is no fault;
    one that nobody uses is worth a note."""
    driver = find_driver()
    if driver is None:
        yield Finding("cards", "driver", State.ABSENT, "no NVIDIA driver with a card; the processor does the work")
    else:
        yield from _driver(driver)
    yield _torch(driver)
    yield _onnxruntime(driver)
    yield _films("NVDEC", hardware_decoders())
    yield _films("NVENC", hardware_encoders())


def _driver(driver: Driver) -> Iterator[Finding]:
    value = f"{driver.version or 'of unknown version'}, for CUDA up to {driver.cuda}"
    yield Finding("cards", "driver", State.GOOD, value)
    for index, card in enumerate(driver.cards):
        capability = ".".join(map(str, card.capability))
        value = f"{card.name}, {card.memory_bytes / GIB:.1f} GiB, compute capability {capability}"
        yield Finding("cards", f"card {index}", State.GOOD, value)


def _torch(driver: Driver | None) -> Finding:
    built = torch.version.cuda
    fault = cuda_fault()
    if fault not in ("", NONE):
        advice = "install a torch that is built for it: networks run on the processor"
        return Finding("cards", "CUDA in torch", State.NOTE, fault, advice)
    if not fault:
        name = torch.cuda.get_device_name(0)
        return Finding("cards", "CUDA in torch", State.GOOD, f"built for CUDA {built}, computes on {name}")
    if driver is None:
        value = "a build for the processor" if built is None else f"built for CUDA {built}, finds no card"
        return Finding("cards", "CUDA in torch", State.ABSENT, value)
    if built is None:
        advice = "install a CUDA build of torch: networks run on the processor without"
        return Finding("cards", "CUDA in torch", State.NOTE, "a build for the processor", advice)
    advice = f"install a driver for CUDA {built}, or a torch for CUDA {driver.cuda}: networks run on the processor"
    return Finding("cards", "CUDA in torch", State.NOTE, f"built for CUDA {built}, can't use the card", advice)


def _onnxruntime(driver: Driver | None) -> Finding:
    if find_spec("onnxruntime") is None:
        return Finding("cards", "CUDA in ONNX Runtime", State.ABSENT, f"not installed; {install_command('onnx')}")
    try:
        if driver is not None:
            load_cuda()
        known: list[str] = onnxruntime().get_available_providers()
    except WeightsError as error:
        return Finding("cards", "CUDA in ONNX Runtime", State.NOTE, "does not load", str(error))
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in known)
    if driver is None:
        return Finding("cards", "CUDA in ONNX Runtime", State.ABSENT, f"knows {names}")
    if "CUDAExecutionProvider" not in known:
        advice = "install onnxruntime-gpu in its place to run networks by it on the card"
        return Finding("cards", "CUDA in ONNX Runtime", State.NOTE, f"knows {names}", advice)
    return Finding("cards", "CUDA in ONNX Runtime", State.GOOD, f"knows {names}")


def _films(name: str, found: Sequence[Hardware]) -> Finding:
    """Nothing of this is needed: the processor decodes and encodes as well."""
    able = [each.name for each in found if each.works]
    faults = dict.fromkeys(each.fault for each in found if not each.works)
    if able:
        return Finding("cards", name, State.GOOD, ", ".join(able))
    return Finding("cards", name, State.ABSENT, f"none: {next(iter(faults))}")


def runtimes(wanted: RuntimeSettings) -> Iterator[Finding]:
    """Opens a small session on each runtime, on the processor and on a card if there is one."""
    yield _runtime("as set", wanted, failure=State.BAD)
    choices: list[tuple[Device, Runtime, Precision]] = [("cpu", *choice) for choice in ON_CPU]
    if find_driver() is not None:
        choices += [("cuda", *choice) for choice in ON_CUDA]
    for device, runtime, precision in choices:
        name = f"{runtime} {precision}" if device == "cpu" else f"{runtime} {precision} on {device}"
        yield _runtime(name, RuntimeSettings(device, runtime, precision), failure=State.NOTE)


def _runtime(name: str, settings: RuntimeSettings, *, failure: State) -> Finding:
    try:
        taken = probe(settings)
    except (WeightsError, RuntimeError) as error:
        advice = "change [runtime] in the settings" if failure is State.BAD else ""
        return Finding("runtimes", name, failure, reason(error), advice)
    return Finding("runtimes", name, State.GOOD, f"{taken.runtime} on {taken.device} in {taken.precision}")
