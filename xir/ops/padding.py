"""Padding, in every mode; negative amounts cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, bounds
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import only_element, require_dtype, require_rank, require_scalar, require_size
from xir.ops._define import op
from xir.ops._nests import pad_nest
from xir.ops.constant import constant

PadMode = Literal["constant", "edge", "reflect", "wrap"]


def require_vector(operand: Value | None, length: Dim) -> None:
    """Checks a run-time operand: absent, or `length` integers."""
    if operand is None:
        return
    require_dtype(operand, DType.INT32, DType.INT64)
    if operand.rank != 1:
        raise InvalidModelError(f"sizes at run time are a vector of integers, got {operand.type!r}")
    require_size(operand.shape[0], length, "the number of run-time sizes")


def integers(operand: Array) -> list[int]:
    """The elements of a run-time operand."""
    return [int(item) for item in cast("list[int]", operand.tolist())]


@op
def pad(
    x: Value,
    amounts: Value | None = None,
    fill: Value | None = None,
    places: Value | None = None,
    *,
    padding: tuple[tuple[Dim, Dim], ...],
    mode: PadMode = "constant",
    value: float = 0.0,
) -> TensorType:
    """`x` with padding[i] = (before, after) elements added to axis i; negative amounts cut off (ONNX Pad).

    x: any tensor; result: before + size + after along each axis. Modes: constant (`value`), edge (the last element),
    reflect (mirrored without the last element), wrap (around). Cutting comes first, so modes see what is left.
    `amounts`: i64[2 * rank], all befores and then all afters, gives the padding at run time; with `places`,
    i64[number of axes], it is that of those axes, i64[2 * number of axes]. `fill`: one element, gives the value.
    """
    if len(padding) != x.rank:
        raise InvalidModelError(f"a (before, after) pair an axis is needed, got {len(padding)} for {x.type!r}")
    _require_amounts(x, amounts, places)
    require_scalar(fill, x.dtype)
    sizes: list[Dim] = []
    for size, (before, after) in zip(x.shape, padding, strict=True):
        padded = size + before + after
        most = bounds(padded)[1]
        if most is not None and most < 0:
            raise InvalidModelError(f"padding {before!r}, {after!r} cuts more than the size {size!r} of {x.type!r}")
        sizes.append(padded)
    return x.tensor.with_shape(tuple(sizes))


def _require_amounts(x: Value, amounts: Value | None, places: Value | None) -> None:
    if places is None:
        require_vector(amounts, 2 * x.rank)
        return
    if amounts is None:
        raise InvalidModelError("axes that come at run time need amounts that do")
    require_rank(places, 1)
    require_vector(places, places.shape[0])
    require_vector(amounts, 2 * places.shape[0])


@pad.reference
def _pad_reference(
    x: Array,
    amounts: Array | None,
    fill: Array | None,
    places: Array | None,
    *,
    padding: tuple[tuple[int, int], ...],
    mode: PadMode,
    value: float,
) -> Array:
    if amounts is not None:
        flat = integers(amounts)
        count = len(flat) // 2
        pairs = tuple(zip(flat[:count], flat[count:], strict=True))
        padding = pairs if places is None else placed(pairs, integers(places), x.ndim)
    return padded(x, padding, mode, value if fill is None else only_element(fill))


def placed(pairs: Sequence[tuple[int, int]], axes: Sequence[int], rank: int) -> tuple[tuple[int, int], ...]:
    """The padding of all axes: `pairs` on those of `axes`, which may count from the end, nothing on the others.

    Raises:
        InvalidModelError: an axis does not exist, or stands twice.
    """
    if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
        raise InvalidModelError(f"axes {list(axes)} are to be padded: of {rank}, each once")
    found = {axis % rank: pair for axis, pair in zip(axes, pairs, strict=True)}
    return tuple(found.get(axis, (0, 0)) for axis in range(rank))


def padded(x: Array, padding: tuple[tuple[int, int], ...], mode: PadMode = "constant", value: object = 0.0) -> Array:
    """The array padded as the operator `pad` says; `x` itself when there is nothing to do.

    Raises:
        InvalidModelError: if an axis is empty and the mode needs an element to repeat.
    """
    cut = tuple(slice(max(-b, 0), size - max(-a, 0)) for size, (b, a) in zip(x.shape, padding, strict=True))
    grown = [(max(before, 0), max(after, 0)) for before, after in padding]
    x = x[cut]
    if not any(before or after for before, after in grown):
        return x
    if mode == "constant":
        value = "" if x.dtype.kind == "O" and not isinstance(value, str) else value
        result = np.full([size + b + a for size, (b, a) in zip(x.shape, grown, strict=True)], value, x.dtype)
        result[tuple(slice(b, b + size) for size, (b, _) in zip(x.shape, grown, strict=True))] = x
        return result
    if any(size == 0 and (b or a) for size, (b, a) in zip(x.shape, grown, strict=True)):
        raise InvalidModelError(f"an empty axis of {list(x.shape)} cannot be padded in mode {mode!r}")
    return np.pad(x, grown, mode=mode)


pad.lower(pad_nest)


@pad.gradient
def _pad_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    x, amounts, fill, places = node.inputs
    padding = cast("tuple[tuple[Dim, Dim], ...]", node.attributes["padding"])
    mode = cast("PadMode", node.attributes["mode"])
    if x is None:
        raise InvalidModelError("pad: the operand is missing")
    if mode == "constant":
        back = None if amounts is None else _negated(amounts)
        dx = pad(dy, back, None, places, padding=tuple((-before, -after) for before, after in padding))
        return dx, None, None if fill is None else _outside(dy, dx, fill), None
    for axis in range(x.rank):
        if padding[axis] != (0, 0):
            dy = _gathered_back(dy, x.shape[axis], padding[axis], axis, mode)
    return dy, None, None, None


def _outside(dy: Value, dx: Value, fill: Value) -> Value:
    """The sum of `dy` over what was added: over all but what came from the operand."""
    from xir.ops.elementwise import sub
    from xir.ops.reduce import reduce_sum
    from xir.ops.shape import reshape

    whole, inside = (reduce_sum(each, axes=tuple(range(each.rank)), keep_dims=False) for each in (dy, dx))
    return reshape(sub(whole, inside), shape=fill.shape)


def _negated(amounts: Value) -> Value:
    from xir.ops.elementwise import neg  # elementwise operators build on those of this room

    return neg(amounts)


def _gathered_back(dy: Value, size: Dim, padding: tuple[Dim, Dim], axis: int, mode: PadMode) -> Value:
    """Adds each element of `dy` along `axis` to the element that it was copied from."""
    from xir.ops._build import scalar_like
    from xir.ops.index import scatter_elements
    from xir.ops.shape import broadcast, iota, reshape

    before, after = padding
    if not (isinstance(size, int) and isinstance(before, int) and isinstance(after, int)):
        raise UnsupportedError(
            f"the gradient of pad in mode {mode!r} needs known sizes, got {size!r} with padding {list(padding)}",
            hint="give the model's input sizes with --input",
        )
    origin = padded(np.arange(size), ((before, after),), mode)
    vector = reshape(
        constant(value=constant_of(origin, DType.INT64)), shape=(len(origin), *(1,) * (dy.rank - 1 - axis))
    )
    shape = (*dy.shape[:axis], size, *dy.shape[axis + 1 :])
    zeros = scalar_like(iota(shape=shape, axis=axis, dtype=dy.dtype), 0.0)
    return scatter_elements(zeros, broadcast(vector, shape=dy.shape), dy, axis=axis, reduction="add")
