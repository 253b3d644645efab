"""Forms of pools over planes: padding that is neither VALID nor SAME stands in front."""

from __future__ import annotations

from math import inf, prod

import numpy as np

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Forms,
    Laid,
    Refusal,
    again,
    channels_last,
    ints,
    operand,
    pairs,
)
from xir.backends.export.tflite.conv import scheme
from xir.flatbuffer.write import Content
from xir.ir.constant import constant_of
from xir.ir.dims import Dim
from xir.ir.node import Node, Value
from xir.ops.constant import constant
from xir.ops.elementwise import mul
from xir.ops.pool import average_pool, max_pool
from xir.ops.shape import broadcast, pad, reshape

forms = Forms()

_PLANE = 4


def _pooled(node: Node, kind: str, found: str) -> Call:
    x, last = operand(node), channels_last(_PLANE)
    names = ("filter_height", "filter_width", "stride_h", "stride_w")
    numbers = (*ints(node, "window"), *ints(node, "strides"))
    fields: dict[str, Content] = {"padding": found, **dict(zip(names, numbers, strict=True))}
    return Call(kind, (Laid(x, last),), ("Pool2DOptions", fields), last)


def _scheme(node: Node) -> str | None:
    x, result = operand(node), node.outputs[0]
    return scheme(
        x.shape[2:], result.shape[2:], ints(node, "window"), ints(node, "strides"), pairs(node), ints(node, "dilation")
    )


def _odd(node: Node) -> Answer | None:
    """Pools over one axis and over more than two, and with holes."""
    x = operand(node)
    if any(step != 1 for step in ints(node, "dilation")):
        return Refusal("TFLite pools without holes alone")
    if x.rank == _PLANE:
        return None
    if x.rank > _PLANE:
        return _by_planes(node)
    wide = reshape(x, shape=(*x.shape[:2], 1, *x.shape[2:]))
    changes = {name: (1, *ints(node, name)) for name in ("window", "strides", "dilation")}
    paddings = {
        name: ((0, 0), *pairs(node, name)) for name in ("padding", "counted_padding") if name in node.attributes
    }
    (made,) = again(node, (wide,), **changes, **paddings)
    return reshape(made, shape=node.outputs[0].shape)


def _by_planes(node: Node) -> Value:
    """A pool over three axes or more: one over the last two, and one over the others; a mean of means is the mean."""
    x, result = operand(node), node.outputs[0]
    names = [
        name for name in ("window", "strides", "dilation", "padding", "counted_padding") if name in node.attributes
    ]
    held = {name: (pairs if "padding" in name else ints)(node, name) for name in names}
    outer = x.shape[:-2]
    (planes,) = again(
        node,
        (reshape(x, shape=(x.shape[0], prod(outer[1:], start=1), *x.shape[-2:])),),
        **{name: numbers[-2:] for name, numbers in held.items()},
    )
    rows = reshape(planes, shape=(*outer, result.shape[-2] * result.shape[-1]))
    (made,) = again(
        node,
        (rows,),
        **{name: (*numbers[:-2], (0, 0) if "padding" in name else 1) for name, numbers in held.items()},
    )
    return reshape(made, shape=result.shape)


@forms.of(max_pool)
def _max_pool(node: Node) -> Answer:
    """MAX_POOL_2D."""
    odd = _odd(node)
    if odd is not None:
        return odd
    found = _scheme(node)
    if found is not None:
        return _pooled(node, "MAX_POOL_2D", found)
    padded = pad(operand(node), padding=((0, 0), (0, 0), *pairs(node)), value=-inf)
    return again(node, (padded,), padding=((0, 0), (0, 0)))


@forms.of(average_pool)
def _average_pool(node: Node) -> Answer:
    """AVERAGE_POOL_2D, which counts no padding; where some counts the sum is divided by known numbers."""
    odd = _odd(node)
    if odd is not None:
        return odd
    counted = pairs(node, "counted_padding")
    none = ((0, 0), (0, 0))
    found = _scheme(node)
    if found == "VALID" or (found == "SAME" and counted == none):
        return _pooled(node, "AVERAGE_POOL_2D", found)
    x = operand(node)
    (made,) = again(
        node,
        (pad(x, padding=((0, 0), (0, 0), *pairs(node))),),
        padding=none,
        counted_padding=none,
    )
    if counted == pairs(node):
        return made
    known = factors(node)
    return Refusal("an average over sizes that are not known before the run") if known is None else mul(made, known)


def factors(node: Node) -> Value | None:
    """By what the mean over a whole window differs from that over the cells that count, where sizes are known."""
    result = node.outputs[0]
    window, strides = ints(node, "window"), ints(node, "strides")
    counts = np.ones((1, 1, 1, 1))
    for axis, (padding, counted) in enumerate(zip(pairs(node), pairs(node, "counted_padding"), strict=True)):
        size, out = operand(node).shape[axis + 2], result.shape[axis + 2]
        numbers: tuple[Dim, ...] = (size, out, *padding, *counted)
        known = [number for number in numbers if isinstance(number, int)]
        if len(known) != len(numbers):
            return None
        starts = np.arange(known[1]) * strides[axis] - known[2]
        ends = np.minimum(starts + window[axis], known[0] + known[5])
        cells = ends - np.maximum(starts, -known[4])
        counts = counts * cells.reshape(1, 1, *((-1, 1) if axis == 0 else (1, -1)))
    quotients = constant(value=constant_of((prod(window) / counts).astype(np.float32)))
    return broadcast(quotients, shape=result.shape)
