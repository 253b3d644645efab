"""StableHLO's GATHER and SCATTER: windows of a tensor at places that the run tells (openxla.org/stablehlo/spec)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.tflite.handlers.regions import region
from xir.frontends.tflite.site import Handler, Site, literal, whole
from xir.ir.dims import Dim, Shape
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import element_count
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import Reduction, gather
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, concat, reshape, slice_, transpose

raw: Handlers[Handler] = Handlers("tflite")

_COMBINATIONS: dict[str, Reduction] = {"add": "add", "mul": "mul", "maximum": "max", "minimum": "min"}


@dataclass(frozen=True, slots=True)
class _Windows:
    """Windows of a tensor, each at a place of its own.

    Attributes:
        shape: of the tensor.
        sizes: of a window, one for each axis of the tensor.
        addressed: the axes along which windows are at different places, or smaller than the tensor.
        starts: {addressed axis: i64 [places], where each window begins}; at 0 on the others.
    """

    shape: tuple[int, ...]
    sizes: tuple[int, ...]
    addressed: tuple[int, ...]
    starts: dict[int, Value]

    @property
    def kept(self) -> tuple[int, ...]:
        """The other axes, of which every window has the whole."""
        return tuple(axis for axis in range(len(self.shape)) if axis not in self.addressed)

    @property
    def order(self) -> tuple[int, ...]:
        """All axes, the addressed ones in front."""
        return (*self.addressed, *self.kept)

    def rows(self) -> int:
        """How many places the addressed axes have."""
        return element_count([self.shape[axis] for axis in self.addressed])

    def coordinates(self, axis: int) -> Value:
        """Along an addressed axis, the place of each element of each window: i64 [places, elements]."""
        sizes = [self.sizes[each] for each in self.addressed]
        offsets = np.indices(sizes).reshape(len(sizes), -1)[self.addressed.index(axis)]
        row = literal(offsets[None], DType.INT64)
        start = self.starts.get(axis)
        if start is None:
            return row
        shape: Shape = (start.shape[0], len(offsets))
        column = broadcast(reshape(start, shape=(start.shape[0], 1)), shape=shape)
        return elementwise.add(column, broadcast(row, shape=shape))

    def flat(self, count: Dim, coordinates: dict[int, Value]) -> Value:
        """The coordinates as one in row-major order: i64 [places, elements]."""
        elements = element_count([self.sizes[axis] for axis in self.addressed])
        total = broadcast(literal(0, DType.INT64), shape=(count, elements))
        step = 1
        for axis in reversed(self.addressed):
            place = broadcast(coordinates[axis], shape=total.shape)
            total = elementwise.add(total, elementwise.mul(place, _like(place, step)))
            step *= self.shape[axis]
        return total


def _like(value: Value, number: int) -> Value:
    return broadcast(scalar_like(value, number), shape=value.shape)


def _windows(
    site: Site, x: Value, sizes: tuple[int, ...], axes: tuple[int, ...], indices: Value, fits: bool
) -> tuple[_Windows, Shape]:
    """The windows that index vectors name, and the shape of what holds these vectors.

    Args:
        site: the operator.
        x: the tensor.
        sizes: of a window.
        axes: the axis of the tensor that each element of an index vector is for.
        indices: the vectors, along the axis `index_vector_dim`; scalars where that is one behind the last.
        fits: whether starts are moved so that the windows lie within the tensor.
    """
    shape, at = known(x.shape), site.integer("index_vector_dim")
    if at == indices.rank:
        indices = reshape(indices, shape=(*indices.shape, 1))
    if shape is None or known(indices.shape) is None:
        site.refuse("sizes that are not known before the run", "type the inputs: --input")
    is_sound = len(sizes) == len(shape) and all(0 <= part <= size for part, size in zip(sizes, shape, strict=False))
    if not (is_sound and 0 <= at < indices.rank and indices.shape[at] == len(axes) == len(set(axes))):
        site.invalid(f"windows of {list(sizes)} at axes {list(axes)} do not fit {x.type!r} and {indices.type!r}")
    if any(not 0 <= axis < len(shape) for axis in axes):
        site.invalid(f"{x.type!r} has no axes {list(axes)}")
    last = transpose(indices, perm=(*(each for each in range(indices.rank) if each != at), at))
    vectors = reshape(whole(last), shape=(element_count(known(last.shape[:-1]) or ()), len(axes)))
    addressed = tuple(axis for axis in range(len(shape)) if axis in axes or sizes[axis] != shape[axis])
    starts: dict[int, Value] = {}
    for number, axis in enumerate(axes):
        column = slice_(vectors, axes=(1,), starts=(number,), stops=(number + 1,), steps=(1,))
        start = reshape(column, shape=vectors.shape[:1])
        if fits:
            least = elementwise.maximum(start, _like(start, 0))
            start = elementwise.minimum(least, _like(start, shape[axis] - sizes[axis]))
        starts[axis] = start
    return _Windows(shape, sizes, addressed, starts), last.shape[:-1]


def _placed(site: Site, rank: int, places: Sequence[int], others: Sequence[int], rest: Sequence[int]) -> list[int]:
    """For each axis of a result, which axis of [others..., rest...] it is; `places` are those of `rest`."""
    if len(set(places)) != len(places) or any(not 0 <= place < rank for place in places) or len(places) != len(rest):
        site.invalid(f"axes {list(places)} of windows do not fit {rank} axes")
    first, second = iter(others), iter(rest)
    return [next(second) if axis in places else next(first) for axis in range(rank)]


@raw.layer("STABLEHLO_GATHER")
def gathered(site: Site, x: Value, indices: Value) -> Value:
    """STABLEHLO_GATHER: a window at each start, moved so that it fits (stablehlo_gather.cc)."""
    site.ignore("indices_are_sorted")
    sizes, axes = site.integers("slice_sizes"), site.integers("start_index_map")
    offsets, collapsed = site.integers("offset_dims"), site.integers("collapsed_slice_dims")
    windows, outer = _windows(site, x, sizes, axes, indices, True)
    if any(not 0 <= axis < x.rank or sizes[axis] != 1 for axis in collapsed):
        site.invalid(f"axes {list(collapsed)} of windows {list(sizes)} are not 1")
    count = element_count(known(outer) or ())
    rows = reshape(
        transpose(x, perm=windows.order),
        shape=(windows.rows(), *(windows.shape[axis] for axis in windows.kept)),
    )
    flat = windows.flat(count, {axis: windows.coordinates(axis) for axis in windows.addressed})
    made = reshape(gather(rows, flat, axis=0), shape=(*outer, *(sizes[axis] for axis in windows.order)))
    rank = len(outer)
    kept = [rank + windows.order.index(axis) for axis in range(x.rank) if axis not in collapsed]
    dropped = [rank + windows.order.index(axis) for axis in sorted(set(collapsed))]
    perm = _placed(site, rank + len(kept), offsets, range(rank), kept)
    turned = transpose(made, perm=(*perm, *dropped))
    return reshape(turned, shape=turned.shape[: len(perm)])


@raw.layer("STABLEHLO_SCATTER")
def scattered(site: Site, x: Value, indices: Value, updates: Value) -> Value:
    """STABLEHLO_SCATTER: windows put at, or combined with what stands at, their places (stablehlo_scatter.cc).

    An element that falls outside of the tensor is left out; where several fall on one place, the last one stays.
    """
    site.ignore("indices_are_sorted", "unique_indices")
    offsets, inserted = site.integers("update_window_dims"), site.integers("inserted_window_dims")
    axes = site.integers("scatter_dims_to_operand_dims")
    own = [axis for axis in range(x.rank) if axis not in inserted]
    outer = [axis for axis in range(updates.rank) if axis not in offsets]
    perm = _placed(site, updates.rank, offsets, range(len(outer)), range(len(outer), updates.rank))
    if len(own) != len(offsets):
        site.invalid(f"windows {list(offsets)} without the axes {list(inserted)} do not fit {x.type!r}")
    extent = known(transpose(updates, perm=_inverse(perm)).shape[len(outer) :])
    if extent is None:
        site.refuse("sizes that are not known before the run", "type the inputs: --input")
    sizes = tuple(dict(zip(own, extent, strict=True)).get(axis, 1) for axis in range(x.rank))
    windows, held = _windows(site, x, sizes, axes, indices, False)
    count = element_count(known(held) or ())
    places = [len(outer) + own.index(axis) for axis in windows.order if axis in own]
    back = _inverse(perm)
    turned = transpose(updates, perm=tuple(back[axis] for axis in (*range(len(outer)), *places)))
    rest = tuple(windows.shape[axis] for axis in windows.kept)
    elements = element_count([sizes[axis] for axis in windows.addressed])
    rows = reshape(transpose(x, perm=windows.order), shape=(windows.rows(), *rest))
    made = scatter_nd(
        concat(rows, broadcast(_zero(x), shape=(1, *rest)), axis=0),
        reshape(_within(windows, count), shape=(count * elements, 1)),
        reshape(turned, shape=(count * elements, *rest)),
        reduction=_combination(site, x.dtype),
    )
    made = slice_(made, axes=(0,), starts=(0,), stops=(windows.rows(),), steps=(1,))
    full = reshape(made, shape=tuple(windows.shape[axis] for axis in windows.order))
    return transpose(full, perm=_inverse(windows.order))


def _inverse(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(place) for place in np.argsort(perm))


def _zero(x: Value) -> Value:
    return literal(0, x.dtype)


def _within(windows: _Windows, count: int) -> Value:
    """The flat places of all elements, those outside of the tensor in a row of their own behind it."""
    coordinates = {axis: windows.coordinates(axis) for axis in windows.addressed}
    flat = windows.flat(count, coordinates)
    for axis, place in coordinates.items():
        spot = broadcast(place, shape=flat.shape)
        for is_out in (
            compare.less(spot, _like(spot, 0)),
            compare.greater_equal(spot, _like(spot, windows.shape[axis])),
        ):
            flat = elementwise.select(is_out, _like(flat, windows.rows()), flat)
    return flat


def _combination(site: Site, dtype: DType) -> Reduction:
    """What the region does with an element and its update."""
    body = region(site, site.integer("update_computation_subgraph_index"), (dtype, dtype))
    graph = body.graph
    if not graph.nodes and graph.outputs == graph.inputs[1:]:
        return "none"
    if len(graph.nodes) == 1 and {*graph.nodes[0].inputs} == {*graph.inputs}:
        name = graph.nodes[0].op.name
        if name in _COMBINATIONS:
            return _COMBINATIONS[name]
    site.refuse("a scatter that combines elements by more than a sum, product, maximum or minimum")
