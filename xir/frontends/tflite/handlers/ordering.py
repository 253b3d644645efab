"""StableHLO's operators with regions: reductions, windows, sorting (openxla.org/stablehlo/spec)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._bodies import Body
from xir.frontends._handlers import Handlers
from xir.frontends._operands import known
from xir.frontends.tflite.handlers.regions import reduced, region, spread
from xir.frontends.tflite.handlers.windows import spaced, windowed
from xir.frontends.tflite.site import Handler, Site, as_dtype
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import element_count
from xir.ops import compare
from xir.ops.index import gather_elements
from xir.ops.reduce import reduce_sum, top_k
from xir.ops.shape import broadcast, iota, pad, reshape

raw: Handlers[Handler] = Handlers("tflite")

_MAX_COMPARED = 1 << 24
"""Comparisons of a sort that compares each element with each."""


def _halves(site: Site, operands: Sequence[Value]) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """What is reduced, and what each reduction starts with."""
    half = len(operands) // 2
    values, starts = tuple(operands[:half]), tuple(reshape(each, shape=()) for each in operands[half:])
    if not half or len(starts) != half or any(value.shape != values[0].shape for value in values):
        site.invalid(f"{len(operands)} operands are no tensors of one shape with a start for each")
    return values, starts


@raw.layer("STABLEHLO_REDUCE")
def reduction(site: Site, *operands: Value) -> tuple[Value, ...]:
    """STABLEHLO_REDUCE: tensors of one shape, combined along axes by a subgraph, beginning with the starts."""
    values, starts = _halves(site, operands)
    axes = site.axes(site.integers("dimensions"), values[0].rank)
    body = region(site, site.integer("body_subgraph_index"), [start.dtype for start in starts] * 2)
    shape = tuple(size for axis, size in enumerate(values[0].shape) if axis not in axes)
    first = tuple(site.knowledge.broadcast(start, shape) for start in starts)
    if any(values[0].shape[axis] == 0 for axis in axes):
        return first
    return spread(site, body, (*first, *reduced(site, body, values, axes)))


@raw.layer("STABLEHLO_REDUCE_WINDOW")
def windows(site: Site, *operands: Value) -> tuple[Value, ...]:
    """STABLEHLO_REDUCE_WINDOW: gaps and edges hold the start, then each window's elements are combined with it."""
    values, starts = _halves(site, operands)
    rank = values[0].rank
    body = region(site, site.integer("body_subgraph_index"), [start.dtype for start in starts] * 2)
    sizes, strides, gaps, spaces = (
        site.integers(name) or (1,) * rank
        for name in ("window_dimensions", "window_strides", "base_dilations", "window_dilations")
    )
    flat = site.integers("padding") or (0,) * (2 * rank)
    if not len(gaps) == rank == len(flat) // 2 or min(gaps, default=1) < 1:
        site.invalid(f"gaps {list(gaps)} and edges {list(flat)} do not fit {values[0].type!r}")
    around = tuple(zip(flat[::2], flat[1::2], strict=True))
    wide = tuple(
        pad(spaced(value, gaps, start), None, start, padding=around)
        for value, start in zip(values, starts, strict=True)
    )
    made = windowed(site, wide, sizes, strides, spaces, lambda rows, axis: reduced(site, body, rows, (axis,)))
    first = tuple(site.knowledge.broadcast(start, made[0].shape) for start in starts)
    return spread(site, body, (*first, *made))


@raw.layer("STABLEHLO_SORT")
def ordered(site: Site, *values: Value) -> tuple[Value, ...]:
    """STABLEHLO_SORT: tensors of one shape, moved alike along an axis; equal elements stay in their order."""
    site.ignore("is_stable")
    if not values or any(value.shape != values[0].shape for value in values):
        site.invalid("tensors of one shape are needed")
    axis = site.axis(site.integer("dimension"), values[0].rank)
    dtypes = [value.dtype for value in values for _ in range(2)]
    body = region(site, site.integer("comparator_subgraph_index"), dtypes)
    size = values[0].shape[axis]
    found = _compared(site, body)
    if found is None:
        places = _by_ranks(site, values, axis, body)
    else:
        place, descends = found
        _, places = top_k(values[place], k=size, axis=axis, largest=descends)
    return tuple(gather_elements(value, places, axis=axis) for value in values)


def _compared(site: Site, body: Body) -> tuple[int, bool] | None:
    """(operand, whether the largest comes first) where the region compares the two elements of one operand alone."""
    inputs, nodes = body.graph.inputs, body.graph.nodes
    if len(nodes) != 1 or nodes[0].op.name not in ("less", "greater", "less_equal", "greater_equal"):
        return None
    (node,) = nodes
    if node.op.name.endswith("_equal"):
        site.refuse("a sort whose comparison holds of equal elements")
    first, second = (inputs.index(value) for value in node.inputs if value is not None)
    if first // 2 != second // 2 or first == second:
        return None
    return first // 2, (node.op.name == "greater") == (first < second)


def _by_ranks(site: Site, values: Sequence[Value], axis: int, body: Body) -> Value:
    """The places of the elements in order: an element's rank is how many come before it, each compared with each."""
    shape = values[0].shape
    size, sizes = shape[axis], known(shape)
    if sizes is None or not isinstance(size, int) or element_count(sizes) * size > _MAX_COMPARED:
        site.refuse(f"a sort of {list(shape)} by a comparison of its own", "sort by one operand, or type the inputs")
    wide = (*shape[:axis], size, *shape[axis:])

    def repeated(value: Value, place: int) -> Value:
        return broadcast(reshape(value, shape=(*shape[:place], 1, *shape[place:])), shape=wide)

    pairs = [(repeated(value, axis), repeated(value, axis + 1)) for value in values]
    (is_after,) = spread(site, body, tuple(each for this, other in pairs for each in (other, this)))
    (is_before,) = spread(site, body, tuple(each for this, other in pairs for each in (this, other)))
    this, other = (iota(shape=wide, axis=place, dtype=DType.INT64) for place in (axis + 1, axis))
    is_tie = compare.logical_and(compare.less(other, this), compare.logical_not(is_before))
    ranks = reduce_sum(as_dtype(compare.logical_or(is_after, is_tie), DType.INT64), axes=(axis,), keep_dims=False)
    return top_k(ranks, k=size, axis=axis, largest=False)[1]
