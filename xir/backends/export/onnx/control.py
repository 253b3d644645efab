"""ONNX forms of control flow: what a body reads of the graph around it, it reads there by name."""

from __future__ import annotations

import numpy as np

from xir.backends.export.onnx._form import Answer, Call, Fixed, Forms, Inner, Refusal, ints, whole
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType, UnrankedType
from xir.ops import control

forms = Forms()


def inner(node: Node, name: str, formal: int) -> Inner:
    """The body `name` of a node, whose last operands are what it reads besides its `formal` inputs."""
    body = node.attributes[name]
    if not isinstance(body, Graph):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no body")
    count = len(body.inputs) - formal
    return Inner(body, tuple(value for value in node.inputs[len(node.inputs) - count :] if value is not None))


def _refused(node: Node, opset: int) -> Refusal | None:
    """Bodies may make bfloat16 from opset 16 on (the lists of V of If, Loop and Scan in each version)."""
    if opset < 16 and any(_element_of(value) is DType.BFLOAT16 for value in node.outputs):
        return Refusal(f"a body of {node.op.name} that makes bfloat16", 16)
    return None


def _element_of(value: Value) -> DType | None:
    return value.type.dtype if isinstance(value.type, TensorType | UnrankedType) else None


@forms.of(control.if_)
def _if(node: Node, opset: int) -> Answer:
    """If."""
    refusal = _refused(node, opset)
    if refusal is not None:
        return refusal
    branches = {"then_branch": inner(node, "then_body", 0), "else_branch": inner(node, "else_body", 0)}
    return Call("If", node.inputs[:1], branches)


@forms.of(control.loop)
def _loop(node: Node, opset: int) -> Answer:
    """Loop, whose first condition is written even where there is none: the schema has two inputs at least."""
    refusal = _refused(node, opset)
    if refusal is not None:
        return refusal
    carried = whole(node, "carried")
    count, going, *states = node.inputs[: 2 + carried]
    first = Fixed(np.array(True)) if going is None else going
    return Call("Loop", (count, first, *states), {"body": inner(node, "body", 2 + carried)})


@forms.of(control.scan)
def _scan(node: Node, opset: int) -> Answer:
    """Scan."""
    refusal = _refused(node, opset)
    if refusal is not None:
        return refusal
    axes, states = ints(node, "axes"), whole(node, "states")
    own = states + len(axes)
    return Call(
        "Scan",
        node.inputs[:own],
        {
            "body": inner(node, "body", own),
            "num_scan_inputs": len(axes),
            "scan_input_axes": axes,
            "scan_input_directions": tuple(int(item) for item in ints(node, "reversed_inputs")),
            "scan_output_axes": ints(node, "result_axes"),
            "scan_output_directions": tuple(int(item) for item in ints(node, "reversed_results")),
        },
    )


@forms.of(control.assume_shape)
def _assume_shape(node: Node, opset: int) -> Answer:
    """Identity: what follows refuses another rank by itself."""
    return Call("Identity", node.inputs)
