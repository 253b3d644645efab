"""Sequences and optionals."""

from __future__ import annotations

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.tensors import dtype_of
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import OptionalType, SequenceType, TensorType, UnrankedType
from xir.ops import sequence
from xir.ops.constant import constant, identity

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("SequenceConstruct", 11))
def construct(site: Site, *values: Value) -> Value:
    """SequenceConstruct."""
    if not values:
        site.invalid("takes 1 or more inputs, got 0")
    return sequence.sequence_construct(*values)


@handlers.layer(*versions("SequenceEmpty", 11))
def empty(site: Site) -> Value:
    """SequenceEmpty; f32 unless it says otherwise."""
    return sequence.sequence_empty(dtype=dtype_of(site.integer("dtype", 1), "attribute 'dtype'", ""))


@handlers.layer(*versions("SequenceInsert", 11))
def insert(site: Site, values: Value, value: Value, position: Value | None = None) -> Value:
    """SequenceInsert."""
    return sequence.sequence_insert(values, value, position)


@handlers.layer(*versions("SequenceErase", 11))
def erase(site: Site, values: Value, position: Value | None = None) -> Value:
    """SequenceErase."""
    return sequence.sequence_erase(values, position)


@handlers.layer(*versions("SequenceAt", 11))
def at(site: Site, values: Value, position: Value) -> Value:
    """SequenceAt."""
    return sequence.sequence_at(values, position)


@handlers.layer(*versions("SequenceLength", 11))
def length(site: Site, values: Value) -> Value:
    """SequenceLength."""
    return sequence.sequence_length(values)


@handlers.layer(*versions("SplitToSequence", 11, 24))
def split(site: Site, x: Value, sizes: Value | None = None) -> Value:
    """SplitToSequence; `keepdims` counts only where no sizes are given."""
    axis = site.axis(site.integer("axis", 0), x.rank)
    keep = site.flag("keepdims", True)
    return sequence.split_to_sequence(x, sizes, axis=axis, keep_dims=keep or sizes is not None)


@handlers.layer(*versions("ConcatFromSequence", 11))
def join(site: Site, values: Value) -> Value:
    """ConcatFromSequence."""
    return sequence.concat_from_sequence(values, axis=site.integer("axis"), new_axis=site.flag("new_axis", False))


@handlers.layer(*versions("SequenceMap", 17))
def map_(site: Site, first: Value, *others: Value) -> tuple[Value, ...]:
    """SequenceMap: the body gets the elements of sequences, and tensors whole."""
    values = (first, *others)
    types = [value.type.element if isinstance(value.type, SequenceType) else value.type for value in values]
    body = site.body("body", types)
    return sequence.sequence_map(*values, *body.captured, body=body.graph, mapped=len(values))


@handlers.layer(*versions("Optional", 15, 28))
def optional(site: Site, value: Value | None = None) -> Value:
    """Optional: of a value, or an absent one of the type that an attribute tells."""
    told = site.type_info("type")
    if value is not None:
        return sequence.optional(value)
    if told is None:
        site.invalid("attribute 'type' is missing, and there is no value")
    found = site.scope.types.of(told, "attribute 'type'")
    inside = found.element if isinstance(found, OptionalType) else found
    tensor = inside.element if isinstance(inside, SequenceType) else inside
    if not isinstance(tensor, TensorType | UnrankedType):
        site.refuse(f"an optional of {inside!r}")
    return sequence.optional_none(
        dtype=tensor.dtype,
        shape=tensor.shape if isinstance(tensor, TensorType) else None,
        in_sequence=isinstance(inside, SequenceType),
    )


@handlers.layer(*versions("OptionalHasElement", 15, 18, 28))
def has(site: Site, value: Value | None = None) -> Value:
    """OptionalHasElement; since opset 18 also of what is no optional, which is always there, and of nothing."""
    if value is not None and isinstance(value.type, OptionalType):
        return sequence.optional_has(value)
    if site.opset < 18:
        site.invalid("an optional is needed")
    return constant(value=constant_of(np.asarray(value is not None)))


@handlers.layer(*versions("OptionalGetElement", 15, 18, 28))
def get(site: Site, value: Value) -> Value:
    """OptionalGetElement; since opset 18 also of what is no optional, which is the value itself."""
    return sequence.optional_get(value) if isinstance(value.type, OptionalType) else identity(value)
