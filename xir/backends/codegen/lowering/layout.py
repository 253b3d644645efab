"""How images lie in memory: channels last, so that neighbours are what vectors compute with.

Any layout is right, for kernels compute places from indices; this one makes the columns of a convolution's tiles
neighbours in what it reads and in what it makes. (Li et al. 2016, "Optimizing Memory Efficiency for Deep
Convolutional Neural Networks on GPUs", compares layouts)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from xir.backends.codegen.lowering.stage import Layout
from xir.ir.builder import apply
from xir.ir.dims import Dim
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import TensorType
from xir.ops._windows import window_attributes
from xir.ops.padding import pad

VIEWS = frozenset({"reshape"})
"""Operators whose result is the operand's memory, read with another shape."""


def is_view(node: Node) -> bool:
    """Whether the result of a node is its operand's memory: the operator moves nothing and takes no sizes."""
    operands = [value for value in node.inputs if value is not None]
    return node.op.name in VIEWS and len(operands) == 1 and isinstance(operands[0].type, TensorType)


BYTES = "conv_integer"
"""The operator that sums bytes along the channels, four at a time."""

IMAGES = frozenset({"conv", BYTES})
"""Operators whose results lie with their channels last; what is computed from these, of as many axes, does too."""


def channels_last(graph: Graph, compiled: Collection[Node]) -> dict[Value, Layout]:
    """{value: its layout} for the values that need not lie in row-major order.

    What leaves the program, goes through Python, or is read with another shape lies in row-major order.
    """
    plain: set[Value] = set(graph.outputs)
    for node in graph.nodes:
        if is_view(node) or node not in compiled:
            plain.update(value for value in (*node.inputs, *node.outputs) if value is not None)
    found: dict[Value, Layout] = {}
    for node in graph.nodes:
        for value in node.outputs:
            if value not in plain and _is_image(graph, node, value, found, plain):
                rank = value.rank
                found[value] = (0, *range(2, rank), 1)
    return found


def _is_image(graph: Graph, node: Node, value: Value, found: dict[Value, Layout], plain: set[Value]) -> bool:
    if not isinstance(value.type, TensorType) or not 3 <= value.rank <= 5:
        return False
    if node.op.name in IMAGES:
        return not (is_planar(node) and node.inputs[0] not in found)
    if node.op.name == "pad":
        readers = [user for user, _ in graph.users.get(value, ())]
        if readers and all(reader.op.name in IMAGES for reader in readers):
            if all(
                is_planar(reader, between=node.inputs[0] not in found and reader.outputs[0] in plain)
                for reader in readers
            ):
                return False
            bytes_ = all(reader.op.name == BYTES for reader in readers)
            if bytes_ or value.shape[1] not in range(NARROW):  # what is padded is copied anyway
                return True
    return any(each is not None and each in found and each.rank == value.rank for each in node.inputs)


NARROW = 8
"""Channels of a group of results that fill half a vector of 16; as many or fewer are rows, and pixels the columns."""

BROAD = 32
"""Pixels of a line that fill two vectors of 16."""


def is_planar(node: Node, *, between: bool = False) -> bool:
    """Whether a convolution is faster on images that lie channel by channel: few results, on long lines of pixels.

    Args:
        node: the convolution.
        between: what it reads and what it makes lie so anyway; then a depthwise one turns neither.
    """
    x, w = node.inputs[:2]
    if x is None or w is None or node.op.name == BYTES:
        return False
    given = window_attributes(node)
    outputs, width = w.shape[0], node.outputs[0].shape[-1]
    if not isinstance(outputs, int) or given.strides[-1] != 1 or given.input_dilation[-1] != 1:
        return False
    each = outputs // given.groups
    depthwise = each == w.shape[1] == 1 and given.groups > 1
    if each == 1 and given.groups > 1 and isinstance(width, int) and w.shape[-1] not in range(width + 1):
        return True  # a gradient by weights: lines are what is summed
    return each <= NARROW and (between or not depthwise) and not (isinstance(width, int) and width < BROAD)


def padded_before(node: Node) -> Sequence[Value] | None:
    """A convolution of an operand that was padded before, so that its inner loops ask for no borders; or None.

    Where zeros are put between elements, whole elements are put around, and the convolution cuts off what is too much.
    """
    x = node.inputs[0]
    given = window_attributes(node)
    sides = [(before, after) for before, after in given.padding if isinstance(before, int) and isinstance(after, int)]
    if x is None or len(sides) != len(given.padding) or max(map(max, sides), default=0) <= 0:
        return None
    if any(side < 0 and step == 1 for pair, step in zip(sides, given.input_dilation, strict=True) for side in pair):
        return None
    whole = tuple(
        (-(-max(before, 0) // step), -(-max(after, 0) // step))
        for (before, after), step in zip(sides, given.input_dilation, strict=True)
    )
    rest = tuple(
        (before - step * first, after - step * last)
        for (before, after), (first, last), step in zip(sides, whole, given.input_dilation, strict=True)
    )
    wide = pad(x, padding=((0, 0), (0, 0), *whole))
    return apply(node.op, (wide, *node.inputs[1:]), {**node.attributes, "padding": rest}).outputs


def zeros_around(node: Node) -> tuple[tuple[int, int], ...] | None:
    """How many zeros a node puts before and behind its operand along each axis; None of one that does anything else."""
    if node.op.name != "pad" or any(value is not None for value in node.inputs[1:]):
        return None
    given = node.attributes
    padding = cast("tuple[tuple[Dim, Dim], ...]", given["padding"])
    known = [(a, b) for a, b in padding if isinstance(a, int) and isinstance(b, int) and min(a, b) >= 0]
    zeros = given["mode"] == "constant" and given["value"] == 0
    return tuple(known) if zeros and len(known) == len(padding) else None
