"""Parts of one buffer from the beginning: what is only moved next to others is made there, and read there.

A cache of keys and values of all layers is made layer by layer, and each layer reads its own before all of them are
put together. If the parts lie one behind the other, nothing has to be moved: whoever makes or reads a part does so in
the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xir.backends.codegen.lowering.stage import Item, Stage, name_of, slot_of
from xir.ir.dims import product
from xir.kernel import build
from xir.kernel._affine import affine
from xir.kernel._simplify import simplify, simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Accumulate, Apply, Buffer, Load, Scalar, Statement, Store
from xir.kernel.walk import loads, parallel_loops, rewrite_blocks


@dataclass(frozen=True, slots=True)
class _Part:
    """Elements of a slot that one nest of loops moves: all of them, in order, to `start` and behind it in the whole."""

    slot: int
    whole: Buffer
    start: Scalar


def shared(items: Sequence[Item], kept: frozenset[int]) -> list[Item]:
    """The items, with parts of buffers made and read in these, where that saves moving them.

    Args:
        items: stages and other steps, in order.
        kept: slots that others than stages read, which must be made.
    """
    made, place = list(items), 0
    while place < len(made):
        stage = made[place]
        left: list[Statement] = []
        for nest in stage.kernel.body if isinstance(stage, Stage) else ():
            part = _part(stage, nest) if isinstance(stage, Stage) else None
            found = None if part is None or part.slot in kept else _moved(made, place, part)
            left += [nest] if found is None else []
            made = made if found is None else found
        if isinstance(stage, Stage) and len(left) < len(stage.kernel.body):
            made[place : place + 1] = [_with_body(stage, tuple(left))] if left else []
            place -= not left
        place += 1
    return made


def _part(stage: Stage, nest: Statement) -> _Part | None:
    """What a nest moves, if it moves all elements of a slot and keeps them next to each other."""
    loops, body = parallel_loops((nest,))
    store = body[0] if len(body) == 1 else None
    if len(stage.kernel.outputs) != 1 or not isinstance(store, Store) or store.mask is not None:
        return None
    value, whole = store.value, store.buffer
    if not isinstance(value, Load) or value.mask is not None or {value.buffer.space, whole.space} != {"global"}:
        return None
    extents = {loop.axis.name: loop.extent for loop in loops}
    own = build.flatten(tuple(loop.axis for loop in loops), tuple(loop.extent for loop in loops))
    size = product(tuple(loop.extent for loop in loops))
    form = affine(simplify(Apply("sub", (store.indices[0], own)), extents))
    alike = value.buffer == replace(whole, name=value.buffer.name, shape=(size,))
    in_order = alike and simplify(value.indices[0], extents) == simplify(own, extents)
    if not in_order or form is None or any(step != 0 for step in form.coefficients.values()):
        return None
    return _Part(slot_of(value.buffer), whole, build.index(form.constant))


def _moved(items: Sequence[Item], place: int, part: _Part) -> list[Item] | None:
    """The items with the part's elements in the whole from the beginning; None where another step stands in the way."""
    whole, mover = slot_of(part.whole), items[place]
    stages = {number: item for number, item in enumerate(items) if isinstance(item, Stage) and number != place}
    makers = [number for number, stage in stages.items() if part.slot in stage.writes]
    readers = [number for number, stage in stages.items() if part.slot in stage.reads]
    if not makers or max(makers) > place or not isinstance(mover, Stage):
        return None
    if not all(isinstance(item, Stage) for item in items[min(makers) : place]):  # it may tell the size of the whole
        return None
    if sum(slot_of(load.buffer) == part.slot for load in _read(mover)) != 1:
        return None
    if any(whole in stages[number].reads for number in makers):
        return None
    if any(whole in stages[number].writes for number in readers):  # what a kernel writes it is not given to read
        return None
    changed = list(items)
    for number in {*makers, *readers}:
        changed[number] = _rebased(stages[number], part)
    return changed


def _read(stage: Stage) -> list[Load]:
    return [load for load in loads(stage.kernel.body) if load.buffer.space == "global"]


def _rebased(stage: Stage, part: _Part) -> Stage:
    """The stage, which makes or reads the part in the whole."""
    name = name_of(part.slot)

    def place(index: Scalar) -> tuple[Scalar, ...]:
        return (Apply("add", (index, part.start)),)

    def read(load: Load) -> Scalar | None:
        return Load(part.whole, place(load.indices[0]), load.mask) if load.buffer.name == name else None

    def write(statement: Statement) -> Sequence[Statement]:
        if isinstance(statement, Store | Accumulate) and statement.buffer.name == name:
            return [replace(statement, buffer=part.whole, indices=place(statement.indices[0]))]
        return [statement]

    body = rewrite_blocks(tuple(substitute(each, {}, read) for each in stage.kernel.body), write)
    outputs = tuple(dict.fromkeys(part.whole if each.name == name else each for each in stage.kernel.outputs))
    kernel = replace(stage.kernel, outputs=outputs)
    return _with_body(replace(stage, kernel=kernel), simplify_statements(body, {}))


def _with_body(stage: Stage, body: tuple[Statement, ...]) -> Stage:
    """A stage with that body, which is given what the body reads and does not make."""
    read = dict.fromkeys(load.buffer for load in loads(body) if load.buffer.space == "global")
    inputs = tuple(buffer for buffer in read if buffer not in stage.kernel.outputs)
    return replace(stage, kernel=replace(stage.kernel, inputs=inputs, body=body))
