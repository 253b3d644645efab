"""Operators between quantised tensors, each a graph of its own: what TFLite's kernels compute in integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import activation, blocks, compare, conv, elementwise, index, matmul, norm, pool, quantize, reduce, resize
from xir.ops import shape as shapes
from xir.ops.constant import constant

IMAGE = (1, 4, 6, 6)
SCALE, ZERO = 0.03, -9
"""Of what is fed."""

Build = Callable[["Made", Value, Value], Value]


class Made:
    """A graph that is put together: weights, and integers on the way."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.parameters: list[Parameter] = []

    def held(self, numbers: object, dtype: DType = DType.FLOAT32) -> Value:
        """A weight."""
        made = constant_of(np.asarray(numbers), dtype)
        self.parameters.append(Parameter(Value(made.type), made))
        return self.parameters[-1].value

    def weights(self, *shape: int, axis: int = 0) -> Value:
        """Weights of i8 with a scale for each place of an axis, as real numbers."""
        random = np.random.default_rng(sum(shape))
        whole = self.held(random.integers(-127, 128, shape), DType.INT8)
        steps = literal(random.uniform(0.002, 0.006, shape[axis]))
        return quantize.dequantize(whole, steps, dtype=DType.FLOAT32, axis=axis)

    @staticmethod
    def spread(x: Value, numbers: object) -> Value:
        """Known numbers, one or one for each channel, in the shape of an image."""
        held = np.asarray(numbers, np.float32).reshape(1, -1, 1, 1)
        return shapes.broadcast(literal(held), shape=x.shape)


@dataclass(frozen=True, slots=True)
class Case:
    """One operator between integers.

    Attributes:
        kind: the operator of TFLite that takes the integers.
        build: makes the result of two images of real numbers.
        scale: of the result; 0 where it has none.
        zero: its zero point.
        least: the smallest number that is fed.
        name: what tells it from others of the kind.
    """

    kind: str
    build: Build
    scale: float = SCALE
    zero: int = ZERO
    least: float = -4.0
    name: str = ""

    @property
    def label(self) -> str:
        """Its own name."""
        return f"{self.kind} {self.name}".strip()

    def graph(self) -> Graph:
        """Two images that are quantised, the operator, its result quantised."""
        made = Made()
        inputs = tuple(Value(TensorType(DType.FLOAT32, IMAGE)) for _ in range(2))
        one, other = through(inputs[0], SCALE, ZERO), through(inputs[1], SCALE * 1.3, ZERO + 4)
        result = self.build(made, one, other)
        if self.scale:
            result = stored(result, self.scale, self.zero)
        labels = {inputs[0]: "a", inputs[1]: "b"}
        return Graph("net", inputs, (result,), ("y",), tuple(made.parameters), labels)

    def feeds(self) -> dict[str, np.ndarray]:
        """What is fed."""
        random = np.random.default_rng(5)
        return {name: random.uniform(self.least, 4, IMAGE).astype(np.float32) for name in ("a", "b")}


def literal(numbers: object, dtype: DType = DType.FLOAT32) -> Value:
    """Known numbers."""
    return constant(value=constant_of(np.asarray(numbers), dtype))


def stored(x: Value, scale: float, zero: int) -> Value:
    """The integers of real numbers."""
    return quantize.quantize(x, literal(scale), literal(zero, DType.INT8), dtype=DType.INT8)


def through(x: Value, scale: float, zero: int) -> Value:
    """Real numbers that have passed through integers."""
    return quantize.dequantize(stored(x, scale, zero), literal(scale), literal(zero, DType.INT8), dtype=DType.FLOAT32)


_ONES = {"strides": (1, 1), "dilation": (1, 1)}


def _conv(made: Made, x: Value, groups: int) -> Value:
    w = made.weights(8, 4 // groups, 3, 3)
    padding = ((1, 1), (1, 1))
    bias = made.held(np.linspace(-1, 1, 8))
    return conv.conv(x, w, bias, padding=padding, input_dilation=(1, 1), groups=groups, **_ONES)


def _transposed(made: Made, x: Value, bias: bool) -> Value:
    w = made.weights(4, 6, 3, 3, axis=1)
    held = made.held(np.linspace(-1, 1, 6)) if bias else None
    return conv.conv_transpose(
        x, w, held, strides=(2, 2), padding=((0, 0), (0, 0)), output_padding=(0, 0), dilation=(1, 1), groups=1
    )


def _product(made: Made, x: Value) -> Value:
    rows = shapes.reshape(x, shape=(24, 6))
    w = made.weights(5, 6)
    bias = shapes.broadcast(made.held(np.linspace(-1, 1, 5)), shape=(24, 5))
    return matmul.gemm(rows, w, bias, alpha=1.0, beta=1.0, transpose_a=False, transpose_b=True)


def _pooled(x: Value, average: bool) -> Value:
    if not average:
        return pool.max_pool(x, window=(3, 3), strides=(2, 2), padding=((1, 1), (1, 1)), dilation=(1, 1))
    nothing = ((0, 0), (0, 0))
    return pool.average_pool(
        x, window=(2, 2), strides=(2, 2), padding=nothing, counted_padding=nothing, dilation=(1, 1)
    )


def _resized(x: Value, mode: resize.Mode) -> Value:
    rounding: resize.Rounding = "floor" if mode == "nearest" else "round_prefer_floor"
    return resize.resize(x, sizes=(12, 12), mode=mode, coordinates="asymmetric", rounding=rounding)


def _padded(x: Value, value: float = 0.0, mode: str = "constant") -> Value:
    padding = ((0, 0), (0, 0), (1, 2), (2, 1))
    return shapes.pad(x, padding=padding, mode="reflect" if mode == "reflect" else "constant", value=value)


def _sloped(made: Made, x: Value, slopes: object) -> Value:
    held = made.held(np.asarray(slopes, np.float32).reshape(1, -1, 1, 1))
    return activation.prelu(x, shapes.broadcast(held, shape=x.shape))


def _silu(x: Value) -> Value:
    return elementwise.mul(x, through(activation.sigmoid(x), 1 / 255, -128))


def _positive(x: Value) -> Value:
    return through(activation.relu(x), 0.016, -128)


COMPARISONS = tuple(
    (name.upper(), name) for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
)
"""(operator of TFLite, ours)"""

_COMPARE = {
    each.name: each
    for each in (
        compare.equal,
        compare.not_equal,
        compare.less,
        compare.less_equal,
        compare.greater,
        compare.greater_equal,
    )
}


def _comparison(name: str, known: bool) -> Build:
    """With an integer's own number, for which equality is no accident, or with a neighbour."""
    number = float(np.float32(7) * np.float32(SCALE))
    if known:
        return lambda made, x, _: _COMPARE[name](x, Made.spread(x, number))
    return lambda made, x, _: _COMPARE[name](x, shapes.reverse(x, axes=(2,)))


CASES = (
    Case("CONV_2D", lambda made, x, _: _conv(made, x, 1), 0.04, 3),
    Case("DEPTHWISE_CONV_2D", lambda made, x, _: _conv(made, x, 4), 0.02),
    Case("TRANSPOSE_CONV", lambda made, x, _: _transposed(made, x, True), 0.04),
    Case("TRANSPOSE_CONV", lambda made, x, _: _transposed(made, x, False), 0.04, name="without bias"),
    Case("FULLY_CONNECTED", lambda made, x, _: _product(made, x)),
    Case("BATCH_MATMUL", lambda made, x, y: matmul.matmul(x, y), 0.2, 5),
    Case("ADD", lambda made, x, y: elementwise.add(x, y), 0.06),
    Case("SUB", lambda made, x, y: elementwise.sub(x, y), 0.06),
    Case("MUL", lambda made, x, y: elementwise.mul(x, y), 0.12, 0),
    Case("MAXIMUM", lambda made, x, y: elementwise.maximum(x, y)),
    Case("MINIMUM", lambda made, x, y: elementwise.minimum(x, y), 0.05, 2),
    Case(
        "MINIMUM",
        lambda made, x, y: elementwise.clip(elementwise.add(x, y), minimum=-1.0, maximum=2.5),
        0.014,
        -56,
        name="of known numbers",
    ),
    Case("CONCATENATION", lambda made, x, y: shapes.concat(x, elementwise.add(x, y), axis=1), 0.05),
    Case("LEAKY_RELU", lambda made, x, _: activation.leaky_relu(x, alpha=0.2), 0.02),
    Case("PRELU", lambda made, x, _: _sloped(made, x, [0.1, 0.4, -0.3, 0.25]), 0.03, -60),
    Case("PRELU", lambda made, x, _: _sloped(made, x, [0.2] * 4), 0.02, -80, name="one slope"),
    Case("RELU", lambda made, x, _: activation.relu(x), 0.02, -128),
    Case("RELU6", lambda made, x, _: elementwise.clip(x, minimum=0.0, maximum=6.0), 0.02, -128),
    Case("HARD_SWISH", lambda made, x, _: activation.hard_swish(x), 0.02, -100),
    Case(
        "ADD",
        lambda made, x, _: activation.hard_sigmoid(x, alpha=1 / 6, beta=0.5),
        1 / 255,
        -128,
        name="of a hard sigmoid",
    ),
    Case("ADD", lambda made, x, _: elementwise.add(Made.spread(x, -0.6), x), 0.03, 15, name="to a known number"),
    Case("SUB", lambda made, x, _: elementwise.sub(x, Made.spread(x, 0.7)), 0.03, 5, name="of a known number"),
    Case(
        "MUL", lambda made, x, _: elementwise.mul(x, Made.spread(x, [1.27, 0.64, -0.32, 0.01])), name="of known numbers"
    ),
    Case("LOGISTIC", lambda made, x, _: activation.sigmoid(x), 1 / 256, -128),
    Case("LOGISTIC", lambda made, x, _: _silu(x), 0.02, -100, name="of other scales"),
    Case("TANH", lambda made, x, _: activation.tanh(x), 1 / 127, 1),
    Case("SOFTMAX", lambda made, x, _: norm.softmax(x, axis=3), 1 / 256, -128),
    Case("SOFTMAX", lambda made, x, _: norm.softmax(x, axis=1), 1 / 230, -128, name="of other scales"),
    Case("LOG_SOFTMAX", lambda made, x, _: norm.log_softmax(x, axis=3), 1 / 16, 127),
    Case("ELU", lambda made, x, _: activation.elu(x, alpha=1.0), 0.02, -70),
    Case("GELU", lambda made, x, _: activation.gelu(x, approximation="tanh"), 0.02, -100),
    Case("ABS", lambda made, x, _: elementwise.abs_(x), 0.02, -128),
    Case("EXP", lambda made, x, _: elementwise.exp(x), 0.2, -128),
    Case("SQRT", lambda made, x, _: elementwise.sqrt(_positive(x)), 0.01, -128),
    Case("LOG", lambda made, x, _: elementwise.log(_positive(x)), 0.03, 70),
    Case("MUL", lambda made, x, _: elementwise.neg(x), 0.03, 9, name="of a negation"),
    Case(
        "MUL",
        lambda made, x, _: elementwise.div(x, Made.spread(x, 1 / np.array([1.27, 0.64, -0.32, 0.01]))),
        name="of a quotient",
    ),
    *(Case(kind, _comparison(name, False), 0.0) for kind, name in COMPARISONS),
    *(Case(kind, _comparison(name, True), 0.0, name="with a known number") for kind, name in COMPARISONS),
    Case("GREATER", lambda made, x, _: compare.less(Made.spread(x, 0.5), x), 0.0, name="of what is less than it"),
    Case(
        "SELECT_V2",
        lambda made, x, y: elementwise.select(compare.less(x, Made.spread(x, 0.7)), x, elementwise.add(x, y)),
        0.05,
    ),
    Case("MEAN", lambda made, x, _: reduce.reduce_mean(x, axes=(2, 3), keep_dims=False), 0.005),
    Case("SUM", lambda made, x, _: reduce.reduce_sum(x, axes=(1,), keep_dims=True), 0.09),
    Case("REDUCE_MAX", lambda made, x, _: reduce.reduce_max(x, axes=(2, 3), keep_dims=False)),
    Case("REDUCE_MIN", lambda made, x, _: reduce.reduce_min(x, axes=(1,), keep_dims=True)),
    Case("ARG_MAX", lambda made, x, _: reduce.arg_max(x, axis=1, keep_dims=False), 0.0),
    Case("ARG_MIN", lambda made, x, _: reduce.arg_min(x, axis=3, keep_dims=False), 0.0),
    Case("TOPK_V2", lambda made, x, _: reduce.top_k(x, k=2, axis=3)[0]),
    Case("MAX_POOL_2D", lambda made, x, _: _pooled(x, False)),
    Case("AVERAGE_POOL_2D", lambda made, x, _: _pooled(x, True)),
    Case("RESIZE_NEAREST_NEIGHBOR", lambda made, x, _: _resized(x, "nearest")),
    Case("RESIZE_BILINEAR", lambda made, x, _: _resized(x, "linear")),
    Case("PAD", lambda made, x, _: _padded(x)),
    Case("PADV2", lambda made, x, _: _padded(x, 0.3)),
    Case("MIRROR_PAD", lambda made, x, _: _padded(x, mode="reflect")),
    Case("RESHAPE", lambda made, x, _: shapes.reshape(x, shape=(4, 36))),
    Case("TRANSPOSE", lambda made, x, _: shapes.transpose(x, perm=(0, 3, 1, 2))),
    Case("STRIDED_SLICE", lambda made, x, _: shapes.slice_(x, axes=(1,), starts=(1,), stops=(4,), steps=(2,))),
    Case("SPLIT_V", lambda made, x, _: elementwise.add(*shapes.split(x, axis=1, sizes=(2, 2))), 0.06),
    Case("REVERSE_V2", lambda made, x, _: shapes.reverse(x, axes=(2,))),
    Case("TILE", lambda made, x, _: shapes.tile(x, repeats=(1, 2, 1, 1))),
    Case("GATHER", lambda made, x, _: index.gather(x, literal([3, 0, 1], DType.INT32), axis=2)),
    Case("BROADCAST_TO", lambda made, x, _: shapes.broadcast(x, shape=(3, *IMAGE[1:]))),
    Case("SPACE_TO_DEPTH", lambda made, x, _: blocks.space_to_depth(x, block=2)),
    Case("DEPTH_TO_SPACE", lambda made, x, _: blocks.depth_to_space(x, block=2, order="depth_first")),
)
"""The cases; each name stands once."""

DEFAULT_ALONE = {
    "ELU": "the reference kernels have none (register_ref.cc)",
    "TILE": "the reference kernels have no version 3",
    "DEPTH_TO_SPACE": "the reference kernels have no version 2",
    "SUM": "the reference kernel reads i8 as u8 (reduce.cc, QuantizedMeanOrSum)",
}
"""{operator: why LiteRT's default kernels alone are asked}."""
