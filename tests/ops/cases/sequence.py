"""Examples of sequences and optionals: operands that are lists at run time, or may be absent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.control import body
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.types import DType, OptionalType, SequenceType, TensorType, dtype_from_numpy
from xir.ops.elementwise import add, neg
from xir.ops.sequence import (
    concat_from_sequence,
    optional,
    optional_get,
    optional_has,
    optional_none,
    sequence_at,
    sequence_construct,
    sequence_empty,
    sequence_erase,
    sequence_insert,
    sequence_length,
    sequence_map,
    split_to_sequence,
)

TYPES = (np.float32, np.float64, np.int32, np.int64, np.bool_, np.uint8)
POSITION = TensorType(DType.INT64, ())


def ragged(dtype: type[np.generic] = np.float32) -> list[Array]:
    """Three tensors [n, 2] of other lengths, one of them empty."""
    return [np.arange(2 * rows).reshape(rows, 2).astype(dtype) for rows in (2, 0, 3)]


def listed(dtype: type[np.generic] | np.dtype[np.generic] = np.float32) -> SequenceType:
    """The type of such lists."""
    return SequenceType(TensorType(dtype_from_numpy(np.dtype(dtype)), (Symbol(), 2)))


def at(position: int, dtype: type[np.generic] = np.int64) -> Array:
    return np.asarray(position, dtype)


def cases() -> Iterator[Case]:
    for dtype in TYPES:
        yield case(sequence_construct, np.ones((2, 3), dtype), np.zeros((2, 3), dtype))
        yield case(sequence_at, ragged(dtype), at(2)).typed(listed(dtype), POSITION)
        yield case(sequence_empty, dtype=dtype_from_numpy(np.dtype(dtype))).noted(np.dtype(dtype).name)
    yield case(sequence_construct, normal(2, 3), normal(4, 3)).noted("of two lengths")
    yield case(sequence_construct, normal(2)).noted("of one")
    yield case(sequence_construct, np.array(["a", "é"], object), np.array(["", "c"], object))
    for position in (-3, -1, 0):
        yield case(sequence_at, ragged(), at(position)).typed(listed(), POSITION).noted(f"{position}")
    narrow = TensorType(DType.INT32, ())
    yield case(sequence_at, ragged(), at(1, np.int32)).typed(listed(), narrow).noted("an empty one")
    yield from _changed()
    yield case(sequence_length, ragged()).typed(listed())
    yield case(sequence_length, []).typed(listed()).noted("of nothing")
    yield from _cut_and_joined()
    yield from _mapped()
    yield from _optional()


def _changed() -> Iterator[Case]:
    row = np.full((1, 2), 7, np.float32)
    held = TensorType(DType.FLOAT32, (1, 2))
    yield case(sequence_insert, ragged(), row, None).typed(listed(), held, None).noted("at the end")
    for position in (-3, 0, 3):
        given = case(sequence_insert, ragged(), row, at(position)).typed(listed(), held, POSITION)
        yield given.noted(f"at {position}")
    yield case(sequence_insert, [], row, at(0)).typed(listed(), held, POSITION).noted("into nothing")
    yield case(sequence_erase, ragged(), None).typed(listed(), None).noted("the last")
    for position in (-3, 0, 2):
        yield case(sequence_erase, ragged(), at(position)).typed(listed(), POSITION).noted(f"at {position}")


def _cut_and_joined() -> Iterator[Case]:
    x = normal(3, 4)
    for keep_dims in (True, False):
        yield case(split_to_sequence, x, None, axis=1, keep_dims=keep_dims).noted(f"kept: {keep_dims}")
    yield case(split_to_sequence, x, np.array(3), axis=1, keep_dims=True).noted("pieces of a size")
    yield case(split_to_sequence, x, np.array([1, 0, 3]), axis=1, keep_dims=True).noted("pieces of sizes")
    yield case(split_to_sequence, np.arange(6), np.array([2, 4]), axis=0, keep_dims=True)
    square = SequenceType(TensorType(DType.FLOAT32, (2, 3)))
    for axis in (0, 1, -1):
        joined = case(concat_from_sequence, [normal(2, 3), normal(2, 3, seed=1)], axis=axis, new_axis=False)
        yield joined.typed(square).noted(f"along {axis}")
    for axis in (0, 2, -1):
        stacked = case(concat_from_sequence, [normal(2, 3), normal(2, 3, seed=1)], axis=axis, new_axis=True)
        yield stacked.typed(square).noted(f"along a new {axis}")
    yield case(concat_from_sequence, ragged(), axis=0, new_axis=False).typed(listed()).noted("of lengths")


def _mapped() -> Iterator[Case]:
    free = TensorType(DType.FLOAT32, (Symbol(), 2))
    turned = body([free], lambda x: (neg(x),))
    yield case(sequence_map, ragged(), body=turned, mapped=1).typed(listed())
    square = TensorType(DType.FLOAT32, (2, 3))
    both = body([square, square], lambda x, y: (add(x, y), neg(y)))
    pairs = [normal(2, 3), normal(2, 3, seed=1)]
    squares = SequenceType(square)
    yield case(sequence_map, pairs, pairs[::-1], body=both, mapped=2).typed(squares, squares).noted("of two")
    yield case(sequence_map, pairs, normal(2, 3), body=both, mapped=2).typed(squares, square).noted("with a tensor")
    yield case(sequence_map, pairs, normal(2, 3), body=both, mapped=1).typed(squares, square).noted("with captured")
    yield case(sequence_map, [], body=turned, mapped=1).typed(listed()).noted("of nothing")


def _optional() -> Iterator[Case]:
    tensor = TensorType(DType.FLOAT32, (2, 3))
    yield case(optional, normal(2, 3))
    yield case(optional, ragged()).typed(listed()).noted("of a sequence")
    for type in (tensor, listed()):
        there: Array | list[Array] = normal(2, 3) if type is tensor else ragged()
        kind = "a tensor" if type is tensor else "a sequence"
        yield case(optional_has, there).typed(OptionalType(type)).noted(f"{kind} is there")
        yield case(optional_has, None).typed(OptionalType(type)).noted(f"{kind} is absent")
        yield case(optional_get, there).typed(OptionalType(type)).noted(kind)
    for in_sequence in (False, True):
        made = case(optional_none, dtype=DType.FLOAT32, shape=(2, 3), in_sequence=in_sequence)
        yield made.noted(f"sequence: {in_sequence}")
