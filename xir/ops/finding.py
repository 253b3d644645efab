"""What looks for elements: those that are not zero, and those that differ. How many there are is data."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.ir.constant import Array
from xir.ir.dims import Symbol, bounds
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_axis
from xir.ops._define import op
from xir.ops._windows import widened

Integers = NDArray[np.int64]


@op
def nonzero(x: Value) -> TensorType:
    """The coordinates of the elements that are not zero, in row-major order (ONNX NonZero).

    x: any tensor; text that is not empty and NaN are not zero; result: i64 [rank of x, number of such elements]; of a
    scalar [0, 1] or [0, 0].
    """
    return TensorType(DType.INT64, (x.rank, Symbol(maximum=bounds(x.tensor.elements)[1])))


@nonzero.reference
def _nonzero_reference(x: Array) -> Array:
    found = x.astype(np.bool_)
    if not x.ndim:
        return np.zeros((0, int(bool(found))), np.int64)
    return np.stack(np.nonzero(found)).astype(np.int64)


nonzero.no_gradient("the results are places, not numbers")
nonzero.host("the size of the result depends on the data")


@op
def unique(x: Value, *, axis: int | None, sorted: bool) -> tuple[TensorType, TensorType, TensorType, TensorType]:
    """The elements that differ, or the slices along `axis` that do, each once (ONNX Unique; NumPy's unique).

    x: any tensor; without an axis it is read in row-major order. Results: the U elements, [U], or x's shape with U on
    the axis, in ascending order (slices: by their first elements that differ) or, without `sorted`, as they come first
    in `x`; where each comes first, i64[U]; which one each of `x` is, i64[elements] or i64[size of the axis]; how often
    each comes, i64[U]. All NaN are one.
    """
    if axis is not None:
        require_axis(x, axis)
    whole = x.tensor.elements if axis is None else x.shape[axis]
    count = Symbol(maximum=bounds(whole)[1])
    shape = (count,) if axis is None else (*x.shape[:axis], count, *x.shape[axis + 1 :])
    places = TensorType(DType.INT64, (count,))
    return x.tensor.with_shape(shape), places, TensorType(DType.INT64, (whole,)), places


@unique.reference
def _unique_reference(x: Array, *, axis: int | None, sorted: bool) -> tuple[Array, ...]:
    along = 0 if axis is None else axis
    line = x.reshape(-1) if axis is None else x
    firsts, inverse, counts = _found(_rows(line, along))
    if not sorted:
        order = np.argsort(firsts, kind="stable")
        places = np.empty_like(order)
        places[order] = np.arange(order.size)
        firsts, inverse, counts = firsts[order], places[inverse], counts[order]
    elements = np.take(line, firsts, axis=along)
    return elements, firsts.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


def _rows(x: Array, axis: int) -> Integers:
    """Each slice along `axis` as a row of numbers that are ordered and equal as the elements are."""
    rows = np.moveaxis(x, axis, 0)
    codes = np.unique(widened(rows), return_inverse=True)[1]
    return codes.reshape(rows.shape[0], math.prod(rows.shape[1:])).astype(np.int64)


def _found(rows: Integers) -> tuple[Integers, Integers, Integers]:
    """Where each different row comes first, which one each row is, and how often each comes."""
    if not rows.size:  # rows of nothing are all equal
        count = len(rows)
        numbers = ([0] * min(count, 1), [0] * count, [count] * min(count, 1))
        first, inverse, counts = (np.array(each, np.int64) for each in numbers)
        return first, inverse, counts
    found = cast("tuple[Integers, ...]", np.unique(rows, True, True, True, axis=0))
    return found[1], found[2].reshape(-1), found[3]


unique.no_gradient("which elements are equal jumps")
unique.host("the size of the result depends on the data")
