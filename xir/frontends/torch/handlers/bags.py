"""Bags: rows of a table, summed, averaged or compared in groups."""

from __future__ import annotations

from dataclasses import dataclass

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.views import with_axis
from xir.frontends.torch.operators import Operators
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather, scatter_elements
from xir.ops.places import scatter_nd
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, iota, slice_

operators = Operators("aten")
_MODES = ("sum", "mean", "max")
Results = tuple[Value, Value, Value, Value]


@dataclass(frozen=True, slots=True)
class _Bag:
    """How the rows of a bag become one, in PyTorch's words.

    Attributes:
        mode: 0 they are summed, 1 averaged, 2 the largest elements are taken.
        per_sample_weights: what each row is multiplied with, or None.
        include_last_offset: whether the offsets end with the end of the last bag.
        padding_idx: the row that counts nothing, or None.
    """

    mode: int
    per_sample_weights: Value | None
    include_last_offset: bool
    padding_idx: int | None = None


def _bags(call: Call, places: Value, offsets: Value) -> Value:
    """Which bag each place belongs to: how many bags begin at it or before it, less one."""
    shape = (places.shape[0], offsets.shape[0])
    line = broadcast(with_axis(iota(shape=places.shape, axis=0, dtype=DType.INT64), 1), shape=shape)
    begun = compare.greater_equal(line, broadcast(with_axis(offsets, 0), shape=shape))
    count = reduce_sum(call.cast(begun, DType.INT64), axes=(1,), keep_dims=False)
    return elementwise.sub(count, scalar_like(count, 1))


@operators.op(
    "_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
    "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> "
    "(Tensor, Tensor, Tensor, Tensor)",
    "_embedding_bag_forward_only(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, "
    "int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int "
    "padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)",
    "embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int mode, "
    "bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, "
    "Tensor, Tensor)",
    "embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, "
    "bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, "
    "Tensor, Tensor)",
    records=(_Bag,),
    unused=("scale_grad_by_freq", "sparse"),
)
def embedding_bag(call: Call, weight: Value, indices: Value, offsets: Value, given: _Bag) -> Results:
    """The rows of a table that each bag names, summed (0), averaged (1), or the largest elements (2).

    (aten/src/ATen/native/EmbeddingBag.cpp) indices: [N]; offsets: [B], where bags begin, or [B + 1] with the end of
    the last one. Results: the bags [B, D]; which bag each place belongs to [N], of sums none where PyTorch has a fast
    path (torch/_meta_registrations.py, `meta_embedding_bag`); how many rows each has; in mode 2 which row each element
    is of, else the numbers again.
    """
    mode, weights, padding = given.mode, given.per_sample_weights, given.padding_idx
    if not 0 <= mode < len(_MODES):
        call.invalid(f"mode {mode}, expected one below {len(_MODES)}")
    rows, starts = call.cast(indices, DType.INT64), call.cast(offsets, DType.INT64)
    if given.include_last_offset:
        starts = slice_(starts, axes=(0,), starts=(0,), stops=(starts.shape[0] - 1,), steps=(1,))
    bag = _bags(call, rows, starts)
    kept = call.filled(True, DType.BOOL, rows.shape)
    if padding is not None and padding >= 0:
        kept = compare.not_equal(rows, scalar_like(rows, padding))
    picked = gather(weight, rows, axis=0)
    if weights is not None:
        picked = elementwise.mul(picked, broadcast(with_axis(call.cast(weights, weight.dtype), 1), shape=picked.shape))
    zeros = call.filled(0, DType.INT64, starts.shape)
    sizes = scatter_elements(zeros, bag, call.cast(kept, DType.INT64), axis=0, reduction="add")
    if mode == 2:
        largest, winners = _largest(call, picked, rows, bag, kept, sizes)
        return largest, bag, sizes, winners
    shares = elementwise.select(broadcast(with_axis(kept, 1), shape=picked.shape), picked, scalar_like(picked, 0))
    shape = (starts.shape[0], weight.shape[1])
    total = scatter_nd(call.filled(0, weight.dtype, shape), with_axis(bag, 1), shares, reduction="add")
    if mode == 0:
        nothing = call.filled(0, DType.INT64, starts.shape)
        is_fast = weight.dtype in (DType.FLOAT32, DType.FLOAT16) and (padding is None or padding < 0)
        return total, call.filled(0, DType.INT64, (0,)) if is_fast else bag, nothing, nothing
    count = elementwise.maximum(sizes, scalar_like(sizes, 1))
    mean = elementwise.div(total, broadcast(with_axis(call.cast(count, weight.dtype), 1), shape=shape))
    return mean, bag, sizes, sizes


def _largest(call: Call, picked: Value, rows: Value, bag: Value, kept: Value, sizes: Value) -> tuple[Value, Value]:
    """The largest element of each bag, 0 of none, and the row that it is of: the first of equal ones."""
    shape = (sizes.shape[0], picked.shape[1])
    least = call.filled(float("-inf"), picked.dtype, shape)
    held = broadcast(with_axis(kept, 1), shape=picked.shape)
    shares = elementwise.select(held, picked, scalar_like(picked, float("-inf")))
    places = with_axis(bag, 1)
    most = scatter_nd(least, places, shares, reduction="max")
    wins = compare.logical_and(compare.equal(gather(most, bag, axis=0), picked), held)
    line = broadcast(with_axis(iota(shape=rows.shape, axis=0, dtype=DType.INT64), 1), shape=picked.shape)
    behind = call.filled(rows.shape[0], DType.INT64, picked.shape)
    first = call.filled(rows.shape[0], DType.INT64, shape)
    first = scatter_nd(first, places, elementwise.select(wins, line, behind), reduction="min")
    empty = broadcast(with_axis(compare.equal(sizes, scalar_like(sizes, 0)), 1), shape=shape)
    place = elementwise.select(empty, scalar_like(first, 0), first)
    winners = elementwise.select(empty, scalar_like(place, 0), gather(rows, place, axis=0))
    return elementwise.select(empty, scalar_like(most, 0), most), winners
