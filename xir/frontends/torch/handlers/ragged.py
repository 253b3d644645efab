"""Sequences of several lengths in one tensor: packed for recurrent layers, nested for whole layers of transformers.

Both stay padded tensors here, and `Scope.ragged` remembers their lengths: only the operators in `RAGGED` take such a
tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends.torch.call import Call
from xir.frontends.torch.handlers.cutting import slice_tensor
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Computed
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.arithmetic import select
from xir.ops.compare import greater, less, logical_and, logical_not, logical_or
from xir.ops.elementwise import cast
from xir.ops.index import gather_nd
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import concat, iota, reshape, transpose

operators = Operators("aten")


def _kept(call: Call, x: Value, lengths: Value) -> Value:
    """Where [T, N] lies within the lengths [N]."""
    places = iota(shape=x.shape[:2], axis=0, dtype=DType.INT64)
    return less(places, call.repeated(lengths, x.shape[:2]))


def masked(call: Call, x: Value, kept: Value, padding: float) -> Value:
    """The elements of [A, B, ...] where `kept` [A, B] says so, else the padding."""
    where = reshape(kept, shape=(*kept.shape, *(1,) * (x.rank - 2)))
    return select(call.repeated(where, x.shape), x, call.filled(padding, x.dtype, x.shape))


@operators.op("_pack_padded_sequence(Tensor input, Tensor lengths, bool batch_first) -> (Tensor, Tensor)")
def pack(call: Call, x: Value, lengths: Value, batch_first: bool) -> tuple[Value, Value]:
    """The sequences time first, and how many of them have each step (PackedSequence.cpp)."""
    if x.rank < 2 or lengths.rank != 1:
        call.invalid(f"sequences {x.type!r} of lengths {lengths.type!r}")
    steps = transpose(x, perm=(1, 0, *range(2, x.rank))) if batch_first else x
    lengths = call.cast(lengths, DType.INT64)
    kept = _kept(call, steps, lengths)
    packed = masked(call, steps, kept, 0)
    call.scope.ragged[packed] = lengths
    first = reshape(call.scalar(steps.shape[1], DType.INT64), shape=(1,))  # no sequence is empty
    counts = reduce_sum(cast(kept, dtype=DType.INT64), axes=(1,), keep_dims=False)
    rest = slice_tensor(call, counts, 0, 1, Computed(reduce_max(lengths, axes=(0,), keep_dims=False)), 1)
    return packed, concat(first, rest, axis=0)


@operators.op(
    "_pad_packed_sequence(Tensor data, Tensor batch_sizes, bool batch_first, Scalar padding_value, int total_length)"
    " -> (Tensor, Tensor)",
    unused=("batch_sizes",),
)
def unpack(call: Call, x: Value, batch_first: bool, padding: float, total: Dim) -> tuple[Value, Value]:
    """The padded sequences as long as the longest, or as `total`; and their lengths."""
    lengths = call.scope.ragged.get(x)
    if lengths is None:
        call.refuse("packed sequences that come from outside", "pack them in the model")
    padded = masked(call, x, _kept(call, x, lengths), padding)
    if isinstance(total, int) and total <= 0:
        padded = slice_tensor(call, padded, 0, 0, Computed(reduce_max(lengths, axes=(0,), keep_dims=False)), 1)
    elif total != x.shape[0]:
        call.refuse(f"a total length of {total!r} for {x.shape[0]!r} steps")
    return transpose(padded, perm=(1, 0, *range(2, x.rank))) if batch_first else padded, lengths


def rows(call: Call, x: Value) -> Value:
    """Packed sequences as PyTorch has them: [rows, ...], the first step of each one, then the second, ...

    What is not packed is as it is.
    """
    lengths = call.scope.ragged.get(x)
    if lengths is None:
        return x
    if lengths.rank != 1:
        call.refuse("a nested tensor that leaves the graph", "pad it in the model")
    places = call.scope.nonzero(_kept(call, x, lengths))
    return gather_nd(x, transpose(places, perm=(1, 0)))


@operators.op("_nested_tensor_from_mask_left_aligned(Tensor t, Tensor mask) -> bool", unused=("t", "mask"))
def is_left_aligned(call: Call) -> bool:
    """Always: what PyTorch computes with padding where a mask has gaps, nested tensors compute here too (`_shown`).

    torch.nn.TransformerEncoder asks before it nests, and pads where the answer is no.
    """
    return True


@operators.op("_nested_tensor_from_mask(Tensor t, Tensor mask, bool mask_check=True) -> Tensor", unused=("mask_check",))
def nested(call: Call, x: Value, kept: Value) -> Value:
    """The sequences [N, T, E] without the places that the mask [N, T] leaves out; with gaps nothing (`_shown`)."""
    if x.rank != 3 or kept.rank != 2:
        call.invalid(f"sequences {x.type!r} with a mask {kept.type!r}")
    kept = call.cast(kept, DType.BOOL)
    made = masked(call, x, _shown(call, kept), 0)
    call.scope.ragged[made] = kept
    return made


def _shown(call: Call, kept: Value) -> Value:
    """The places [N, T] that have elements: those kept; all, where a mask has gaps, for then nothing is nested.

    A gap is a place that is left out before one that is kept (NestedTensorTransformerFunctions.cpp).
    """
    ends, starts = (slice_tensor(call, kept, 1, *bounds, 1) for bounds in ((1, kept.shape[1]), (0, -1)))
    gaps = cast(logical_and(ends, logical_not(starts)), dtype=DType.INT64)
    has_gaps = greater(reduce_sum(gaps, axes=(0, 1), keep_dims=False), call.scalar(0, DType.INT64))
    return logical_or(kept, call.repeated(has_gaps, kept.shape))


@operators.op("to_padded_tensor(Tensor self, float padding, SymInt[]? output_size=None) -> Tensor")
def padded(call: Call, x: Value, padding: float, sizes: Sequence[Dim] | None) -> Value:
    """A nested tensor with padding where it has no elements."""
    kept = call.scope.ragged.get(x)
    if kept is None:
        call.refuse("a nested tensor that comes from outside", "nest it in the model")
    if sizes is None or tuple(sizes) != x.shape:
        call.refuse("padding to another size than that before nesting", "give output_size")
    return masked(call, x, _shown(call, kept), padding)
