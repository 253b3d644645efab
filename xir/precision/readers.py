"""What those who read a value see of it: functions that flatten parts of its range make those parts cheap to lose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from xir.ir.builder import apply
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.precision.sites import LAYERS, sites
from xir.reference.execute import run_node

Floats = NDArray[np.float64]
View = Callable[[Floats], Floats]
"""What a reader makes of numbers, one by one."""

FLATTENING = (
    "celu",
    "clip",
    "elu",
    "gelu",
    "hard_sigmoid",
    "hard_swish",
    "leaky_relu",
    "mish",
    "relu",
    "selu",
    "sigmoid",
    "softplus",
    "softsign",
    "swish",
    "tanh",
    "thresholded_relu",
)
"""Functions of each number alone that are flatter in some part of their range than elsewhere: what they make of -100
and of -3 may be the same, so that integers for the numbers between are wasted."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What those who read a value see of it.

    Attributes:
        views: each way of seeing once; the numbers themselves for readers that need all of them alike.
        weights: how much the error of each channel counts [C], 1 in the mean: the squares of the weights that read it.
            None where a reader has none, so that all count alike.
        axis: the axis of the channels.
    """

    views: tuple[View, ...]
    weights: Floats | None = None
    axis: int = 0

    def weights_like(self, array: Array) -> Floats | None:
        """The weight of each number of `array`."""
        if self.weights is None or array.ndim <= self.axis or array.shape[self.axis] != self.weights.size:
            return None
        laid = self.weights.reshape(-1, *(1,) * (array.ndim - self.axis - 1))
        return np.asarray(np.broadcast_to(laid, array.shape))


def sight_of(graph: Graph, value: Value) -> Sight:
    """What the readers of a value of `graph` see of it; results of the model are seen as they are."""
    readers = graph.users.get(value, ())
    found: dict[object, View] = {None: itself} if value in graph.outputs else {}
    for node, _ in readers:
        if node.op.name in FLATTENING:
            found.setdefault((node.op.name, tuple(sorted(node.attributes.items()))), _through(node))
        else:
            found.setdefault(None, itself)
    seen = tuple(found.values()) or (itself,)
    weighed = [_channel_weights(graph, value, node, place) for node, place in readers]
    known = [each for each in weighed if each is not None]
    if value in graph.outputs or not known or len(known) < len(weighed) or len({axis for _, axis in known}) > 1:
        return Sight(seen)
    total = np.sum([weights for weights, _ in known], axis=0)
    return Sight(seen, np.asarray(total / len(known)), known[0][1])


def _channel_weights(graph: Graph, value: Value, node: Node, place: int) -> tuple[Floats, int] | None:
    """How much a layer's result moves with the error of each channel of its operand, and the channels' axis.

    Errors that know nothing of each other add up in squares: that of channel c times the sum of the squares of the
    weights that it meets.
    """
    held = sites(node, graph.constant_of) if place == 0 and node.op.name in LAYERS else ()
    if not held:
        return None
    squares = held[0].constant.array().astype(np.float64) ** 2
    match node.op.name:
        case "conv":
            grouped = squares.reshape(groups_of(node), -1, squares.shape[1], math.prod(squares.shape[2:]))
            sums, axis = grouped.sum(axis=(1, 3)).reshape(-1), 1
        case "gemm":
            sums = squares.sum(axis=0 if node.attributes["transpose_b"] else 1)
            axis = 0 if node.attributes["transpose_a"] else 1
        case _:
            sums, axis = squares.sum(axis=1), value.rank - 1
    mean = float(sums.mean())
    return (np.asarray(sums / mean), axis) if math.isfinite(mean) and mean > 0 else None


def groups_of(node: Node) -> int:
    """The groups of a convolution."""
    groups = node.attributes["groups"]
    return groups if isinstance(groups, int) else 1


def seen_end(graph: Graph, value: Value) -> Value:
    """The value behind the flattening functions that alone read `value`, one after the other."""
    while value not in graph.outputs and len(graph.users.get(value, ())) == 1:
        reader = graph.users[value][0][0]
        if reader.op.name not in FLATTENING:
            break
        value = reader.outputs[0]
    return value


def itself(numbers: Floats) -> Floats:
    """Numbers as they are."""
    return numbers


def _through(node: Node) -> View:
    """The function of `node`, for vectors in f64."""

    @lru_cache(maxsize=2)
    def alone(count: int) -> Node:
        return apply(node.op, (Value(TensorType(DType.FLOAT64, (count,))),), node.attributes)

    def see(numbers: Floats) -> Floats:
        return np.asarray(run_node(alone(numbers.size), (numbers,))[0], np.float64)

    return see
