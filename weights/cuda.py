"""What cards there are, as the NVIDIA driver itself tells it, whatever torch or ONNX Runtime were built for."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libcuda.so.1"
KERNEL_MODULE = Path("/proc/driver/nvidia/version")
# Of cuDeviceGetAttribute, as cuda.h numbers them.
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
_NAME_BYTES = 256


@dataclass(frozen=True, slots=True)
class Card:
    """`memory_bytes`: all that it has. `capability`: its compute capability, as (8, 6)."""

    name: str
    memory_bytes: int
    capability: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Driver:
    """`version`: NVIDIA's, as "550.54.14", empty where it can't be seen, as in some containers. `cuda`: the newest CUDA
    that it runs, as "12.4"."""

    version: str
    cuda: str
    cards: tuple[Card, ...]


def find_driver(library: str = LIBRARY) -> Driver | None:
    """The driver and its cards; None where there is no driver, or it can't begin, as without a card."""
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return None
    if cuda.cuInit(0) != 0:
        return None
    version, count = ctypes.c_int(), ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(version)) or cuda.cuDeviceGetCount(ctypes.byref(count)):
        return None
    newest = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return Driver(_kernel_module(), newest, tuple(_card(cuda, index) for index in range(count.value)))


def has_card() -> bool:
    """Whether the driver has a card to compute on."""
    driver = find_driver()
    return driver is not None and bool(driver.cards)


def _card(cuda: ctypes.CDLL, index: int) -> Card:
    device = ctypes.c_int()
    cuda.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    cuda.cuDeviceGetName(name, _NAME_BYTES, device)
    memory = ctypes.c_size_t()
    # The name without the suffix is of an interface that tells 32 bits.
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    major, minor = (_attribute(cuda, device, number) for number in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR))
    return Card(name.value.decode(errors="replace"), memory.value, (major, minor))


def _attribute(cuda: ctypes.CDLL, device: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    cuda.cuDeviceGetAttribute(ctypes.byref(value), number, device)
    return value.value


def _kernel_module() -> str:
    try:
        text = KERNEL_MODULE.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
    return found[1] if found else ""
