"""Why a layer probably differs: what its two sides say differently, else what such layers usually differ in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xir.ir.constant import Constant
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.verification.layers import Pair

MAX_LAYER_NODES = 64
"""Nodes of one layer that are looked at; a layer is rarely more than ten."""

USUAL: Mapping[str, str] = {
    "conv": "padding, strides or groups",
    "conv_transpose": "padding at the end, or the order of the weight's axes",
    "max_pool": "ceil_mode",
    "max_pool_with_indices": "ceil_mode",
    "average_pool": "ceil_mode, or whether padding counts",
    "lp_pool": "ceil_mode",
    "lrn": "whether alpha is divided by the size",
    "lrn_within": "whether alpha is divided by the size",
    "batch_norm": "epsilon, or Caffe's scale factor of the statistics",
    "instance_norm": "epsilon, or the divisor of the variance",
    "layer_norm": "epsilon, or the axes",
    "mean_variance_normalize": "epsilon, or whether it is added under the root",
    "l2_normalize": "epsilon, or the axes",
    "gemm": "a transposed weight, or the order of flattening",
    "matmul": "a transposed weight, or the order of flattening",
    "softmax": "the axis",
    "log_softmax": "the axis",
    "resize": "the coordinate mode (align_corners, half pixels) or rounding",
    "leaky_relu": "the slope",
    "prelu": "the slope, or its axis",
    "elu": "alpha",
    "concat": "the order of the operands, or the axis",
    "transpose": "the order of the axes",
    "reshape": "the order of the axes",
    "reduce_mean": "the axes",
    "arg_max": "which of equal elements wins",
    "top_k": "which of equal elements wins",
    "roi_max_pool": "rounding of the regions",
    "roi_align": "sampling points, or half pixels",
    "prior_box": "the step or offset of the grid",
    "detection_output": "the order of equal scores, or the overlap's border",
}
"""{operator: what it differs in between frameworks}: pooling sizes (MMdnn#463), LRN's alpha (ONNX LRN against
Krizhevsky 2012), resize conventions (pytorch#183523), and the docstrings of the operators."""


def likely_cause(pair: Pair, a: Graph, b: Graph) -> str | None:
    """What probably makes a layer differ, in words; None where nothing is known.

    Weights are compared first, then the attributes of the same operator on both sides; then `USUAL` answers.
    """
    ours, theirs = _layer_nodes(pair.a), _layer_nodes(pair.b)
    if _weights_differ(_weights(a, ours), _weights(b, theirs)):
        return "weights"
    attributes = _attributes_that_differ(ours, theirs)
    if attributes:
        return ", ".join(attributes)
    return next((USUAL[node.op.name] for node in (*ours, *theirs) if node.op.name in USUAL), None)


def _layer_nodes(value: Value) -> list[Node]:
    """The nodes of one layer, the last one first: those behind `value` that share its first source."""
    if value.node is None:
        return []
    layers = {source.layer for source in value.node.source}
    found: dict[Node, None] = {}
    pending = [value.node]
    while pending and len(found) < MAX_LAYER_NODES:
        node = pending.pop(0)
        if node in found:
            continue
        found[node] = None
        behind = (operand.node for operand in node.inputs if operand is not None)
        pending += [
            other for other in behind if other is not None and any(source.layer in layers for source in other.source)
        ]
    return list(found)


def _weights(graph: Graph, nodes: list[Node]) -> list[Constant]:
    """The floating-point weights that the nodes read, each once."""
    found: dict[Value, Constant] = {}
    for node in nodes:
        for value in node.inputs:
            constant = graph.constant_of(value) if value is not None else None
            if value is not None and constant is not None and constant.dtype.is_floating and constant.elements > 1:
                found[value] = constant
    return list(found.values())


def _weights_differ(ours: list[Constant], theirs: list[Constant]) -> bool:
    """Whether two equally shaped sets of weights hold different numbers."""
    first, second = sorted(ours, key=_shape), sorted(theirs, key=_shape)
    if not first or [_shape(each) for each in first] != [_shape(each) for each in second]:
        return False
    return any(
        not np.array_equal(x.array().reshape(-1), y.array().reshape(-1), equal_nan=True)
        for x, y in zip(first, second, strict=True)
    )


def _shape(constant: Constant) -> tuple[int, ...]:
    """The sizes other than 1: a bias is [C] here and [1, C, 1, 1] there."""
    return tuple(size for size in constant.shape if size != 1)


def _attributes_that_differ(ours: list[Node], theirs: list[Node]) -> list[str]:
    """Names of attributes that differ between the first operators that both sides have once."""
    for node in ours:
        same_kind = [other for other in theirs if other.op.name == node.op.name]
        if len(same_kind) == 1 and sum(other.op.name == node.op.name for other in ours) == 1:
            other = same_kind[0]
            return [name for name, value in node.attributes.items() if not _same(value, other.attributes.get(name))]
    return []


def _same(a: Attribute, b: Attribute) -> bool:
    if isinstance(a, Constant | Graph) or isinstance(b, Constant | Graph):
        return True
    return a == b
