"""Static quantisation: QuantizeLinear and DequantizeLinear around layers, which runtimes fuse into integer kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from xir.ir.builder import apply, sourced
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.dims import Dim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType
from xir.ops.constant import constant
from xir.ops.quantize import dequantize, quantize
from xir.ops.shape import broadcast
from xir.precision.integers import IntegerWeight, Scale, quantized_bias, quantized_weight, scale_of
from xir.precision.layer_errors import Pair, layer_name
from xir.precision.plan import Plan
from xir.precision.ranges import Range
from xir.precision.readers import seen_end
from xir.precision.settings import Quantization
from xir.precision.sites import Site

_LARGEST_BIAS = float(1 << 30)
"""A bias beyond this many steps of its scale gets a larger scale: the sum with the products must fit into 32 bits."""


class Parameters(Protocol):
    """What takes new weights: a rewrite, or a list."""

    def parameter(self, constant: Constant, name: str, *, trainable: bool = True) -> Value:
        """A new weight."""
        ...


Through = Callable[[Value, Value], Value]
"""An operand through integers: of the old operand and the new one."""


class Loose:
    """Weights that belong to no rewrite."""

    def __init__(self) -> None:
        """None yet."""
        self.parameters: list[Parameter] = []

    def parameter(self, constant: Constant, name: str, *, trainable: bool = True) -> Value:
        """A new weight without a name."""
        value = Value(constant.type)
        self.parameters.append(Parameter(value, constant, trainable))
        return value


class Integers:
    """The integer side of a plan: scales, weights and biases."""

    def __init__(self, graph: Graph, plan: Plan, ranges: Mapping[Value, Range], settings: Quantization) -> None:
        """The scales that `ranges` give the values of `plan`."""
        self.graph, self.plan, self.settings = graph, plan, settings
        self.scales: dict[Value, Scale] = {
            value: scale_of(*ranges[plan.scale_of(value)], settings.activation_type) for value in plan.values
        }
        self.shift: dict[Node, Array] = {}

    def there_and_back(self, value: Value, scale: Scale) -> Value:
        """`value` through integers."""
        step = constant(value=constant_of(np.asarray(scale.scale, np.float32)))
        zero = constant(value=constant_of(np.asarray(scale.zero_point).astype(scale.dtype.dtype)))
        held = quantize(value, step, zero, dtype=scale.dtype)
        return dequantize(held, step, zero, dtype=DType.FLOAT32)

    def weight(self, node: Node, site: Site) -> IntegerWeight:
        """The weight of a node as integers; a scale is as large as the bias needs."""
        axis = site.axis if self.settings.per_channel else None
        array = site.constant.array()
        bias = self.bias(node)
        least = None
        if bias is not None and node.inputs[0] in self.scales:
            step = self.scales[node.inputs[0]].scale
            need = np.abs(bias.astype(np.float64)) / (step * _LARGEST_BIAS)
            least = need if axis is not None else np.asarray(need.max(initial=0.0))
        return quantized_weight(array, self.settings.weight_type, axis, least_scale=least)

    def bias(self, node: Node) -> Array | None:
        """The bias [O] of a layer with what corrects it; None where it has none, or one of another form."""
        shift = self.shift.get(node)
        value = node.inputs[2] if node.op.name in ("conv", "gemm") and len(node.inputs) > 2 else None
        if value is None:
            return shift if node.op.name in ("conv", "gemm") else None
        held = self.graph.constant_of(vector_behind(value))
        if held is None or not (len(held.shape) == 1 or (is_row(held.shape) and node.op.name == "gemm")):
            return None
        array = held.array().astype(np.float64).reshape(-1)
        return np.asarray(array if shift is None else array + shift.astype(np.float64))


def vector_behind(value: Value) -> Value:
    """The vector [N], or the row [1, N], that a broadcast over leading axes repeats, or the value itself."""
    if value.node is not None and value.node.op.name == "broadcast":
        given = cast("Value", value.node.inputs[0])
        if (given.rank == 1 or is_row(given.shape)) and given.shape[-1:] == value.shape[-1:]:
            return given
    return value


def is_row(shape: Sequence[Dim]) -> bool:
    """Whether a shape is [1, N]: the bias of a product, as some exporters write it."""
    return len(shape) == 2 and shape[0] == 1


@dataclass(slots=True)
class StaticResult:
    """A quantised graph, and what the layers with weights made of what: behind the functions that alone read them."""

    graph: Graph
    pairs: list[Pair]


def quantize_static(graph: Graph, integers: Integers) -> StaticResult:
    """The graph with integers where the plan has them; see `xir.precision.plan`."""
    work = _Static(graph, integers)
    result = rewrite(graph, work.replace)
    return StaticResult(result, work.pairs)


class _Static:
    """One rewrite; every value keeps its type, for the way back to float stands behind every way to integers."""

    def __init__(self, graph: Graph, integers: Integers) -> None:
        self.graph, self.integers, self.plan = graph, integers, integers.plan
        self.pairs: list[Pair] = []
        self._nodes = iter(graph.nodes)
        self._done: dict[Value, Value] = {}
        self._ends = {seen_end(graph, node.outputs[0]): node for node, held in self.plan.nodes.items() if held}

    def replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        if rewriter.graph is not self.graph:
            return None
        old = next(self._nodes)
        made = node
        if old in self.plan.nodes:
            made = layer_in_integers(old, node, self.integers, rewriter, self._operand)
        results = tuple(
            self._through(before, after) if before in self.plan.results else after
            for before, after in zip(old.outputs, made.outputs, strict=True)
        )
        for before, after in zip(old.outputs, results, strict=True):
            layer = self._ends.get(before)
            if layer is not None:
                self.pairs.append(Pair(layer_name(self.graph, layer), layer.op.name, before, after))
        return None if results == node.outputs else results

    def _through(self, old: Value, new: Value) -> Value:
        made = self.integers.there_and_back(new, self.integers.scales[old])
        self._done[made] = made
        return made

    def _operand(self, old: Value, new: Value) -> Value:
        """An operand through integers: a graph's input goes there at its first reader."""
        if old not in self.plan.values or new in self._done:
            return self._done.get(new, new)
        self._done[new] = self.integers.there_and_back(new, self.integers.scales[old])
        return self._done[new]


def layer_in_integers(
    old: Node,
    node: Node,
    integers: Integers,
    rewriter: Parameters,
    operand: Through,
) -> Node:
    """The node on what was integers: weights, biases and operands with their way back to float."""
    found = {site.place: site for site in integers.plan.nodes[old]}
    made: list[Value | None] = []
    weight: IntegerWeight | None = None
    for place, (before, after) in enumerate(zip(old.inputs, node.inputs, strict=True)):
        if before is None or after is None:
            made.append(None)
        elif place in found:
            weight = integers.weight(old, found[place])
            made.append(dequantized(weight, integers.graph.name_of(found[place].value), rewriter, after))
        else:
            made.append(operand(before, after))
    bias = integers.bias(old)
    if weight is not None and bias is not None and old.inputs[0] in integers.scales:
        name = integers.graph.name_of(vector_behind(old.inputs[2])) if old.inputs[2] is not None else "bias"
        scale = weight.scale.array().astype(np.float64) * integers.scales[old.inputs[0]].scale
        made[2] = _bias(bias, np.asarray(scale), name, rewriter, node)
    with sourced(*node.source):
        return apply(node.op, tuple(made), node.attributes)


def _bias(bias: Array, scale: Array, name: str, rewriter: Parameters, node: Node) -> Value:
    whole, steps = quantized_bias(bias, np.asarray(scale, np.float64))
    held = rewriter.parameter(whole, name)
    back = dequantize(held, rewriter.parameter(steps, f"{name}_scale", trainable=False), dtype=DType.FLOAT32, axis=0)
    wanted = node.outputs[0].shape
    return broadcast(back, shape=wanted) if node.op.name == "gemm" else back


def dequantized(weight: IntegerWeight, name: str, rewriter: Parameters, like: Value) -> Value:
    """A weight's integers and their way back to float, repeated to the shape of the operand `like`."""
    held = rewriter.parameter(weight.elements, name)
    scale = rewriter.parameter(weight.scale, f"{name}_scale", trainable=False)
    zeros = np.zeros(weight.scale.shape, weight.elements.dtype.dtype)
    zero = rewriter.parameter(constant_of(zeros), f"{name}_zero_point", trainable=False)
    back = dequantize(held, scale, zero, dtype=DType.FLOAT32, axis=weight.axis, block=weight.block)
    return back if back.rank == like.rank else broadcast(back, shape=like.shape)
