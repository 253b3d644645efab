"""Operators of which even the axes, or the number of axes, come at run time.

Where only the sizes come at run time, the operators themselves take them as operands (`reshape`, `slice`, `pad`,
`tile`, `split`, `top_k`). What stands here becomes such an operator as soon as the axes are known (`xir.passes.sizes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Symbol, bounds
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type, UnrankedType
from xir.limits import check_rank
from xir.ops import reduce
from xir.ops._checks import require_axes, require_dtype, require_rank
from xir.ops._define import OpDef, op
from xir.ops._numeric import Numbers, require_number
from xir.ops.padding import integers

ReduceKind = Literal[
    "sum", "mean", "max", "min", "prod", "l1", "l2", "sum_square", "log_sum", "log_sum_exp"
]  # fmt: skip
REDUCTIONS: Mapping[ReduceKind, OpDef[..., Value]] = {
    "sum": reduce.reduce_sum,
    "mean": reduce.reduce_mean,
    "max": reduce.reduce_max,
    "min": reduce.reduce_min,
    "prod": reduce.reduce_prod,
    "l1": reduce.reduce_l1,
    "l2": reduce.reduce_l2,
    "sum_square": reduce.reduce_sum_square,
    "log_sum": reduce.reduce_log_sum,
    "log_sum_exp": reduce.reduce_log_sum_exp,
}
"""The operator that reduces over known axes, by its kind."""

_HOST = "which axes it works on is data; it becomes another operator when they are known"
_NO_GRADIENT = "no gradient where the axes come at run time"


def length_of(operand: Value) -> int | None:
    """How many numbers a vector at run time holds, or None where that is not known.

    Raises:
        InvalidModelError: it is no vector of integers.
    """
    require_dtype(operand, DType.INT32, DType.INT64)
    require_rank(operand, 1)
    size = operand.shape[0]
    check_rank(size if isinstance(size, int) else 0, what="a tensor that is described at run time")
    return size if isinstance(size, int) else None


def _of_rank(x: Value, rank: int | None) -> Type:
    """A tensor like `x` of `rank` axes, of which nothing is known."""
    return UnrankedType(x.dtype) if rank is None else x.tensor.with_shape(tuple(Symbol() for _ in range(rank)))


def _up_to(size: Dim) -> Dim:
    """A size that is at most `size`."""
    return size if size == 0 else Symbol(maximum=bounds(size)[1])


def _from_front(axes: Array, rank: int) -> tuple[int, ...]:
    """Axes that come at run time, counted from the front.

    Raises:
        InvalidModelError: one does not exist, or stands twice.
    """
    found = integers(axes)
    wrong = [axis for axis in found if not -rank <= axis < rank]
    if wrong:
        raise InvalidModelError(f"axis {wrong[0]} does not exist among {rank}")
    counted = tuple(axis % rank for axis in found)
    if len(set(counted)) != len(counted):
        raise InvalidModelError(f"axes {found} name one axis twice")
    return counted


@op
def reduce_late(x: Value, axes: Value, *, kind: ReduceKind, keep_dims: bool, all_if_empty: bool) -> Type:
    """A reduction over axes that come at run time (ONNX ReduceSum and the others, whose axes are an operand).

    x: numbers; axes: i64 or i32 [number of axes], negative ones count from the end; none at all means all axes where
    `all_if_empty`, else that each element is reduced alone. Result: the same element type, the axes of size 1 or,
    without `keep_dims`, gone; of unknown rank where the number of axes is not known.
    """
    require_number(x)
    count = length_of(axes)
    if count is not None and count > x.rank:
        raise InvalidModelError(f"{count} axes are more than {x.type!r} has")
    if keep_dims:
        return x.tensor.with_shape(tuple(size if size == 1 else Symbol() for size in x.shape))
    if count == 0:
        return x.tensor.with_shape(() if all_if_empty else x.shape)
    return _of_rank(x, None if count is None and x.rank else x.rank - (count or 0))


@reduce_late.reference
def _reduce_late_reference(x: Numbers, axes: Array, *, kind: ReduceKind, keep_dims: bool, all_if_empty: bool) -> Array:
    chosen = _from_front(axes, x.ndim)
    if not chosen and all_if_empty:
        chosen = tuple(range(x.ndim))
    rule = cast("Callable[..., Array]", REDUCTIONS[kind].reference_rule)
    return rule(x, axes=chosen, keep_dims=keep_dims)


reduce_late.no_gradient(_NO_GRADIENT)
reduce_late.host(_HOST)


@op
def slice_late(
    x: Value,
    start: Value,
    stop: Value,
    places: Value | None = None,
    step: Value | None = None,
    *,
    axes: tuple[int, ...],
) -> TensorType:
    """A slice of which axes or steps come at run time, backward ones too, read as ONNX Slice reads them.

    x: any tensor; start, stop, places (the axes), step: i32 or i64 [number of axes]. Without `places` the axes are
    `axes`; without `step` all steps are 1. Result: the sizes of those axes change, or with `places` those of any.
    """
    counts = {
        count
        for operand in (start, stop, places, step)
        if operand is not None and (count := length_of(operand)) is not None
    }
    if places is None:
        require_axes(x, axes)
        counts.add(len(axes))
    elif axes:
        raise InvalidModelError(f"the axes are an operand, and {list(axes)} too")
    if len(counts) > 1:
        raise InvalidModelError("starts, stops, axes and steps are of different lengths")
    free = range(x.rank) if places is not None else axes
    return x.tensor.with_shape(tuple(_up_to(size) if axis in free else size for axis, size in enumerate(x.shape)))


@slice_late.reference
def _slice_late_reference(
    x: Array, start: Array, stop: Array, places: Array | None, step: Array | None, *, axes: tuple[int, ...]
) -> Array:
    chosen = axes if places is None else _from_front(places, x.ndim)
    steps = [1] * len(chosen) if step is None else integers(step)
    index = [slice(None)] * x.ndim
    for axis, first, last, by in zip(chosen, integers(start), integers(stop), steps, strict=True):
        if by == 0:
            raise InvalidModelError("a step of 0")
        index[axis] = _range(first, last, by, x.shape[axis])
    return x[tuple(index)]


def _range(first: int, last: int, step: int, size: int) -> slice:
    """A start and an end as ONNX clamps them: backward a slice begins at the last element and ends before the first."""
    first, last = (place + size if place < 0 else place for place in (first, last))
    if step > 0:
        return slice(min(max(first, 0), size), min(max(last, 0), size), step)
    first, last = min(max(first, 0), size - 1), min(max(last, -1), size - 1)
    return slice(first, None if last < 0 else last, step) if size else slice(0, 0, step)


slice_late.no_gradient(_NO_GRADIENT)
slice_late.host(_HOST)


@op
def squeeze_late(x: Value, axes: Value | None = None) -> Type:
    """`x` without axes of size 1 that only the run tells (ONNX Squeeze).

    x: any tensor; axes: i64 or i32 [number of axes], negative ones count from the end; all of size 1 without them,
    where a size that is not known counts as another, and the run fails if it is 1 after all. Result: the elements of
    `x`; of unknown rank where the number of axes is not known.
    """
    if axes is None:
        return x.tensor.with_shape(tuple(size for size in x.shape if size != 1))
    count = length_of(axes)
    if count is not None and count > x.rank:
        raise InvalidModelError(f"{count} axes are more than {x.type!r} has")
    return _of_rank(x, None if count is None else x.rank - count)


@squeeze_late.reference
def _squeeze_late_reference(x: Array, axes: Array | None) -> Array:
    return np.squeeze(x) if axes is None else np.squeeze(x, _from_front(axes, x.ndim))


squeeze_late.no_gradient(_NO_GRADIENT)
squeeze_late.host(_HOST)


@op
def unsqueeze_late(x: Value, axes: Value) -> Type:
    """`x` with new axes of size 1 at places of the result that only the run tells (ONNX Unsqueeze).

    x: any tensor; axes: i64 or i32 [number of new axes], negative ones count from the end of the result.
    Result: the elements of `x`; of unknown rank where the number of new axes is not known.
    """
    count = length_of(axes)
    return _of_rank(x, None if count is None else x.rank + count)


@unsqueeze_late.reference
def _unsqueeze_late_reference(x: Array, axes: Array) -> Array:
    return np.expand_dims(x, _from_front(axes, x.ndim + axes.size))


unsqueeze_late.no_gradient(_NO_GRADIENT)
unsqueeze_late.host(_HOST)


@op
def reshape_late(x: Value, target: Value, *, copies_zero: bool) -> UnrankedType:
    """`x` in a shape of which not even the number of axes is known (ONNX Reshape).

    x: any tensor; target: i64 or i32 [rank of the result]; one -1 is what is left, and a 0 the size of `x` at the
    same place where `copies_zero`. Result: as many elements, of unknown rank.
    """
    length_of(target)
    return UnrankedType(x.dtype)


@reshape_late.reference
def _reshape_late_reference(x: Array, target: Array, *, copies_zero: bool) -> Array:
    sizes = integers(target)
    if copies_zero:
        sizes = [x.shape[at] if size == 0 else size for at, size in enumerate(sizes)]
    return x.reshape(sizes)


reshape_late.no_gradient("no gradient where the rank comes at run time")
reshape_late.host(_HOST)


@op
def broadcast_late(x: Value, target: Value) -> UnrankedType:
    """`x` repeated to a shape of which not even the number of axes is known (ONNX Expand).

    x: any tensor; target: i64 or i32 [number of axes]; both broadcast against each other. Result: of unknown rank.
    """
    length_of(target)
    return UnrankedType(x.dtype)


@broadcast_late.reference
def _broadcast_late_reference(x: Array, target: Array) -> Array:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(integers(target))))


broadcast_late.no_gradient("no gradient where the rank comes at run time")
broadcast_late.host(_HOST)
