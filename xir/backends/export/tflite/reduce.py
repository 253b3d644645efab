"""Forms of reductions, of the largest elements and their places."""

from __future__ import annotations

from xir.backends.export.tflite._amounts import write_top_k
from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Form,
    Forms,
    Free,
    Laid,
    Permutation,
    Refusal,
    Steps,
    again,
    ints,
    operand,
    places,
    scalar,
    vector,
    whole,
)
from xir.backends.export.tflite.elementwise import like, size_like
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import reduce as ops
from xir.ops.elementwise import neg, sub
from xir.ops.finding import nonzero
from xir.ops.shape import reshape, reverse, transpose

forms = Forms()


def without(perm: Permutation, axes: tuple[int, ...]) -> Permutation:
    """The order of the axes that are left, counted anew."""
    kept = [axis for axis in perm if axis not in axes]
    return tuple(sorted(kept).index(axis) for axis in kept)


def _reduction(kind: str) -> Form:
    def form(node: Node) -> Answer:
        x, axes = operand(node), ints(node, "axes")
        keep = bool(whole(node, "keep_dims"))
        if not axes:
            return x

        def make(perm: Permutation) -> Call:
            operands = (Laid(x, perm), vector(places(perm, axes)))
            order = perm if keep else without(perm, axes)
            return Call(kind, operands, ("ReducerOptions", {"keep_dims": keep}), order)

        return Free((x,), make)

    return form


for _operator, _kind in (
    (ops.reduce_sum, "SUM"),
    (ops.reduce_mean, "MEAN"),
    (ops.reduce_max, "REDUCE_MAX"),
    (ops.reduce_min, "REDUCE_MIN"),
    (ops.reduce_prod, "REDUCE_PROD"),
):
    forms.of(_operator)(_reduction(_kind))


def _place(kind: str, options: str) -> Form:
    """ARG_MAX and ARG_MIN of the first of equal elements; the last is the first from behind."""

    def form(node: Node) -> Answer:
        x, axis = operand(node), whole(node, "axis")
        if whole(node, "keep_dims"):
            (made,) = again(node, (x,), keep_dims=False)
            return reshape(made, shape=node.outputs[0].shape)
        if whole(node, "last"):
            (made,) = again(node, (reverse(x, axes=(axis,)),), last=False)
            return sub(sub(size_like(made, x, axis), like(made, 1)), made)

        def make(perm: Permutation) -> Call:
            operands = (Laid(x, perm), scalar(perm.index(axis)))
            return Call(kind, operands, (options, {"output_type": "INT64"}), without(perm, (axis,)))

        return Free((x,), make)

    return form


forms.of(ops.arg_max)(_place("ARG_MAX", "ArgMaxOptions"))
forms.of(ops.arg_min)(_place("ARG_MIN", "ArgMinOptions"))


@forms.of(ops.top_k)
def _top_k(node: Node) -> Answer:
    """TOPK_V2 along the last axis of the file; the smallest are the largest of the negatives."""
    x, axis, k = operand(node), whole(node, "axis"), node.attributes["k"]
    if not whole(node, "largest"):
        if x.dtype.is_integer:
            return Refusal("the smallest of integers")
        values, indices = again(node, (neg(x), node.inputs[1]), largest=True)
        return neg(values), indices
    last = (*(each for each in range(x.rank) if each != axis), axis)
    if node.inputs[1] is not None and axis == x.rank - 1:
        return Steps(write_top_k)
    if node.inputs[1] is not None:
        back = tuple(last.index(each) for each in range(x.rank))
        made = again(node, (transpose(x, perm=last), node.inputs[1]), axis=x.rank - 1)
        return tuple(transpose(each, perm=back) for each in made)
    if not isinstance(k, int):
        return Refusal("a number of elements that is not known before the run")
    return Call("TOPK_V2", (Laid(x, last), scalar(k)), ("TopKV2Options", {}), last, {1: DType.INT32})


@forms.of(nonzero)
def _nonzero(node: Node) -> Answer:
    """WHERE, whose result has the coordinates along its last axis."""
    if operand(node).rank == 0:
        return Refusal("the coordinates of a scalar")
    return Call("WHERE", (operand(node),), ("WhereOptions", {}), (1, 0))
