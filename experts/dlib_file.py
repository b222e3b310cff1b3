"""dlib's file of its face recognition network, read as numbers alone: nothing in it is run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from experts.contract import ExpertError
from experts.networks.dlib_resnet import DlibResNet

Numbers = npt.NDArray[np.float32]

_CONVOLUTION, _AFFINE, _FULL = b"\x05con_4", b"\x07affine_", b"\x04fc_2"
# A whole number is its count of bytes, with the sign in the uppermost bit, and then those bytes.
_NEGATIVE, _MOST_BYTES = 0x80, 8
_TENSOR_VERSION = 2


def read_network(path: Path) -> DlibResNet:
    """The network with the weights of `dlib_face_recognition_resnet_model_v1.dat`.

    dlib writes its layers one after the other, each with its name before its numbers. Raises ExpertError where the file
    is of another kind, another network, or cut.
    """
    try:
        data = path.read_bytes()
        network = DlibResNet()
        _fill(network, data)
    except OSError as error:
        raise ExpertError(f"{path} can't be read ({error.strerror}); pull it again") from error
    except ValueError as error:
        raise ExpertError(f"{path} is not dlib's face recognition network ({error}); pull it again") from error
    return network


def _fill(network: DlibResNet, data: bytes) -> None:
    filters, affines = list(_layers(data, _CONVOLUTION)), list(_layers(data, _AFFINE))
    convolutions = network.convolutions()
    if not len(filters) == len(affines) == len(convolutions):
        raise ValueError(f"{len(convolutions)} convolutions are wanted, there are {len(filters)}")
    for convolution, numbers, affine in zip(convolutions, filters, affines, strict=True):
        _put(convolution, numbers, affine)
    full = next(_layers(data, _FULL, skip=2), np.empty(0, np.float32))
    inputs, outputs = network.last.in_features, network.last.out_features
    _check(full, inputs * outputs)
    with torch.no_grad():
        network.last.weight.copy_(torch.from_numpy(full.reshape(inputs, outputs).T.copy()))


def _put(convolution: torch.nn.Conv2d, numbers: Numbers, affine: Numbers) -> None:
    """Filters, then biases; the affine layer's factors, then what it adds."""
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    _check(numbers, weight.numel() + bias.numel())
    _check(affine, 2 * bias.numel())
    factors, added = affine[: bias.numel()], affine[bias.numel() :]
    with torch.no_grad():
        scaled = numbers[: weight.numel()].reshape(weight.shape) * factors[:, None, None, None]
        weight.copy_(torch.from_numpy(scaled))
        bias.copy_(torch.from_numpy(numbers[weight.numel() :] * factors + added))


def _check(numbers: Numbers, wanted: int) -> None:
    if numbers.size != wanted:
        raise ValueError(f"a layer has {numbers.size} numbers, not {wanted}")


def _layers(data: bytes, name: bytes, *, skip: int = 0) -> Iterator[Numbers]:
    """The numbers of each layer of that kind; `skip`: whole numbers between name and tensor."""
    name = b"\x01" + name
    at = data.find(name)
    while at >= 0:
        place = at + len(name)
        for _ in range(skip):
            _, place = _whole(data, place)
        numbers, place = _tensor(data, place)
        yield numbers
        at = data.find(name, place)


def _tensor(data: bytes, place: int) -> tuple[Numbers, int]:
    version, place = _whole(data, place)
    extents = []
    for _ in range(4):
        extent, place = _whole(data, place)
        extents.append(extent)
    count = math.prod(extents)
    end = place + 4 * count
    if version != _TENSOR_VERSION or min(extents) < 1 or end > len(data):
        raise ValueError("it is cut, or of another version")
    return np.frombuffer(data, "<f4", count, place).astype(np.float32), end


def _whole(data: bytes, place: int) -> tuple[int, int]:
    if place >= len(data):
        raise ValueError("it is cut")
    size = data[place] & ~_NEGATIVE
    if not 1 <= size <= _MOST_BYTES:
        raise ValueError("it has no number where one is wanted")
    value = int.from_bytes(data[place + 1 : place + 1 + size], "little")
    return (-value if data[place] & _NEGATIVE else value), place + 1 + size
