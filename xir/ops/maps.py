"""Maps from labels to values, as the models of ai.onnx.ml use them. All of them run by the reference.

At run time a map is a dict whose keys are Python's own numbers or texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, MapType, SequenceType, TensorType, Type
from xir.ops._checks import require_dtype, require_rank, require_size
from xir.ops._define import op

_HOST = "maps have no buffers that a kernel could read"
_NO_GRADIENT = "gradients of maps come with training"

Key = int | str


def _map_of(value: Value) -> tuple[DType, DType]:
    """The element types of the keys and values of a map of single elements.

    Raises:
        InvalidModelError: the operand is no such map.
    """
    held = value.type
    if not isinstance(held, MapType) or not isinstance(held.element, TensorType) or held.element.rank:
        raise InvalidModelError(f"a map to single elements is needed, got {held!r}")
    return held.key, held.element.dtype


def _keys(table: Constant) -> list[Key]:
    return cast("list[Key]", table.array().reshape(-1).tolist())


def _require_keys(table: Constant, what: str) -> int:
    if len(table.shape) != 1 or table.dtype not in (DType.STRING, DType.INT64):
        raise InvalidModelError(f"{what} must be a vector of str or i64, got {table.type!r}")
    return table.shape[0]


@op
def zip_map(x: Value, *, keys: Constant) -> Type:
    """A map from keys to the numbers of each row (ONNX ZipMap).

    x: f32, [N, C] or, for one row, [C]; keys: str or i64, [C]; result: a sequence of N maps.
    """
    require_dtype(x, DType.FLOAT32)
    require_rank(x, 1, 2)
    require_size(x.shape[-1], _require_keys(keys, "keys"), "the number of columns")
    return SequenceType(MapType(keys.dtype, TensorType(DType.FLOAT32, ())))


@zip_map.reference
def _zip_map_reference(x: Array, *, keys: Constant) -> list[dict[Key, object]]:
    names = _keys(keys)
    rows = x if x.ndim == 2 else x.reshape(1, -1)
    return [dict(zip(names, row, strict=True)) for row in rows]


zip_map.host(_HOST)
zip_map.no_gradient(_NO_GRADIENT)


@op
def dict_vectorizer(x: Value, *, vocabulary: Constant, dtype: DType) -> TensorType:
    """The values of the keys of a vocabulary, in its order; 0 or an empty text for those that `x` has not.

    x: a map from str or i64 to single elements of `dtype`; vocabulary: [V] of the type of the keys, which must all be
    in it; result: [1, V] of `dtype`. (ONNX DictVectorizer; its words have the result a vector, onnxruntime makes it
    one row, which models rely on: dictvectorizer.h)
    """
    key, held = _map_of(x)
    count = _require_keys(vocabulary, "the vocabulary")
    if vocabulary.dtype is not key or held is not dtype:
        raise InvalidModelError(f"a vocabulary of {vocabulary.dtype} and values of {dtype} do not fit {x.type!r}")
    return TensorType(dtype, (1, count))


@dict_vectorizer.reference
def _dict_vectorizer_reference(x: Mapping[Key, object], *, vocabulary: Constant, dtype: DType) -> Array:
    names = _keys(vocabulary)
    known = frozenset(names)
    for name in x:
        if name not in known:
            raise InvalidModelError(
                f"the key {name!r} is not in the vocabulary of {len(names)}", hint="leave it out of the map"
            )
    return _row([x.get(name, "" if dtype is DType.STRING else 0) for name in names], dtype)


dict_vectorizer.host(_HOST)
dict_vectorizer.no_gradient(_NO_GRADIENT)


def _row(items: Sequence[object], dtype: DType) -> Array:
    """One row of single elements."""
    made = np.empty((1, len(items)), object)
    for place, item in enumerate(items):
        made[0, place] = item
    return made.astype(dtype.dtype)


@op
def cast_map(x: Value, *, dtype: DType, size: int | None) -> TensorType:
    """The values of a map in the order of its keys, as elements of `dtype` (ONNX CastMap).

    x: a map from i64 to f32 or str; result: [1, K], f32, i64 or str. Without `size` K is how many there are; with it,
    each value stands at its key, which must be in [0, size), and 0 (as text '0.f', onnxruntime's cast_map.cc) where
    there is none. Floats become whole numbers toward 0; texts must be numbers.
    """
    key, held = _map_of(x)
    if key is not DType.INT64 or held not in (DType.FLOAT32, DType.STRING):
        raise InvalidModelError(f"a map from i64 to f32 or str is needed, got {x.type!r}")
    if dtype not in (DType.FLOAT32, DType.INT64, DType.STRING) or (size is not None and size < 1):
        raise InvalidModelError(f"a map cannot become {dtype} of {size} elements")
    return TensorType(dtype, (1, Symbol() if size is None else size))


@cast_map.reference
def _cast_map_reference(x: Mapping[int, object], *, dtype: DType, size: int | None) -> Array:
    made = {key: _element(x[key], dtype) for key in sorted(x)}
    if size is None:
        return _row(list(made.values()), dtype)
    for key in made:
        if not 0 <= key < size:
            raise InvalidModelError(f"the key {key} is not in [0, {size})")
    row = np.full((1, size), "0.f", object) if dtype is DType.STRING else np.zeros((1, size), dtype.dtype)
    row[0, list(made)] = _row(list(made.values()), dtype)[0]
    return cast("Array", row)


def _element(value: object, dtype: DType) -> object:
    if dtype is DType.STRING:
        return str(value)
    if isinstance(value, str) and "_" in value:
        raise InvalidModelError(f"{value!r} is no number")
    number = cast("str | float", value)
    return float(number) if dtype is DType.FLOAT32 else int(number)


cast_map.host(_HOST)
cast_map.no_gradient(_NO_GRADIENT)
