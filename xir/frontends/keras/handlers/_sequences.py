"""Masked sequences: the steps that count moved to the front, and results put back to where they belong.

A step that does not count leaves the state and repeats the output before it (keras/src/backend/tensorflow/rnn.py).
Running over the steps that count alone, and reading each step's output from the last one that counts, is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.index import gather_nd
from xir.ops.reduce import reduce_sum, top_k
from xir.ops.running import cumsum
from xir.ops.shape import broadcast, reshape


@dataclass(frozen=True, slots=True)
class Compact:
    """Where the steps of masked sequences [N, T] go.

    Attributes:
        mask: which steps count, bool [N, T].
        order: for each place of the compacted sequence the step that stands there, i64 [N, T].
        counted: how many steps count up to each step, itself included, i64 [N, T].
        lengths: how many count at all, i32 [N].
    """

    mask: Value
    order: Value
    counted: Value
    lengths: Value

    def front(self, x: Value) -> Value:
        """[N, T, I] with the steps that count in front."""
        return _picked(x, self.order)


def compacted(mask: Value) -> Compact:
    """Where the steps go that a mask, bool [N, T], lets count."""
    kept = elementwise.cast(mask, dtype=DType.INT64)
    counted = cumsum(kept, axis=1)
    total = reduce_sum(kept, axes=(1,), keep_dims=True)
    _, order = top_k(kept, k=mask.shape[1], axis=1)  # equal ones stay in their order
    lengths = elementwise.cast(reshape(total, shape=mask.shape[:1]), dtype=DType.INT32)
    return Compact(mask, order, counted, lengths)


def spread(compact: Compact, y: Value, *, zeros: bool) -> Value:
    """Outputs [N, T, H] of compacted sequences at their steps; where nothing counts yet, or `zeros`, they are 0."""
    one = scalar_like(compact.counted, 1)
    place = elementwise.maximum(elementwise.sub(compact.counted, one), elementwise.sub(one, one))
    found = _picked(y, place)
    shown = compact.mask if zeros else compare.greater(compact.counted, elementwise.sub(one, one))
    wide = broadcast(reshape(shown, shape=(*shown.shape, 1)), shape=found.shape)
    return elementwise.select(wide, found, scalar_like(found, 0.0))


def _picked(x: Value, places: Value) -> Value:
    """The steps `places` [N, T] of [N, T, I]."""
    return gather_nd(x, reshape(places, shape=(*places.shape, 1)), batch_axes=1)
