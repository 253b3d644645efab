"""TensorArrays as values: the contents flow along the edges that TensorFlow calls `flow`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._arrays import filled
from xir.frontends.tensorflow._handles import ArrayState, Operand, RaggedList, Token
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._sizes import whole
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._targets import size_value
from xir.ops.constant import constant
from xir.ops.elementwise import add, sub
from xir.ops.index import gather
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, concat, pad, reshape

handlers: Handlers[Handler] = Handlers("tensorflow")

_VERSIONS = ("", "V2", "V3")


def named(kind: str) -> tuple[str, ...]:
    """The three versions of an operator of TensorArrays."""
    return tuple(f"TensorArray{kind}{version}" for version in _VERSIONS)


@handlers.layer(*named(""))
def made(site: Site, size: Value) -> Sequence[Operand]:
    """A new array."""
    site.ignore("clear_after_read", "identical_element_shapes", "tensor_array_name")
    element = site.sizes_of("element_shape")
    count = reshape(whole(site, size), shape=())
    state = ArrayState(site.dtype("dtype"), count, element, None, site.flag("dynamic_size"))
    known = None if element is None else tuple(each for each in element if each is not None)
    if known is not None and element is not None and len(known) == len(element):
        state = replace(state, stack=filled(site.knowledge, state.dtype, count, known))
    return (Token(state), state)[: max(site.count(), 1)]


def contents(site: Site, operand: Operand) -> ArrayState:
    """The contents that flow in."""
    if isinstance(operand, RaggedList):
        site.refuse("a list of ragged tensors other than one by one")
    if not isinstance(operand, ArrayState):
        site.refuse("an array that comes from outside of the graph")
    return operand


def stack_of(site: Site, state: ArrayState) -> Value:
    """The elements of an array into which something was written."""
    if state.stack is None:
        site.refuse("an array that is read before anything is written into it")
    return state.stack


def written(site: Site, state: ArrayState, index: Value, value: Value) -> ArrayState:
    """The array with `value` as its element `index`."""
    index = reshape(whole(site, index), shape=())
    stack = state.stack
    if stack is None:
        stack = filled(site.knowledge, state.dtype, state.size, value.shape)
    if state.grows:
        stack = reaching(site, stack, add(index, _one()))
    updates = reshape(value, shape=(1, *value.shape))
    return replace(state, stack=scatter_nd(stack, reshape(index, shape=(1, 1)), updates, reduction="none"))


def _one() -> Value:
    return constant(value=constant_of(np.asarray(1, np.int64)))


def reaching(site: Site, stack: Value, count: Value) -> Value:
    """The elements, with as many empty ones behind them that there are `count` at least."""
    known, size = site.sizes(count), stack.shape[0]
    if known is not None and isinstance(known[0], int) and isinstance(size, int):
        more: Dim = max(known[0] - size, 0)
        return pad(stack, padding=((0, more), *((0, 0),) * (stack.rank - 1))) if more else stack
    missing = elementwise.maximum(sub(count, size_value(size, DType.INT64)), sub(_one(), _one()))
    before = constant(value=constant_of(np.zeros(stack.rank, np.int64)))
    after = constant(value=constant_of(np.zeros(stack.rank - 1, np.int64)))
    parts = [before, reshape(missing, shape=(1,)), *((after,) if stack.rank > 1 else ())]
    amounts = concat(*parts, axis=0)
    return pad(stack, amounts, padding=((0, Symbol()), *((0, 0),) * (stack.rank - 1)))


@handlers.layer(*named("Write"))
def write(site: Site, handle: Operand, index: Operand, value: Operand, flow: Operand) -> Operand:
    """TensorArrayWrite."""
    return written(site, contents(site, flow), site.value(index), site.value(value))


@handlers.layer(*named("Read"))
def read(site: Site, handle: Operand, index: Operand, flow: Operand) -> Operand:
    """TensorArrayRead."""
    stack = stack_of(site, contents(site, flow))
    return gather(stack, reshape(whole(site, site.value(index)), shape=()), axis=0)


@handlers.layer(*named("Size"))
def size(site: Site, handle: Operand, flow: Operand) -> Operand:
    """TensorArraySize."""
    state = contents(site, flow)
    count = state.size if state.stack is None else size_value(state.stack.shape[0], DType.INT64)
    return site.cast(count, DType.INT32)


@handlers.layer(*named("Gather"))
def gathered(site: Site, handle: Operand, indices: Operand, flow: Operand) -> Operand:
    """TensorArrayGather: the elements of these places, along a new first axis."""
    site.ignore("element_shape")
    state, places = contents(site, flow), site.value(indices)
    if state.stack is None:
        return _none(site, state, places)
    return gather(state.stack, whole(site, places), axis=0)


def _none(site: Site, state: ArrayState, places: Value) -> Value:
    """No elements, of an array into which nothing was written."""
    known = None if state.element is None else tuple(each for each in state.element if each is not None)
    if places.shape != (0,) or known is None or state.element is None or len(known) != len(state.element):
        site.refuse("an array that is read before anything is written into it")
    return constant(value=constant_of(np.zeros((0, *known), state.dtype.dtype)))


@handlers.layer(*named("Scatter"))
def scattered(site: Site, handle: Operand, indices: Operand, values: Operand, flow: Operand) -> Operand:
    """TensorArrayScatter: the rows of `values` become the elements of these places."""
    return scattered_rows(site, contents(site, flow), site.value(indices), site.value(values))


def scattered_rows(site: Site, state: ArrayState, places: Value, rows: Value) -> ArrayState:
    """The array with the rows as its elements at these places."""
    if state.stack is None and _is_whole(site, state, places, rows):
        return replace(state, stack=rows)
    stack = state.stack
    if stack is None:
        stack = filled(site.knowledge, state.dtype, state.size, rows.shape[1:])
    if state.grows:
        stack = reaching(site, stack, size_value(rows.shape[0], DType.INT64))
    column = reshape(whole(site, places), shape=(*places.shape, 1))
    return replace(state, stack=scatter_nd(stack, column, rows, reduction="none"))


def _is_whole(site: Site, state: ArrayState, places: Value, rows: Value) -> bool:
    """Whether the places are 0, 1, 2 ... up to the size of the array."""
    node = places.node
    counted = node is not None and node.op.name == "iota"
    known = site.known(places) if not counted else None
    in_order = counted or (known is not None and bool((known == np.arange(known.size)).all()))
    sizes = site.sizes(state.size)
    return in_order and (state.grows or (sizes is not None and sizes[0] == rows.shape[0]))


@handlers.layer(*named("Concat"))
def concatenated(site: Site, handle: Operand, flow: Operand) -> Sequence[Operand]:
    """TensorArrayConcat: the elements behind each other; all have one length here."""
    site.ignore("element_shape_except0")
    stack = stack_of(site, contents(site, flow))
    if stack.rank < 2:
        site.invalid(f"elements without axes are joined: {stack.type!r}")
    count, length = stack.shape[:2]
    lengths = broadcast(size_value(length, DType.INT64), shape=(count,))
    return reshape(stack, shape=(count * length, *stack.shape[2:])), lengths


@handlers.layer(*named("Split"))
def split(site: Site, handle: Operand, values: Operand, lengths: Operand, flow: Operand) -> Operand:
    """TensorArraySplit into elements of one length."""
    return replace(contents(site, flow), stack=cut_evenly(site, site.value(values), site.value(lengths)))


def cut_evenly(site: Site, rows: Value, lengths: Value) -> Value:
    """Pieces of one length along a new first axis."""
    known = site.numbers(lengths, "lengths of elements")
    if not known or len(set(known)) != 1:
        site.refuse("an array whose elements have different lengths")
    return reshape(rows, shape=(len(known), known[0], *rows.shape[1:]))
