"""What a static quantisation will do: which nodes compute in integers, and which values are integers between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.ir.graph import Graph, Users
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.precision.sites import LAYERS, Site, sites

_JOINING = ("add", "average_pool", "concat", "max_pool")
"""Operators that onnxruntime computes in integers where their operands and results are integers (QLinearAdd,
QLinearAveragePool, QLinearConcat, MaxPool of 8 bits)."""

_SAME_NUMBERS = ("depth_to_space", "identity", "max_pool", "reshape", "slice", "space_to_depth", "split", "transpose")
"""Operators whose results are some of their operand's numbers: they keep its scale, and lose nothing."""

_FUSED = ("clip", "relu")
"""Activations that only cut the range: the range of their result does the same, so that the layer before them is
quantised behind them."""


@dataclass(slots=True)
class Plan:
    """What is quantised.

    Attributes:
        nodes: {node in integers: its weights}.
        values: the values that are integers between nodes, in order.
        same: {value: the operand whose scale it has}.
        results: the values that become integers where they are made.
        float_layers: {layer that stays in float: why}.
    """

    nodes: dict[Node, tuple[Site, ...]] = field(default_factory=dict[Node, tuple[Site, ...]])
    values: dict[Value, None] = field(default_factory=dict[Value, None])
    same: dict[Value, Value] = field(default_factory=dict[Value, Value])
    results: set[Value] = field(default_factory=set[Value])

    def scale_of(self, value: Value) -> Value:
        """The value whose range gives this one's scale."""
        while value in self.same:
            value = self.same[value]
        return value


def plan_static(graph: Graph, left: Mapping[Node, str]) -> Plan:
    """Plans the quantisation of a graph; the nodes of `left` stay in float.

    Convolutions and products with weights compute in integers. What flows into them becomes integers where it is
    made; so does what a convolution makes, behind a relu or clip that nobody else reads. Sums, concatenations and
    pools between integers stay integers. The results of products stay in float (onnxruntime's MatMulIntegerToFloat)
    unless a reader wants integers.
    """
    plan, readers = Plan(), graph.users
    kept = set(graph.outputs)
    for node in graph.nodes:
        found = sites(node, graph.constant_of) if node.op.name in LAYERS else ()
        if found and node not in left and _is_plain(node):
            plan.nodes[node] = found
            plan.values[_activation(node)] = None
    for node in graph.nodes:
        end = node.outputs[0]
        if node in plan.nodes and node.op.name == "conv":
            end = _fused_end(end, readers, kept)
            if any(True for _ in readers.get(end, ())):
                _quantize_result(plan, end)
        elif node not in left and node.op.name in (*_JOINING, *_SAME_NUMBERS):
            _plan_joining(plan, graph, node, readers, kept)
    for value in plan.values:
        if value not in plan.results:
            plan.results.add(value)
    return plan


def _is_plain(node: Node) -> bool:
    """Whether onnxruntime has the node in integers: no dilated input, no factors."""
    match node.op.name:
        case "conv":
            steps = node.attributes["input_dilation"]
            return isinstance(steps, tuple) and all(step == 1 for step in steps)
        case "gemm":
            return node.attributes["alpha"] == 1.0 and node.attributes["beta"] == 1.0
        case _:
            return True


def _activation(node: Node) -> Value:
    """What flows into a layer."""
    value = node.inputs[0]
    if value is None:  # the type rules of all layers demand it
        raise TypeError(f"{node.op.name} without its first operand")
    return value


def _fused_end(value: Value, readers: Users, kept: set[Value]) -> Value:
    """The value behind the relu or clip that alone reads `value`."""
    while value not in kept and len(readers.get(value, ())) == 1:
        reader = readers[value][0][0]
        if reader.op.name not in _FUSED:
            break
        value = reader.outputs[0]
    return value


def _quantize_result(plan: Plan, value: Value) -> None:
    plan.values[value] = None
    plan.results.add(value)


def _plan_joining(plan: Plan, graph: Graph, node: Node, readers: Users, kept: set[Value]) -> None:
    """A node between integers stays in integers where its operands are, and its results are read."""
    moves = node.op.name in _SAME_NUMBERS
    operands = [value for value in (node.inputs[:1] if moves else node.inputs) if value is not None]
    tensors = all(isinstance(v.type, TensorType) and v.type.dtype is DType.FLOAT32 for v in (*operands, *node.outputs))
    if not tensors or not operands or not all(value in plan.values for value in operands):
        return
    if any(graph.constant_of(value) is not None for value in operands):
        return
    for result in node.outputs:
        end = result if moves else _fused_end(result, readers, kept)
        wanted = end in plan.values or not moves or node.op.name == "max_pool"
        if not wanted or not readers.get(end):
            continue
        _quantize_result(plan, end)
        if moves:
            plan.same[end] = operands[0]
    if any(value in plan.results for value in node.outputs) or not moves:
        plan.nodes.setdefault(node, ())
