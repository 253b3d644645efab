"""Sequences and optionals: lists of tensors, and values that may be absent. All of them run by the reference.

At run time a sequence is a list of arrays, an absent optional is None, and one that is there is its value.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, OptionalType, SequenceType, TensorType, Type, UnrankedType
from xir.ops._checks import require_axis, require_dtype
from xir.ops._define import op
from xir.ops.control import RunBody, result_types, widest

_HOST = "sequences and optionals have no buffers that a kernel could read"
_NO_GRADIENT = "gradients of sequences come with training"

List = list[Array]


@op
def sequence_construct(*values: Value) -> Type:
    """The values as a sequence. (ONNX SequenceConstruct)

    values: one or more of one element type; where their sizes differ, those of the elements are unknown.
    """
    if not values:
        raise InvalidModelError("a sequence of nothing has no element type: sequence_empty makes one")
    element = values[0].type
    for value in values[1:]:
        element = widest(element, value.type)
    return SequenceType(element)


@sequence_construct.reference
def _sequence_construct_reference(*values: Array) -> List:
    return list(values)


@op
def sequence_empty(*, dtype: DType) -> Type:
    """A sequence of no tensors of the element type `dtype`. (ONNX SequenceEmpty)"""
    return SequenceType(UnrankedType(dtype))


@sequence_empty.reference
def _sequence_empty_reference(*, dtype: DType) -> List:
    return []


@op
def sequence_insert(sequence: Value, value: Value, position: Value | None = None) -> Type:
    """`sequence` with `value` before `position`, or at its end. (ONNX SequenceInsert)

    position: integer, one element, in [-n, n] for n elements.
    """
    _require_position(position)
    element = _element(sequence)
    if isinstance(element, UnrankedType) and isinstance(value.type, TensorType | UnrankedType):
        if element.dtype is not value.type.dtype:
            raise InvalidModelError(f"{value.type!r} is no element of {sequence.type!r}")
        is_empty = sequence.node is not None and sequence.node.op.name == "sequence_empty"
        return SequenceType(value.type) if is_empty else sequence.type
    return SequenceType(widest(element, value.type))


@sequence_insert.reference
def _sequence_insert_reference(sequence: List, value: Array, position: Array | None) -> List:
    place = len(sequence) if position is None else _place(position, len(sequence), len(sequence))
    return [*sequence[:place], value, *sequence[place:]]


@op
def sequence_erase(sequence: Value, position: Value | None = None) -> Type:
    """`sequence` without the element at `position`, or without its last. (ONNX SequenceErase)

    position: integer, one element, in [-n, n - 1] for n elements.
    """
    _require_position(position)
    _element(sequence)
    return sequence.type


@sequence_erase.reference
def _sequence_erase_reference(sequence: List, position: Array | None) -> List:
    place = _place(position, len(sequence), len(sequence) - 1)
    return [*sequence[:place], *sequence[place + 1 :]]


@op
def sequence_at(sequence: Value, position: Value) -> Type:
    """The element of `sequence` at `position`. (ONNX SequenceAt)

    position: integer, one element, in [-n, n - 1] for n elements.
    """
    _require_position(position)
    return _fresh(_element(sequence))


@sequence_at.reference
def _sequence_at_reference(sequence: List, position: Array) -> Array:
    return sequence[_place(position, len(sequence), len(sequence) - 1)]


@op
def sequence_length(sequence: Value) -> Type:
    """How many elements `sequence` has: i64[]. (ONNX SequenceLength)"""
    _element(sequence)
    return TensorType(DType.INT64, ())


@sequence_length.reference
def _sequence_length_reference(sequence: List) -> Array:
    return np.asarray(len(sequence), np.int64)


@op
def split_to_sequence(x: Value, sizes: Value | None = None, *, axis: int, keep_dims: bool) -> Type:
    """`x` cut along `axis`: into slices of 1, of the one size `sizes`, or of the sizes in it. (ONNX SplitToSequence)

    x: any tensor; sizes: integers, a scalar or a vector. Without `sizes`, `keep_dims` tells whether the axis stays.
    """
    require_axis(x, axis)
    if sizes is None and not keep_dims:
        return SequenceType(x.tensor.with_shape((*x.shape[:axis], *x.shape[axis + 1 :])))
    size: Dim = 1 if sizes is None else Symbol()
    return SequenceType(x.tensor.with_shape((*x.shape[:axis], size, *x.shape[axis + 1 :])))


@split_to_sequence.reference
def _split_to_sequence_reference(x: Array, sizes: Array | None, *, axis: int, keep_dims: bool) -> List:
    extent = x.shape[axis]
    if sizes is None:
        pieces = np.split(x, extent, axis) if extent else []
        return pieces if keep_dims else [np.squeeze(piece, axis) for piece in pieces]
    if sizes.ndim == 0:
        size = int(sizes)
        if size <= 0:
            raise InvalidModelError(f"pieces of the size {size}")
        return [x[(slice(None),) * axis + (slice(at, at + size),)] for at in range(0, extent, size)]
    counts = np.asarray(sizes, np.int64)
    ends = np.cumsum(counts)
    if (counts < 0).any() or (ends[-1] if len(ends) else 0) != extent:
        raise InvalidModelError(f"the sizes {sizes.tolist()} do not make up {extent}")
    return np.split(x, ends[:-1], axis)


@op
def concat_from_sequence(sequence: Value, *, axis: int, new_axis: bool) -> Type:
    """The elements joined along `axis`, or stacked along a new one there. (ONNX ConcatFromSequence)

    sequence: at least one tensor [...], all of one shape but along `axis` (of one shape to be stacked).
    axis: negative ones count from the end of the result.
    """
    element = _element(sequence)
    if not isinstance(element, TensorType):
        return element
    rank = element.rank + int(new_axis)
    if not -rank <= axis < rank:
        raise InvalidModelError(f"axis {axis} does not exist among {rank}")
    place = axis % rank
    shape: list[Dim] = [Symbol() if isinstance(size, Symbol) and size.name is None else size for size in element.shape]
    if new_axis:
        shape.insert(place, Symbol())
    else:
        shape[place] = Symbol()
    return element.with_shape(tuple(shape))


@concat_from_sequence.reference
def _concat_from_sequence_reference(sequence: List, *, axis: int, new_axis: bool) -> Array:
    if not sequence:
        raise InvalidModelError("an empty sequence cannot be joined")
    return np.stack(sequence, axis) if new_axis else np.concatenate(sequence, axis)


@op
def sequence_map(*values: Value, body: Graph, mapped: int) -> tuple[Type, ...]:
    """`body` for each element of a sequence. (ONNX SequenceMap)

    values: `mapped` sequences of one length or tensors, which every step gets whole, the first of them a sequence;
    then what the body reads besides. Results: a sequence for each result of the body.
    """
    if not 1 <= mapped <= len(values) or not isinstance(values[0].type, SequenceType):
        raise InvalidModelError("the first of the mapped values must be a sequence")
    types = [
        value.type.element if isinstance(value.type, SequenceType) and index < mapped else value.type
        for index, value in enumerate(values)
    ]
    return tuple(SequenceType(type) for type in result_types(body, types))


@sequence_map.reference
def _sequence_map_reference(*values: Array | List, body: RunBody, mapped: int) -> tuple[List, ...]:
    lists = [value for value in values[:mapped] if isinstance(value, list)]
    if len({len(each) for each in lists}) != 1:
        raise InvalidModelError(f"the sequences have {[len(each) for each in lists]} elements")
    rows: list[tuple[Array, ...]] = []
    for step in range(len(lists[0])):
        given = [
            value[step] if isinstance(value, list) and index < mapped else value for index, value in enumerate(values)
        ]
        rows.append(body(*cast("list[Array]", given)))
    if not rows:
        return tuple([] for _ in range(body.count))
    return tuple(list(column) for column in zip(*rows, strict=True))


@op
def optional(value: Value) -> Type:
    """`value` as an optional that is there. (ONNX Optional)"""
    if isinstance(value.type, OptionalType):
        raise InvalidModelError(f"an optional of {value.type!r}")
    return OptionalType(value.type)


@optional.reference
def _optional_reference(value: Array) -> Array:
    return value


@op
def optional_none(*, dtype: DType, shape: tuple[Dim, ...] | None, in_sequence: bool) -> Type:
    """An optional that is absent. (ONNX Optional without an operand)

    It would be a tensor of `dtype` and `shape` (None: of any number of axes), or a sequence of such tensors.
    """
    tensor = UnrankedType(dtype) if shape is None else TensorType(dtype, shape)
    return OptionalType(SequenceType(tensor) if in_sequence else tensor)


@optional_none.reference
def _optional_none_reference(*, dtype: DType, shape: Shape | None, in_sequence: bool) -> None:
    return None


@op
def optional_has(value: Value) -> Type:
    """Whether the optional `value` is there: bool[]. (ONNX OptionalHasElement)"""
    if not isinstance(value.type, OptionalType):
        raise InvalidModelError(f"an optional is needed, got {value.type!r}")
    return TensorType(DType.BOOL, ())


@optional_has.reference
def _optional_has_reference(value: Array | None) -> Array:
    return np.asarray(value is not None)


@op
def optional_get(value: Value) -> Type:
    """What the optional `value` holds; it must be there. (ONNX OptionalGetElement)"""
    if not isinstance(value.type, OptionalType):
        raise InvalidModelError(f"an optional is needed, got {value.type!r}")
    return value.type.element


@optional_get.reference
def _optional_get_reference(value: Array | None) -> Array:
    if value is None:
        raise InvalidModelError("the optional is absent")
    return value


for _each in (
    sequence_construct,
    sequence_empty,
    sequence_insert,
    sequence_erase,
    sequence_at,
    sequence_length,
    split_to_sequence,
    concat_from_sequence,
    optional,
    optional_none,
    optional_has,
    optional_get,
):
    _each.host(_HOST)
    _each.no_gradient(_NO_GRADIENT)
sequence_map.host(_HOST)
sequence_map.no_gradient(_NO_GRADIENT)


def _element(sequence: Value) -> Type:
    if not isinstance(sequence.type, SequenceType):
        raise InvalidModelError(f"a sequence is needed, got {sequence.type!r}")
    return sequence.type.element


def _fresh(type: Type) -> Type:
    """The type of one element: nameless sizes may be others in each."""
    if isinstance(type, TensorType):
        return type.with_shape(
            tuple(Symbol() if isinstance(size, Symbol) and size.name is None else size for size in type.shape)
        )
    return type


def _require_position(position: Value | None) -> None:
    if position is not None:
        require_dtype(position, DType.INT64, DType.INT32)


def _place(position: Array | None, count: int, last: int) -> int:
    place = -1 if position is None else int(position.reshape(()))
    if not -count <= place <= last:
        raise InvalidModelError(f"position {place} does not exist among {count} elements")
    return place + count if place < 0 else place
