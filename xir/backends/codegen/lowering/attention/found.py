"""Where attention stands in a program: sums of products, their softmax along rows, and sums of products with that.

The stages are found after fusion, so scales, masks, slices and turned heads are parts of the sums already, whatever
operators they came from. What is not found so stays three stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen.engine import Machine
from xir.backends.codegen.lowering.attention.kernel import Attention, fits, written
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.products.pack import cast, plain
from xir.backends.codegen.lowering.products.sums import Contraction, contraction_of, depends
from xir.backends.codegen.lowering.products.tiles import is_column
from xir.backends.codegen.lowering.stage import Item, Stage, name_of
from xir.ir.dims import Dim, product
from xir.ir.types import TensorType
from xir.kernel import build
from xir.kernel._simplify import simplify
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Apply, Axis, Buffer, For, Kernel, Let, Load, Scalar, Statement, Store, Variable
from xir.kernel.walk import loads, parallel_loops


def attended(items: Sequence[Item], kept: frozenset[int], made: Lowered, machine: Machine) -> list[Item]:
    """The items, every attention among them one kernel.

    Args:
        items: stages and other steps, in order, fused.
        kept: slots that others than stages read, which must be made.
        made: the program; it gets buffers for keys that have to be turned.
        machine: the processor.
    """
    found: dict[int, Sequence[Item]] = {}
    for place, item in enumerate(items):
        if isinstance(item, Stage) and item.kernel.name == "softmax":
            found.update(_together(_Program(items, kept), place, item, made, machine))
    return [each for place, item in enumerate(items) for each in found.get(place, (item,))]


@dataclass(frozen=True, slots=True)
class _Program:
    """The items, and the slots that others than stages read."""

    items: Sequence[Item]
    kept: frozenset[int]

    def stage(self, place: int) -> Stage | None:
        """The stage at a place, if it is one."""
        item = self.items[place]
        return item if isinstance(item, Stage) else None

    def reader(self, slot: int) -> int | None:
        """The place of the one stage that reads a slot, if nothing else does."""
        places = [place for place, item in enumerate(self.items) if isinstance(item, Stage) and slot in item.reads]
        return places[0] if len(places) == 1 and slot not in self.kept else None

    def maker(self, slot: int) -> int | None:
        """The place of the stage that makes a slot."""
        places = (place for place, item in enumerate(self.items) if isinstance(item, Stage) and slot in item.writes)
        return next(places, None)


def _together(
    program: _Program, place: int, weights: Stage, made: Lowered, machine: Machine
) -> Mapping[int, Sequence[Item]]:
    """{place: what stands there instead}; nothing where the softmax stands in no attention, or it would not pay."""
    last = program.reader(weights.writes[0])
    reader = None if last is None else program.stage(last)
    for slot in weights.reads if reader else ():
        first = program.maker(slot)
        maker = None if first is None else program.stage(first)
        if first is None or last is None or maker is None or reader is None or program.reader(slot) != place:
            continue
        found = _attention(maker, weights, reader)
        turned = None if found is None else _turned(found, maker, made)
        if turned is not None and fits(turned[0], machine):
            kernel = written(turned[0], reader.kernel, machine)
            nodes = (*maker.nodes, *weights.nodes, *reader.nodes)
            return {first: (), place: (), last: (*turned[1], Stage(kernel, nodes))}
    return {}


def _attention(maker: Stage, weights: Stage, reader: Stage) -> Attention | None:
    """The sums before and behind a softmax, over the same rows."""
    scores, values = contraction_of(maker.kernel), contraction_of(reader.kernel)
    if scores is None or values is None or len(values.reduced) != 1 or len(scores.loops) < 2:
        return None
    keys, (buffer,) = values.reduced[0], weights.kernel.outputs
    sizes = [*(loop.extent for loop in values.loops[:-1]), keys.extent]
    if sizes != [loop.extent for loop in scores.loops] or len(scores.factors) != 2:
        return None
    masked = _masked(scores, weights)
    if masked is None or not (scores.carried.dtype is buffer.dtype is values.carried.dtype):
        return None
    held = [load for load in loads([values.update, *values.ending]) if load.buffer == buffer]
    if len(held) != 1 or held[0] not in values.factors or held[0].mask is not None:
        return None
    if not _is_place(held[0].indices[0], (*values.loops[:-1], keys)):
        return None
    axes: dict[str, Scalar] = {a.axis.name: b.axis for a, b in zip(values.loops, scores.loops[:-1], strict=False)}
    return Attention(masked, _renamed(values, axes), buffer)


def _masked(scores: Contraction, weights: Stage) -> Contraction | None:
    """The sums, with what a softmax does with them before it takes powers; None where it reads them otherwise."""
    *lets, store = scores.ending
    if not (isinstance(store, Store) and store.mask is None and all(isinstance(each, Let) for each in lets)):
        return None
    rows, body = parallel_loops(weights.kernel.body)
    found = _power(body)
    if found is None or not _is_place(store.indices[0], scores.loops) or len(rows) != len(scores.loops) - 1:
        return None
    loop, score = found
    held = Variable(f"{store.buffer.name}x", store.value.dtype)
    read = [load for load in loads([score]) if load.buffer == store.buffer]
    if not read or not all(load.mask is None and _is_place(load.indices[0], (*rows, loop)) for load in read):
        return None
    axes: dict[str, Scalar] = {a.axis.name: b.axis for a, b in zip((*rows, loop), scores.loops, strict=True)}
    value = substitute(score, axes, lambda load: held if load.buffer == store.buffer else None)
    return replace(scores, ending=(*lets, Let(held, store.value), replace(store, value=value)))


def _power(body: Sequence[Statement]) -> tuple[For, Scalar] | None:
    """The loop of a softmax that takes powers, and the scores of which it does."""
    for each in body:
        match each:
            case For(_, _, "parallel", (Store(_, _, Apply("exp", (Apply("sub", (score, Load())),))),)):
                return each, score
            case _:
                pass
    return None


def _is_place(index: Scalar, loops: Sequence[For]) -> bool:
    """Whether an index is the place that the loops count, in row-major order."""
    extents: dict[str, Dim] = {loop.axis.name: loop.extent for loop in loops}
    whole = build.flatten(tuple(loop.axis for loop in loops), tuple(loop.extent for loop in loops))
    return simplify(index, extents) == simplify(whole, extents)


def _renamed(found: Contraction, axes: Mapping[str, Scalar]) -> Contraction:
    """The same sums, their loops called otherwise."""

    def loop(each: For) -> For:
        axis = axes.get(each.axis.name, each.axis)
        return replace(each, axis=axis) if isinstance(axis, Axis) else each

    update = substitute(found.update, axes)
    if not isinstance(update, Store):
        raise TypeError(update)
    ending = tuple(substitute(each, axes) for each in found.ending)
    return replace(found, loops=tuple(map(loop, found.loops)), update=update, ending=ending)


def _turned(found: Attention, maker: Stage, made: Lowered) -> tuple[Attention, tuple[Stage, ...]] | None:
    """The attention with keys side by side in memory, and the stage that turns them so; None if it cannot be."""
    scores, rows, keys = found.scores, found.rows, found.keys
    if not is_column(found.values, found.columns, frozenset(), strict=True):
        return None
    moving = [each for each in scores.factors if depends(each, keys)]
    if len(moving) != 1 or depends(moving[0], rows):
        return None
    if is_column(scores, keys, frozenset(), strict=True):
        return found, ()
    (key,) = moving
    loops = (*(loop for loop in scores.loops[:-2] if depends(key, loop)), *scores.reduced, keys)
    shape = tuple(loop.extent for loop in loops)
    source = plain(key)
    buffer = Buffer(name_of(made.fresh(TensorType(source.dtype, shape))), source.dtype, (product(shape),))
    place = build.flatten(tuple(loop.axis for loop in loops), shape)
    body = build.nest([loop.axis for loop in loops], shape, "parallel", [Store(buffer, (place,), source)])
    inputs = tuple(dict.fromkeys(load.buffer for load in loads(body)))
    near = cast(Load(buffer, (place,)), key)
    factors = [near if each is key else each for each in scores.factors]
    update = replace(scores.update, value=scores.added(Load(scores.carried, ()), factors))
    changed = replace(scores, update=update)
    if not is_column(changed, keys, frozenset(), strict=True):
        return None
    return replace(found, scores=changed), (Stage(Kernel("transpose", inputs, (buffer,), body), maker.nodes),)
