"""A network from an ONNX file as a torch module that gradients can flow through, for judging while training.

It knows just the operators of MobileFaceNet, whose batch normalisation is folded into its convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.contract import ExpertError

Inputs = Sequence[Tensor | None]


@dataclass(frozen=True, slots=True)
class _Node:
    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


def _convolve(inputs: Inputs, attributes: Mapping[str, Any]) -> Tensor:
    picture, kernel, bias = (*inputs, None)[:3]
    assert picture is not None
    assert kernel is not None
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    if (top, left) != (bottom, right):
        picture, top, left = functional.pad(picture, (left, right, top, bottom)), 0, 0
    return functional.conv2d(
        picture,
        kernel,
        bias,
        stride=tuple(attributes.get("strides", (1, 1))),
        padding=(top, left),
        dilation=tuple(attributes.get("dilations", (1, 1))),
        groups=attributes.get("group", 1),
    )


def _clip(inputs: Inputs, _attributes: Mapping[str, Any]) -> Tensor:
    value, low, high = (*inputs, None, None)[:3]
    assert value is not None
    return value.clamp(low, high)


def _add(inputs: Inputs, _attributes: Mapping[str, Any]) -> Tensor:
    one, other = inputs
    assert one is not None
    assert other is not None
    return one + other


def _relu(inputs: Inputs, _attributes: Mapping[str, Any]) -> Tensor:
    (value,) = inputs
    assert value is not None
    return functional.relu(value)


def _flatten(inputs: Inputs, _attributes: Mapping[str, Any]) -> Tensor:
    """A reshape at the end of an embedding network: whatever batch it was exported for, here it takes any."""
    value = inputs[0]
    assert value is not None
    return value.flatten(1)


_OPERATORS: Mapping[str, Callable[[Inputs, Mapping[str, Any]], Tensor]] = MappingProxyType(
    {"Conv": _convolve, "Clip": _clip, "Add": _add, "Relu": _relu, "Reshape": _flatten, "Flatten": _flatten}
)


class OnnxNetwork(nn.Module):
    """Takes and returns (N, ...) float tensors; frozen. Raises ExpertError for a file that is none or has operators
    that are not known here."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        constants, self._nodes, self._input, self._output = _read(path)
        self._names = {name: f"constant{number}" for number, name in enumerate(constants)}
        for name, value in constants.items():
            self.register_buffer(self._names[name], value)

    def forward(self, pictures: Tensor) -> Tensor:
        """What the file's graph makes of its input."""
        return self.features(pictures)[-1]

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What each of its operators gave, in their order; the last is the output."""
        values: dict[str, Tensor] = {self._input: pictures}
        found = []
        for node in self._nodes:
            inputs = [None if not name else self._value(name, values) for name in node.inputs]
            values[node.output] = _OPERATORS[node.kind](inputs, node.attributes)
            found.append(values[node.output])
        return found

    def _value(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        return values[name] if name in values else self.get_buffer(self._names[name])


def _read(path: Path) -> tuple[dict[str, Tensor], list[_Node], str, str]:
    """Constants by name, the nodes in order, and the names of the input and the output."""
    # Only who trains with a judge needs this package.
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships none
    except ImportError as error:
        raise ExpertError("a judge needs the package onnx: install Facelane with its extra, '.[train]'") from error
    try:
        graph = onnx.load(str(path)).graph
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise ExpertError(f"{path} cannot be read as an ONNX file: {error}") from error
    constants = {each.name: torch.tensor(onnx.numpy_helper.to_array(each)) for each in graph.initializer}
    nodes = []
    for node in graph.node:
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type == "Constant":
            constants[node.output[0]] = torch.tensor(onnx.numpy_helper.to_array(attributes["value"]))
        elif node.op_type in _OPERATORS:
            nodes.append(_Node(node.op_type, tuple(node.input), node.output[0], attributes))
        else:
            known = ", ".join(["Constant", *_OPERATORS])
            raise ExpertError(f"{path} has the operator {node.op_type}; a judge may have {known}")
    if not nodes or len(graph.input) != 1 or nodes[-1].output != graph.output[0].name:
        raise ExpertError(f"{path} is no network of one input whose last step is its output")
    return constants, nodes, graph.input[0].name, graph.output[0].name
