"""Operands that are no weights, in the order in which tiles read them: packed by a kernel of their own while running.

What is packed is read once and written once, so it pays where a number is part of many results; where few rows go by,
or where tiles can read it as it lies without loss, it stays where it is.
"""

from __future__ import annotations

from math import prod

from xir.backends.codegen.lowering.products.pack import Packing, plain
from xir.backends.codegen.lowering.products.sums import Contraction, depends
from xir.backends.codegen.lowering.products.tiles import LONG, NEAR
from xir.kernel import build
from xir.kernel._simplify import simplify
from xir.kernel.grammar import Apply, Axis, Kernel, Load, Scalar, Statement, Store
from xir.kernel.strides import step_of, unit_steps

USES, TURNED = 6, 2
"""Results of which a packed number has to be a part: where sums go through all factors in lanes, and where not.

Measured on 768 x 768 and 768 x 3072, both with the sums along rows: 4 results take as long as with packing.
"""

FEW = 8
"""Columns that sums in lanes are left for: half a vector of 16."""

OFTEN, STREAMED = 256, 32
"""Results of which it has to be a part where tiles can read neighbours as they lie: of any, and of long sums.

A block of columns of a long sum stays in no second cache. Measured: 1024 x 1024 x 1024 in 0.94 of the time, 2048 in
0.78, 64 x 4096 x 1024 in 0.67, but 128 x 768 x 768 in 1.06.
"""

BLOCK = 4 * 64
"""Bytes that one step of a sum reads of a wide block of columns."""


def packable(found: Contraction, constants: frozenset[str]) -> frozenset[str]:
    """Names of the buffers, beside constants, that pay for being packed while the program runs.

    Args:
        found: sums of products, their loops as they are cut (`prepared`).
        constants: names of the buffers that hold weights.
    """
    factors = [plain(factor) for factor in found.factors]
    return frozenset(
        factor.buffer.name
        for factor in factors
        if isinstance(factor, Load) and factor.buffer.name not in constants and _pays(found, factor)
    )


def _pays(found: Contraction, factor: Load) -> bool:
    """Whether the sums of some results read every number at most once, and those of many others read it again."""
    (size,) = factor.buffer.shape
    moved = [loop.extent for loop in (*found.loops, *found.reduced) if loop in found.reduced or depends(factor, loop)]
    known = [extent for extent in moved if isinstance(extent, int)]
    if len(known) < len(moved) or not isinstance(size, int) or not 0 < prod(known) <= size:
        return False
    shared = [loop.extent for loop in found.loops if not depends(factor, loop)]
    again = prod(extent if isinstance(extent, int) else OFTEN for extent in shared)
    moving = [loop for loop in found.loops if depends(factor, loop)]
    if any(step_of(factor.indices, loop.axis.name) == 1 for loop in moving):
        length = prod(loop.extent if isinstance(loop.extent, int) else 1 for loop in found.reduced)
        return again >= (STREAMED if length * BLOCK > NEAR else OFTEN)
    if _in_lanes(found):
        return again >= USES and any(loop.extent not in range(FEW) for loop in moving)
    return again >= TURNED


def _in_lanes(found: Contraction) -> bool:
    """Whether all factors go through memory step by step along a long loop of the sum."""
    long = [loop for loop in found.reduced if loop.extent not in range(LONG)]
    return any(unit_steps([found.update], loop.axis.name) for loop in long)


def panel_kernel(packing: Packing) -> Kernel:
    """The kernel that packs: whole blocks, then the last one, with zeros where it has no element."""
    full, rest = divmod(packing.along[0], packing.width)
    body: list[Statement] = []
    if full:
        body += _blocks(packing, "f", 0, full, packing.width)
    if rest:
        body += _blocks(packing, "l", full, 1, rest)
    return Kernel("pack", (packing.source,), (packing.target,), tuple(body))


def _blocks(packing: Packing, mark: str, first: int, count: int, width: int) -> tuple[Statement, ...]:
    """The loops over blocks of which each has so many elements, the steps of the sum in the order of the source."""
    outer = tuple(Axis(f"o{number}{mark}") for number in range(len(packing.outer)))
    block, within = Axis(f"b{mark}"), Axis(f"w{mark}")
    sizes = [*(extent for extent, _ in packing.outer), count]
    axes: list[Axis] = [*outer, block]
    names: dict[str, Scalar] = dict(zip(packing.names, outer, strict=False))
    number = Apply("add", (block, build.index(first)))
    place: Scalar = build.index(packing.offset)
    for axis, (_, step) in zip(outer, packing.outer, strict=True):
        place = _moved(place, axis, step)
    place = _moved(place, Apply("add", (Apply("mul", (number, build.index(packing.width))), within)), packing.along[1])
    for group in _groups(packing):
        axis = Axis(f"r{len(axes)}{mark}")
        axes.append(axis)
        sizes.append(prod(extent for _, extent, _ in group))
        counters = build.unflatten(axis, tuple(extent for _, extent, _ in group))
        for counter, (name, extent, step) in zip(counters, group, strict=True):
            names[name] = counter if step >= 0 else Apply("sub", (build.index(extent - 1), counter))
        place = _moved(place, axis, abs(group[-1][2]))
        place = build.offset(place, 1, sum((extent - 1) * step for _, extent, step in group if step < 0))
    axes.append(within)
    sizes.append(packing.width)
    extents = {axis.name: size for axis, size in zip(axes, sizes, strict=True)}
    target = simplify(packing.index(names, number, within), extents)
    there = None if width == packing.width else Apply("lt", (within, build.index(width)))
    store = Store(packing.target, (target,), Load(packing.source, (simplify(place, extents),), there))
    return build.nest(axes, sizes, "parallel", [store])


def _moved(place: Scalar, axis: Scalar, step: int) -> Scalar:
    return Apply("add", (place, Apply("mul", (axis, build.index(step)))))


def _groups(packing: Packing) -> list[list[tuple[str, int, int]]]:
    """The loops of the sum, (name, extent, step) of each, longest steps first; those that go on as one stand together.

    Where blocks lie apart in the source, its elements along the sum are what it has in a row.
    """
    names = packing.names[len(packing.outer) :]
    loops = [(name, *sized) for name, sized in zip(names, packing.reduced, strict=True)]
    made: list[list[tuple[str, int, int]]] = []
    for loop in sorted(loops, key=lambda each: -abs(each[2])):
        last = made[-1][-1] if made else None
        goes_on = last is not None and packing.along[1] != 1 and abs(last[2]) == loop[1] * abs(loop[2]) != 0
        if goes_on:
            made[-1].append(loop)
        else:
            made.append([loop])
    return made
