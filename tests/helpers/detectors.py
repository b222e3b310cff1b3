"""ONNX files of the form that detectors' files have, which take a white cell of 16 px for a face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

CELL = 16
"""The step at which they see something; at 8 and 32 px they see nothing."""
STEPS = (8, 16, 32)
LANDMARKS = ((-0.5, -0.5), (0.5, -0.5), (0.0, 0.0), (-0.375, 0.625), (0.375, 0.625))
"""Where they see eyes, nose and mouth, in cells from the corner of the white one."""
REACH = 2.0
"""How far a face reaches from that corner to all sides, in cells."""

Numbers = npt.NDArray[np.float32]


def scrfd_file(path: Path, *, side: int | None = None, with_landmarks: bool = True) -> Path:
    """SCRFD's form: (1, 3, H, W) in; scores, distances to a box's sides and landmarks out, of two anchors a cell.
    `side`: of the pictures, where they are of a fixed size."""
    heads = [("score", 1), ("box", 4), ("points", 10)][: 3 if with_landmarks else 2]
    values = {"box": [REACH] * 4, "points": [value for point in LANDMARKS for value in point]}
    graph = _Graph("picture", [1, 3, side, side])
    for name, size in heads:
        for step in STEPS:
            if name == "score":
                # Pictures come as -1 to 1; the second anchor of a cell sees nothing, and no other step does.
                biases = [-4.0 if step == CELL else -30.0, -30.0]
                graph.head(f"{name}_{step}", step, [1.0, 1.0], biases, size, gain=8.0, sigmoid=True)
            else:
                graph.head(f"{name}_{step}", step, [0.0] * 2 * size, values[name] * 2, size)
    return graph.save(path, "scrfd")


def yunet_file(path: Path) -> Path:
    """YuNet's form: (1, 3, H, W) of levels to 255 in; classes, objects, boxes and landmarks of each step out."""
    graph = _Graph("input", [1, 3, None, None])
    seen = {"cls": [1.0], "obj": [1.0]}
    values = {"bbox": [0.0, 0.0, *[float(np.log(2 * REACH))] * 2], "kps": [v for point in LANDMARKS for v in point]}
    for name, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for step in STEPS:
            if name in seen:
                bias = [-8.0 if step == CELL else -30.0]
                graph.head(
                    f"{name}_{step}", step, seen[name], bias, size, gain=16.0 / 255.0, sigmoid=True, batched=True
                )
            else:
                graph.head(f"{name}_{step}", step, [0.0] * size, values[name], size, batched=True)
    return graph.save(path, "yunet")


class _Graph:
    """A network of heads, each a convolution over cells."""

    def __init__(self, name: str, shape: Sequence[int | None]) -> None:
        from onnx import TensorProto, helper

        free: list[str | int | None] = [extent or f"free{index}" for index, extent in enumerate(shape)]
        self._input = helper.make_tensor_value_info(name, TensorProto.FLOAT, free)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._outputs: list[Any] = []

    def head(
        self,
        name: str,
        step: int,
        weights: Sequence[float],
        biases: Sequence[float],
        size: int,
        *,
        gain: float = 1.0,
        sigmoid: bool = False,
        batched: bool = False,
    ) -> None:
        """`weights`: of each channel, for the mean over a cell; rows of `size` numbers come out, cell by cell."""
        from onnx import TensorProto, helper, numpy_helper

        kernel = np.ones((len(weights), 3, step, step), np.float32) * np.reshape(weights, (-1, 1, 1, 1))
        kernel = (kernel * gain / (3 * step * step)).astype(np.float32)
        shape = np.array([1, -1, size] if batched else [-1, size], np.int64)
        parts = {"kernel": kernel, "biases": np.array(biases, np.float32), "shape": shape}
        self._constants += [numpy_helper.from_array(value, f"{name}_{key}") for key, value in parts.items()]
        made = name if not sigmoid else f"{name}_raw"
        self._nodes += [
            helper.make_node(
                "Conv",
                [self._input.name, f"{name}_kernel", f"{name}_biases"],
                [f"{name}_cells"],
                kernel_shape=[step, step],
                strides=[step, step],
            ),
            helper.make_node("Transpose", [f"{name}_cells"], [f"{name}_last"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{name}_last", f"{name}_shape"], [made]),
        ]
        if sigmoid:
            self._nodes.append(helper.make_node("Sigmoid", [made], [name]))
        rows: list[str | int | None] = [1, f"{name}_rows", size] if batched else [f"{name}_rows", size]
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, rows))

    def save(self, path: Path, name: str) -> Path:
        from onnx import checker, helper, save

        graph = helper.make_graph(self._nodes, name, [self._input], self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        save(model, path)
        return path
