"""Views and copies of parts: slices, pieces, diagonals, windows; and a part put back into the whole."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.views import permuted, with_axis, without_axes
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Computed, Number, Tensor
from xir.ir.dims import Dim, Symbol, bounds, ceil_divide, equal, floor_divide, maximum, minimum, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import MAX_ELEMENTS
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather, scatter_elements
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, concat, iota, pad, reshape, slice_, split

operators = Operators("aten")


def cut(x: Value, axis: int, start: Dim, stop: Dim, step: int = 1) -> Value:
    """Every step-th element of an axis from `start` up to, not with, `stop`; `x` itself where that is all."""
    if start == 0 and step == 1 and equal(stop, x.shape[axis]) is True:
        return x
    return slice_(x, axes=(axis,), starts=(start,), stops=(stop,), steps=(step,))


def _placed(index: Dim, size: Dim) -> Dim | None:
    """A bound of a slice counted from the front and held within the axis; None where its sign is not known.

    No axis is shorter than 0 or longer than `MAX_ELEMENTS`, which PyTorch writes where there is no bound: a size that
    is a formula does not know that of itself.
    """
    least, most = bounds(index)
    if index == 0:
        return 0
    if equal(index, size) or (least is not None and least >= MAX_ELEMENTS):
        return size
    if most is not None and most < 0:
        return maximum(index + size, 0)
    return minimum(index, size) if least is not None and least >= 0 else None


def _bounds(x: Value, axis: int, start: Number | None, stop: Number | None) -> tuple[Dim, Dim] | None:
    size = x.shape[axis]
    first: Number = 0 if start is None else start
    last: Number = size if stop is None else stop
    if isinstance(first, Computed | float | complex) or isinstance(last, Computed | float | complex):
        return None
    low, high = _placed(first, size), _placed(last, size)
    return None if low is None or high is None else (low, high if low == 0 else maximum(low, high))


@operators.op(
    "slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)",
    "slice_copy.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor",
)
def slice_tensor(call: Call, x: Value, axis: int, start: Number | None, stop: Number | None, step: Number) -> Value:
    """Every step-th element of an axis; bounds below 0 count from the end, all are held within the axis."""
    axis = call.axis(axis, x.rank)
    stride = call.known_integer(step, "the step of a slice")
    known = _bounds(x, axis, start, stop)
    if known is not None:
        return cut(x, axis, *known, stride)
    first = reshape(call.scalar(0 if start is None else start, DType.INT64), shape=(1,))
    last = reshape(call.scalar(x.shape[axis] if stop is None else stop, DType.INT64), shape=(1,))
    length = Symbol(maximum=bounds(x.shape[axis])[1])
    return slice_(
        x,
        first,
        last,
        axes=(axis,),
        starts=(0,),
        stops=(length * stride,) if stride > 1 else (length,),
        steps=(stride,),
    )


def put_cut(call: Call, whole: Value, part: Value, axis: int, start: Dim, stop: Dim, step: int) -> Value:
    """The whole with `part` in place of a slice."""
    size = whole.shape[axis]
    part = call.repeated(call.cast(part, whole.dtype), slice_shape(whole, axis, start, stop, step))
    if step == 1:
        pieces = [cut(whole, axis, 0, start), part, cut(whole, axis, stop, size)]
        kept = [piece for piece in pieces if piece.shape[axis] != 0]
        return concat(*kept, axis=axis) if kept else whole
    places = iota(shape=part.shape, axis=axis, dtype=DType.INT64)
    places = elementwise.add(
        elementwise.mul(places, scalar_like(places, step)), call.filled(start, DType.INT64, part.shape)
    )
    return scatter_elements(whole, places, part, axis=axis, reduction="none")


def slice_shape(x: Value, axis: int, start: Dim, stop: Dim, step: int) -> tuple[Dim, ...]:
    """The shape of a slice."""
    return (*x.shape[:axis], ceil_divide(stop - start, step), *x.shape[axis + 1 :])


@operators.put("slice.Tensor")
def put_slice(
    call: Call, whole: Value, part: Value, axis: int, start: Number | None, stop: Number | None, step: Number
) -> Value:
    """The whole with other elements in a slice."""
    axis = call.axis(axis, whole.rank)
    known = _bounds(whole, axis, start, stop)
    stride = call.known_integer(step, "the step of a slice")
    if known is not None:
        return put_cut(call, whole, part, axis, *known, stride)
    if stride != 1:
        call.refuse("a write into every second element, or fewer, of a slice whose bounds are not known before the run")
    return _put_between(call, whole, part, axis, start, stop)


def _put_between(call: Call, whole: Value, part: Value, axis: int, start: Number | None, stop: Number | None) -> Value:
    """The whole with `part` between bounds that only the run knows."""
    size = call.scalar(whole.shape[axis], DType.INT64)

    def bound(number: Number | None) -> Value:
        """Counted from the front, held within the axis."""
        least = call.scalar(0, DType.INT64)
        place = least if number is None else call.scalar(number, DType.INT64)
        place = elementwise.select(compare.less(place, least), elementwise.add(place, size), place)
        return elementwise.maximum(elementwise.minimum(place, size), least)

    first = bound(start)
    last = elementwise.maximum(first, size if stop is None else bound(stop))
    before = slice_tensor(call, whole, axis, None, Computed(first), 1)
    after = slice_tensor(call, whole, axis, Computed(last), None, 1)
    return reshape(concat(before, call.cast(part, whole.dtype), after, axis=axis), shape=whole.shape)


@operators.op(
    "slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor",
)
def slice_scatter(
    call: Call, x: Value, source: Value, axis: int, start: Number | None, stop: Number | None, step: Number
) -> Value:
    """`x` with other elements in a slice."""
    return put_slice(call, x, source, axis, start, stop, step)


def _index(call: Call, x: Value, axis: int, index: Number) -> Dim | None:
    """A place on an axis counted from the front, or None where its sign is not known."""
    size = x.shape[axis]
    if isinstance(index, Computed | float | complex):
        return None
    if isinstance(index, int) and isinstance(size, int) and not -size <= index < size:
        call.invalid(f"index {index} does not exist on axis {axis} of {x.type!r}")
    least, most = bounds(index)
    if most is not None and most < 0:
        return index + size
    return index if least is not None and least >= 0 else None


@operators.op(
    "select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)",
    "select_copy.int(Tensor self, int dim, SymInt index) -> Tensor",
)
def select(call: Call, x: Value, axis: int, index: Number) -> Value:
    """What stands at one place of an axis; the axis is gone."""
    if not x.rank:
        call.invalid("a tensor without axes has no places")
    axis = call.axis(axis, x.rank)
    place = _index(call, x, axis, index)
    if place is None:
        return gather(x, call.scalar(index, DType.INT64), axis=axis)
    return without_axes(cut(x, axis, place, place + 1), (axis,))


@operators.put("select.int")
def put_select(call: Call, whole: Value, part: Value, axis: int, index: Number) -> Value:
    """The whole with other elements at one place of an axis."""
    axis = call.axis(axis, whole.rank)
    place = _index(call, whole, axis, index)
    part = with_axis(call.repeated(call.cast(part, whole.dtype), (*whole.shape[:axis], *whole.shape[axis + 1 :])), axis)
    if place is not None:
        return put_cut(call, whole, part, axis, place, place + 1, 1)
    places = broadcast(call.scalar(index, DType.INT64), shape=part.shape)
    return scatter_elements(whole, places, part, axis=axis, reduction="none")


@operators.op(
    "select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor",
)
def select_scatter(call: Call, x: Value, source: Value, axis: int, index: Number) -> Value:
    """`x` with other elements at one place of an axis."""
    return put_select(call, x, source, axis, index)


@operators.op(
    "narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)",
    "narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor",
)
def narrow(call: Call, x: Value, axis: int, start: Number, length: Number) -> Value:
    """`length` elements of an axis from `start` on, which may count from the end."""
    axis = call.axis(axis, x.rank)
    place = 0 if start == 0 else _start(x, axis, start)
    if place is None or isinstance(length, Computed | float | complex):
        call.refuse("a part of an axis whose bounds are not known before the run")
    return cut(x, axis, place, place + length)


def _start(x: Value, axis: int, start: Number) -> Dim | None:
    return None if isinstance(start, Computed | float | complex) else _placed(start, x.shape[axis])


@operators.put("narrow.default")
def put_narrow(call: Call, whole: Value, part: Value, axis: int, start: Number, length: Number) -> Value:
    """The whole with other elements in a part of an axis."""
    axis = call.axis(axis, whole.rank)
    place = _start(whole, axis, start)
    if place is None or isinstance(length, Computed | float | complex):
        call.refuse("a write into a part whose bounds are not known before the run")
    return put_cut(call, whole, part, axis, place, place + length, 1)


@operators.op(
    "narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)",
)
def narrow_at(call: Call, x: Value, axis: int, start: Value, length: Number) -> Value:
    """The same with the start in a tensor."""
    held = call.scope.constant_of(start)
    if held is not None:
        return narrow(call, x, axis, int(held.array().reshape(())), length)
    axis = call.axis(axis, x.rank)
    places = iota(shape=call.known_shape((length,)), axis=0, dtype=DType.INT64)
    offset = broadcast(reshape(call.cast(start, DType.INT64), shape=()), shape=places.shape)
    return gather(x, elementwise.add(places, offset), axis=axis)


def pieces(x: Value, axis: int, sizes: Sequence[Dim]) -> tuple[Value, ...]:
    """An axis cut into pieces of these sizes."""
    return (x,) if len(sizes) == 1 else split(x, axis=axis, sizes=tuple(sizes))


@operators.op(
    "split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]",
    "split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]",
    "split(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]",
    "unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]",
    "split_with_sizes_copy(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]",
)
def split_with_sizes(call: Call, x: Value, sizes: Sequence[Number], axis: int) -> tuple[Value, ...]:
    """An axis cut into pieces of the sizes."""
    return pieces(x, call.axis(axis, x.rank), call.known_shape(sizes))


@operators.op(
    "split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]",
    "unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
    "split_copy.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]",
)
def split_tensor(call: Call, x: Value, length: Number, axis: int) -> tuple[Value, ...]:
    """An axis cut into pieces of one size, the last one smaller where they do not come out even."""
    axis = call.axis(axis, x.rank)
    (step,) = call.known_shape((length,))
    size = x.shape[axis]
    if equal(step, size) is True:
        return (x,)
    count = ceil_divide(size, step)
    if not isinstance(count, int):
        call.refuse(f"axis {axis} of {x.type!r} cut into a number of pieces that is not known before the run")
    count = call.several(max(count, 1))
    return pieces(x, axis, (*(step,) * (count - 1), size - step * (count - 1)))


@operators.op(
    "chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]",
    "unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]",
)
def chunk(call: Call, x: Value, count: int, axis: int) -> tuple[Value, ...]:
    """An axis cut into `count` pieces at most, all of one size but the last."""
    axis = call.axis(axis, x.rank)
    size = x.shape[axis]
    if count < 1:
        call.invalid(f"{count} pieces are asked for")
    call.several(count)
    if size == 0:
        return (x,) * count
    step = ceil_divide(size, count)
    if isinstance(size, int):
        return split_tensor(call, x, step, axis)
    return pieces(x, axis, (*(step,) * (count - 1), size - step * (count - 1)))


@operators.op(
    "tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]",
)
def tensor_split(call: Call, x: Value, count: Number, axis: int) -> tuple[Value, ...]:
    """An axis cut into `count` pieces, the first ones larger by one where they do not come out even."""
    axis = call.axis(axis, x.rank)
    parts = call.known_integer(count, "a number of pieces")
    size = x.shape[axis]
    if call.several(parts) < 1:
        call.invalid(f"{parts} pieces are asked for")
    return pieces(x, axis, [floor_divide(size + (parts - 1 - place), parts) for place in range(parts)])


@operators.op(
    "tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]",
)
def tensor_split_at(call: Call, x: Value, places: Sequence[Number], axis: int) -> tuple[Value, ...]:
    """An axis cut before each of the places."""
    axis = call.axis(axis, x.rank)
    ends: list[Number | None] = [*places, None]
    return tuple(slice_tensor(call, x, axis, start, stop, 1) for start, stop in zip([None, *places], ends, strict=True))


@operators.op(
    "hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
    "vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
    "dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]",
    "hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
    "vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
    "dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]",
)
def split_along(call: Call, x: Value, places: int | Sequence[Number]) -> tuple[Value, ...]:
    """`tensor_split` along the second axis (the first of vectors), the first, or the third."""
    axis = {"h": min(1, x.rank - 1), "v": 0, "d": 2}[call.kind.removeprefix("aten.")[0]]
    return tensor_split(call, x, places, axis) if isinstance(places, int) else tensor_split_at(call, x, places, axis)


@operators.op(
    "unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]",
    "unbind_copy.int(Tensor self, int dim=0) -> Tensor[]",
)
def unbind(call: Call, x: Value, axis: int) -> tuple[Value, ...]:
    """What stands at each place of an axis."""
    axis = call.axis(axis, x.rank)
    count = call.known_integer(x.shape[axis], "the size of an axis that is taken apart")
    return tuple(select(call, x, axis, place) for place in range(call.several(count)))


def _diagonal_places(call: Call, rows: Dim, columns: Dim, offset: int) -> Value:
    """The places of a diagonal in a matrix in row-major order: i64[L]."""
    length = maximum(minimum(rows + min(offset, 0), columns - max(offset, 0)), 0)
    line = iota(shape=(length,), axis=0, dtype=DType.INT64)
    step = call.filled(columns + 1, DType.INT64, line.shape)
    start = call.filled(offset if offset >= 0 else columns * -offset, DType.INT64, line.shape)
    return elementwise.add(elementwise.mul(line, step), start)


def _last_two(call: Call, x: Value, first: int, second: int) -> list[int]:
    """The order of axes that has these two at the end."""
    first, second = call.axis(first, x.rank), call.axis(second, x.rank)
    if first == second:
        call.invalid(f"a diagonal needs two axes, got {first} twice")
    return [*(axis for axis in range(x.rank) if axis not in (first, second)), first, second]


@operators.op(
    "diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)",
    "diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor",
    "linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)",
)
def diagonal(call: Call, x: Value, offset: int, first: int, second: int) -> Value:
    """A diagonal of matrices over two axes, as the last axis."""
    matrices = permuted(x, _last_two(call, x, first, second))
    *outer, rows, columns = matrices.shape
    flat = reshape(matrices, shape=(*outer, rows * columns))
    return gather(flat, _diagonal_places(call, rows, columns, offset), axis=len(outer))


@operators.put("diagonal.default", "linalg_diagonal.default")
def put_diagonal(call: Call, whole: Value, part: Value, offset: int, first: int, second: int) -> Value:
    """The whole with another diagonal."""
    perm = _last_two(call, whole, first, second)
    matrices = permuted(whole, perm)
    *outer, rows, columns = matrices.shape
    line = _diagonal_places(call, rows, columns, offset)
    places = broadcast(line, shape=(*outer, *line.shape))
    part = call.repeated(call.cast(part, whole.dtype), places.shape)
    flat = reshape(matrices, shape=(*outer, rows * columns))
    made = reshape(scatter_elements(flat, places, part, axis=len(outer), reduction="none"), shape=matrices.shape)
    return permuted(made, [perm.index(axis) for axis in range(whole.rank)])


@operators.op(
    "diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor",
)
def diagonal_scatter(call: Call, x: Value, source: Value, offset: int, first: int, second: int) -> Value:
    """`x` with another diagonal."""
    return put_diagonal(call, x, source, offset, first, second)


@operators.op(
    "fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False) -> Tensor(a!)",
)
def fill_diagonal(call: Call, place: Tensor, value: Number, wrap: bool) -> Tensor:
    """A number on the diagonal of a matrix, or of a cube of equal sides."""
    x = place.value
    if wrap:
        call.refuse("a diagonal that begins anew below the square of a tall matrix")
    count = x.shape[0]
    for size in x.shape[1:]:
        count = minimum(count, size)
    line = iota(shape=(count, 1), axis=0, dtype=DType.INT64)
    places = call.repeated(line, (count, x.rank))
    place.write(scatter_nd(x, places, call.filled(value, x.dtype, (count,)), reduction="none"))
    return place


@operators.op(
    "diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
)
def diag_embed(call: Call, x: Value, offset: int, first: int, second: int) -> Value:
    """Matrices over two new axes that have the last axis as a diagonal and zeros elsewhere."""
    rank = x.rank + 1
    first, second = call.axis(first, rank), call.axis(second, rank)
    if first == second:
        call.invalid(f"a diagonal needs two axes, got {first} twice")
    size = x.shape[-1] + abs(offset)
    *outer, _ = x.shape
    rows = with_axis(pad(x, padding=(*((0, 0),) * len(outer), (max(-offset, 0), max(offset, 0)))), x.rank)
    shape = (*outer, size, size)
    row, column = (iota(shape=shape, axis=x.rank - 1 + step, dtype=DType.INT64) for step in (0, 1))
    on = compare.equal(elementwise.add(row, call.filled(offset, DType.INT64, shape)), column)
    made = elementwise.select(on, broadcast(rows, shape=shape), call.filled(0, x.dtype, shape))
    left = iter(range(len(outer)))
    last = {first: rank - 2, second: rank - 1}
    return permuted(made, [last[axis] if axis in last else next(left) for axis in range(rank)])


@operators.op(
    "diag(Tensor self, int diagonal=0) -> Tensor",
    "diagflat(Tensor self, int offset=0) -> Tensor",
)
def diag(call: Call, x: Value, offset: int) -> Value:
    """The diagonal of a matrix, or the matrix that has a vector as its diagonal."""
    if x.rank == 2 and call.kind.startswith("aten.diag."):
        return diagonal(call, x, offset, 0, 1)
    return diag_embed(call, reshape(x, shape=(x.tensor.elements,)), offset, 0, 1)


@operators.op(
    "unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)",
    "unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor",
)
def unfold(call: Call, x: Value, axis: int, length: int, step: int) -> Value:
    """Windows of an axis, their elements along a new last axis."""
    if not x.rank:
        x = reshape(x, shape=(1,))
        return cut(x, 0, 0, length)
    axis = call.axis(axis, x.rank)
    count = (x.shape[axis] - length) // step + 1
    start, inside = (iota(shape=(count, length), axis=each, dtype=DType.INT64) for each in (0, 1))
    places = elementwise.add(elementwise.mul(start, scalar_like(start, step)), inside)
    made = gather(x, places, axis=axis)
    return permuted(made, [*(each for each in range(made.rank) if each != axis + 1), axis + 1])


def _strided_places(call: Call, sizes: Sequence[Number], strides: Sequence[Number], offset: Number | None) -> Value:
    shape = call.known_shape(sizes)
    places = call.filled(0 if offset is None else offset, DType.INT64, shape)
    for axis, step in enumerate(call.known_shape(strides)):
        if shape[axis] != 1 and step != 0:
            line = iota(shape=shape, axis=axis, dtype=DType.INT64)
            places = elementwise.add(places, elementwise.mul(line, call.filled(step, DType.INT64, shape)))
    return places


@operators.op(
    "as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)",
    "as_strided_copy(Tensor self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor",
)
def as_strided(
    call: Call, x: Value, sizes: Sequence[Number], strides: Sequence[Number], offset: Number | None
) -> Value:
    """The elements at steps through memory, in which those of `x` lie in order."""
    places = _strided_places(call, sizes, strides, offset)
    return gather(reshape(x, shape=(product(x.shape),)), places, axis=0)


@operators.op(
    "as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> "
    "Tensor",
)
def as_strided_scatter(
    call: Call, x: Value, source: Value, sizes: Sequence[Number], strides: Sequence[Number], offset: Number | None
) -> Value:
    """`x` with other elements at steps through memory."""
    places = _strided_places(call, sizes, strides, offset)
    flat = (product(places.shape),)
    held = reshape(x, shape=(product(x.shape),))
    lines = reshape(places, shape=flat), reshape(call.cast(source, x.dtype), shape=flat)
    return reshape(scatter_elements(held, *lines, axis=0, reduction="none"), shape=x.shape)
