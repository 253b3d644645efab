"""Arrays of tensors as values: a TensorArray's elements lie along the first axis of one tensor."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from xir.errors import UnsupportedError
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._handles import ArrayState
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Shape, Symbol, symbols_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.constant import constant
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


def begun(knowledge: Knowledge, empty: ArrayState, after: ArrayState, known: Set[Symbol]) -> ArrayState:
    """An array of which nothing told the elements, of those that a step wrote into it.

    Args:
        knowledge: what is known of values.
        empty: the array before the loop.
        after: the array after a step.
        known: sizes that tensors before the loop have.

    Raises:
        UnsupportedError: the sizes of an element are made in the loop.
    """
    if after.stack is None:
        return empty
    element = after.stack.shape[1:]
    if any(symbol.name is None and symbol not in known for size in element for symbol in symbols_of(size)):
        raise UnsupportedError("an array in a loop whose elements have sizes that the loop alone tells")
    return replace(empty, stack=filled(knowledge, after.dtype, empty.size, element))
