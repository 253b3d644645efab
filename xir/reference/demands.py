"""What operators demand of the numbers that they read, as far as a made-up input must meet it.

A region names an image of the batch and has ordered corners inside it, an index lies within its axis, a label is one of
the classes, a sequence is no longer than the longest. Where such an operand is an input of the graph, or one that was
only cast, cut, reshaped or moved about, the input's elements are drawn from what the operator takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import XirError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, evaluate, product
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import evaluate_attribute
from xir.ir.types import TensorType
from xir.ops import definition

Sizes: TypeAlias = Mapping[Symbol, Dim]
Numbers: TypeAlias = NDArray[np.float64]

MOVES = frozenset(("broadcast", "reshape", "reverse", "slice", "split", "squeeze_late", "tile", "transpose"))
"""Operators that only move the elements of their first operand about."""

KEEPS = frozenset(("cast", "floor", "identity", "saturating_cast"))
"""Operators that leave whole numbers what they are, each in its place."""

MAX_STEPS = 64
"""Operators between an input and the one that demands something; exporters put less than ten there."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What an operand's elements must be.

    Attributes:
        high: the largest allowed, by column of the last axis, or (size,) for all.
        low: the smallest allowed, likewise.
        whole: whether it must be a whole number, likewise.
        ordered: pairs of columns of which the first must not be the larger one.
    """

    high: tuple[float, ...]
    low: tuple[float, ...] = (0.0,)
    whole: tuple[bool, ...] = (True,)
    ordered: tuple[tuple[int, int], ...] = ()


Rule: TypeAlias = Callable[[Node, Sizes], "Demand | None"]


def _size(dim: Dim, sizes: Sizes) -> int | None:
    """A size of at least 1, or None where nothing tells it."""
    size = evaluate(dim, sizes)
    return size if isinstance(size, int) and size >= 1 else None


def _up_to(dims: Sequence[Dim], sizes: Sizes) -> Demand | None:
    """Whole numbers from 0 to below the sizes, one for each column."""
    known = [_size(dim, sizes) for dim in dims]
    return Demand(tuple(float(size - 1) for size in known if size is not None)) if known and None not in known else None


def _first(node: Node) -> TensorType:
    return cast("Value", node.inputs[0]).tensor


def _axis(node: Node) -> int:
    return cast("int", node.attributes["axis"])


def _regions(node: Node, sizes: Sizes) -> Demand | None:
    """Rows (image, x1, y1, x2, y2) in pixels of the picture whose map `x` is."""
    corners = _corners(node, sizes)
    images = _size(_first(node).shape[0], sizes)
    if corners is None or images is None:
        return None
    whole = (True, False, False, False, False)
    return Demand((images - 1.0, *corners.high), (0.0,) * 5, whole, ((1, 3), (2, 4)))


def _corners(node: Node, sizes: Sizes) -> Demand | None:
    """Rows (x1, y1, x2, y2)."""
    height, width = (_size(dim, sizes) for dim in _first(node).shape[2:])
    scale = cast("float", node.attributes["spatial_scale"])
    if height is None or width is None or not scale > 0:
        return None
    far = ((width - 1) / scale, (height - 1) / scale)
    return Demand((*far, *far), (0.0,) * 4, (False,) * 4, ((0, 2), (1, 3)))


def _image_info(node: Node, sizes: Sizes) -> Demand | None:
    """Height, width and scale of the picture, which `feature_stride` tells; ones behind them."""
    height, width = (_size(dim, sizes) for dim in _first(node).shape[2:])
    columns = _size(cast("Value", node.inputs[2]).shape[1], sizes)
    stride = cast("int", node.attributes["feature_stride"])
    if height is None or width is None or columns is None:
        return None
    told = (float(height * stride), float(width * stride), *(1.0,) * (columns - 2))
    return Demand(told, told, (False,) * columns)


def _lengths(node: Node, sizes: Sizes) -> Demand | None:
    """Steps of a sequence [T, N, ...]."""
    steps = _size(_first(node).shape[0], sizes)
    return None if steps is None else Demand((float(steps),), (1.0,))


def _coordinates(node: Node, sizes: Sizes) -> Demand | None:
    """Places [..., k] in the axes after the batch's."""
    skipped = cast("int", node.attributes.get("batch_axes", 0))
    depth = cast("Value", node.inputs[1]).shape[-1]
    return _up_to(_first(node).shape[skipped:][:depth], sizes) if isinstance(depth, int) else None


def _along_axis(node: Node, sizes: Sizes) -> Demand | None:
    return _up_to((_first(node).shape[_axis(node)],), sizes)


def _rows(node: Node, sizes: Sizes) -> Demand | None:
    return _up_to((cast("Value", node.inputs[1]).shape[0],), sizes)


def _depth(node: Node, sizes: Sizes) -> Demand | None:
    return _up_to((cast("Dim", node.attributes["depth"]),), sizes)


def _images(node: Node, sizes: Sizes) -> Demand | None:
    return _up_to((_first(node).shape[0],), sizes)


def _classes_of_rows(node: Node, sizes: Sizes) -> Demand | None:
    return _up_to((product(_first(node).shape[1:]),), sizes)


DEMANDS: Mapping[tuple[str, str], Rule] = {
    ("roi_pool", "rois"): _regions,
    ("psroi_pool", "rois"): _regions,
    ("roi_align", "rois"): _corners,
    ("roi_align", "batch_indices"): _images,
    ("proposal", "image_info"): _image_info,
    ("gather", "indices"): _along_axis,
    ("gather_elements", "indices"): _along_axis,
    ("scatter_elements", "indices"): _along_axis,
    ("gather_nd", "indices"): _coordinates,
    ("scatter_nd", "indices"): _coordinates,
    ("embedding", "indices"): _rows,
    ("one_hot", "indices"): _depth,
    ("softmax_cross_entropy", "labels"): _along_axis,
    ("infogain_loss", "labels"): _along_axis,
    ("accuracy", "labels"): _along_axis,
    ("multinomial_logistic_loss", "labels"): _classes_of_rows,
    ("hinge_loss", "labels"): _classes_of_rows,
    ("rnn", "lengths"): _lengths,
    ("gru", "lengths"): _lengths,
    ("lstm", "lengths"): _lengths,
}
"""{(operator, operand): what it demands}; the operators' own docstrings say it."""


@dataclass(slots=True)
class _Limits:
    """What all readers of one input demand of its elements, which are numbered in row-major order."""

    low: Numbers
    high: Numbers
    whole: NDArray[np.bool_]
    ordered: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(
        default_factory=list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    )

    @classmethod
    def none(cls, count: int) -> _Limits:
        return cls(np.full(count, -np.inf), np.full(count, np.inf), np.zeros(count, bool))

    def add(self, demand: Demand, places: NDArray[np.int64]) -> None:
        """Adds a demand on the elements that stand at `places` of the operand."""
        np.minimum.at(self.high, places, np.broadcast_to(np.array(demand.high), places.shape))
        np.maximum.at(self.low, places, np.broadcast_to(np.array(demand.low), places.shape))
        np.logical_or.at(self.whole, places, np.broadcast_to(np.array(demand.whole), places.shape))
        self.ordered += [(places[..., first], places[..., last]) for first, last in demand.ordered]

    def draw(self, plain: Array, generator: np.random.Generator) -> Array:
        """The elements of `plain` with those that somebody limits drawn anew."""
        limited = np.isfinite(self.high)
        low, high = self.low[limited], np.maximum(self.low, self.high)[limited]
        if plain.dtype.kind in "iu":
            high = np.minimum(high, float(np.iinfo(plain.dtype.name).max))
        share = generator.random(low.size)
        steps = np.where(self.whole[limited], np.minimum(np.floor(share * (high - low + 1)), high - low), 0.0)
        numbers = plain.reshape(-1).astype(np.float64)
        numbers[limited] = low + np.where(self.whole[limited], steps, share * (high - low))
        for first, last in self.ordered:
            near, far = numbers[first], numbers[last]
            numbers[first], numbers[last] = np.minimum(near, far), np.maximum(near, far)
        return numbers.astype(plain.dtype).reshape(plain.shape)


def fitted(graph: Graph, made: Mapping[str, Array], sizes: Sizes, generator: np.random.Generator) -> dict[str, Array]:
    """Inputs of a graph with the elements drawn anew of which an operator demands something.

    Args:
        graph: the graph.
        made: an array for each input.
        sizes: the sizes of the graph's symbols.
        generator: what the elements are drawn from.
    """
    names = dict(zip(graph.inputs, graph.input_names, strict=True))
    limits: dict[str, _Limits] = {}
    for value, moves, demand in _demands(graph, sizes, names):
        name = names[value]
        if made[name].dtype.kind in "bc":
            continue
        places = _places(moves, made[name].shape, sizes)
        if places is not None:
            if name not in limits:
                limits[name] = _Limits.none(made[name].size)
            limits[name].add(demand, np.atleast_1d(places))
    drawn = {name: limits[name].draw(array, generator) for name, array in made.items() if name in limits}
    return {**made, **drawn}


def _demands(
    graph: Graph, sizes: Sizes, inputs: Mapping[Value, str]
) -> Iterator[tuple[Value, list[tuple[Node, int]], Demand]]:
    """Each demand on an input, with the moves between the two: a node, and which of its results is read."""
    for node in graph.nodes:
        for position, operand in enumerate(node.inputs):
            rule = _rule(node, position)
            if rule is None or operand is None:
                continue
            value, moves = _origin(operand)
            demand = rule(node, sizes) if value in inputs else None
            if demand is not None:
                yield value, moves, demand


def _rule(node: Node, position: int) -> Rule | None:
    operands = definition(node).operands
    return DEMANDS.get((node.op.name, operands[position])) if position < len(operands) else None


def _origin(value: Value) -> tuple[Value, list[tuple[Node, int]]]:
    """Where a value's elements come from, and the moves from there to it, the first one first."""
    moves: list[tuple[Node, int]] = []
    while value.node is not None and value.node.op.name in MOVES | KEEPS and len(moves) < MAX_STEPS:
        node, operand = value.node, value.node.inputs[0]
        if operand is None or any(other is not None for other in node.inputs[1:]):
            break
        moves.append((node, node.outputs.index(value)))
        value = operand
    return value, moves[::-1]


def _places(moves: Sequence[tuple[Node, int]], shape: tuple[int, ...], sizes: Sizes) -> NDArray[np.int64] | None:
    """The numbers of the input's elements where the operand has them; None where the sizes do not tell."""
    places: NDArray[np.int64] = np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)
    for node, output in moves:
        rule = definition(node).reference_rule
        if node.op.name in KEEPS or rule is None:
            continue
        attributes = {name: evaluate_attribute(attribute, sizes) for name, attribute in node.attributes.items()}
        try:
            result = rule(places, *[None] * (len(node.inputs) - 1), **attributes)
        except (XirError, ValueError, TypeError, IndexError):
            return None
        places = cast("NDArray[np.int64]", result[output] if isinstance(result, tuple) else result)
    return places
