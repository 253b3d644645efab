"""Features that are crossed: one number of a bucket for several words or numbers."""

from __future__ import annotations

from collections.abc import Sequence

from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops.bitwise import bitwise_xor, shift_right
from xir.ops.elementwise import cast, mod, mul
from xir.ops.hashing import string_hash

_FACTOR = 0xC6A4A7935BD1E995
"""What hashes are multiplied by where they are joined (tsl/platform/fingerprint.h, FingerprintCat64)."""

_LARGEST = (1 << 63) - 1


def crossed(columns: Sequence[Value], *, key: int, buckets: int) -> Value:
    """The bucket of what stands at the same place of all columns.

    Args:
        columns: str or integers, of one shape; a text counts as FarmHash's fingerprint, a number as its 64 bits.
        key: what joining begins with, 64 bits.
        buckets: how many there are, 0: 2**63 - 1.

    Returns:
        i64 of that shape (tensorflow/core/kernels/sparse_cross_op.cc, HashCrosser).

    Raises:
        InvalidModelError: the shapes differ, or there are no buckets.
    """
    if not 0 <= buckets <= _LARGEST:
        raise InvalidModelError(f"{buckets} buckets: expected 0 or more, in 64 bits")
    hashes = [_bits(column) for column in columns]
    made = scalar_like(hashes[0], key)
    for each in hashes:
        made = _joined(made, each)
    return cast(mod(made, scalar_like(made, buckets or _LARGEST), floored=True), dtype=DType.INT64)


def _bits(x: Value) -> Value:
    if x.dtype is DType.STRING:
        return string_hash(x, buckets=None, method="farm", key=())
    return cast(cast(x, dtype=DType.INT64), dtype=DType.UINT64)


def _joined(first: Value, second: Value) -> Value:
    """FingerprintCat64."""
    factor = scalar_like(first, _FACTOR)
    made = bitwise_xor(bitwise_xor(first, factor), mul(_mixed(mul(second, factor)), factor))
    return _mixed(mul(_mixed(mul(made, factor)), factor))


def _mixed(x: Value) -> Value:
    return bitwise_xor(x, shift_right(x, scalar_like(x, 47)))
