"""Tensors made of nothing: constants, ranges, triangles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.promotion import DEFAULT, category, dtype_of_number
from xir.frontends.torch.tensor import Computed, Number, is_size
from xir.ir.dims import Dim, bounds, ceil_divide, equal, maximum
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, index
from xir.ops.reduce import reduce_max
from xir.ops.shape import broadcast, iota, range_, reshape
from xir.ops.triangle import trilu

operators = Operators("aten")
Sizes = Sequence[Number]


def _full(call: Call, sizes: Sizes, number: Number, dtype: DType) -> Value:
    shape, target = call.shape(sizes)
    if target is None:
        return call.filled(number, dtype, shape)
    return broadcast(call.scalar(number, dtype), target, shape=shape)


@operators.op(
    "full(SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def full(call: Call, sizes: Sizes, number: Number, dtype: DType | None) -> Value:
    """A number everywhere, in its own type where none is given."""
    return _full(call, sizes, number, dtype or dtype_of_number(number))


@operators.op(
    "zeros(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "_efficientzerotensor(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
    "empty.memory_format(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def zeros(call: Call, sizes: Sizes, dtype: DType | None) -> Value:
    """0 everywhere, where PyTorch leaves the elements open, too."""
    return _full(call, sizes, 0, dtype or DEFAULT)


@operators.op(
    "ones(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
)
def ones(call: Call, sizes: Sizes, dtype: DType | None) -> Value:
    """1 everywhere."""
    return _full(call, sizes, 1, dtype or DEFAULT)


@operators.op(
    "empty_permuted(SymInt[] size, int[] physical_layout, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
    "empty_strided(SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
    unused=("physical_layout", "stride"),
)
def empty_in_order(call: Call, sizes: Sizes, dtype: DType | None) -> Value:
    """0 everywhere, which PyTorch leaves open; how the elements lie in memory changes none of them."""
    return _full(call, sizes, 0, dtype or DEFAULT)


@operators.op(
    "full_like(Tensor self, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def full_like(call: Call, x: Value, number: Number, dtype: DType | None) -> Value:
    """A number everywhere in a tensor of the shape of another."""
    return call.filled(number, dtype or x.dtype, x.shape)


@operators.op(
    "zeros_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    "empty_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def zeros_like(call: Call, x: Value, dtype: DType | None) -> Value:
    """0 everywhere in a tensor of the shape of another."""
    return call.filled(0, dtype or x.dtype, x.shape)


@operators.op(
    "ones_like(Tensor self, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
)
def ones_like(call: Call, x: Value, dtype: DType | None) -> Value:
    """1 everywhere in a tensor of the shape of another."""
    return call.filled(1, dtype or x.dtype, x.shape)


@operators.op(
    "new_full(Tensor self, SymInt[] size, Scalar fill_value, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def new_full(call: Call, x: Value, sizes: Sizes, number: Number, dtype: DType | None) -> Value:
    """A number everywhere in the type of another tensor."""
    return _full(call, sizes, number, dtype or x.dtype)


@operators.op(
    "new_zeros(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
    "new_empty(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
    "new_empty_strided(Tensor self, SymInt[] size, SymInt[] stride, *, ScalarType? dtype=None, Layout? "
    "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
    unused=("stride",),
)
def new_zeros(call: Call, x: Value, sizes: Sizes, dtype: DType | None) -> Value:
    """0 everywhere in the type of another tensor."""
    return _full(call, sizes, 0, dtype or x.dtype)


@operators.op(
    "new_ones(Tensor self, SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
)
def new_ones(call: Call, x: Value, sizes: Sizes, dtype: DType | None) -> Value:
    """1 everywhere in the type of another tensor."""
    return _full(call, sizes, 1, dtype or x.dtype)


@operators.op(
    "scalar_tensor(Scalar s, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
)
def scalar_tensor(call: Call, number: Number, dtype: DType | None) -> Value:
    """A number as a tensor; a real one where no type is given."""
    return call.scalar(number, dtype or DEFAULT)


@dataclass(frozen=True, slots=True)
class _Range:
    """Numbers from `start`, each a `step` further on, to `end`; without a `dtype` their own type says that."""

    end: Number
    dtype: DType | None
    start: Number = 0
    step: Number = 1


@operators.op(
    "arange(Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "arange.start(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, "
    "bool? pin_memory=None) -> Tensor",
    "arange.start_step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
    records=(_Range,),
)
def arange(call: Call, of: _Range) -> Value:
    """start, start + step ... up to, not with, end; integers where all three are (RangeFactories.cpp, `arange_out`)."""
    start, end, step, dtype = of.start, of.end, of.step, of.dtype
    if dtype is DType.INT64:
        start, end, step = (int(each) if isinstance(each, float) else each for each in (start, end, step))
    numbers = (start, end, step)
    whole = all(_is_whole(number) for number in numbers)
    dtype = dtype or (DType.INT64 if whole else DEFAULT)
    if any(isinstance(number, Computed) for number in numbers):
        wide = DType.INT64 if whole else DType.FLOAT64
        return call.cast(range_(*(call.scalar(number, wide) for number in numbers)), dtype)
    if is_size(start) and is_size(end) and is_size(step):
        return _whole_range(call, start, end, step, dtype)
    if not all(isinstance(number, int | float) for number in numbers):
        call.refuse("a range of real numbers whose bounds are not known before the run")
    first, last, pace = (float(number) for number in numbers if isinstance(number, int | float))
    count = math.ceil((last - first) / pace)
    if count < 0:
        call.invalid(f"steps of {step} never lead from {start} to {end}")
    # PyTorch computes each element from its place, in f64, or in i64 of bounds cut to such (`accscalar_t`).
    if dtype.is_integer:
        first, pace = float(int(first)), float(int(pace))
    return call.literal(first + pace * np.arange(call.bounded(count), dtype=np.float64), dtype)


def _is_whole(number: Number) -> bool:
    if isinstance(number, Computed):
        return number.value.dtype.is_integer
    return is_size(number)


def _whole_range(call: Call, start: Dim, end: Dim, step: Dim, dtype: DType) -> Value:
    if equal(step, 0):
        call.invalid("a range needs a step")
    least = bounds(step)[0]
    if not isinstance(step, int) and (least is None or least < 0):
        call.refuse("a range whose step may be up or down")
    is_up = least is not None and least >= 0  # 0 is no step, for what divides by it is not 0
    count = maximum(ceil_divide(end - start, step) if is_up else ceil_divide(start - end, 0 - step), 0)
    if dtype.is_integer:
        line = iota(shape=(count,), axis=0, dtype=dtype)
        return _moved(call, line, start, step)
    return call.cast(_moved(call, iota(shape=(count,), axis=0, dtype=DType.INT64), start, step), dtype)


def _moved(call: Call, line: Value, start: Dim, step: Dim) -> Value:
    if equal(step, 1) is not True:
        line = elementwise.mul(line, call.filled(step, line.dtype, line.shape))
    return line if start == 0 else elementwise.add(line, call.filled(start, line.dtype, line.shape))


@operators.op(
    "linspace(Scalar start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
)
def linspace(call: Call, start: Number, end: Number, count: int, dtype: DType | None) -> Value:
    """`count` numbers at one distance from start to end."""
    return call.literal(_spaced(call, start, end, count, dtype or DEFAULT), dtype or DEFAULT)


@operators.op(
    "logspace(Scalar start, Scalar end, int steps, float base=10., *, ScalarType? dtype=None, Layout? "
    "layout=None, Device? device=None, bool? pin_memory=None) -> Tensor",
)
def logspace(call: Call, start: Number, end: Number, count: int, base: float, dtype: DType | None) -> Value:
    """The powers of a base whose exponents are at one distance."""
    return call.literal(np.power(base, _spaced(call, start, end, count, dtype or DEFAULT)), dtype or DEFAULT)


@operators.op(
    "linspace.Tensor_Tensor(Tensor start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
    "linspace.Tensor_Scalar(Tensor start, Scalar end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
    "linspace.Scalar_Tensor(Scalar start, Tensor end, int steps, *, ScalarType? dtype=None, Layout? layout=None, "
    "Device? device=None, bool? pin_memory=None) -> Tensor",
)
def linspace_of_tensors(
    call: Call, start: Value | Number, end: Value | Number, count: int, dtype: DType | None
) -> Value:
    """The same between bounds that are elements."""
    wanted = dtype or DEFAULT
    whole = DType.INT64 if wanted.is_integer else DType.FLOAT64
    first, last = (call.cast(call.tensor(each, whole), DType.FLOAT64) for each in (start, end))
    places = np.arange(call.bounded(count), dtype=np.float64)
    from_end = places >= max(count // 2, 1)
    far = np.where(from_end, places - (count - 1), places) / max(count - 1, 1)
    ends = [call.repeated(reshape(each, shape=()), (count,)) for each in (last, first)]
    near = elementwise.select(call.literal(from_end, DType.BOOL), *ends)
    step = call.repeated(reshape(elementwise.sub(last, first), shape=()), (count,))
    return call.cast(elementwise.add(near, elementwise.mul(step, call.literal(far, DType.FLOAT64))), wanted)


def _spaced(call: Call, start: Number, end: Number, count: int, dtype: DType) -> NDArray[np.float64]:
    """Numbers from the nearer end (aten/src/ATen/native/cpu/RangeFactoriesKernel.cpp, `linspace_kernel`)."""
    if not (isinstance(start, int | float) and isinstance(end, int | float)):
        call.refuse("numbers at one distance between bounds that are not known before the run")
    if category(dtype) == 3:
        call.refuse("complex numbers")
    first, last = (float(np.asarray(each).astype(dtype.dtype)) for each in (start, end))
    if count == 1:
        return np.asarray([first])
    places = np.arange(call.bounded(count), dtype=np.float64)
    step = (last - first) / (count - 1) if count else 0.0
    return np.where(places < count // 2, first + step * places, last - step * (count - 1 - places))


@operators.op(
    "eye(SymInt n, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None) "
    "-> Tensor",
)
def eye(call: Call, count: Number, dtype: DType | None) -> Value:
    """Ones on the diagonal of a square, zeros elsewhere."""
    return rectangular_eye(call, count, count, dtype)


@operators.op(
    "eye.m(SymInt n, SymInt m, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
)
def rectangular_eye(call: Call, rows: Number, columns: Number, dtype: DType | None) -> Value:
    """Ones on the diagonal, zeros elsewhere."""
    shape = call.known_shape((rows, columns))
    row, column = (iota(shape=shape, axis=axis, dtype=DType.INT64) for axis in (0, 1))
    return call.cast(compare.equal(row, column), dtype or DEFAULT)


@operators.op(
    "tril(Tensor self, SymInt diagonal=0) -> Tensor",
    "triu(Tensor self, SymInt diagonal=0) -> Tensor",
)
def triangle(call: Call, x: Value, offset: Number) -> Value:
    """The lower or the upper triangle of matrices, zeros elsewhere."""
    upper = call.kind.startswith("aten.triu")
    if isinstance(offset, int):
        return trilu(x, diagonal=offset, upper=upper)
    return trilu(x, call.scalar(offset, DType.INT64), diagonal=0, upper=upper)


@operators.op(
    "tril_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
    "triu_indices(int row, int col, int offset=0, *, ScalarType? dtype=4, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
)
def triangle_places(call: Call, rows: int, columns: int, offset: int, dtype: DType | None) -> Value:
    """The coordinates of a triangle, in row-major order: [2, number of elements]."""
    call.bounded(2 * rows * columns)
    find = np.tril_indices if call.kind.startswith("aten.tril") else np.triu_indices
    return call.literal(np.stack(find(rows, offset, columns)), dtype or DType.INT64)


@operators.op(
    "one_hot(Tensor self, int num_classes=-1) -> Tensor",
)
def one_hot(call: Call, x: Value, classes: int) -> Value:
    """1 at the place that each element names along a new last axis; without a number as many as the largest needs."""
    places = call.cast(x, DType.INT64)
    if classes >= 0:
        return index.one_hot(places, depth=classes, axis=x.rank, dtype=DType.INT64)
    flat = reshape(places, shape=(places.tensor.elements,))
    most = elementwise.add(reduce_max(flat, axes=(0,), keep_dims=False), call.scalar(1, DType.INT64))
    (depth,), _ = call.shape((Computed(most),))
    return index.one_hot(places, most, depth=depth, axis=x.rank, dtype=DType.INT64)


@operators.op(
    "vander(Tensor x, int? N=None, bool increasing=False) -> Tensor",
)
def vander(call: Call, x: Value, count: int | None, increasing: bool) -> Value:
    """The powers of each element of a vector, the highest first unless `increasing`."""
    number = call.known_integer(x.shape[0] if count is None else count, "a number of powers")
    call.bounded(number)
    powers = range(number) if increasing else range(number - 1, -1, -1)
    dtype = x.dtype if x.dtype.is_floating else DType.INT64
    shape = (x.shape[0], number)
    base = call.repeated(reshape(call.cast(x, dtype), shape=(x.shape[0], 1)), shape)
    return elementwise.pow_(base, call.repeated(call.literal(list(powers), dtype), shape))


@operators.op(
    "range(Scalar start, Scalar end, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? "
    "pin_memory=None) -> Tensor",
    "range.step(Scalar start, Scalar end, Scalar step=1, *, ScalarType? dtype=None, Layout? layout=None, Device? "
    "device=None, bool? pin_memory=None) -> Tensor",
    records=(_Range,),
)
def closed_range(call: Call, of: _Range) -> Value:
    """start, start + step ... up to and with end, as real numbers."""
    start, end, step, dtype = of.start, of.end, of.step, of.dtype
    if not all(isinstance(each, int | float) for each in (start, end, step)):
        call.refuse("a closed range whose bounds are not known before the run")
    first, last, pace = (float(each) for each in (start, end, step) if isinstance(each, int | float))
    count = call.bounded(int((last - first) / pace) + 1)
    return call.literal(first + pace * np.arange(count, dtype=np.float64), dtype or DEFAULT)


@operators.op(
    "tensor.float(float t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor",
    "tensor.int(int t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor",
    "tensor.bool(bool t, *, ScalarType? dtype=None, Device? device=None, bool requires_grad=False) -> Tensor",
)
def tensor_of_number(call: Call, number: Number, dtype: DType | None) -> Value:
    """A number as a tensor, in its own type where none is given."""
    return call.scalar(number, dtype or dtype_of_number(number))
