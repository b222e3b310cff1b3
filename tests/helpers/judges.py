"""Files that embedders read, made of random numbers: dlib's in its own way of writing, ArcFace's as ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from experts.networks.dlib_resnet import SIZE, DlibResNet

Numbers = npt.NDArray[np.float32]


def whole(value: int) -> bytes:
    """A whole number as dlib writes it: how many bytes, then those, the least first."""
    size = max(1, (value.bit_length() + 7) // 8)
    return bytes([size]) + value.to_bytes(size, "little")


def named(name: str) -> bytes:
    return whole(len(name)) + name.encode()


def tensor(numbers: Numbers, *extents: int) -> bytes:
    return whole(2) + b"".join(whole(extent) for extent in extents) + numbers.astype("<f4").tobytes()


def dlib_file(path: Path, *, seed: int = 0) -> tuple[list[Numbers], list[Numbers], Numbers]:
    """Writes what dlib's network would be with random weights; returns the convolutions' numbers, those of the affine
    layers after them, and the last layer's."""
    dice = np.random.default_rng(seed)
    convolutions, affines, parts = [], [], [named("loss_metric_2"), b"\x03\n\xd7\xa3\x81\x1c"]
    for convolution in DlibResNet().convolutions():
        filters, size = convolution.out_channels, convolution.weight.numel()
        spread = (2.0 / (size / filters)) ** 0.5
        numbers = np.concatenate([dice.normal(0.0, spread, size), dice.normal(0.0, 0.1, filters)]).astype(np.float32)
        affine = np.concatenate([dice.uniform(0.5, 1.0, filters), dice.normal(0.0, 0.1, filters)]).astype(np.float32)
        parts += [named("con_4"), tensor(numbers, len(numbers), 1, 1, 1), whole(filters), named("relu_110")]
        parts += [named("affine_"), tensor(affine, len(affine), 1, 1, 1)]
        convolutions.append(numbers)
        affines.append(affine)
    last = dice.normal(0.0, 0.1, (256, SIZE)).astype(np.float32)
    path.write_bytes(b"".join([*parts, named("fc_2"), whole(SIZE), whole(256), tensor(last, 256, SIZE, 1, 1)]))
    return convolutions, affines, last


def arcface_file(path: Path, *, side: int = 112, cells: int = 8) -> Path:
    """Writes an ONNX file of ArcFace's form: (1, 3, side, side) in, (1, D) out; its vector is the means of cells."""
    from onnx import TensorProto, checker, helper, save

    size = side // cells
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["picture"], ["means"], kernel_shape=[size, size], strides=[size, size]),
            helper.make_node("Flatten", ["means"], ["vector"]),
        ],
        "arcface",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 3 * cells * cells])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, path)
    return path
