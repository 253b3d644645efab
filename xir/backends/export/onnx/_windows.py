"""Padding of sliding windows: what ONNX's attributes can hold, and pads of their own for the rest."""

from __future__ import annotations

import math

from xir.backends.export.onnx._form import OnnxAttribute, again, ints
from xir.ir.builder import sourced
from xir.ir.dims import Dim, Shape, as_dim, ceil_divide, equal, floor_divide, maximum
from xir.ir.node import Node, Value
from xir.ops.shape import pad

Padding = tuple[tuple[Dim, Dim], ...]
KnownPadding = tuple[tuple[int, int], ...]


def padding_of(node: Node, name: str = "padding") -> Padding:
    """The node's attribute `name`, known to be a (before, after) pair for each spatial axis."""
    value = node.attributes[name]
    found: list[tuple[Dim, Dim]] = []
    for item in value if isinstance(value, tuple) else ():
        if isinstance(item, tuple) and len(item) == 2:
            found.append((as_dim(item[0]), as_dim(item[1])))
    return tuple(found)


def known_padding(padding: Padding) -> KnownPadding | None:
    """The padding when all of it is known and none is negative, else None."""
    known: list[tuple[int, int]] = []
    for before, after in padding:
        if not (isinstance(before, int) and isinstance(after, int)) or before < 0 or after < 0:
            return None
        known.append((before, after))
    return tuple(known)


def same_mode(
    x: Value, padding: Padding, window: Shape, strides: tuple[int, ...], dilation: tuple[int, ...]
) -> str | None:
    """ONNX's `auto_pad` that pads `x: [N, C, spatial...]` by `padding` whatever its sizes, or None.

    SAME makes ceil(size / stride) results: the padding along an axis is max((ceil(size / stride) - 1) * stride +
    (window - 1) * dilation + 1 - size, 0), its odd element behind (SAME_UPPER) or in front (ONNX Conv and MaxPool).
    """
    totals: list[Dim] = []
    for size, extent, step, gap in zip(x.shape[2:], window, strides, dilation, strict=True):
        totals.append(maximum((ceil_divide(size, step) - 1) * step + (extent - 1) * gap + 1 - size, 0))
    upper = tuple((floor_divide(total, 2), total - floor_divide(total, 2)) for total in totals)
    lower = tuple((after, before) for before, after in upper)
    if _same(padding, upper):
        return "SAME_UPPER"
    return "SAME_LOWER" if _same(padding, lower) else None


def _same(have: Padding, want: Padding) -> bool:
    """Whether two paddings are surely equal."""
    pairs = zip(have, want, strict=True)
    return all(equal(a, c) is True and equal(b, d) is True for (a, b), (c, d) in pairs)


def pads_attribute(x: Value, node: Node, window: Shape, padding: Padding) -> dict[str, OnnxAttribute] | None:
    """`pads` where the padding is known and not negative, `auto_pad` where it is what that says, else None."""
    known = known_padding(padding)
    if known is not None:
        return {"pads": flat_pads(known)}
    mode = same_mode(x, padding, window, ints(node, "strides"), ints(node, "dilation"))
    return None if mode is None else {"auto_pad": mode}


def flat_pads(padding: KnownPadding) -> tuple[int, ...]:
    """ONNX's order: all befores, then all afters."""
    return (*(before for before, _ in padding), *(after for _, after in padding))


def none(padding: Padding) -> KnownPadding:
    """No padding, for as many axes."""
    return ((0, 0),) * len(padding)


def padded(x: Value, padding: Padding, value: float = 0.0) -> Value:
    """`x: [N, C, spatial...]` with `padding` of its spatial axes as an operator of its own."""
    return pad(x, padding=((0, 0), (0, 0), *padding), value=value)


def shielded(x: Value, room: tuple[int, ...] | None) -> Value | None:
    """`x` with -0.0 in place of the 0.0 of a pad that makes it, or None where it is well as it is.

    onnxruntime (1.31, pad_fusion.cc) takes a pad with 0.0 for padding of the pool behind it. For a maximum that is
    wrong, since its padding never wins (`room` None: always shield), and what makes the pool's padding as large as the
    window (`room`: what is left of it along each axis) is then refused. It compares bits, so -0.0, which is the same
    number, keeps the pad.
    """
    node = x.node
    while node is not None and node.op.name == "identity" and node.inputs[0] is not None:
        node = node.inputs[0].node
    if node is None or node.op.name != "pad" or not _fills_with_zero(node):
        return None
    amounts = zip(room or (), padding_of(node)[2:], strict=False)
    if room is not None and all(isinstance(b, int) and isinstance(a, int) and max(b, a) < r for r, (b, a) in amounts):
        return None
    with sourced(*node.source):
        return again(node, node.inputs, value=-0.0)[0]


def _fills_with_zero(node: Node) -> bool:
    value = node.attributes["value"]
    constant = node.attributes["mode"] == "constant" and node.outputs[0].dtype.is_floating
    return constant and isinstance(value, float) and value == 0.0 and math.copysign(1, value) > 0


def lies_inside(node: Node, padding: KnownPadding) -> bool:
    """Whether every window surely covers a real element, and onnxruntime takes the padding.

    onnxruntime wants every pad smaller than its window (pool_attributes.h, 'Pad should be smaller than kernel'); then
    a window without gaps covers an element, and one with gaps does where the axis is not shorter than a gap.
    """
    window, dilation = ints(node, "window"), ints(node, "dilation")
    x = node.inputs[0]
    sizes = () if x is None else x.shape[2:]
    for (before, after), extent, gap, size in zip(padding, window, dilation, sizes, strict=True):
        if before >= extent or after >= extent:
            return False
        if gap > 1 and (before or after) and not (isinstance(size, int) and size >= gap):
            return False
    return True


def inner_pads(x: Value, node: Node, padding: Padding) -> dict[str, OnnxAttribute] | None:
    """`pads` or `auto_pad` of a pool of which every window surely covers a real element, else None.

    SAME pads by less than the window along an axis without gaps: (ceil(size / stride) - 1) * stride < size.
    """
    known = known_padding(padding)
    if known is not None:
        return {"pads": flat_pads(known)} if lies_inside(node, known) else None
    if any(gap != 1 for gap in ints(node, "dilation")):
        return None
    return pads_attribute(x, node, ints(node, "window"), padding)


def ceiled_pads(x: Value, node: Node, padding: Padding) -> dict[str, OnnxAttribute] | None:
    """`pads` and `ceil_mode` where the padding is what that makes of them, whatever the sizes, else None.

    With them the last window hangs over the end by less than a step. Only where it surely begins at an element or in
    front of all: what becomes of one that begins behind them, runtimes see differently. So each covers an element
    (without gaps the padding is shorter than a window), and onnxruntime, ONNX and PyTorch agree.
    """
    found: list[tuple[int, int]] = []
    moves = zip(x.shape[2:], ints(node, "window"), ints(node, "strides"), ints(node, "dilation"), padding, strict=True)
    for size, extent, step, gap, (before, after) in moves:
        if not isinstance(before, int) or not 0 <= before < (extent if gap == 1 else 1):
            return None
        span = (extent - 1) * gap + 1
        rooms = {behind: size + before + behind - span for behind in range(min(extent, span - step + 1))}
        fits = (behind for behind, room in rooms.items() if equal(after, _overhang(behind, room, step)) is True)
        chosen = next(fits, None)
        if chosen is None:
            return None
        found.append((before, chosen))
    return {"pads": flat_pads(tuple(found)), "ceil_mode": 1}


def _overhang(behind: int, room: Dim, step: int) -> Dim:
    """What lies behind the elements when the windows take more steps than there is room for, rounded up."""
    return behind + ceil_divide(room, step) * step - room
