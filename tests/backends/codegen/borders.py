"""Small graphs whose sizes lie around those of vector registers and tiles: every remainder of a loop is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tests.fuzz.sample import Sample
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.ops.activation import gelu, relu
from xir.ops.arithmetic import add, exp, maximum, mul
from xir.ops.conv import conv
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.norm import layer_norm, softmax
from xir.ops.padding import pad
from xir.ops.pool import max_pool
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import concat, reverse, transpose

SIZES = (1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 65)
"""Around one to eight registers of eight lanes."""

TYPES = (
    DType.FLOAT32,
    DType.FLOAT64,
    DType.FLOAT16,
    DType.BFLOAT16,
    DType.INT8,
    DType.UINT8,
    DType.INT32,
    DType.INT64,
)


class Draft:
    """A graph while it is drawn: its inputs and weights, with numbers."""

    def __init__(self) -> None:
        """One without any."""
        self.feeds: dict[str, Array] = {}
        self.names: dict[Value, str] = {}
        self.weights: list[Parameter] = []
        self.random = np.random.default_rng(5)

    def numbers(self, dtype: DType, shape: tuple[int, ...]) -> Array:
        """Small numbers."""
        drawn = self.random.uniform(-2, 2, shape) if dtype.is_floating else self.random.integers(0, 4, shape)
        return np.asarray(drawn).astype(dtype.dtype)

    def fed(self, *shape: int, dtype: DType = DType.FLOAT32, array: Array | None = None) -> Value:
        """An input."""
        held = self.numbers(dtype, shape) if array is None else array
        value = Value(TensorType(dtype_from_numpy(held.dtype), held.shape))
        self.names[value] = f"x{len(self.feeds)}"
        self.feeds[self.names[value]] = held
        return value

    def weight(self, *shape: int, dtype: DType = DType.FLOAT32) -> Value:
        """A constant."""
        value = Value(TensorType(dtype, shape))
        self.names[value] = f"w{len(self.weights)}"
        self.weights.append(Parameter(value, constant_of(self.numbers(dtype, shape))))
        return value

    def sample(self, *outputs: Value) -> Sample:
        """The graph, and what to feed it."""
        inputs = tuple(value for value, name in self.names.items() if name in self.feeds)
        names = tuple(f"y{index}" for index in range(len(outputs)))
        return Sample(Graph("border", inputs, outputs, names, tuple(self.weights), self.names), self.feeds)


def along(size: int, dtype: DType) -> Sample:
    """Rows of that size: steps by element, sums, orders of elements."""
    draft = Draft()
    x, y = draft.fed(3, size, dtype=dtype), draft.fed(3, size, dtype=dtype)
    both = mul(add(x, y), y)
    return draft.sample(
        both,
        maximum(x, y),
        reduce_max(x, axes=(1,), keep_dims=False),
        reduce_sum(both, axes=(0,), keep_dims=True),
        transpose(x, perm=(1, 0)),
        concat(x, both, axis=1),
        reverse(x, axes=(1,)),
        pad(x, padding=((0, 1), (2, 3)), mode="edge" if size > 1 else "constant"),
    )


def rows(size: int) -> Sample:
    """Rows of floats: soft maximum, norms, lookups of the last element."""
    draft = Draft()
    x, table = draft.fed(5, size), draft.weight(7, size)
    places = draft.fed(array=np.array([6, -7, 0, -1, 3], np.int64))
    found = gather(table, places, axis=0)
    normal = layer_norm(add(x, found), draft.weight(size), draft.weight(size), axis=1, epsilon=1e-5)
    return draft.sample(softmax(x, axis=1), softmax(x, axis=0), normal, gelu(exp(x), approximation="none"))


def product(size: int, inner: int, columns: int, dtype: DType) -> Sample:
    """Matrix products with a weight, and of two inputs, with what follows."""
    draft = Draft()
    x = draft.fed(size, inner, dtype=dtype)
    first = relu(add(matmul(x, draft.weight(inner, columns, dtype=dtype)), draft.weight(size, columns, dtype=dtype)))
    second = matmul(x, draft.fed(inner, columns, dtype=dtype))
    return draft.sample(first, second)


def window(channels: int, outputs: int, size: int, groups: int, kernel: int, stride: int, dtype: DType) -> Sample:
    """Convolutions and pools of pictures with odd sizes."""
    draft = Draft()
    x = draft.fed(1, channels, size, size + 1, dtype=dtype)
    w = draft.weight(outputs, channels // groups, kernel, kernel, dtype=dtype)
    edges = ((kernel // 2, kernel // 2),) * 2
    made = conv(
        x,
        w,
        draft.weight(outputs, dtype=dtype),
        strides=(stride,) * 2,
        padding=edges,
        dilation=(1, 1),
        input_dilation=(1, 1),
        groups=groups,
    )
    pooled = max_pool(relu(made), window=(2, 2), strides=(2, 2), padding=((0, 1), (0, 1)), dilation=(1, 1))
    return draft.sample(made, pooled)


def border_samples() -> Iterator[tuple[str, Sample]]:
    """The graphs, with names."""
    for size in SIZES:
        yield f"rows {size}", rows(size)
        for dtype in TYPES:
            yield f"along {size} {dtype}", along(size, dtype)
    for size, inner, columns in (*((n, n, n) for n in SIZES), (1, 17, 129), (7, 33, 16), (13, 3, 18), (6, 64, 47)):
        for dtype in (DType.FLOAT32, DType.FLOAT64, DType.FLOAT16):
            yield f"product {size} {inner} {columns} {dtype}", product(size, inner, columns, dtype)
    kinds: tuple[Callable[[int], tuple[int, int, int]], ...] = (lambda n: (n, n, 1), lambda n: (n, n, n))
    for channels in (1, 3, 8, 9, 17, 24):
        for outputs, _, groups in (kind(channels) for kind in kinds):
            for kernel, stride in ((1, 1), (3, 1), (3, 2), (5, 1)):
                name = f"window {channels} {groups} {kernel} {stride}"
                yield name, window(channels, outputs, 7, groups, kernel, stride, DType.FLOAT32)
