"""The place of the largest element of numbers that are computed where they are read."""

from __future__ import annotations

import numpy as np

import xir
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.constant import constant
from xir.ops.elementwise import add, div, mul, sqrt, sub
from xir.ops.reduce import arg_max
from xir.ops.shape import broadcast, reshape

SHAPE = (48, 48, 17)


def nearest() -> Graph:
    """The place of the largest of `scores` over distances, as MoveNet finds joints: a sum of squares is in both."""
    down, across, middle, scores = (
        Value(TensorType(DType.FLOAT32, shape)) for shape in (SHAPE, (48, 48, 1), (1, 17), (1, *SHAPE))
    )
    over = sub(broadcast(across, shape=SHAPE), broadcast(middle, shape=SHAPE))
    more = broadcast(constant(value=constant_of(np.float32(1.8))), shape=SHAPE)
    distances = add(sqrt(add(mul(down, down), mul(over, over))), more)
    weighed = div(scores, broadcast(distances, shape=(1, *SHAPE)))
    place = arg_max(reshape(weighed, shape=(1, 2304, 17)), axis=1, keep_dims=False)
    inputs = {down: "down", across: "across", middle: "middle", scores: "scores"}
    return Graph("g", tuple(inputs), (place,), ("place",), (), inputs)


def test_the_largest_is_found_where_its_operand_is_computed_in_the_same_kernel():
    graph, generator = nearest(), np.random.default_rng(0)
    compiled = xir.compile(graph)
    columns = np.broadcast_to(np.arange(48, dtype=np.float32)[None, :, None], (48, 48, 1)).copy()
    for _ in range(20):
        down = generator.uniform(-20, 20, SHAPE).astype(np.float32)
        middle = generator.uniform(0, 48, (1, 17)).astype(np.float32)
        scores = generator.uniform(0.5, 1, (1, *SHAPE)).astype(np.float32)
        feeds = {"down": down, "across": columns, "middle": middle, "scores": scores}
        (place,) = compiled(*feeds.values())
        np.testing.assert_array_equal(place, xir.run(graph, feeds)["place"])
