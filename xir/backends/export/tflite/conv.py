"""Forms of convolutions: padding that is neither VALID nor SAME stands in front."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xir.backends.export.nodes import with_gaps
from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    Laid,
    Operand,
    Refusal,
    Sizes,
    again,
    channels_last,
    decomposed,
    ints,
    operand,
    ordered,
    pairs,
    whole,
)
from xir.flatbuffer.write import Content
from xir.ir.dims import Dim, Polynomial, Quotient, Symbol, ceil_divide, equal, evaluate, floor_divide, symbols_of
from xir.ir.node import Node, Value
from xir.ops.conv import conv, conv_transpose
from xir.ops.shape import pad, reshape

forms = Forms()

_PLANE = 4
"""Axes of an image: what CONV_2D takes."""


def scheme(
    sizes: Sequence[Dim],
    results: Sequence[Dim],
    window: Sequence[Dim],
    strides: Sequence[int],
    padding: Sequence[tuple[Dim, Dim]],
    dilation: Sequence[int],
) -> str | None:
    """VALID or SAME where it lays the windows as the padding does, else None (kernels/padding.h).

    What follows the last window does not count.
    """
    axes = list(zip(sizes, results, window, strides, padding, dilation, strict=True))
    if all(_is_valid(*axis) for axis in axes):
        return "VALID"
    return "SAME" if all(_is_same(*axis) for axis in axes) else None


def _is_valid(size: Dim, out: Dim, window: Dim, stride: int, pair: tuple[Dim, Dim], step: int) -> bool:
    reach = (window - 1) * step + 1
    return _vanishes(pair[0]) and equal(out, floor_divide(size - reach, stride) + 1) is True


def _is_same(size: Dim, out: Dim, window: Dim, stride: int, pair: tuple[Dim, Dim], step: int) -> bool:
    if equal(out, ceil_divide(size, stride)) is not True:
        return False
    reach = (window - 1) * step + 1
    if equal(reach, 1) is True or equal(reach, 2) is True:
        return _vanishes(pair[0])  # the padding is shorter than the window
    total = (out - 1) * stride + reach - size
    return isinstance(total, int) and pair[0] == max(total, 0) // 2


_PERIOD = 64
"""Sizes up to which a formula is tried; it repeats itself, but for a line, with the common multiple of its divisors."""


def _vanishes(size: Dim) -> bool:
    """Whether a formula is 0 for all sizes: `(n + 1) // 2 + n // 2 - n` is.

    A sum of one size and of its whole quotients by numbers that divide 16 is a line and what repeats itself every 16
    sizes; it is 0 everywhere when it is at the first four times 16.
    """
    symbols = set(symbols_of(size))
    if len(symbols) != 1 or not _is_linear(size):
        return size == 0
    (symbol,) = symbols
    return all(evaluate(size, {symbol: number}) == 0 for number in range(_PERIOD))


def _is_linear(size: Dim) -> bool:
    match size:
        case Quotient(numerator, denominator):
            return isinstance(denominator, int) and 16 % denominator == 0 and _is_linear(numerator)
        case Polynomial():
            powers = [monomial for monomial in size.terms if monomial]
            atoms = [atom for monomial in powers for atom, power in monomial for _ in range(power)]
            return len(atoms) == len(powers) and all(map(_is_linear, atoms))
        case _:
            return isinstance(size, int | Symbol)


@forms.of(conv)
def _conv(node: Node) -> Answer:
    """CONV_2D, with a window of its own for each channel DEPTHWISE_CONV_2D, and CONV_3D."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    gaps, groups = ints(node, "input_dilation"), whole(node, "groups")
    if any(step != 1 for step in gaps):
        return again(node, (with_gaps(x, gaps), w, bias), input_dilation=(1,) * len(gaps))
    if w.tensor.static_shape is None or not isinstance(x.shape[1], int):
        return Refusal("a convolution of channels that are not known before the run")
    if x.rank < _PLANE:
        return _wider(node, x, w, bias)
    if x.rank > _PLANE + 1 or (x.rank > _PLANE and (groups != 1 or set(ints(node, "dilation")) != {1})):
        return Refusal(f"TFLite has no such convolution over {x.rank - 2} axes")
    strides, dilation = ints(node, "strides"), ints(node, "dilation")
    found = scheme(x.shape[2:], node.outputs[0].shape[2:], w.shape[2:], strides, pairs(node), dilation)
    if found is None:
        padded = pad(x, padding=((0, 0), (0, 0), *pairs(node)))
        return again(node, (padded, w, bias), padding=((0, 0),) * (x.rank - 2))
    last = channels_last(x.rank)
    # CONV_2D takes no convolution without a bias (conv.cc, has_bias).
    zeros = Fixed(np.zeros(w.tensor.static_shape[0], np.float32))
    operands: tuple[Operand, ...] = (zeros if bias is None else bias,)
    if x.rank > _PLANE:
        fields: dict[str, Content] = {"padding": found, **_named("stride", "dhw", strides)}
        return Call("CONV_3D", (Laid(x, last), Laid(w, (2, 3, 4, 1, 0)), *operands), ("Conv3DOptions", fields), last)
    fields = {"padding": found, **_named("stride", "hw", strides)}
    fields |= {f"dilation_{axis}_factor": step for axis, step in zip("hw", dilation, strict=True)}
    if groups == x.shape[1] and groups > 1:
        fields["depth_multiplier"] = _whole_size(w.shape[0]) // groups
        operands = (Laid(x, last), Laid(w, (1, 2, 3, 0)), *operands)
        return Call("DEPTHWISE_CONV_2D", operands, ("DepthwiseConv2DOptions", fields), last)
    operands = (Laid(x, last), Laid(w, (0, 2, 3, 1)), *operands)
    return Call("CONV_2D", operands, ("Conv2DOptions", fields), last)


def _whole_size(size: Dim) -> int:
    return size if isinstance(size, int) else 0


def _named(what: str, axes: str, numbers: Sequence[int]) -> dict[str, Content]:
    return {f"{what}_{axis}": number for axis, number in zip(axes, numbers, strict=True)}


def _wider(node: Node, x: Value, w: Value, bias: Value | None) -> Answer:
    """Over fewer axes: as if there were more, of size 1, in front."""
    more = _PLANE - x.rank

    def wide(value: Value) -> Value:
        return reshape(value, shape=(*value.shape[:2], *(1,) * more, *value.shape[2:]))

    ones = (1,) * more
    (made,) = again(
        node,
        (wide(x), wide(w), bias),
        strides=(*ones, *ints(node, "strides")),
        padding=((0, 0),) * more + pairs(node),
        dilation=(*ones, *ints(node, "dilation")),
        input_dilation=(1,) * (_PLANE - 2),
    )
    return reshape(made, shape=node.outputs[0].shape)


@forms.of(conv_transpose)
def _conv_transpose(node: Node) -> Answer:
    """TRANSPOSE_CONV of what is never cut, or as SAME cuts it; others are cut behind it, or come apart."""
    x, w, bias = operand(node), operand(node, 1), node.inputs[2]
    known = w.tensor.static_shape is not None and isinstance(x.shape[1], int)
    if x.rank != _PLANE or not known or whole(node, "groups") != 1 or set(ints(node, "dilation")) != {1}:
        return decomposed(node)
    padding, extra, strides = pairs(node), ints(node, "output_padding"), ints(node, "strides")
    ends = [(before, after - more) for (before, after), more in zip(padding, extra, strict=True)]
    result = node.outputs[0]
    found = _transposed_scheme(x.shape[2:], result.shape[2:], strides, ends)
    if found is None:
        if any(not isinstance(amount, int) or amount < 0 for pair in ends for amount in pair):
            return decomposed(node)
        (whole_plane,) = again(node, (x, w, bias), padding=((0, 0), (0, 0)), output_padding=(0, 0))
        return pad(whole_plane, padding=((0, 0), (0, 0), *((-before, -after) for before, after in ends)))
    last = channels_last(_PLANE)
    operands: tuple[Operand, ...] = (Sizes(ordered(last, result.shape)), Laid(w, (1, 2, 3, 0)), Laid(x, last))
    fields: dict[str, Content] = {"padding": found, **_named("stride", "hw", strides)}
    return Call(
        "TRANSPOSE_CONV", operands if bias is None else (*operands, bias), ("TransposeConvOptions", fields), last
    )


def _transposed_scheme(
    sizes: Sequence[Dim], results: Sequence[Dim], strides: Sequence[int], ends: Sequence[tuple[Dim, Dim]]
) -> str | None:
    if all(pair == (0, 0) for pair in ends):
        return "VALID"
    for size, out, stride, (before, after) in zip(sizes, results, strides, ends, strict=True):
        total = before + after
        fits = equal(ceil_divide(out, stride), size) is True
        if not fits or not isinstance(total, int) or total < 0 or before != total // 2:
            return None
    return "SAME"
