"""Loop nests of the operators that move elements and have more than a line to say."""

from __future__ import annotations

from typing import cast

from xir.ir.dims import Dim, Shape
from xir.ir.node import Node
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel.grammar import Kernel, Load, Scalar, Statement, Store


def concat_nest(node: Node) -> Kernel:
    """One nest for each operand, shifted along the axis by the sizes before it."""
    axis = cast("int", node.attributes["axis"])
    (result,) = build.result_buffers(node)
    statements: list[Statement] = []
    start: Dim = 0
    for part in map(build.present, build.operand_buffers(node)):
        axes = build.axes_of("i", len(part.shape))
        places = (*axes[:axis], build.offset(axes[axis], 1, start), *axes[axis + 1 :])
        statements += build.nest(axes, part.shape, "parallel", [Store(result, places, Load(part, axes))])
        start = start + part.shape[axis]
    return build.kernel(node, statements)


def slice_nest(node: Node) -> Kernel:
    """Each element from where the slice begins and steps to; a start that is an operand is read as Python reads it."""
    x, given = build.present(build.operand_buffers(node)[0]), build.operand_buffers(node)[1]
    axes, starts = cast("tuple[int, ...]", node.attributes["axes"]), cast("Shape", node.attributes["starts"])
    steps = cast("tuple[int, ...]", node.attributes["steps"])

    def first(number: int) -> Scalar:
        if given is None:
            return build.index(starts[number])
        size, zero = build.index(x.shape[axes[number]]), build.index(0)
        start: Scalar = build.cast(Load(given, (build.index(number),)), DType.INT64)
        start = build.select(build.apply("lt", start, zero), build.apply("add", start, size), start)
        return build.apply("max", build.apply("min", start, size), zero)

    def element(places: build.Indices) -> Scalar:
        found = list(places)
        for number, (axis, step) in enumerate(zip(axes, steps, strict=True)):
            found[axis] = build.apply("add", build.offset(places[axis], step, 0), first(number))
        return Load(x, tuple(found))

    return build.gather(node, element)
