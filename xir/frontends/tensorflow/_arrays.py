"""Arrays of tensors as values: a TensorArray's elements lie along the first axis of one tensor."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from xir.errors import UnsupportedError
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._handles import ArrayState, Operand, Ragged, RaggedList
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol, symbols_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add
from xir.ops.shape import broadcast, concat, reshape


def filled(knowledge: Knowledge, dtype: DType, size: Value, element: Shape) -> Value:
    """Zeros (or empty strings) [size, *element]."""
    zero = constant(value=constant_of(np.zeros((), dtype.dtype) if dtype is not DType.STRING else np.array("", object)))
    known = knowledge.contents.of(size)
    count: Dim = Symbol() if known is None else known[0]
    if known is not None:
        return broadcast(zero, shape=(count, *element))
    rows = [reshape(size, shape=(1,)), *(reshape(size_value(each, DType.INT64), shape=(1,)) for each in element)]
    return broadcast(zero, concat(*rows, axis=0), shape=(count, *element))


def begun(
    knowledge: Knowledge, empty: ArrayState | RaggedList, after: Operand, known: Set[Symbol]
) -> ArrayState | RaggedList:
    """An array or a list of which nothing told the elements, of those that a step wrote into it.

    Args:
        knowledge: what is known of values.
        empty: the array before the loop.
        after: the array after a step.
        known: sizes that tensors before the loop have.

    Raises:
        UnsupportedError: the sizes of an element are made in the loop.
    """
    if isinstance(empty, RaggedList):
        if not isinstance(after, RaggedList) or after.rows is None:
            return empty
        _check_sizes(after.rows.values.shape[1:], known)
        return replace(empty, rows=without_values(empty.size, len(after.rows.splits), after.rows.values))
    if not isinstance(after, ArrayState) or after.stack is None:
        return empty
    _check_sizes(after.stack.shape[1:], known)
    return replace(empty, stack=filled(knowledge, after.dtype, empty.size, after.stack.shape[1:]))


def _check_sizes(element: Shape, known: Set[Symbol]) -> None:
    if any(symbol.name is None and symbol not in known for size in element for symbol in symbols_of(size)):
        raise UnsupportedError("an array in a loop whose elements have sizes that the loop alone tells")


def without_values(size: Value, ranks: int, like: Value) -> Ragged:
    """`size` rows without values, of so many ragged axes, whose values are of the type of `like`."""
    zero = constant(value=constant_of(np.zeros((), np.int64)))
    one = constant(value=constant_of(np.ones((), np.int64)))
    ends = broadcast(zero, reshape(add(size, one), shape=(1,)), shape=(Symbol(),))
    inner = (broadcast(zero, shape=(1,)),) * (ranks - 1)
    empty = np.zeros((), like.dtype.dtype) if like.dtype is not DType.STRING else np.array("", object)
    return Ragged((ends, *inner), broadcast(constant(value=constant_of(empty)), shape=(0, *like.shape[1:])))
