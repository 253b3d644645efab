"""One application of each operator that can work in other layouts, on an operand of four axes where it takes any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.passes.helpers import Net
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import arithmetic, bitwise, compare, gating, quantize, reduce
from xir.ops.activation import prelu
from xir.ops.index import gather
from xir.ops.norm import l2_normalize, log_softmax, mean_variance_normalize, softmax
from xir.ops.running import cumprod, cumsum
from xir.ops.shape import broadcast, concat, iota, pad, reshape, reverse, slice_, split, tile
from xir.passes._elementwise import BINARY, UNARY

SHAPE = (2, 3, 4, 5)
WORDS: dict[str, dict[str, object]] = {
    "leaky_relu": {"alpha": 0.1},
    "elu": {"alpha": 0.5},
    "celu": {"alpha": 0.5},
    "selu": {"alpha": 1.5, "gamma": 1.1},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.5},
    "swish": {"beta": 1.0},
    "gelu": {"approximation": "none"},
    "thresholded_relu": {"alpha": 0.5},
    "cast": {"dtype": DType.INT32},
    "clip": {"minimum": -0.5, "maximum": 0.5},
    "mod": {"floored": False},
}
LOGICAL = ("logical_not", "logical_and", "logical_or", "logical_xor")
Make = Callable[[Net], "Value | tuple[Value, ...]"]


def _alone(operator: Callable[..., Value], count: int) -> Make:
    name = operator.name  # type: ignore[attr-defined]  # of the definition
    dtype = DType.BOOL if name in LOGICAL else DType.FLOAT32
    return lambda net: operator(*(net.input(*SHAPE, dtype=dtype) for _ in range(count)), **WORDS.get(name, {}))


def _x(net: Net) -> Value:
    return net.input(*SHAPE)


def _whole(net: Net, count: int) -> tuple[Value, ...]:
    return tuple(net.input(*SHAPE, dtype=DType.UINT32) for _ in range(count))


def _indices(net: Net, *shape: int) -> Value:
    return net.held(np.arange(int(np.prod(shape, dtype=int))).reshape(shape) % 3)


def _cut(net: Net, *bounds: Value | None) -> Value:
    return slice_(_x(net), *bounds, axes=(3, 1), starts=(0, 1), stops=(5, 3), steps=(2, 1))


def _quantized(net: Net, shape: tuple[int, ...], *, axis: int = 0, block: int = 0) -> Value:
    scale, zero = net.weight(*shape, low=0.5), net.held(np.full(shape, 3, np.uint8))
    return quantize.quantize(_x(net), scale, zero, dtype=DType.UINT8, axis=axis, block=block)


def _real(net: Net) -> Value:
    return quantize.dequantize(net.input(*SHAPE, dtype=DType.INT8), net.weight(3, low=0.5), axis=1, dtype=DType.FLOAT32)


REDUCTIONS = (
    reduce.reduce_max, reduce.reduce_min, reduce.reduce_sum, reduce.reduce_mean, reduce.reduce_prod, reduce.reduce_l1,
    reduce.reduce_l2, reduce.reduce_sum_square, reduce.reduce_log_sum, reduce.reduce_log_sum_exp,
)  # fmt: skip


def _over(operator: Callable[..., Value], *, keep_dims: bool) -> Make:
    return lambda net: operator(_x(net), axes=(1, 2), keep_dims=keep_dims)


SAMPLES: dict[str, Make] = {
    **{each.name: _alone(each, 1) for each in UNARY},
    **{each.name: _alone(each, 2) for each in BINARY},
    **{f"{each.name} kept": _over(each, keep_dims=True) for each in REDUCTIONS},
    **{each.name: _over(each, keep_dims=False) for each in REDUCTIONS},
    "prelu": lambda net: prelu(_x(net), _x(net)),
    "select": lambda net: arithmetic.select(compare.less(_x(net), _x(net)), _x(net), _x(net)),
    "shrink": lambda net: gating.shrink(_x(net), threshold=0.2, bias=0.1),
    "bitwise_and": lambda net: bitwise.bitwise_and(*_whole(net, 2)),
    "bitwise_or": lambda net: bitwise.bitwise_or(*_whole(net, 2)),
    "bitwise_xor": lambda net: bitwise.bitwise_xor(*_whole(net, 2)),
    "bitwise_not": lambda net: bitwise.bitwise_not(*_whole(net, 1)),
    "shift_left": lambda net: bitwise.shift_left(*_whole(net, 2)),
    "shift_right": lambda net: bitwise.shift_right(*_whole(net, 2)),
    "split": lambda net: split(_x(net), axis=1, sizes=(1, 2)),
    "split at run time": lambda net: split(_x(net), net.held(np.array([1, 2])), axis=1, sizes=(1, 2)),
    "top_k": lambda net: reduce.top_k(_x(net), k=2, axis=3),
    "cumsum": lambda net: cumsum(_x(net), axis=2, exclusive=True),
    "cumsum along an axis at run time": lambda net: cumsum(_x(net), net.held(np.array(1)), axis=2),
    "cumprod": lambda net: cumprod(_x(net), axis=1, reverse=True),
    "arg_max": lambda net: reduce.arg_max(_x(net), axis=3, keep_dims=False),
    "arg_max kept": lambda net: reduce.arg_max(_x(net), axis=1, keep_dims=True),
    "arg_min": lambda net: reduce.arg_min(_x(net), axis=0, keep_dims=False, last=True),
    "quantize": lambda net: _quantized(net, ()),
    "quantize of one": lambda net: _quantized(net, (1,), axis=3),
    "quantize per axis": lambda net: _quantized(net, (5,), axis=3),
    "quantize in blocks": lambda net: _quantized(net, (2, 3, 2, 5), axis=2, block=2),
    "dequantize": _real,
    "concat": lambda net: concat(_x(net), net.input(2, 3, 4, 2), _x(net), axis=3),
    "slice": _cut,
    "slice at run time": lambda net: _cut(net, net.held(np.array([0, 1])), net.held(np.array([5, 3]))),
    "reverse": lambda net: reverse(_x(net), axes=(0, 3)),
    "tile": lambda net: tile(_x(net), repeats=(1, 2, 1, 3)),
    "tile at run time": lambda net: tile(_x(net), net.held(np.array([1, 2, 1, 3])), repeats=(1, 2, 1, 3)),
    "pad": lambda net: pad(_x(net), padding=((0, 1), (2, 0), (-1, 1), (0, 0)), mode="edge"),
    "pad with a fill": lambda net: pad(_x(net), None, net.weight(), padding=((0, 1), (2, 0), (-1, 1), (0, 0))),
    "pad at run time": lambda net: pad(_x(net), net.held(np.ones(8, np.int64)), padding=((1, 1),) * 4),
    "iota": lambda net: iota(shape=SHAPE, axis=2, dtype=DType.FLOAT32),
    "gather": lambda net: gather(_x(net), _indices(net, 6), axis=1),
    "gather of one": lambda net: gather(_x(net), _indices(net), axis=1),
    "gather of a table": lambda net: gather(_x(net), _indices(net, 2, 3), axis=3),
    "broadcast": lambda net: broadcast(net.input(2, 1, 4, 1), shape=SHAPE),
    "broadcast of a vector": lambda net: broadcast(net.input(5), shape=SHAPE),
    "broadcast of planes": lambda net: broadcast(net.input(4, 5), shape=SHAPE),
    "broadcast of a number": lambda net: broadcast(net.input(), shape=SHAPE),
    "broadcast at run time": lambda net: broadcast(net.input(5), net.held(np.array(SHAPE)), shape=SHAPE),
    "reshape that joins": lambda net: reshape(_x(net), shape=(2, 12, 5)),
    "reshape that joins two": lambda net: reshape(_x(net), shape=(6, 20)),
    "reshape that takes apart": lambda net: reshape(_x(net), shape=(2, 3, 2, 2, 5)),
    "reshape of nothing alike": lambda net: reshape(_x(net), shape=(8, 15)),
    "reshape of half": lambda net: reshape(_x(net), shape=(2, 60)),
    "reshape with ones": lambda net: reshape(_x(net), shape=(1, 2, 3, 1, 4, 5)),
    "reshape of ones": lambda net: reshape(net.input(2, 1, 1, 5), shape=(2, 5)),
    "reshape to ones": lambda net: reshape(net.input(2, 5), shape=(2, 1, 1, 5)),
    "reshape of none": lambda net: reshape(net.input(2, 0, 4), shape=(0, 8)),
    "reshape of many": lambda net: reshape(net.input(*(2,) * 9), shape=(4, *(2,) * 7)),
    "reshape at run time": lambda net: reshape(_x(net), net.held(np.array([2, 12, 5])), shape=(2, 12, 5)),
    "softmax": lambda net: softmax(_x(net), axis=3),
    "log_softmax": lambda net: log_softmax(_x(net), axis=1),
    "mean_variance_normalize": lambda net: mean_variance_normalize(
        _x(net), axes=(1, 3), normalize_variance=True, epsilon=1e-3, outside=False
    ),
    "l2_normalize": lambda net: l2_normalize(_x(net), axes=(1, 3), epsilon=1e-6, floor=True),
}
"""What it is, and how it is made."""

FIXED = frozenset({
    "tile at run time", "pad at run time", "broadcast at run time", "reshape at run time", "reshape of none",
    "reshape of many", "cumsum along an axis at run time",
})  # fmt: skip
"""Those that work in their own layout alone."""
