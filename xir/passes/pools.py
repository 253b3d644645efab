"""Padding that a pool can do itself.

A maximum starts from -inf (the least integer), and so does the padding of `max_pool`; that of `average_pool` and
`lp_pool` is zeros. A padding that adds just these goes into the pool bit for bit. Any other number that cannot win
(the least of its type, or zeros beside what is never negative) goes into a maximum where each window sees an element
too: then only infinities, numbers that are none and the sign of a zero tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from xir.ir.builder import apply
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.ops._windows import integer_limits
from xir.passes._chains import made_by
from xir.passes._pattern import Match, node_rule
from xir.passes._weights import normal_range

Pairs = tuple[tuple[int, int], ...]

NEVER_NEGATIVE = frozenset({"abs", "exp", "hard_sigmoid", "relu", "sigmoid", "softmax", "softplus", "sqrt"})
"""Operators whose results are 0 or more, or no number."""

OTHERS_PADDED = "channels or pictures are padded too"
CUT = "the padding cuts off, or is not known"
ALONE = "a window would lie in the padding alone"
MIXED = "the pool has a padding of its own that it does not count"


def _padded(node: Node, rewriter: Rewriter) -> tuple[Node, float] | None:
    """The constant padding that a pool reads, and the number that it adds; None for other operands."""
    made = made_by(node.inputs[0], "pad")
    if made is None or made.attributes["mode"] != "constant" or made.inputs[1] is not None:
        return None
    fill = made.inputs[2]
    if fill is None:
        return made, cast("float", made.attributes["value"])
    held = rewriter.constant_of(fill)
    return None if held is None or not held.elements else (made, float(held.array().reshape(-1)[0]))


def _is_positive_zero(number: float) -> bool:
    return number == 0 and not np.signbit(number)


def _joined(node: Node, made: Node) -> Pairs | str:
    """What is added around each spatial axis in all, or why the pool cannot do it."""
    outer = cast("tuple[tuple[object, object], ...]", made.attributes["padding"])
    own = cast("tuple[tuple[object, object], ...]", node.attributes["padding"])
    if outer[:2] != ((0, 0), (0, 0)):
        return OTHERS_PADDED
    joined: list[tuple[int, int]] = []
    for (before, after), (first, last) in zip(outer[2:], own, strict=True):
        sizes = (before, after, first, last)
        known = [size for size in sizes if isinstance(size, int) and size >= 0]
        if len(known) < len(sizes):
            return CUT
        joined.append((known[0] + known[2], known[1] + known[3]))
    return tuple(joined)


def _fitting(node: Node, made: Node) -> Pairs | str:
    """As `_joined`, with less on each side than a window reaches: runtimes refuse wider padding."""
    joined = _joined(node, made)
    if isinstance(joined, str):
        return joined
    window, dilation = _windows(node)
    reach = [(cells - 1) * gap + 1 for cells, gap in zip(window, dilation, strict=True)]
    inside = all(size < span for pair, span in zip(joined, reach, strict=True) for size in pair)
    return joined if inside else ALONE


def _windows(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return cast("tuple[int, ...]", node.attributes["window"]), cast("tuple[int, ...]", node.attributes["dilation"])


def _sees_all(node: Node, made: Node) -> bool:
    """Whether no window of `_fitting` can step over the elements between two of its cells."""
    sizes = cast("Value", made.inputs[0]).shape[2:]
    return all(
        size >= gap if isinstance(size, int) else gap == 1 for size, gap in zip(sizes, _windows(node)[1], strict=True)
    )


def _accepted(node: Node, made: Node) -> Sequence[Node] | str:
    fitting = _fitting(node, made)
    return fitting if isinstance(fitting, str) else (node, made)


def _is_lowest(number: float, dtype: DType) -> bool:
    """Whether a maximum starts from the number."""
    return number == -np.inf if dtype.is_floating else number == float(integer_limits(dtype)[0])


def _cannot_win(number: float, made: Node) -> bool:
    """Whether the number is never larger than a finite element of what is padded, which is floating."""
    x = cast("Value", made.inputs[0])
    if not x.dtype.is_floating:
        return False
    if number == 0:
        clipped = made_by(x, "clip")
        low = None if clipped is None else clipped.attributes["minimum"]
        return made_by(x, *NEVER_NEGATIVE) is not None or (isinstance(low, float) and low >= 0)
    return number <= -normal_range(x.dtype)[1]


@node_rule("max_pool")
def lowest_into_max_pool(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """max_pool(pad(x, p, -inf), padding=q) == max_pool(x, padding=p + q) over spatial axes; the least of integers"""
    found = _padded(node, rewriter)
    if found is None or not _is_lowest(found[1], cast("Value", node.inputs[0]).dtype):
        return None
    return _accepted(node, found[0])


@node_rule("max_pool", exact=False)
def least_into_max_pool(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """max_pool(pad(x, p, c), padding=q) == max_pool(x, padding=p + q) for a c that is never larger than an element"""
    found = _padded(node, rewriter)
    if found is None or _is_lowest(found[1], cast("Value", node.inputs[0]).dtype):
        return None
    if not _cannot_win(found[1], found[0]):
        return f"the padding is {found[1]:g}, which may be larger than an element"
    return _accepted(node, found[0]) if _sees_all(node, found[0]) else ALONE


@node_rule("average_pool")
def zeros_into_average_pool(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """average_pool(pad(x, p, 0), padding=q) == average_pool(x, padding=p + q), the padding counted"""
    found = _padded(node, rewriter)
    if found is None or not _is_positive_zero(found[1]):
        return None
    if node.attributes["counted_padding"] != node.attributes["padding"]:
        return MIXED
    return _accepted(node, found[0])


@node_rule("lp_pool")
def zeros_into_lp_pool(node: Node, rewriter: Rewriter) -> Sequence[Node] | str | None:
    """lp_pool(pad(x, p, 0), padding=q) == lp_pool(x, padding=p + q)"""
    found = _padded(node, rewriter)
    return None if found is None or found[1] != 0 else _accepted(node, found[0])


def _build(match: Match) -> Value:
    node, made = match.nodes
    joined = cast("Pairs", _joined(node, made))
    counted = {"counted_padding": joined} if node.op.name == "average_pool" else {}
    attributes = {**node.attributes, "padding": joined, **counted}
    return apply(node.op, (made.inputs[0],), attributes).outputs[0]


RULES = (lowest_into_max_pool, least_into_max_pool, zeros_into_average_pool, zeros_into_lp_pool)

for _each in RULES:
    _each.build(_build)
