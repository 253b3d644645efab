"""Loop nests of the operators that move elements and have more than a line to say."""

from __future__ import annotations

from typing import cast

from xir.ir.dims import Dim, Shape, equal
from xir.ir.node import Node
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._simplify import simplify
from xir.kernel.grammar import Accumulate, Allocate, Axis, Buffer, For, Kernel, Load, Scalar, Statement, Store


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
        if node.inputs[1:] in ((), (None, None)):
            return Load(x, tuple(found))
        # What the operands say may not fit the sizes; then nothing is read that is not there.
        return Load(x, tuple(found), build.every(*(build.within(found[axis], x.shape[axis]) for axis in axes)))

    return build.gather(node, element)


def broadcast_nest(node: Node) -> Kernel:
    """Each element from the same place of the operand, along its axes of size 1 from the one place there is."""
    x = build.present(build.operand_buffers(node)[0])
    (result,) = build.result_buffers(node)
    new = len(result.shape) - len(x.shape)

    def element(places: build.Indices) -> Scalar:
        found: list[Scalar] = []
        inside: list[Scalar] = []
        for place, have, want in zip(places[new:], x.shape, result.shape[new:], strict=True):
            same = equal(have, want) is True
            if not same and not isinstance(have, int):  # whether it is 1 is known when the kernel runs
                place = build.apply("min", place, build.index(have - 1))
                inside.append(build.apply("ge", place, build.index(0)))
            elif not same:
                inside += [] if have == 1 else [build.within(place, have)]
                place = build.index(0) if have == 1 else place
            found.append(place)
        return Load(x, tuple(found), build.every(*inside))

    return build.gather(node, element)


def reverse_nest(node: Node) -> Kernel:
    """Each element from the other end of the reversed axes."""
    x, axes = build.present(build.operand_buffers(node)[0]), cast("tuple[int, ...]", node.attributes["axes"])

    def element(places: build.Indices) -> Scalar:
        found = list(places)
        for axis in axes:
            found[axis] = build.apply("sub", build.index(x.shape[axis] - 1), places[axis])
        return Load(x, tuple(found))

    return build.gather(node, element)


def sizes_nest(node: Node) -> Kernel:
    """One store a size."""
    (result,) = build.result_buffers(node)
    x = build.present(build.operand_buffers(node)[0])
    stores = [Store(result, (build.index(axis),), build.index(size)) for axis, size in enumerate(x.shape)]
    return build.kernel(node, stores)


def pad_nest(node: Node) -> Kernel:
    """Each element from where its mode finds it in what is left after the cutting; constants outside of it."""
    build.require_absent(node, 3)
    x, amounts, fill = [*build.operand_buffers(node), None, None][:3]
    source = build.present(x)
    padding = cast("tuple[tuple[Dim, Dim], ...]", node.attributes["padding"])
    mode, rank = node.attributes["mode"], len(source.shape)

    def amount(axis: int, side: int) -> Scalar:
        if amounts is None:
            return build.index(padding[axis][side])
        return build.cast(Load(amounts, (build.index(side * rank + axis),)), DType.INT64)

    def element(places: build.Indices) -> Scalar:
        if mode == "constant":
            found = tuple(build.apply("sub", place, amount(axis, 0)) for axis, place in enumerate(places))
            untouched = [padding[axis] == (0, 0) and amounts is None for axis in range(rank)]
            found = tuple(place if same else moved for place, moved, same in zip(places, found, untouched, strict=True))
            sides = zip(found, source.shape, untouched, strict=True)
            inside = build.every(*(None if same else build.within(place, size) for place, size, same in sides))
            value = build.number(cast("float", node.attributes["value"]), source.dtype)
            outside: Scalar = value if fill is None else Load(fill, (build.index(0),) * len(fill.shape))
            taken = Load(source, found, inside)
            return taken if inside is None else build.select(inside, taken, outside)
        pairs = [
            _origin(place, amount(axis, 0), amount(axis, 1), source.shape[axis], str(mode))
            for axis, place in enumerate(places)
        ]
        return Load(source, tuple(place for place, _ in pairs), build.every(*(inside for _, inside in pairs)))

    return build.gather(node, lambda places: simplify(element(places), {}))


def _origin(place: Scalar, before: Scalar, after: Scalar, size: Dim, mode: str) -> tuple[Scalar, Scalar | None]:
    """Where a padded element comes from along one axis, and whether there is such a place."""
    if before == after == build.index(0):
        return place, None
    zero, one = build.index(0), build.index(1)
    cut, behind = (build.apply("max", build.apply("neg", side), zero) for side in (before, after))
    left = build.apply("sub", build.apply("sub", build.index(size), cut), behind)
    inner = build.apply("sub", place, build.apply("max", before, zero))
    last = build.apply("sub", left, one)
    if mode == "edge":
        found = build.apply("min", build.apply("max", inner, zero), last)
    elif mode == "wrap":
        found = build.apply("mod", inner, left)
    else:  # a period goes there and back, without the ends twice; of one element it is 0, which `mod` answers too
        there = build.apply("mod", inner, build.apply("mul", last, build.index(2)))
        found = build.apply("sub", last, build.apply("abs", build.apply("sub", there, last)))
    found = build.apply("add", found, cut)
    return found, build.apply("and", build.apply("gt", left, zero), build.within(found, size))


def power_nest(node: Node) -> Kernel:
    """Powers of integers by squaring, one bit of the exponent a step; a negative power is 1 / x ** -y, cut to whole."""
    x, y = (build.present(buffer) for buffer in build.operand_buffers(node))
    (result,) = build.result_buffers(node)
    axes, step, dtype = build.axes_of("i", len(result.shape)), Axis("bit"), result.dtype
    base, power = (Buffer(name, dtype, (), "register") for name in ("base", "power"))
    zero, one, minus = (build.number(value, dtype) for value in (0, 1, -1))
    bit = build.apply("bit_and", build.apply("shift_right", Load(y, axes), build.cast(step, dtype)), one)
    square = build.apply("mul", Load(base, ()), Load(base, ()))
    raised = Accumulate(power, (), "mul", Load(base, ()), build.apply("ne", bit, zero))
    answer: Scalar = Load(power, ())
    if dtype.is_signed:  # the powers of 1 and -1 depend on the last bit alone, whatever the sign
        unit = build.apply("or", *(build.apply("eq", Load(x, axes), value) for value in (one, minus)))
        whole = build.apply("or", unit, build.apply("ge", Load(y, axes), zero))
        answer = build.select(whole, answer, zero)
    body: list[Statement] = [
        Allocate(base),
        Allocate(power),
        Store(base, (), Load(x, axes)),
        Store(power, (), one),
        For(step, dtype.bits, "serial", (raised, Store(base, (), square))),
        Store(result, axes, answer),
    ]
    return build.kernel(node, build.nest(axes, result.shape, "parallel", body))
