"""ONNX forms of pooling: ONNX's own operator where it says exactly the same, else a pad of its own first.

ONNX's `ceil_mode` is used for a maximum alone, where sizes are not known: else an overhang is padding after the end
(formats.md and onnxruntime's history show that runtimes disagree on ceil_mode with count_include_pad).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    Refusal,
    again,
    ints,
    onnx_value,
    operand,
    real,
)
from xir.backends.export.onnx._tensor import integer_limits
from xir.backends.export.onnx._windows import (
    KnownPadding,
    Padding,
    ceiled_pads,
    flat_pads,
    inner_pads,
    known_padding,
    lies_inside,
    none,
    padded,
    padding_of,
    shielded,
)
from xir.ir.constant import constant_of
from xir.ir.dims import product
from xir.ir.node import Node, Value
from xir.ops.constant import constant
from xir.ops.elementwise import div
from xir.ops.pool import average_pool, lp_pool, max_pool, max_pool_with_indices
from xir.ops.shape import broadcast

forms = Forms()


def _attributes(node: Node, pads: Mapping[str, OnnxAttribute]) -> dict[str, OnnxAttribute]:
    """What all pools have; `dilations` only where they say something, for older opsets do not have them."""
    attributes: dict[str, OnnxAttribute] = {
        "kernel_shape": onnx_value(node, "window"),
        "strides": onnx_value(node, "strides"),
        **pads,
    }
    dilation = onnx_value(node, "dilation")
    if isinstance(dilation, tuple) and any(step != 1 for step in dilation):
        attributes["dilations"] = dilation
    return attributes


def _lowest(x: Value) -> float:
    return -np.inf if x.dtype.is_floating else float(integer_limits(x.dtype)[0])


@forms.of(max_pool)
def _max_pool(node: Node, opset: int) -> Answer:
    """MaxPool; padding that it cannot hold becomes a pad with the lowest value."""
    x, padding = operand(node), padding_of(node)
    own = shielded(x, None)
    if own is not None:
        return again(node, (own,))
    pads = inner_pads(x, node, padding) or ceiled_pads(x, node, padding)
    if pads is not None:
        return Call("MaxPool", (x,), _attributes(node, pads))
    return again(node, (padded(x, padding, _lowest(x)),), padding=none(padding))


@forms.of(max_pool_with_indices)
def _max_pool_with_indices(node: Node, opset: int) -> Answer:
    """MaxPool with its indices, which count through the whole tensor: their remainder counts through the plane."""
    x, padding = operand(node), padding_of(node)
    pads = inner_pads(x, node, padding)
    if pads is None:
        return Refusal("MaxPool names no index in a window that may cover padding alone")
    plane = product(x.shape[2:])
    return Call("MaxPool", (x,), _attributes(node, pads), modulo={1: plane})


@forms.of(average_pool)
def _average_pool(node: Node, opset: int) -> Answer:
    """AveragePool with all padding counted or none; a counted part of the padding becomes a pad with zeros."""
    x, padding, counted = operand(node), padding_of(node), padding_of(node, "counted_padding")
    known, known_counted = known_padding(padding), known_padding(counted)
    if known is None or known_counted is None:
        pads = inner_pads(x, node, padding)
        if pads is None or (counted != padding and known_counted != none(padding)):
            return _counted_average(node, x, padding, counted)
        return Call("AveragePool", (x,), {**_attributes(node, pads), "count_include_pad": int(counted == padding)})
    room = tuple(size - max(pair) for size, pair in zip(ints(node, "window"), known, strict=True))
    own = shielded(x, room)
    if own is not None:
        return again(node, (own,))
    uncounted = all(part == (0, 0) for part in known_counted)
    if lies_inside(node, known) and (uncounted or known_counted == known):
        return Call(
            "AveragePool",
            (x,),
            {**_attributes(node, {"pads": flat_pads(known)}), "count_include_pad": int(not uncounted)},
        )
    if uncounted or known_counted == known:
        return _counted_average(node, x, padding, counted) if uncounted else _zero_padded(node, x, known, known)
    return _zero_padded(node, x, known, known_counted)


def _zero_padded(node: Node, x: Value, padding: KnownPadding, counted: KnownPadding) -> Answer:
    """The counted zeros as elements of their own, the rest as padding that does not count."""
    rest = tuple((b - m, a - n) for (b, a), (m, n) in zip(padding, counted, strict=True))
    return again(node, (padded(x, counted),), padding=rest, counted_padding=none(padding))


def _counted_average(node: Node, x: Value, padding: Padding, counted: Padding) -> Answer:
    """The mean over zeros divided by the mean of the marks of what counts: for padding that no attribute can hold."""
    bare = {"padding": none(padding), "counted_padding": none(padding)}
    one = constant(value=constant_of(np.ones((1,) * x.rank), x.dtype))
    marks = broadcast(one, shape=(1, 1, *x.shape[2:]))
    marks = padded(marks, counted, 1.0)
    marks = padded(marks, tuple((b - m, a - n) for (b, a), (m, n) in zip(padding, counted, strict=True)))
    (total,) = again(node, (padded(x, padding),), **bare)
    (share,) = again(node, (marks,), **bare)
    return div(total, broadcast(share, shape=total.shape))


@forms.of(lp_pool)
def _lp_pool(node: Node, opset: int) -> Answer:
    """LpPool, whose p is a whole number."""
    x, padding, p = operand(node), padding_of(node), real(node, "p")
    pads = inner_pads(x, node, padding)
    if pads is None:
        return again(node, (padded(x, padding),), padding=none(padding))
    if not p.is_integer():
        return Refusal(f"LpPool takes whole norms, got p = {p}")
    return Call("LpPool", (x,), {**_attributes(node, pads), "p": int(p)})
