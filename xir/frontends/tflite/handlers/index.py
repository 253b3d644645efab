"""Elements chosen by their places, and put there."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.handlers.shape import repeated_to
from xir.frontends.tflite.site import Handler, Site, as_dtype, literal, unknown_sizes, whole
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise, index
from xir.ops._build import scalar_like
from xir.ops.compare import less
from xir.ops.finding import nonzero, unique
from xir.ops.places import reverse_sequence, scatter_nd
from xir.ops.shape import broadcast, concat, range_, reshape, slice_, transpose
from xir.ops.triangle import eye_like

handlers: Handlers[Handler] = Handlers("tflite")
moving: Handlers[Handler] = Handlers("tflite")
raw: Handlers[Handler] = Handlers("tflite")


def _places(value: Value) -> Value:
    return value if value.dtype in (DType.INT32, DType.INT64) else as_dtype(value, DType.INT64)


@moving.layer("GATHER")
def gathered(site: Site, x: Value, places: Value) -> Value:
    """GATHER, with axes that go together (tf.gather, batch_dims)."""
    axis = site.axis(site.integer("axis"), x.rank)
    batch = site.integer("batch_dims")
    if batch < 0:
        batch += places.rank
    if not 0 <= batch <= min(axis, places.rank):
        site.invalid(f"{batch} batch axes before axis {axis}")
    if not batch:
        return index.gather(x, _places(places), axis=axis)
    order = (*range(batch), axis, *(each for each in range(batch, x.rank) if each != axis))
    coordinates = reshape(_places(places), shape=(*places.shape, 1))
    found = index.gather_nd(transpose(x, perm=order), coordinates, batch_axes=batch)
    own = places.rank - batch
    lead = axis - batch
    between = tuple(range(batch + own, batch + own + lead))
    perm = (*range(batch), *between, *range(batch, batch + own), *range(batch + own + lead, found.rank))
    return transpose(found, perm=perm)


@moving.layer("GATHER_ND")
def gathered_at(site: Site, x: Value, places: Value) -> Value:
    """GATHER_ND."""
    return index.gather_nd(x, _places(places))


@moving.layer("EMBEDDING_LOOKUP")
def embedded(site: Site, places: Value, x: Value) -> Value:
    """EMBEDDING_LOOKUP: rows of a table."""
    return index.gather(x, _places(places), axis=0)


@moving.layer("SCATTER_ND")
def scattered(site: Site, places: Value, updates: Value, sizes: Value) -> Value:
    """SCATTER_ND: into zeros; what falls on one place is summed."""
    zero = literal(0, updates.dtype)
    empty = repeated_to(site, zero, sizes)
    return scatter_nd(empty, _places(places), updates, reduction="add")


@raw.layer("SPARSE_TO_DENSE")
def dense(site: Site, places: Value, sizes: Value, values: Value, default: Value) -> Value:
    """SPARSE_TO_DENSE: places [], [N] or [N, rank]."""
    site.ignore("validate_indices")
    empty = repeated_to(site, reshape(default, shape=()), sizes)
    count = places.shape[0] if places.rank else 1
    depth = places.shape[1] if places.rank == 2 else 1
    where = reshape(_places(places), shape=(count, depth))
    held = values if values.rank else broadcast(values, shape=(count,))
    return scatter_nd(empty, where, held, reduction="none")


@raw.layer("ONE_HOT")
def one_hot(site: Site, places: Value, depth: Value, on: Value, off: Value) -> Value:
    """ONE_HOT: `on` at the places, `off` elsewhere."""
    known = site.sizes(depth)
    axis = site.integer("axis")
    axis = places.rank if axis == -1 else site.axis(axis, places.rank + 1)
    count = None if known is not None else reshape(whole(depth), shape=(1,))
    size = unknown_sizes(1)[0] if known is None else known[0]
    where = _places(places)
    outside = broadcast(literal((1 << 31) - 1, where.dtype), shape=where.shape)
    where = elementwise.select(less(where, scalar_like(where, 0)), outside, where)  # ours counts from the end
    hot = index.one_hot(where, count, depth=size, axis=axis, dtype=DType.BOOL)
    chosen = (broadcast(reshape(each, shape=()), shape=hot.shape) for each in (on, off))
    return elementwise.select(hot, *chosen)


@raw.layer("WHERE")
def places_of(site: Site, condition: Value) -> Value:
    """WHERE: the coordinates of what is not zero, a row each."""
    return transpose(nonzero(condition), perm=(1, 0))


@raw.layer("UNIQUE")
def distinct(site: Site, x: Value) -> tuple[Value, ...]:
    """UNIQUE: the elements in the order of their first place, and which one each is."""
    site.ignore("idx_out_type")
    found, _, which, _ = unique(x, axis=None, sorted=False)
    return found, which


@raw.layer("RANGE")
def counted(site: Site, start: Value, limit: Value, delta: Value) -> Value:
    """RANGE."""
    return range_(*(reshape(each, shape=()) if each.rank else each for each in (start, limit, delta)))


@moving.layer("REVERSE_SEQUENCE")
def reversed_parts(site: Site, x: Value, lengths: Value) -> Value:
    """REVERSE_SEQUENCE; ours has batch and time as its first axes."""
    time, batch = site.axis(site.integer("seq_dim"), x.rank), site.axis(site.integer("batch_dim"), x.rank)
    if time == batch:
        site.invalid(f"time and batch are both axis {time}")
    order = (batch, time, *(axis for axis in range(x.rank) if axis not in (batch, time)))
    turned = reverse_sequence(transpose(x, perm=order), lengths, batch_axis=0, time_axis=1)
    return transpose(turned, perm=tuple(order.index(axis) for axis in range(x.rank)))


@raw.layer("MATRIX_DIAG")
def diagonal(site: Site, x: Value) -> Value:
    """MATRIX_DIAG: matrices with x on the diagonal."""
    size = x.shape[-1]
    shape = (*x.shape, size)
    wide = broadcast(reshape(x, shape=(*x.shape, 1)), shape=shape)
    return elementwise.select(_is_diagonal(site, wide), wide, broadcast(literal(0, x.dtype), shape=shape))


@raw.layer("MATRIX_SET_DIAG")
def with_diagonal(site: Site, x: Value, values: Value) -> Value:
    """MATRIX_SET_DIAG: x with another diagonal."""
    rows, columns = x.shape[-2:]
    if not isinstance(rows, int) or not isinstance(columns, int):
        site.refuse("matrices of sizes that are not known before the run")
    line = values
    if columns > rows:
        zeros = broadcast(literal(0, x.dtype), shape=(*values.shape[:-1], columns - rows))
        line = concat(values, zeros, axis=values.rank - 1)
    wide = broadcast(reshape(line, shape=(*line.shape[:-1], 1, line.shape[-1])), shape=x.shape)
    return elementwise.select(_is_diagonal(site, x), wide, x)


def _is_diagonal(site: Site, like: Value) -> Value:
    """Where a matrix of these sizes has its diagonal."""
    size = like.shape[-2:]
    plane = broadcast(literal(0, DType.INT32), shape=size)
    return site.knowledge.broadcast(eye_like(plane, diagonal=0, dtype=DType.BOOL), like.shape)


def _segments(site: Site, x: Value, segments: Value, count: Value | None, kind: str) -> Value:
    """Rows combined by the segment that each is of; segments without rows hold what changes nothing.

    SEGMENT_SUM's number of segments is one more than the last one's (segment_sum.cc).
    """
    size: Dim
    if count is None:
        held = site.known(segments)
        if held is None:
            site.refuse("segments that are computed at run time")
        size = max(held, default=-1) + 1
    else:
        known = site.sizes(count)
        if known is None or len(known) != 1:
            site.refuse("a number of segments that is computed at run time")
        size = known[0]
    lowest, highest = _limits(x.dtype)
    start = {"add": 0, "mul": 1, "max": lowest, "min": highest}[kind]
    rest = x.shape[segments.rank :]
    empty = broadcast(literal(start, x.dtype), shape=(size, *rest))
    places = reshape(_places(segments), shape=(*segments.shape, 1))
    match kind:
        case "mul":
            return scatter_nd(empty, places, x, reduction="mul")
        case "max":
            return scatter_nd(empty, places, x, reduction="max")
        case "min":
            return scatter_nd(empty, places, x, reduction="min")
        case _:
            return scatter_nd(empty, places, x, reduction="add")


def _limits(dtype: DType) -> tuple[float, float]:
    import numpy as np

    if dtype.is_floating:
        info = np.finfo(np.float32)
        return float(info.min), float(info.max)
    return -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1


@handlers.layer("EMBEDDING_LOOKUP_SPARSE")
def sparse_embedding(site: Site, ids: Value, places: Value, dense: Value, weights: Value, table: Value) -> Value:
    """EMBEDDING_LOOKUP_SPARSE: rows of a table, combined by where a sparse tensor has their numbers.

    ids, weights: [U]; places: [U, k], coordinates in the shape `dense`; table: [R, rest...]; result: dense[:-1], rest.
    As LiteRT takes for granted, the entries of one place stand together (embedding_lookup_sparse.cc).
    """
    sizes = site.numbers(dense, "the shape of a sparse tensor")[:-1]
    count, rest = ids.shape[0], table.shape[1:]
    first = broadcast(literal(0, places.dtype), shape=(count, 1))
    kept = slice_(places, axes=(1,), starts=(0,), stops=(len(sizes),), steps=(1,))
    where = concat(first, kept, axis=1)
    wide = broadcast(reshape(weights, shape=(count, *(1,) * len(rest))), shape=(count, *rest))

    def summed(rows: Value) -> Value:
        zeros = broadcast(literal(0, rows.dtype), shape=(1, *sizes, *rows.shape[1:]))
        return reshape(scatter_nd(zeros, where, rows, reduction="add"), shape=(*sizes, *rows.shape[1:]))

    made = summed(elementwise.mul(index.gather(table, ids, axis=0), wide))
    combiner = site.word("combiner", "SUM")
    if combiner == "SUM":
        return made
    total = summed(weights) if combiner == "MEAN" else elementwise.sqrt(summed(elementwise.mul(weights, weights)))
    is_there = less(scalar_like(total, 0.0), summed(broadcast(literal(1, DType.FLOAT32), shape=(count,))))
    divisor = elementwise.select(is_there, total, scalar_like(total, 1.0))
    return elementwise.div(made, broadcast(reshape(divisor, shape=(*sizes, *(1,) * len(rest))), shape=made.shape))


@handlers.layer("SEGMENT_SUM")
def segment_sum(site: Site, x: Value, segments: Value) -> Value:
    """SEGMENT_SUM."""
    return _segments(site, x, segments, None, "add")


@handlers.layer("UNSORTED_SEGMENT_SUM", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_MIN")
def unsorted_segments(site: Site, x: Value, segments: Value, count: Value) -> Value:
    """UNSORTED_SEGMENT_SUM, _PROD, _MAX and _MIN; rows of negative segments are dropped."""
    kinds = {"SUM": "add", "PROD": "mul", "MAX": "max", "MIN": "min"}
    kind = kinds[site.operator.kind.rpartition("_")[2]]
    held = site.known(segments)
    if held is not None and min(held, default=0) >= 0:
        return _segments(site, x, segments, count, kind)
    # What is dropped falls into one segment more, which is cut off again.
    (size,) = site.numbers(count, "a number of segments")
    more, least = (broadcast(literal(number, segments.dtype), shape=segments.shape) for number in (size, -1))
    places = elementwise.select(less(least, segments), segments, more)
    made = _segments(site, x, places, literal([size + 1], DType.INT64), kind)
    return slice_(made, axes=(0,), starts=(0,), stops=(size,), steps=(1,))
