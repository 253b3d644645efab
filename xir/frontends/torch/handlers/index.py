"""Elements at places: indexing with tensors, gathering, and what looks for places."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.reduce import some
from xir.frontends.torch.handlers.views import permuted, with_axis
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.broadcasting import join
from xir.ir.dims import Dim, Shape, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise, finding
from xir.ops.index import gather, gather_elements, gather_nd, scatter_elements
from xir.ops.reduce import reduce_sum
from xir.ops.running import cumsum
from xir.ops.shape import concat, iota, reshape, slice_, transpose

operators = Operators("aten")
Indices = Sequence[Value | None]


def places_of(call: Call, mask: Value) -> tuple[Value, ...]:
    """The coordinates of what holds, a vector for each axis of the mask (torch `expandTensors`)."""
    found = call.scope.nonzero(mask)
    return tuple(
        reshape(slice_(found, axes=(0,), starts=(axis,), stops=(axis + 1,), steps=(1,)), shape=(found.shape[1],))
        for axis in range(mask.rank)
    )


def spread(call: Call, x: Value, indices: Indices) -> list[Value | None]:
    """One index or None for each axis of `x`: masks, of bool or bytes, become the coordinates of what holds."""
    found: list[Value | None] = []
    for index in indices:
        if index is not None and index.dtype in (DType.BOOL, DType.UINT8):
            if not index.rank:
                call.refuse("an index that is one bool without axes")
            found.extend(places_of(call, index))
        else:
            found.append(None if index is None else call.cast(index, DType.INT64))
    if len(found) > x.rank:
        call.invalid(f"{len(found)} indices for {x.type!r}")
    return found + [None] * (x.rank - len(found))


class Indexed:
    """An indexing with tensors: which axes they go along, and where their own axes stand in the result.

    Attributes:
        axes: those that have an index, in order.
        coordinates: i64 [places..., number of axes], the indices broadcast to one shape.
        places: the axes of the indices.
        first: the place of theirs in the result: that of the axes where they are neighbours, else the front.
    """

    def __init__(self, call: Call, x: Value, indices: Sequence[Value | None]) -> None:
        """What `indices`, one for each axis of `x`, say."""
        given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
        self.axes = [axis for axis, _ in given]
        values = call.aligned(*(index for _, index in given))
        self.places: Shape = values[0].shape
        self.columns = [with_axis(value, value.rank) for value in values]
        neighbours = self.axes[-1] - self.axes[0] + 1 == len(self.axes)
        self.first = self.axes[0] if neighbours else 0
        self.front = [*self.axes, *(axis for axis in range(x.rank) if axis not in self.axes)]

    @property
    def coordinates(self) -> Value:
        """The indices side by side."""
        return self.columns[0] if len(self.columns) == 1 else concat(*self.columns, axis=len(self.places))

    def order(self, rank: int) -> list[int]:
        """The axes of [places..., rest...], of which there are `rank`, in the order of the result."""
        count = len(self.places)
        rest = list(range(count, rank))
        return [*rest[: self.first], *range(count), *rest[self.first :]]


@operators.op(
    "index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
    "_unsafe_index.Tensor(Tensor self, Tensor?[] indices) -> Tensor",
    "index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor",
    "_unsafe_index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor",
)
def index_tensor(call: Call, x: Value, indices: Indices) -> Value:
    """The elements that index tensors name, which broadcast against each other (aten TensorAdvancedIndexing.cpp)."""
    spreaded = spread(call, x, indices)
    if all(each is None for each in spreaded):
        return x
    found = Indexed(call, x, spreaded)
    if len(found.axes) == 1:
        return gather(x, reshape(found.columns[0], shape=found.places), axis=found.axes[0])
    made = gather_nd(permuted(x, found.front), found.coordinates)
    return permuted(made, found.order(made.rank))


@operators.op(
    "index_select(Tensor self, int dim, Tensor index) -> Tensor",
)
def index_select(call: Call, x: Value, axis: int, indices: Value) -> Value:
    """The slices of an axis that a vector names."""
    axis = call.axis(axis, x.rank)
    places = reshape(indices, shape=(indices.tensor.elements,))
    if not x.rank:
        return reshape(gather(reshape(x, shape=(1,)), places, axis=0), shape=())
    return gather(x, places, axis=axis)


@operators.op(
    "gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor",
    unused=("sparse_grad",),
)
def gather_(call: Call, x: Value, axis: int, indices: Value) -> Value:
    """The elements at the places of `indices`, but for the coordinate on an axis, which it holds."""
    axis = call.axis(axis, x.rank)
    indices = call.cast(indices, DType.INT64)
    if indices.tensor.elements == 0:
        return call.filled(0, x.dtype, indices.shape)
    if not x.rank:
        flat = reshape(indices, shape=(indices.tensor.elements,))
        return reshape(gather(reshape(x, shape=(1,)), flat, axis=0), shape=indices.shape)
    if not indices.rank:
        return reshape(gather_elements(x, reshape(indices, shape=(1,)), axis=axis), shape=())
    return gather_elements(x, indices, axis=axis)


@operators.op(
    "take(Tensor self, Tensor index) -> Tensor",
)
def take(call: Call, x: Value, indices: Value) -> Value:
    """The elements at places of all elements in row-major order."""
    return gather(reshape(x, shape=(product(x.shape),)), indices, axis=0)


@operators.op(
    "take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor",
)
def take_along_dim(call: Call, x: Value, indices: Value, axis: int | None) -> Value:
    """The elements at places along an axis; without one, of all elements in order."""
    if axis is None:
        flat = reshape(indices, shape=(indices.tensor.elements,))
        return gather(reshape(x, shape=(x.tensor.elements,)), flat, axis=0)
    at = call.axis(axis, x.rank)
    outer = join([tuple(1 if place == at else size for place, size in enumerate(each.shape)) for each in (x, indices)])
    whole = call.repeated(x, (*outer[:at], x.shape[at], *outer[at + 1 :]))
    places = call.repeated(indices, (*outer[:at], indices.shape[at], *outer[at + 1 :]))
    return gather_elements(whole, places, axis=at)


@operators.op(
    "embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool "
    "sparse=False) -> Tensor",
    unused=("padding_idx", "scale_grad_by_freq", "sparse"),
)
def embedding(call: Call, weight: Value, indices: Value) -> Value:
    """The rows of a table; what concerns its derivative alone changes none of them."""
    return gather(weight, call.cast(indices, DType.INT64), axis=0)


@operators.op(
    "nonzero(Tensor self) -> Tensor",
    "argwhere(Tensor self) -> Tensor",
)
def nonzero(call: Call, x: Value) -> Value:
    """The coordinates of what is not 0, a row each."""
    return transpose(call.scope.nonzero(x), perm=(1, 0))


@operators.op(
    "nonzero_numpy(Tensor self) -> Tensor[]",
    "where(Tensor condition) -> Tensor[]",
)
def nonzero_each(call: Call, x: Value) -> tuple[Value, ...]:
    """The coordinates of what is not 0, a vector for each axis."""
    return places_of(call, x if x.rank else reshape(x, shape=(1,)))


@operators.op(
    "masked_select(Tensor self, Tensor mask) -> Tensor",
)
def masked_select(call: Call, x: Value, mask: Value) -> Value:
    """The elements where the mask holds, in row-major order."""
    x, mask = call.aligned(x, call.cast(mask, DType.BOOL))
    count = (x.tensor.elements,)
    (places,) = places_of(call, reshape(mask, shape=count))
    return gather(reshape(x, shape=count), places, axis=0)


@operators.op(
    "_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, "
    "Tensor, Tensor)",
    "_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)",
    "unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> "
    "(Tensor, Tensor, Tensor)",
    unused=("sorted", "return_inverse", "return_counts"),
)
def unique(call: Call, x: Value, along: int | None = None) -> tuple[Value, ...]:
    """The elements that differ, or the slices of an axis that do, in order; which one each is; how often each comes.

    They are always in order and all there, whether they are asked for or not.
    """
    axis = None if along is None else call.axis(along, x.rank)
    elements, _, inverse, counts = finding.unique(x, axis=axis, sorted=True)
    if axis is None:
        inverse = call.flat_to(inverse, x.shape)
    return (elements, inverse) if call.kind == "aten._unique.default" else (elements, inverse, counts)


@operators.op(
    "searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? "
    "side=None, Tensor? sorter=None) -> Tensor",
    "searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? "
    "side=None, Tensor? sorter=None) -> Tensor",
)
def searchsorted(
    call: Call, line: Value, x: Value | Number, small: bool, right: bool, side: str | None, sorter: Value | None
) -> Value:
    """Where each element goes into a line in order: how many of the line are below it, or not above with `right`."""
    if sorter is not None:
        line = gather_elements(line, sorter, axis=line.rank - 1)
    values = x if isinstance(x, Value) else call.scalar(x, line.dtype)
    return _counted(call, line, values, small, side == "right" if side is not None else right)


@operators.op(
    "bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
    "bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor",
)
def bucketize(call: Call, x: Value | Number, bounds: Value, small: bool, right: bool) -> Value:
    """The number of the interval between bounds that each element lies in."""
    return _counted(call, bounds, x if isinstance(x, Value) else call.scalar(x, bounds.dtype), small, right)


def _counted(call: Call, line: Value, x: Value, small: bool, right: bool) -> Value:
    values = with_axis(x, x.rank)
    edges = line if line.rank > 1 else reshape(line, shape=(*(1,) * x.rank, line.shape[0]))
    if line.rank > 1:
        edges = with_axis(line, line.rank - 1)
    edges, values = call.promoted(edges, values)
    if right:
        passed = compare.less_equal(edges, values)
    else:
        passed = compare.less(edges, values)
        if edges.dtype.is_floating:  # NaN is above all numbers
            passed = compare.logical_or(
                passed, compare.logical_and(elementwise.is_nan(values), compare.logical_not(elementwise.is_nan(edges)))
            )
    if right and edges.dtype.is_floating:
        passed = compare.logical_or(passed, elementwise.is_nan(values))
    count = reduce_sum(call.cast(passed, DType.INT64), axes=(passed.rank - 1,), keep_dims=False)
    return call.cast(count, DType.INT32 if small else DType.INT64)


@operators.op(
    "isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) "
    "-> Tensor",
    "isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> "
    "Tensor",
    "isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> "
    "Tensor",
    unused=("assume_unique",),
)
def isin(call: Call, x: Value | Number, others: Value | Number, invert: bool) -> Value:
    """Whether each element is among others."""
    left = x if isinstance(x, Value) else call.scalar(x, others.dtype if isinstance(others, Value) else DType.INT64)
    right = others if isinstance(others, Value) else call.scalar(others, left.dtype)
    flat = reshape(right, shape=(*(1,) * left.rank, right.tensor.elements))
    same = compare.equal(*call.promoted(with_axis(left, left.rank), flat))
    found = some(same, (same.rank - 1,), False)
    return compare.logical_not(found) if invert else found


@operators.op(
    "nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor",
)
def nonzero_static(call: Call, x: Value, size: Number, fill: int) -> Value:
    """The coordinates of what is not 0, in so many rows: the first ones, or filled up."""
    (rows,) = call.known_shape((size,))
    count = x.tensor.elements
    held = call.cast(reshape(x, shape=(count,)), DType.BOOL)
    rank = cumsum(call.cast(held, DType.INT64), axis=0, exclusive=True)
    behind = call.filled(rows, DType.INT64, (count,))
    row = elementwise.minimum(elementwise.select(held, rank, behind), behind)
    flat = iota(shape=(count,), axis=0, dtype=DType.INT64)
    nothing = call.filled(-1, DType.INT64, (rows + 1,))
    found = slice_(
        scatter_elements(nothing, row, flat, axis=0, reduction="none"),
        axes=(0,),
        starts=(0,),
        stops=(rows,),
        steps=(1,),
    )
    columns: list[Value] = []
    step: Dim = 1
    for extent in reversed(x.shape):
        whole, part = (call.filled(each, DType.INT64, found.shape) for each in (extent, step))
        columns.append(with_axis(elementwise.mod(elementwise.div(found, part), whole, floored=True), 1))
        step = step * extent
    if not columns:
        return call.filled(0, DType.INT64, (rows, 0))
    table = concat(*reversed(columns), axis=1)
    empty = call.repeated(with_axis(compare.less(found, call.filled(0, DType.INT64, found.shape)), 1), table.shape)
    return elementwise.select(empty, call.filled(fill, DType.INT64, table.shape), table)


@operators.op(
    "_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor",
)
def masked_index(call: Call, x: Value, mask: Value, indices: Indices, fill: Number) -> Value:
    """The elements that index tensors name where the mask holds, else a number."""
    least = [None if each is None else _inside(call, each, x.shape[axis]) for axis, each in enumerate(indices)]
    found = index_tensor(call, x, least)
    found, mask = call.aligned(found, call.cast(mask, DType.BOOL))
    return elementwise.select(mask, found, call.filled(fill, x.dtype, found.shape))


def _inside(call: Call, places: Value, extent: Dim) -> Value:
    """Places held within an axis."""
    places = call.cast(places, DType.INT64)
    low = elementwise.maximum(places, call.filled(0, DType.INT64, places.shape))
    return elementwise.minimum(low, call.filled(extent - 1, DType.INT64, places.shape))
