"""Sums of products: what they are made of, and their loops cut and joined until places in memory go by steps.

A kernel counts what it makes; memory is read where divisions of those counters say. Cut into loops whose extents are
the divisors, the counters need no division: the channels of a group, the elements between the zeros of a transposed
convolution. Joined, the pixels of an image are one row of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd

from xir.ir.dims import Dim, Shape, ceil_divide, multiply, product, subtract
from xir.ir.types import DType
from xir.kernel import build
from xir.kernel._affine import affine
from xir.kernel._simplify import simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Allocate, Apply, Axis, Buffer, Const, For, Kernel, Load, Scalar, Statement, Store
from xir.kernel.strides import step_of
from xir.kernel.walk import divisions, loads, parallel_loops, scalars

MANY = 192
"""Products of a sum that take twenty times as long as the divisions that place its result."""

PLACED = 4
"""Divisions that place a result: by the length of a line, where it is read and where it is stored."""

FAR = 1 << 62
"""A step that only the run knows: that of a whole line, or of more."""


@dataclass(frozen=True, slots=True)
class Border:
    """Zeros around an operand.

    Attributes:
        shape: its sizes with them, in the order in which its axes lie in memory.
        sides: how many zeros lie before and behind its elements, for each of these axes.
    """

    shape: Shape
    sides: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Contraction:
    """Parallel loops around a sum of products.

    Attributes:
        loops: the loops over results, outermost first.
        reduced: the loops of the sum, outermost first.
        carried: the register that holds the sum.
        start: what it begins with.
        update: the statement that adds a product.
        ending: what becomes of the sum.
        together: where factors are words of four bytes (`words`), the step between those of the weight; else 0.
        borders: {buffer: the zeros around what it holds}.
    """

    loops: tuple[For, ...]
    reduced: tuple[For, ...]
    carried: Buffer
    start: Scalar
    update: Store
    ending: tuple[Statement, ...]
    together: int = 0
    borders: Mapping[str, Border] = field(default_factory=dict[str, Border])

    @property
    def factors(self) -> tuple[Scalar, ...]:
        """The two numbers of the product."""
        match self.update.value:
            case Apply("add", (_, Apply("mul", factors))):
                return factors
            case Apply("dot4", (_, *words)):
                return tuple(words)
            case _:
                return ()

    def added(self, total: Scalar, factors: Sequence[Scalar]) -> Scalar:
        """A sum with one product more."""
        if self.together:
            return Apply("dot4", (total, *factors))
        return Apply("add", (total, Apply("mul", tuple(factors))))

    @property
    def length(self) -> Dim:
        """How many products a sum has."""
        total: Dim = 1
        for loop in self.reduced:
            total = multiply(total, loop.extent)
        return total

    @property
    def extents(self) -> dict[str, Dim]:
        """{axis: the extent of its loop}."""
        return {loop.axis.name: loop.extent for loop in (*self.loops, *self.reduced)}

    @property
    def statement(self) -> Statement:
        """The loops as a kernel has them."""
        inner: tuple[Statement, ...] = (self.update,)
        for loop in reversed(self.reduced):
            inner = (replace(loop, body=inner),)
        body: tuple[Statement, ...] = (
            Allocate(self.carried),
            Store(self.carried, (), self.start),
            *inner,
            *self.ending,
        )
        for loop in reversed(self.loops):
            body = (replace(loop, body=body),)
        return body[0]


def contraction_of(kernel: Kernel) -> Contraction | None:
    """The sum of products that a kernel is, or None."""
    loops, body = parallel_loops(kernel.body)
    if not loops or len(body) < 4:
        return None
    allocate, start, nest, *ending = body
    if not (isinstance(allocate, Allocate) and isinstance(start, Store) and start.buffer == allocate.buffer):
        return None
    reduced: list[For] = []
    inner: tuple[Statement, ...] = (nest,)
    while len(inner) == 1 and isinstance(inner[0], For) and inner[0].kind == "serial":
        reduced.append(inner[0])
        inner = inner[0].body
    update = inner[0] if len(inner) == 1 else None
    if not reduced or not isinstance(update, Store) or not _is_sum(update, allocate.buffer):
        return None
    if not _reads_again(update, loops):
        return None
    return Contraction(tuple(loops), tuple(reduced), allocate.buffer, start.value, update, tuple(ending))


def _reads_again(update: Store, loops: Sequence[For]) -> bool:
    """Whether a factor is read for several results; squares of a row, and products of two rows, are mere reductions."""
    match update.value:
        case Apply(_, (_, Apply(_, factors))):
            moving = [loop for loop in loops if loop.extent != 1]
            return any(not depends(factor, loop) for factor in factors for loop in moving)
        case _:
            return False


def _is_sum(update: Store, carried: Buffer) -> bool:
    match update.value:
        case Apply("add", (Load(buffer), Apply("mul", _))):
            kept = carried.dtype.is_floating or carried.dtype is DType.INT32
            return update.buffer == carried and buffer == carried and kept
        case _:
            return False


def prepared(found: Contraction, constants: frozenset[str]) -> tuple[Contraction, ...]:
    """The same sums, in loops by which memory is read in steps; several where the results come in phases.

    Args:
        found: sums of products.
        constants: names of the buffers that hold weights; they are packed in whatever order they are read.
    """
    return tuple(_in_steps(_joined(_cut(part)), constants) for part in _phases(_without_single(found)))


def _in_steps(found: Contraction, constants: frozenset[str]) -> Contraction:
    """The loops of a sum, those that go through memory in small steps innermost.

    Numbers that are read again and again lie on few lines of a cache then. Far apart, at steps of powers of two, they
    would push one another out of its sets.
    """
    read = [load for load in loads([found.update]) if load.buffer.space == "global"]
    moving = [load for load in read if load.buffer.name not in constants] or read

    def size(loop: For) -> int:
        steps = [step_of(load.indices, loop.axis.name) for load in moving[:1]]
        return max((step if isinstance(step, int) else FAR for step in steps if step is not None), default=0)

    return replace(found, reduced=tuple(sorted(found.reduced, key=size, reverse=True)))


def _without_single(found: Contraction) -> Contraction:
    """Loops of one iteration are none."""
    loops = tuple(loop for loop in found.loops if loop.extent != 1) or found.loops[:1]
    reduced = tuple(loop for loop in found.reduced if loop.extent != 1) or found.reduced[:1]
    kept = {loop.axis.name for loop in (*loops, *reduced)}
    names: dict[str, Scalar] = {
        loop.axis.name: build.index(0) for loop in (*found.loops, *found.reduced) if loop.axis.name not in kept
    }
    return _changed(found, loops, reduced, names) or found


def _changed(
    found: Contraction, loops: tuple[For, ...], reduced: tuple[For, ...], names: Mapping[str, Scalar]
) -> Contraction | None:
    """The contraction with other loops; None if nothing would be left of the sum."""
    extents = {loop.axis.name: loop.extent for loop in (*loops, *reduced)}
    update = simplify_statements((substitute(found.update, names),), extents)
    ending = simplify_statements(tuple(substitute(each, names) for each in found.ending), extents)
    if len(update) != 1 or not isinstance(update[0], Store):
        return None
    return replace(found, loops=loops, reduced=reduced, update=update[0], ending=ending)


def _divisions(found: Contraction) -> Iterator[tuple[str, Scalar, int]]:
    """(function, dividend, divisor) of every division by a known number."""
    for part in scalars([found.update, *found.ending]):
        match part:
            case Apply("floor_div" | "mod" as function, (dividend, Const(int(divisor), _))) if divisor > 1:
                yield function, dividend, divisor
            case _:
                pass


def _cut(found: Contraction) -> Contraction:
    """Loops whose counters are divided, cut so that they need not be."""
    for loop in found.loops:
        extent, name = loop.extent, loop.axis.name
        divisors = [divisor for _, dividend, divisor in _divisions(found) if dividend == loop.axis]
        if not divisors or not isinstance(extent, int):
            continue
        divisor = divisors[0]
        if extent % divisor or divisor == extent:
            continue
        outer = Axis(f"{name}g")
        place = found.loops.index(loop)
        pair = (replace(loop, axis=outer, extent=extent // divisor), replace(loop, extent=divisor))
        loops = (*found.loops[:place], *pair, *found.loops[place + 1 :])
        whole = Apply("add", (Apply("mul", (outer, build.index(divisor))), loop.axis))
        made = _changed(found, loops, found.reduced, {name: whole})
        if made is not None and len(list(_divisions(made))) < len(list(_divisions(found))):
            found = made
    return found


def _joined(found: Contraction) -> Contraction:
    """Neighbouring loops over results as one, where no place in memory tells them apart."""
    place = len(found.loops) - 2
    while place >= 0:
        found = _pair(found, place) or found
        place -= 1
    return found


def _pair(found: Contraction, place: int) -> Contraction | None:
    outer, inner = found.loops[place : place + 2]
    count = build.index(inner.extent)
    names: dict[str, Scalar] = {
        outer.axis.name: Apply("floor_div", (outer.axis, count)),
        inner.axis.name: Apply("mod", (outer.axis, count)),
    }
    whole = replace(outer, extent=multiply(outer.extent, inner.extent))
    made = _changed(found, (*found.loops[:place], whole, *found.loops[place + 2 :]), found.reduced, names)
    if made is None:
        return None
    more = divisions([made.statement]) - divisions([found.statement])
    return made if more <= 0 or (more <= PLACED and _pays(found, inner, made)) else None


def _pays(found: Contraction, inner: For, made: Contraction) -> bool:
    """Whether lines become one row of pixels though results lie otherwise, as in an image with a border.

    Where only the run knows how long lines are, they may be shorter than a tile has rows. Then long sums are worth a
    few divisions for each row of results.
    """
    long = not isinstance(found.length, int) or found.length >= MANY
    return long and not isinstance(inner.extent, int) and divisions([made.update]) <= divisions([found.update])


def _phases(found: Contraction) -> tuple[Contraction, ...]:
    """Sums in which only every n-th product counts, as n kinds of sums of those that do.

    A transposed convolution reads its input with zeros between the elements: which cells of its window meet elements
    depends on the remainder of the result's place.
    """
    for dividend, divisor in _remainders(found):
        form = affine(dividend)
        if form is None or not isinstance(form.constant, int):
            continue
        steps = form.coefficients
        across = [loop for loop in found.loops if loop.axis.name in steps]
        along = [loop for loop in found.reduced if loop.axis.name in steps]
        known = len(across) == 1 and len(along) <= 1 and len(steps) == 1 + len(along)
        if not known or steps[across[0].axis.name] != 1:
            continue
        place = along[0] if along else None
        step = steps[place.axis.name] if place else 0
        if isinstance(step, int):
            parts = [_phase(found, across[0], place, form.constant, step, divisor, rest) for rest in range(divisor)]
            if all(part is not None for part in parts):
                return tuple(each for part in parts if part is not None for each in _phases(part))
    return (found,)


def _remainders(found: Contraction) -> list[tuple[Scalar, int]]:
    return [(dividend, divisor) for function, dividend, divisor in _divisions(found) if function == "mod"]


def _phase(
    found: Contraction, across: For, along: For | None, constant: int, step: int, divisor: int, rest: int
) -> Contraction | None:
    """The results at `divisor * n + rest`: the cells that meet elements, and only those."""
    new = Axis(f"{across.axis.name}p{rest}")
    place = Apply("add", (Apply("mul", (new, build.index(divisor))), build.index(rest)))
    names: dict[str, Scalar] = {across.axis.name: place}
    extent = ceil_divide(subtract(across.extent, rest), divisor)
    loops = tuple(replace(loop, axis=new, extent=extent) if loop is across else loop for loop in found.loops)
    reduced = found.reduced
    cells: Sequence[int] = [0] if (rest + constant) % divisor == 0 else []
    if along is not None:
        if not isinstance(along.extent, int):
            return None
        cells = [cell for cell in range(along.extent) if (rest + step * cell + constant) % divisor == 0]
        counted = Axis(f"{along.axis.name}p{rest}")
        gap = divisor // gcd(step, divisor)
        first = cells[0] if cells else 0
        names[along.axis.name] = Apply("add", (Apply("mul", (counted, build.index(gap))), build.index(first)))
        shorter = replace(along, axis=counted, extent=len(cells))
        reduced = tuple(shorter if loop is along else loop for loop in reduced)
    if cells:
        made = _changed(found, loops, reduced, names)
        return None if made is None else _without_single(made)
    update, *ending = (substitute(each, names) for each in (found.update, *found.ending))
    if not isinstance(update, Store):
        return None
    empty = tuple(replace(loop, extent=0) for loop in reduced)  # nothing is summed
    return replace(found, loops=loops, reduced=empty, update=update, ending=tuple(ending))


def depends(scalar: Scalar, loop: For) -> bool:
    """Whether a scalar mentions the loop's axis."""
    return any(isinstance(part, Axis) and part.name == loop.axis.name for part in scalars([scalar]))


def bytes_of(factor: Scalar) -> int:
    """Bytes of the buffers that a factor is read from; none of those whose size only the run knows."""
    read = [load for load in loads([factor]) if load.buffer.space == "global"]
    sizes = [(product(load.buffer.shape), load.dtype.bits // 8) for load in read]
    return sum(size * item for size, item in sizes if isinstance(size, int))
