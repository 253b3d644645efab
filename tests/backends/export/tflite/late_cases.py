"""Graphs whose bounds, counts and amounts are inputs: what only the run tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import TensorType, dtype_from_numpy
from xir.ops import detection, elementwise, index, padding, reduce
from xir.ops import shape as shapes
from xir.ops.places import scatter_nd

Build = Callable[..., "Value | tuple[Value, ...]"]


@dataclass(frozen=True)
class Case:
    """A graph by what makes it.

    Attributes:
        name: its own.
        kinds: operators of TFLite that it must have.
        feeds: {input: what is fed}.
        build: makes the results of the inputs.
        open: {input: axes whose sizes only the run tells}.
    """

    name: str
    kinds: tuple[str, ...]
    feeds: Mapping[str, Array]
    build: Build
    open: Mapping[str, tuple[int, ...]]

    def graph(self) -> Graph:
        """The graph."""
        inputs = {name: Value(self._type(name, array)) for name, array in self.feeds.items()}
        made = self.build(*inputs.values())
        results = made if isinstance(made, tuple) else (made,)
        labels = tuple(f"y{place}" for place in range(len(results)))
        names = {value: name for name, value in inputs.items()}
        return Graph("net", tuple(inputs.values()), results, labels, (), names)

    def _type(self, name: str, array: Array) -> TensorType:
        axes = self.open.get(name, ())
        sizes = tuple(Symbol() if axis in axes else size for axis, size in enumerate(array.shape))
        return TensorType(dtype_from_numpy(array.dtype), sizes)


def _numbers(*shape: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _ints(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


X = _numbers(4, 5, 6)
OPEN = {"x": (0, 1, 2)}


def _unknown(count: int) -> tuple[Symbol, ...]:
    return tuple(Symbol() for _ in range(count))


def _sliced(x: Value, start: Value, stop: Value) -> Value:
    ends = tuple(Symbol(minimum=0) for _ in range(2))
    return shapes.slice_(x, start, stop, axes=(2, 0), starts=(0, 0), stops=ends, steps=(2, 1))


def _begun(x: Value, start: Value) -> Value:
    return shapes.slice_(x, start, None, axes=(1,), starts=(Symbol(minimum=0),), stops=(x.shape[1],), steps=(1,))


def _padded(mode: padding.PadMode) -> Build:
    def build(x: Value, amounts: Value, fill: Value | None = None) -> Value:
        pairs = tuple((Symbol(minimum=0), Symbol(minimum=0)) for _ in range(3))
        return padding.pad(x, amounts, fill, padding=pairs, mode=mode, value=1.5)

    return build


def _split(x: Value, sizes: Value) -> tuple[Value, ...]:
    return shapes.split(x, sizes, axis=1, sizes=_unknown(2))


def _top(axis: int, largest: bool) -> Build:
    return lambda x, count: reduce.top_k(x, count, k=Symbol(), axis=axis, largest=largest)


def _boxes() -> tuple[Array, Array]:
    random = np.random.default_rng(4)
    corners = random.uniform(0, 10, (2, 12, 2))
    return np.concatenate([corners, corners + random.uniform(1, 5, (2, 12, 2))], 2).astype(np.float32), _numbers(
        2, 3, 12
    )


def _kept(most: int, least: float | None, center: bool = False) -> Build:
    def build(boxes: Value, scores: Value) -> tuple[Value, Value]:
        rows = detection.non_max_suppression(
            boxes, scores, max_per_class=most, iou_threshold=0.3, score_threshold=least, center=center
        )
        places = shapes.slice_(rows, axes=(1,), starts=(2,), stops=(3,), steps=(1,))
        flat = shapes.reshape(boxes, shape=(boxes.shape[0] * boxes.shape[1], 4))
        return rows, index.gather(flat, shapes.reshape(places, shape=(rows.shape[0],)), axis=0)

    return build


def _combined(reduction: index.Reduction) -> Build:
    return lambda x, places, rows: scatter_nd(x, places, rows, reduction=reduction)


_ROWS = {
    "x": np.concatenate([X, np.full((1, 5, 6), -np.inf, np.float32)]),
    "places": np.array([[0], [3], [-3], [0], [2]], np.int64),
    "rows": _numbers(5, 5, 6, seed=2),
}
_PLACES = {
    "x": X,
    "places": np.array([[[0, 1], [-1, 4]], [[3, -1], [2, 0]]], np.int64),
    "rows": _numbers(2, 2, 6, seed=3),
}
_BOXES, _SCORES = _boxes()
_SCORES[:, 0, :2] = -np.inf

CASES = (
    Case("slice", ("STRIDED_SLICE",), {"x": X, "start": _ints(-5, 1), "stop": _ints(2**62, -1)}, _sliced, OPEN),
    Case("slice from", ("STRIDED_SLICE",), {"x": X, "start": _ints(2)}, _begun, OPEN),
    Case("tile", ("TILE",), {"x": X, "n": _ints(1, 2, 3)}, lambda x, n: shapes.tile(x, n, repeats=_unknown(3)), OPEN),
    Case(
        "broadcast",
        ("BROADCAST_TO",),
        {"x": X[:1], "sizes": _ints(2, 3, 1, 6)},
        lambda x, sizes: shapes.broadcast(x, sizes, shape=_unknown(4)),
        {"x": (0, 2)},
    ),
    Case("pad", ("PADV2",), {"x": X, "n": _ints(1, 0, 2, 0, 3, 1)}, _padded("constant"), OPEN),
    Case("pad fill", ("PADV2",), {"x": X, "n": _ints(1, 0, 2, 0, 3, 1), "fill": _numbers()}, _padded("constant"), OPEN),
    Case("pad reflect", ("MIRROR_PAD",), {"x": X, "n": _ints(1, 0, 2, 0, 3, 1)}, _padded("reflect"), OPEN),
    Case("split", ("SPLIT_V",), {"x": X, "n": _ints(2, 3)}, _split, OPEN),
    Case("top k", ("TOPK_V2",), {"x": X, "k": _ints(2)}, _top(2, True), OPEN),
    Case("top k inside", ("TOPK_V2",), {"x": X, "k": _ints(3)}, _top(1, False), OPEN),
    Case(
        "gather",
        ("GATHER",),
        {"x": X, "places": np.array([[-1, 0], [2, -4]], np.int64)},
        lambda x, places: index.gather(x, places, axis=1),
        OPEN,
    ),
    Case("gather one", ("GATHER",), {"x": X, "n": np.array(-2)}, lambda x, n: index.gather(x, n, axis=0), OPEN),
    Case(
        "last largest",
        ("ARG_MAX",),
        {"x": np.round(X)},
        lambda x: reduce.arg_max(x, axis=1, keep_dims=False, last=True),
        OPEN,
    ),
    Case("atan", ("ATAN2",), {"x": X}, elementwise.atan, OPEN),
    *(
        Case(f"scatter {name}", (kind,), _ROWS, _combined(name), {})
        for name, kind in (
            ("none", "UNSORTED_SEGMENT_MAX"),
            ("mul", "UNSORTED_SEGMENT_PROD"),
            ("max", "UNSORTED_SEGMENT_MAX"),
            ("min", "UNSORTED_SEGMENT_MIN"),
        )
    ),
    Case("scatter by two axes", ("UNSORTED_SEGMENT_MAX",), _PLACES, _combined("max"), {}),
    Case("scatter, the last of two axes", ("UNSORTED_SEGMENT_MAX",), _PLACES, _combined("none"), {}),
    Case(
        "one class",
        ("NON_MAX_SUPPRESSION_V4",),
        {"boxes": _BOXES[:1], "scores": _SCORES[:1, :1]},
        _kept(100, None),
        {},
    ),
    Case("no box", ("NON_MAX_SUPPRESSION_V4",), {"boxes": _BOXES[:1], "scores": _SCORES[:1, :1]}, _kept(9, 99.0), {}),
    Case("classes", ("NON_MAX_SUPPRESSION_V4",), {"boxes": _BOXES, "scores": _SCORES}, _kept(3, 0.1), {}),
    Case(
        "open boxes, centres",
        ("NON_MAX_SUPPRESSION_V4",),
        {"boxes": _BOXES, "scores": _SCORES},
        _kept(2**40, -0.5, True),
        {"boxes": (1,), "scores": (2,)},
    ),
)
"""The cases."""
