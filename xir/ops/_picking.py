"""Loop nests that pick and place elements by indices, which are data: what does not exist is never touched."""

from __future__ import annotations

from typing import Literal, cast

from xir.ir.dims import Dim, Shape, bounds
from xir.ir.node import Node
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Axis,
    Buffer,
    For,
    Kernel,
    Let,
    Load,
    Scalar,
    Statement,
    Store,
    Variable,
)


def gather_nest(node: Node) -> Kernel:
    """The element that the index names; 0 where there is none."""
    x, indices = (build.present(buffer) for buffer in build.operand_buffers(node))
    axis, rank = cast("int", node.attributes["axis"]), len(indices.shape)

    def element(places: build.Indices) -> Scalar:
        named = build.from_front(Load(indices, places[axis : axis + rank]), x.shape[axis])
        return Load(x, (*places[:axis], named, *places[axis + rank :]), build.within(named, x.shape[axis]))

    return build.gather(node, element)


def gather_elements_nest(node: Node) -> Kernel:
    """The element that the index names along the axis; 0 where there is none."""
    x, indices = (build.present(buffer) for buffer in build.operand_buffers(node))
    axis = cast("int", node.attributes["axis"])

    def element(places: build.Indices) -> Scalar:
        named = build.from_front(Load(indices, places), x.shape[axis])
        guard = _inside(places, indices.shape, x.shape, axis)
        good = build.every(guard, build.within(named, x.shape[axis]))
        return Load(x, (*places[:axis], named, *places[axis + 1 :]), good)

    return build.gather(node, element)


def _inside(places: build.Indices, shape: Shape, other: Shape, axis: int) -> Scalar | None:
    """Whether places in one shape lie in another too, the axis aside; None where they do for sure."""
    tests = [
        build.apply("lt", place, build.index(size))
        for at, (place, count, size) in enumerate(zip(places, shape, other, strict=True))
        if at != axis and not _fits(count, size)
    ]
    return build.every(*tests)


def _fits(count: Dim, size: Dim) -> bool:
    low = bounds(size - count)[0]
    return low is not None and low >= 0


def scatter_elements_nest(node: Node) -> Kernel:
    """Line by line along the axis, so that updates which meet come in their order; bad places are skipped."""
    x, indices, updates = (build.present(buffer) for buffer in build.operand_buffers(node))
    (result,) = build.result_buffers(node)
    axis = cast("int", node.attributes["axis"])
    reduction = cast("Literal['none', 'add', 'mul', 'max', 'min']", node.attributes["reduction"])
    if (reduction == "add" or reduction == "mul") and build.sum_type(x.dtype) is not x.dtype:
        return _wide_scatter(node, reduction)
    axes, copied, step = build.axes_of("i", len(x.shape)), Axis("copied"), Axis("step")

    def along(place: Scalar) -> build.Indices:
        return (*axes[:axis], place, *axes[axis + 1 :])

    source = along(step)
    named, good = _NAMED, _GOOD
    value: Scalar = Load(updates, source, good)
    if reduction != "none":
        value = build.apply(reduction, Load(result, along(named), good), value)
    body: tuple[Statement, ...] = (
        For(copied, x.shape[axis], "serial", (Store(result, along(copied), Load(x, along(copied))),)),
        For(
            step,
            indices.shape[axis],
            "serial",
            (*_named(indices, source, x.shape, axis), Store(result, along(named), value, good)),
        ),
    )
    outer = [each for place, each in enumerate(axes) if place != axis]
    extents = [size for place, size in enumerate(x.shape) if place != axis]
    return build.kernel(node, build.nest(outer, extents, "parallel", body))


def _wide_scatter(node: Node, combine: Literal["add", "mul"]) -> Kernel:
    """Sums and products of narrow floats: each element collects its updates in f32 and is rounded once."""
    x, indices, updates = (build.present(buffer) for buffer in build.operand_buffers(node))
    (result,) = build.result_buffers(node)
    axis, kept = cast("int", node.attributes["axis"]), build.sum_type(x.dtype)
    axes, step, total = build.axes_of("i", len(x.shape)), Axis("step"), Buffer("total", kept, (), "register")
    source = (*axes[:axis], step, *axes[axis + 1 :])
    mine = build.apply("and", _GOOD, build.apply("eq", _NAMED, axes[axis]))
    more = Accumulate(total, (), combine, build.cast(Load(updates, source, mine), kept), mine)
    body: tuple[Statement, ...] = (
        Allocate(total),
        Store(total, (), build.cast(Load(x, axes), kept)),
        For(step, indices.shape[axis], "serial", (*_named(indices, source, x.shape, axis), more)),
        Store(result, axes, build.cast(Load(total, ()), x.dtype)),
    )
    return build.kernel(node, build.nest(axes, x.shape, "parallel", body))


_NAMED, _GOOD = Variable("named", DType.INT64), Variable("good", DType.BOOL)


def _named(indices: Buffer, source: build.Indices, shape: Shape, axis: int) -> tuple[Statement, ...]:
    """Binds `_NAMED` to the place that an element of `indices` names, and `_GOOD` to whether both exist."""
    guard = _inside(source, shape, indices.shape, axis)
    place = build.from_front(Load(indices, source, guard), shape[axis])
    inside = build.within(_NAMED, shape[axis])
    return Let(_NAMED, place), Let(_GOOD, inside if guard is None else build.apply("and", guard, inside))
