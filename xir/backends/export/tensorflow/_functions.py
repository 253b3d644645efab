"""Bodies of branches and loops as functions of the graph's library (function.proto).

Inside of a function a node is named with the output that is meant, by the name that its operator gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xir.backends.export.tensorflow._nodes import Node, Nodes
from xir.ir.types import DType

_OUTPUTS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("AddV2", "Sub", "Mul", "RealDiv", "TruncateDiv", "FloorDiv", "FloorMod", "Pow"), "z"),
        **dict.fromkeys(("Minimum", "Maximum", "Equal", "NotEqual", "Less", "LessEqual", "Greater"), "z"),
        **dict.fromkeys(("GreaterEqual", "LogicalAnd", "LogicalOr", "Atan2", "BitwiseXor", "RightShift"), "z"),
        **dict.fromkeys(("Exp", "Log", "Sqrt", "Sin", "Cos", "Floor", "Ceil", "Round", "Sigmoid", "Tanh"), "y"),
        **dict.fromkeys(("Neg", "Abs", "Erf", "Cast", "LogicalNot", "Transpose"), "y"),
        **dict.fromkeys(("Relu", "Relu6", "Elu", "LeakyRelu"), "activations"),
        **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), "resized_images"),
        "Cumsum": "out",
        "LogSoftmax": "logsoftmax",
        "MatMul": "product",
        "Softmax": "softmax",
        "Where": "index",
    }
)
"""{operator: the name of its output} (core/ops/*.cc); the others call it `output`."""

_PAIRS: Mapping[str, tuple[str, str]] = MappingProxyType({"TopKV2": ("values", "indices")})
"""The same of operators with two."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function.

    Attributes:
        name: its name.
        inputs: names and types of what it takes.
        outputs: of what it gives.
        nodes: what it computes with.
        results: for each output what it is.
    """

    name: str
    inputs: Sequence[tuple[str, DType]]
    outputs: Sequence[tuple[str, DType]]
    nodes: Sequence[Node]
    results: Sequence[tuple[str, str]]


def function_name(index: int) -> str:
    """What the body with this number in the plan's module is called."""
    return f"body_{index}"


def input_name(place: int) -> str:
    """What a function calls an input."""
    return f"in_{place}"


def function_of(name: str, nodes: Nodes) -> Function:
    """The function that the nodes of a body make, whose inputs are called `input_name`."""
    plan = nodes.plan
    results = [nodes.read(number) for number in plan.outputs]
    operators = {node.name: node.op for node in nodes.nodes}

    def named(reference: str) -> str:
        base, _, index = reference.partition(":")
        if base not in operators:
            return reference
        place, operator = int(index or 0), operators[base]
        if operator in _PAIRS:
            return f"{base}:{_PAIRS[operator][place]}:0"
        return f"{base}:{_OUTPUTS.get(operator, 'output')}:{place}"

    outputs = [(f"out_{place}", plan.tensors[number].dtype) for place, number in enumerate(plan.outputs)]
    return Function(
        name,
        [(input_name(place), plan.tensors[number].dtype) for place, number in enumerate(plan.inputs)],
        outputs,
        [replace(node, inputs=tuple(named(each) for each in node.inputs)) for node in nodes.nodes],
        [(told, named(result)) for (told, _), result in zip(outputs, results, strict=True)],
    )
