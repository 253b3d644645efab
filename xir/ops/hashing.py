"""Text as numbers of buckets. All of it runs by the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype
from xir.ops._define import op
from xir.ops._hashes import fingerprint, murmur, sip
from xir.ops._texts import as_bytes, words

Hash = Literal["farm", "sip", "murmur"]


@op
def string_hash(x: Value, *, buckets: int | None, method: Hash, key: tuple[int, ...]) -> TensorType:
    """The bucket of each text: the hash of its bytes in UTF-8, modulo `buckets`; the hash itself where that is None.

    x: str of any shape; result: i64, that shape, from 0 to `buckets` - 1, or u64. method: `farm`, FarmHash's
    Fingerprint64 (TensorFlow StringToHashBucketFast); `sip`, SipHash-2-4 with a key of two words of 64 bits
    (StringToHashBucketStrong); `murmur`, MurmurHash64A with TensorFlow's seed (StringToHashBucket). Without `sip` the
    key is empty. (tensorflow/core/kernels/string_to_hash_bucket_op.h, string_to_hash_bucket_fast_op.h)
    """
    require_dtype(x, DType.STRING)
    if buckets is not None and not 1 <= buckets < 1 << 63:
        raise InvalidModelError(f"{buckets} buckets: expected 1 or more, in 64 bits")
    if len(key) != (2 if method == "sip" else 0):
        raise InvalidModelError(f"a key of {len(key)} words for {method!r}: expected 2 for 'sip', else none")
    return x.tensor.with_dtype(DType.UINT64 if buckets is None else DType.INT64)


def _hash(method: Hash, key: tuple[int, ...]) -> Callable[[bytes], int]:
    match method:
        case "farm":
            return fingerprint
        case "murmur":
            return murmur
        case "sip":
            return lambda data: sip(data, (key[0], key[1]))


@string_hash.reference
def _string_hash_reference(x: Array, *, buckets: int | None, method: Hash, key: tuple[int, ...]) -> Array:
    hashed = map(_hash(method, key), map(as_bytes, words(x)))
    if buckets is None:
        return np.array(list(hashed), np.uint64).reshape(x.shape)
    return np.array([each % buckets for each in hashed], np.int64).reshape(x.shape)


string_hash.host("text has no kernels")
string_hash.no_gradient("text has no slope")
