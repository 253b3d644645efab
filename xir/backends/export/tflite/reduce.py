"""Forms of reductions, of the largest elements and their places."""

from __future__ import annotations

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Form,
    Forms,
    Free,
    Laid,
    Permutation,
    Refusal,
    again,
    ints,
    operand,
    places,
    scalar,
    vector,
    whole,
)
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import reduce as ops
from xir.ops.elementwise import neg, sub
from xir.ops.finding import nonzero
from xir.ops.shape import reshape, reverse

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
            size = x.shape[axis]
            if not isinstance(size, int):
                return Refusal("the last of equal elements of a size that is not known before the run")
            (made,) = again(node, (reverse(x, axes=(axis,)),), last=False)
            from xir.backends.export.tflite.elementwise import like

            return sub(like(made, size - 1), made)

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
    if node.inputs[1] is not None or not isinstance(k, int):
        return Refusal("a number of elements that is computed at run time")
    if not whole(node, "largest"):
        if x.dtype.is_integer:
            return Refusal("the smallest of integers")
        values, indices = again(node, (neg(x), None), largest=True)
        return neg(values), indices
    last = (*(each for each in range(x.rank) if each != axis), axis)
    return Call("TOPK_V2", (Laid(x, last), scalar(k)), ("TopKV2Options", {}), last, {1: DType.INT32})


@forms.of(nonzero)
def _nonzero(node: Node) -> Answer:
    """WHERE, whose result has the coordinates along its last axis."""
    if operand(node).rank == 0:
        return Refusal("the coordinates of a scalar")
    return Call("WHERE", (operand(node),), ("WhereOptions", {}), (1, 0))
