"""What those who read a value see of it: functions that flatten parts of its range make those parts cheap to lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
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


def views(value: Value, readers: Mapping[Value, Sequence[tuple[Node, int]]], *, result: bool) -> tuple[View, ...]:
    """What the readers of `value` see, each way of seeing once; results of the model are seen as they are."""
    found: dict[object, View] = {None: itself} if result else {}
    for node, _ in readers.get(value, ()):
        if node.op.name in FLATTENING:
            key = (node.op.name, tuple(sorted(node.attributes.items(), key=lambda pair: pair[0])))
            found.setdefault(key, _through(node))
        else:
            found.setdefault(None, itself)
    return tuple(found.values()) or (itself,)


def itself(numbers: Floats) -> Floats:
    return numbers


def _through(node: Node) -> View:
    """The function of `node`, for vectors in f64."""

    def see(numbers: Floats) -> Floats:
        alone = apply(node.op, (Value(TensorType(DType.FLOAT64, numbers.shape)),), node.attributes)
        return np.asarray(run_node(alone, (numbers,))[0], np.float64)

    return see
