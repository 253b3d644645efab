"""Loop nests that carry values along an axis: places of extremes, the largest elements in order, running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from xir.ir.node import Node
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel.grammar import (
    Allocate,
    Axis,
    Buffer,
    Const,
    For,
    If,
    Kernel,
    Load,
    Scalar,
    Statement,
    Store,
)
from xir.ops._windows import WindowAttributes


def is_before(x: Scalar, y: Scalar, *, largest: bool) -> Scalar:
    """Whether x comes before y, from the largest on or from the smallest; NaN is the largest, as NumPy sorts."""
    found = build.apply("gt" if largest else "lt", x, y)
    if not x.dtype.is_floating:
        return found
    first, second = (x, y) if largest else (y, x)
    alone = build.apply("and", build.apply("is_nan", first), build.apply("not", build.apply("is_nan", second)))
    return build.apply("or", found, alone)


def extreme_place(node: Node, *, largest: bool) -> Kernel:
    """The place of the largest or smallest element; a NaN wins over all numbers (numpy.argmax, numpy.argmin).

    The extreme first, then the first or last place that holds it: two reductions whose parts may be taken in any order.
    """
    x = build.present(build.operand_buffers(node)[0])
    (result,) = build.result_buffers(node)
    axis, last = cast("int", node.attributes["axis"]), bool(node.attributes["last"])
    axes = build.axes_of("i", len(result.shape))
    top, place = Buffer("top", x.dtype, (), "register"), Buffer("place", DType.INT64, (), "register")
    kept: tuple[Scalar, ...] = axes if len(axes) == len(x.shape) else (*axes[:axis], build.index(0), *axes[axis:])

    def each(name: str, update: Callable[[Scalar, Scalar], Store]) -> For:
        along = Axis(name)
        element = Load(x, (*kept[:axis], along, *kept[axis + 1 :]))
        return For(along, x.shape[axis], "serial", (update(along, element),))

    def found(along: Scalar, element: Scalar) -> Store:
        here = build.apply("eq", element, Load(top, ()))
        if x.dtype.is_floating:
            here = build.apply("or", here, build.apply("is_nan", element))
        chosen = build.select(here, along, none)
        return Store(place, (), build.apply("max" if last else "min", Load(place, ()), chosen))

    none = build.index(-1 if last else x.shape[axis])
    extreme = "max" if largest else "min"
    body: list[Statement] = [
        Allocate(top),
        Allocate(place),
        Store(top, (), build.extreme(x.dtype, highest=not largest)),
        each("r", lambda _, element: Store(top, (), build.apply(extreme, Load(top, ()), element))),
        Store(place, (), none),
        each("s", found),
        Store(result, axes, Load(place, ())),
    ]
    return build.kernel(node, build.nest(axes, result.shape, "parallel", body))


def top_k_nest(node: Node) -> Kernel:
    """One pass over the line for each of the k: the best element of those that come after the one found before."""
    build.require_absent(node, 1)
    x = build.present(build.operand_buffers(node)[0])
    values, indices = build.result_buffers(node)
    axis, largest = cast("int", node.attributes["axis"]), bool(node.attributes["largest"])
    rank, step = Axis("rank"), Axis("step")
    axes = build.axes_of("i", len(x.shape))
    outer = [each for place, each in enumerate(axes) if place != axis]
    held, best = (Buffer(name, x.dtype, (), "register") for name in ("held", "best"))
    held_at, best_at = (Buffer(name, DType.INT64, (), "register") for name in ("held_at", "best_at"))

    def along(place: Scalar) -> build.Indices:
        return (*axes[:axis], place, *axes[axis + 1 :])

    element, none = Load(x, along(step)), build.index(-1)
    first = build.apply("lt", Load(held_at, ()), build.index(0))
    after = is_before(Load(held, ()), element, largest=largest)
    behind = build.apply("not", is_before(element, Load(held, ()), largest=largest))
    later = build.apply("and", behind, build.apply("gt", step, Load(held_at, ())))
    left = build.apply("or", first, build.apply("or", after, later))
    better = build.apply("lt", Load(best_at, ()), build.index(0))
    better = build.apply("or", better, is_before(element, Load(best, ()), largest=largest))
    taken = If(build.apply("and", left, better), (Store(best, (), element), Store(best_at, (), step)))
    one: list[Statement] = [
        Store(best_at, (), none),
        For(step, x.shape[axis], "serial", (taken,)),
        Store(values, along(rank), Load(best, ())),
        Store(indices, along(rank), Load(best_at, ())),
        Store(held, (), Load(best, ())),
        Store(held_at, (), Load(best_at, ())),
    ]
    body: list[Statement] = [Allocate(buffer) for buffer in (held, held_at, best, best_at)]
    zero = build.number(0, x.dtype)
    body += [Store(held, (), zero), Store(best, (), zero), Store(held_at, (), none)]
    body.append(For(rank, values.shape[axis], "serial", tuple(one)))
    extents = [size for place, size in enumerate(x.shape) if place != axis]
    return build.kernel(node, build.nest(outer, extents, "parallel", body))


def running_sum(node: Node) -> Kernel:
    """The line from one end to the other, its sum in a register."""
    build.require_absent(node, 1)
    x = build.present(build.operand_buffers(node)[0])
    (result,) = build.result_buffers(node)
    axis, step = cast("int", node.attributes["axis"]), Axis("step")
    kept = build.sum_type(x.dtype)
    total = Buffer("total", kept, (), "register")
    axes = build.axes_of("i", len(x.shape))
    place = build.apply("sub", build.index(x.shape[axis] - 1), step) if node.attributes["reverse"] else step
    places = (*axes[:axis], place, *axes[axis + 1 :])
    more = Store(total, (), build.apply("add", Load(total, ()), build.cast(Load(x, places), kept)))
    write = Store(result, places, build.cast(Load(total, ()), x.dtype))
    line = (write, more) if node.attributes["exclusive"] else (more, write)
    body: list[Statement] = [
        Allocate(total),
        Store(total, (), build.number(0, kept)),
        For(step, x.shape[axis], "serial", line),
    ]
    outer = [each for place, each in enumerate(axes) if place != axis]
    extents = [size for place, size in enumerate(x.shape) if place != axis]
    return build.kernel(node, build.nest(outer, extents, "parallel", body))


def pool_with_places(node: Node, given: WindowAttributes) -> Kernel:
    """The largest cell of each window and its place in the plane; -1 where no cell lies inside."""
    x = build.present(build.operand_buffers(node)[0])
    window = build.Window(given.window, given.strides, given.padding, given.dilation)
    spatial = x.shape[2:]

    def step(places: build.Indices, cells: build.Indices, carried: build.Indices) -> tuple[Scalar, Scalar]:
        at, inside = window.cells(places[2:], cells, spatial)
        element, (best, where) = Load(x, (*places[:2], *at), inside), carried
        better = build.apply("or", is_before(element, best, largest=True), build.apply("lt", where, build.index(0)))
        return build.select(better, element, best), build.select(better, build.flatten(at, spatial), where)

    start: tuple[Const, Const] = (build.extreme(x.dtype, highest=False), build.index(-1))
    return build.reduction(
        node,
        build.Reduction(
            extents=given.window,
            start=start,
            step=step,
            finish=lambda places, carried: carried,
            valid=lambda places, cells: window.cells(places[2:], cells, spatial)[1],
        ),
    )
