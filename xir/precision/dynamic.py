"""Quantisation without calibration: products in integers whose ranges are found at run time, and weights alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xir.ir.builder import apply
from xir.ir.constant import Constant, constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, rewrite
from xir.ir.types import DType
from xir.ops.elementwise import add, cast, mul
from xir.ops.quantize import dynamic_quantize
from xir.ops.quantize_product import matmul_integer
from xir.ops.shape import broadcast, reshape
from xir.precision.integers import IntegerWeight, blocked_weight, quantized_weight
from xir.precision.layer_errors import Pair, layer_name
from xir.precision.settings import Quantization
from xir.precision.sites import Site, sites
from xir.precision.static import Parameters, dequantized

LEAST_ELEMENTS = 256
"""Smaller weights stay in float where they stand alone: with scales and nodes they would take more than they save."""

IN_INTEGERS = ("gemm", "matmul")
"""The products that are computed in integers."""


class Unscaled:
    """The rewrite of both modes: `dynamic` and `weights`."""

    def __init__(self, graph: Graph, settings: Quantization, left: Mapping[Node, str]) -> None:
        """A rewrite of `graph` that leaves the nodes of `left` as they are."""
        self.graph, self.settings, self.left = graph, settings, left
        self.pairs: list[Pair] = []
        self.nodes: dict[Node, None] = {}
        self._top = iter(graph.nodes)

    def run(self) -> Graph:
        """The graph, and the bodies in it, rewritten."""
        return rewrite(self.graph, self._replace)

    def _replace(self, node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        old = next(self._top) if rewriter.graph is self.graph else node
        if old in self.left:
            return None
        found = self.chosen(node, rewriter)
        if not found:
            return None
        made = self.made(node, found, rewriter)
        self.nodes[old] = None
        if rewriter.graph is self.graph:
            for before, after in zip(old.outputs[:1], made[:1], strict=True):
                self.pairs.append(Pair(layer_name(self.graph, old), old.op.name, before, after))
        return made

    def chosen(self, node: Node, rewriter: Rewriter) -> tuple[Site, ...]:
        """The weights of a node that become integers."""
        return chosen_sites(node, rewriter, self.settings)

    def made(self, node: Node, found: Sequence[Site], rewriter: Parameters) -> tuple[Value, ...]:
        """The node's results with integer weights."""
        if self.settings.mode == "dynamic" and node.op.name in IN_INTEGERS:
            return (_product(node, found[0], self.settings, rewriter),)
        operands = list(node.inputs)
        for site in found:
            operand = node.inputs[site.place]
            if operand is not None:
                name = rewriter.name_of(site.value) if isinstance(rewriter, Rewriter) else None
                operands[site.place] = _stored(site, self.settings, rewriter, name or "weight", operand)
        return apply(node.op, tuple(operands), node.attributes).outputs


def chosen_sites(node: Node, rewriter: Rewriter, settings: Quantization) -> tuple[Site, ...]:
    """The weights of a node that a mode makes integers: dynamic takes products and recurrent layers, weights all."""
    name = node.op.name
    if settings.mode == "dynamic" and name not in (*IN_INTEGERS, "lstm", "gru", "rnn"):
        return ()
    if name == "gemm" and settings.mode == "dynamic" and (node.attributes["alpha"] != 1.0 or _is_factored(node)):
        return ()
    found = sites(node, rewriter.constant_of)
    if name == "gather" and node.attributes["axis"] != 0:
        return ()
    return tuple(site for site in found if site.constant.elements >= LEAST_ELEMENTS)


def _is_factored(node: Node) -> bool:
    return bool(node.attributes["transpose_a"]) or (node.inputs[2] is not None and node.attributes["beta"] != 1.0)


def _stored(site: Site, settings: Quantization, rewriter: Parameters, name: str, operand: Value) -> Value:
    """A weight in integers, and its way back to float."""
    array = site.constant.array()
    dtype, block = settings.weight_type, settings.blocks if settings.mode == "weights" else 0
    axis = site.axis if settings.per_channel else None
    if block and site.axis == 0 and array.ndim > 2:
        return _flat(site, dtype, block, rewriter, name, operand)
    if block and site.inner is not None and array.shape[site.inner] > block:
        return dequantized(blocked_weight(array, dtype, site.inner, block), name, rewriter, operand)
    return dequantized(quantized_weight(array, dtype, axis), name, rewriter, operand)


def _flat(site: Site, dtype: DType, block: int, rewriter: Parameters, name: str, operand: Value) -> Value:
    """A convolution's weight as a matrix [O, C * window], whose rows are cut into blocks."""
    array = site.constant.array()
    flat = np.ascontiguousarray(array.reshape(array.shape[0], -1))
    whole = blocked_weight(flat, dtype, 1, block) if flat.shape[1] > block else quantized_weight(flat, dtype, 0)
    like = Value(operand.tensor.with_shape(flat.shape))
    return reshape(dequantized(whole, name, rewriter, like), shape=array.shape)


def _product(node: Node, site: Site, settings: Quantization, rewriter: Parameters) -> Value:
    """A product in integers: the activation's range is found at run time (ONNX DynamicQuantizeLinear)."""
    x, operand = node.inputs[0], node.inputs[1]
    if x is None or operand is None:  # the type rules demand both
        raise TypeError(f"{node.op.name} without its operands")
    array = site.constant.array()
    if node.op.name == "gemm" and node.attributes["transpose_b"]:
        array = np.ascontiguousarray(array.T)
    weight = quantized_weight(array, DType.INT8, 1 if settings.per_channel else None)
    name = rewriter.name_of(site.value) if isinstance(rewriter, Rewriter) else None
    total = _whole_product(x, weight, name or "weight", rewriter)
    result = node.outputs[0]
    c = node.inputs[2] if node.op.name == "gemm" else None
    return total if c is None else add(total, c if c.shape == result.shape else broadcast(c, shape=result.shape))


def _whole_product(x: Value, weight: IntegerWeight, name: str, rewriter: Parameters) -> Value:
    whole, step, zero = dynamic_quantize(x)
    held = rewriter.parameter(weight.elements, name)
    right = held if x.rank == 2 else broadcast(held, shape=(*x.shape[:-2], *held.shape))
    total = cast(matmul_integer(whole, right, zero), dtype=DType.FLOAT32)
    scale = rewriter.parameter(_row(weight.scale), f"{name}_scale", trainable=False)
    steps = mul(scale, step if step.shape == scale.shape else broadcast(step, shape=scale.shape))
    wide = reshape(steps, shape=()) if steps.shape == (1,) else steps
    return mul(total, broadcast(wide, shape=total.shape))


def _row(scale: Constant) -> Constant:
    """The scales as a vector."""
    return constant_of(scale.array().reshape(-1))
