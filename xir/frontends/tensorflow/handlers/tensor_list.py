"""Lists of tensors (TensorFlow 2's arrays in loops), held as one tensor with the elements along the first axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.tensorflow._arrays import filled
from xir.frontends.tensorflow._handles import ArrayState, Operand, RaggedList
from xir.frontends.tensorflow._site import Handler, Site
from xir.frontends.tensorflow.handlers._rows import row_of, with_row
from xir.frontends.tensorflow.handlers._sizes import head, unknown, whole
from xir.frontends.tensorflow.handlers.tensor_array import (
    contents,
    cut_evenly,
    reaching,
    scattered_rows,
    stack_of,
    written,
)
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._targets import size_value
from xir.ops.constant import constant, identity
from xir.ops.index import gather
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast, concat, reshape

handlers: Handlers[Handler] = Handlers("tensorflow")


def _element(site: Site, operand: Value) -> tuple[int | None, ...] | None:
    """The sizes of an element as far as an operand tells them; -1 alone is a shape of which nothing is known."""
    known = site.sizes(operand)
    if known is None or operand.rank == 0:
        return None
    return tuple(size if isinstance(size, int) and size >= 0 else None for size in known)


def _new(site: Site, shape: Value, size: Value) -> ArrayState:
    element = _element(site, shape)
    state = ArrayState(site.dtype("element_dtype"), size, element, None, False)
    if element is None or any(each is None for each in element):
        return state
    sizes = tuple(each for each in element if each is not None)
    return replace(state, stack=filled(site.knowledge, state.dtype, size, sizes))


@handlers.layer("TensorListReserve")
def reserved(site: Site, shape: Operand, count: Operand) -> Operand:
    """A list of so many elements; handles are ragged tensors."""
    size = reshape(whole(site, site.value(count)), shape=())
    return RaggedList(size, None) if site.holds_handles("element_dtype") else _new(site, site.value(shape), size)


@handlers.layer("EmptyTensorList")
def empty(site: Site, shape: Operand, most: Operand) -> Operand:
    """A list without elements, which grows."""
    zero = constant(value=constant_of(np.asarray(0, np.int64)))
    return replace(_new(site, site.value(shape), zero), grows=True)


@handlers.layer("TensorListFromTensor")
def from_tensor(site: Site, values: Operand, shape: Operand) -> Operand:
    """The rows of a tensor as a list; a vector of ragged tensors is one."""
    if isinstance(values, RaggedList):
        return values
    rows = site.value(values)
    element = _element(site, site.value(shape))
    return ArrayState(rows.dtype, size_value(rows.shape[0], DType.INT64), element, rows, False)


@handlers.layer("TensorListStack")
def stacked(site: Site, handle: Operand, shape: Operand) -> Operand:
    """All elements along a new first axis."""
    site.ignore("num_elements")
    if isinstance(handle, RaggedList):
        return handle
    return identity(stack_of(site, contents(site, handle)))


@handlers.layer("TensorListGetItem")
def taken(site: Site, handle: Operand, index: Operand, shape: Operand) -> Operand:
    """One element."""
    if isinstance(handle, RaggedList):
        return row_of(site, handle, site.value(index))
    stack = stack_of(site, contents(site, handle))
    return gather(stack, reshape(whole(site, site.value(index)), shape=()), axis=0)


@handlers.layer("TensorListSetItem")
def put(site: Site, handle: Operand, index: Operand, item: Operand) -> Operand:
    """The list with another element."""
    if isinstance(handle, RaggedList):
        site.ignore("resize_if_index_out_of_bounds")
        return with_row(site, handle, site.value(index), item)
    state = contents(site, handle)
    if site.flag("resize_if_index_out_of_bounds"):
        state = replace(state, grows=True)
    return written(site, state, site.value(index), site.value(item))


@handlers.layer("TensorListLength")
def measured(site: Site, handle: Operand) -> Operand:
    """How many elements there are."""
    if isinstance(handle, RaggedList):
        return site.cast(handle.size, DType.INT32)
    state = contents(site, handle)
    count = state.size if state.stack is None else size_value(state.stack.shape[0], DType.INT64)
    return site.cast(count, DType.INT32)


@handlers.layer("TensorListPushBack")
def pushed(site: Site, handle: Operand, item: Operand) -> Operand:
    """The list with one more element."""
    state, value = contents(site, handle), site.value(item)
    row = reshape(value, shape=(1, *value.shape))
    if state.stack is not None:
        return replace(state, stack=concat(state.stack, row, axis=0))
    if site.sizes(state.size) != (0,):
        site.refuse("an element behind others of which nothing is known")
    return replace(state, stack=row)


@handlers.layer("TensorListGather")
def gathered(site: Site, handle: Operand, indices: Operand, shape: Operand) -> Operand:
    """The elements of these places."""
    return gather(stack_of(site, contents(site, handle)), whole(site, site.value(indices)), axis=0)


@handlers.layer("TensorListScatterV2", "TensorListScatter")
def scattered(site: Site, values: Operand, indices: Operand, shape: Operand, count: Operand | None = None) -> Operand:
    """A list whose elements at these places are the rows of a tensor."""
    rows, places = site.value(values), whole(site, site.value(indices))
    size = size_value(rows.shape[0], DType.INT64)
    if count is not None and site.sizes(site.value(count)) != (-1,):
        size = reshape(whole(site, site.value(count)), shape=())
    stack = filled(site.knowledge, rows.dtype, size, rows.shape[1:])
    column = reshape(places, shape=(*places.shape, 1))
    made = scatter_nd(stack, column, rows, reduction="none")
    return ArrayState(rows.dtype, size, _element(site, site.value(shape)), made, False)


@handlers.layer("TensorListScatterIntoExistingList")
def scattered_into(site: Site, handle: Operand, values: Operand, indices: Operand) -> Operand:
    """The list with other elements at these places."""
    return scattered_rows(site, contents(site, handle), site.value(indices), site.value(values))


@handlers.layer("TensorListSplit")
def split(site: Site, values: Operand, shape: Operand, lengths: Operand) -> Operand:
    """A tensor cut into elements of one length."""
    rows = cut_evenly(site, site.value(values), site.value(lengths))
    return ArrayState(rows.dtype, size_value(rows.shape[0], DType.INT64), None, rows, False)


@handlers.layer("TensorListResize")
def resized(site: Site, handle: Operand, count: Operand) -> Operand:
    """The list with another number of elements; new ones are empty."""
    state, size = contents(site, handle), reshape(whole(site, site.value(count)), shape=())
    if state.stack is None:
        return replace(state, size=size)
    longer = reaching(site, state.stack, size)
    told = site.sizes(size)
    return replace(state, stack=head(longer, size, unknown(1)[0] if told is None else told[0]), size=size)


@handlers.layer("TensorListConcat", "TensorListConcatV2")
def joined(site: Site, handle: Operand, *others: Operand) -> Sequence[Operand]:
    """The elements behind each other; all have one length here."""
    site.ignore("element_shape")
    stack = stack_of(site, contents(site, handle))
    count, length = stack.shape[:2]
    lengths = broadcast(size_value(length, DType.INT64), shape=(count,))
    return reshape(stack, shape=(count * length, *stack.shape[2:])), lengths
