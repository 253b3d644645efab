"""Forms of branches and loops: their bodies become subgraphs, which `_flow` writes."""

from __future__ import annotations

from xir.backends.export.tflite._flow import write_if, write_loop, write_scan
from xir.backends.export.tflite._form import Answer, Forms, Refusal, Steps, whole
from xir.ir.dims import Shape
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.types import TensorType
from xir.ops import control

forms = Forms()


def _tensors(node: Node) -> Refusal | None:
    bodies = [held for held in node.attributes.values() if isinstance(held, Graph)]
    values = [*node.inputs, *node.outputs, *(value for body in bodies for value in (*body.inputs, *body.outputs))]
    odd = any(value is not None and not isinstance(value.type, TensorType) for value in values)
    return Refusal("a body with a value that is no tensor of known rank") if odd else None


def _is_known(shape: Shape) -> bool:
    return all(isinstance(size, int) for size in shape)


@forms.of(control.if_)
def _if(node: Node) -> Answer:
    """IF."""
    return _tensors(node) or Steps(write_if)


@forms.of(control.scan)
def _scan(node: Node) -> Answer:
    """WHILE over the places of what is scanned."""
    return _tensors(node) or Steps(write_scan)


@forms.of(control.loop)
def _loop(node: Node) -> Answer:
    """WHILE; what is stacked grows from step to step."""
    stacked = node.outputs[whole(node, "carried") :]
    if any(isinstance(value.type, TensorType) and not _is_known(value.shape[1:]) for value in stacked):
        return Refusal("a loop that stacks results whose sizes are not known before the run")
    return _tensors(node) or Steps(write_loop)
