"""Features of serialized examples (`tf.train.Example`). They run by the reference."""

from __future__ import annotations

from math import prod

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._checks import require_dtype, require_same_shape
from xir.ops._define import op
from xir.ops._example_message import BYTES, FLOATS, INTEGERS, Held, feature_of
from xir.ops._texts import as_bytes, from_bytes, texts, words

_KINDS = {DType.STRING: BYTES, DType.FLOAT32: FLOATS, DType.INT64: INTEGERS}
"""Element types of features, and the lists that hold them."""


@op
def example_feature(x: Value, default: Value | None = None, *, key: str, shape: Shape, dtype: DType) -> TensorType:
    """The elements of one feature of serialized examples (TensorFlow ParseExample, its dense features).

    x: str, examples, [*S]; default: `shape` of `dtype`, what an example has that lacks the feature; without one each
    must have it. dtype: f32, i64 or str. Result: [*S, *shape] of `dtype`. An example that holds another number or kind
    of elements is an error. (tensorflow/core/util/example_proto_fast_parsing.cc)
    """
    require_dtype(x, DType.STRING)
    if dtype not in _KINDS:
        raise InvalidModelError(f"features hold f32, i64 or str, not {dtype}")
    if default is not None:
        require_dtype(default, dtype)
        require_same_shape(default.shape, shape)
    return TensorType(dtype, (*x.shape, *shape))


@example_feature.reference
def _example_feature_reference(
    x: Array, default: Array | None, *, key: str, shape: tuple[int, ...], dtype: DType
) -> Array:
    count, wanted = prod(shape), as_bytes(key)
    given = None if default is None else default.reshape(-1).tolist()
    found: list[object] = []
    for data in map(as_bytes, words(x)):
        held = feature_of(data, wanted)
        if held is not None:
            found += _checked(held, count, key, dtype)
        elif given is not None:
            found += given
        else:
            raise InvalidModelError(f"an example lacks the feature {key[:60]!r}, which has no default")
    whole = (*x.shape, *shape)
    if dtype is DType.STRING:
        return texts([from_bytes(each) if isinstance(each, bytes) else str(each) for each in found], whole)
    return np.array(found, dtype.dtype).reshape(whole)


def _checked(held: Held, count: int, key: str, dtype: DType) -> list[object]:
    kind, elements = held
    if kind != _KINDS[dtype] or len(elements) != count:
        raise InvalidModelError(f"the feature {key[:60]!r} of an example does not hold {count} elements of {dtype}")
    return list(elements)


example_feature.host("text has no kernels")
example_feature.no_gradient("text has no slope")
