"""Fusion: stages that compute single elements go into those that read them, or follow those that made them.

Five laws, each of them exact, for a stage only moves:
    into its readers  the elements of a stage are computed where they are read, if that is not more often than once,
                      or if they only move;
    behind its maker  a stage that reads, element by element, what a reduction makes is computed where that is stored;
    side by side      loops over the same rows become one (`rows`);
    together          what is only moved next to others is made and read there (`shared`);
    at once           what only moves into a part of another buffer is written there by its maker (`placed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xir.backends.codegen.lowering.fusion.placed import placed
from xir.backends.codegen.lowering.fusion.rows import joined
from xir.backends.codegen.lowering.fusion.shared import shared
from xir.backends.codegen.lowering.stage import MAX_BUFFERS, Elements, Item, Stage, elements, iterations, name_of
from xir.ir.dims import Dim
from xir.kernel import build
from xir.kernel._simplify import simplify, simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Apply, Buffer, For, If, Kernel, Let, Load, Scalar, Select, Statement, Store, Variable
from xir.kernel.walk import divisions, loads, operands, rewrite_blocks, scalars, statements

MAX_WORK = 400
"""Functions in one element of a fused kernel."""

Attended = Callable[[list[Item]], list[Item]]
"""The items to the items with every attention one kernel."""

Join = Callable[[list[Item], int, Stage, frozenset[int]], list[Item] | None]
"""(items, a place, the stage there, slots to keep) to the items with that stage joined to another; None if not."""


def fuse(items: Sequence[Item], kept: frozenset[int], attended: Attended | None = None) -> list[Item]:
    """The stages, fewer of them.

    Args:
        items: stages and other steps, in order.
        kept: slots that others than stages read, which must be made.
        attended: joins the stages of attention, once single elements are where they belong.
    """
    made = _in_turn(_into(_needed(items, kept), kept), kept, _followed)
    made = _in_turn(attended(made) if attended else made, kept, _with_first_reader)
    return placed(shared(made, kept), kept)


def _needed(items: Sequence[Item], kept: frozenset[int]) -> list[Item]:
    """The items without the stages that make nothing which is read."""
    read, needed = set(kept), list[Item]()
    for item in reversed(items):
        if not isinstance(item, Stage) or not read.isdisjoint(item.writes):
            needed.append(item)
            read.update(_reads(item))
    return needed[::-1]


def _readers(items: Sequence[Item], slot: int) -> list[int]:
    return [place for place, item in enumerate(items) if isinstance(item, Stage) and slot in item.reads]


def _into(items: list[Item], kept: frozenset[int]) -> list[Item]:
    held: list[Item | None] = list(items)
    readers: dict[int, dict[int, None]] = {}
    _note(readers, dict(enumerate(items)))
    for place, producer in enumerate(held):
        if isinstance(producer, Stage) and not kept.intersection(producer.writes[:1]):
            changed = _moved_into_readers(held, sorted(readers.get(producer.writes[0], ())), producer)
            if changed:
                _note(readers, changed)
                for reader, stage in changed.items():
                    held[reader] = stage
                held[place] = None
    return [item for item in held if item is not None]


def _note(readers: dict[int, dict[int, None]], items: Mapping[int, Item]) -> None:
    """Notes at which places each slot is read; that what is there now no longer does is not noted."""
    for place, item in items.items():
        if isinstance(item, Stage):
            for slot in item.reads:
                readers.setdefault(slot, {})[place] = None


def _moved_into_readers(items: Sequence[Item | None], places: Sequence[int], producer: Stage) -> dict[int, Stage]:
    """The readers of a stage, at these places, that compute its elements themselves; none where that does not pay."""
    each = elements(producer)
    slot = producer.writes[0]
    readers = {place: item for place in places if isinstance(item := items[place], Stage) and slot in item.reads}
    if each is None or (len(readers) > 1 and not _only_moves(each)):
        return {}
    changed: dict[int, Stage] = {}
    for place, reader in readers.items():
        made = _inlined(producer, each, reader)
        if made is None:
            return {}
        changed[place] = made
    return changed


def _only_moves(each: Elements) -> bool:
    """Whether the elements are other elements, in other places."""
    return _is_move(each.store.value)


def _is_plain(each: Elements) -> bool:
    """Whether the elements are the elements of one buffer, in other places, without conditions or divisions."""
    value = each.store.value
    return isinstance(value, Load) and value.mask is None and divisions([each.store]) == 0


def _is_move(scalar: Scalar) -> bool:
    match scalar:
        case Load():
            return True
        case Select(_, then, otherwise):
            return _is_move(then) and _is_move(otherwise)
        case _:
            return not operands(scalar)


def _inlined(producer: Stage, each: Elements, consumer: Stage) -> Stage | None:
    """The consumer with the producer's elements computed where it reads them, or None where that does not pay."""
    slot = producer.writes[0]
    if _work(consumer.kernel.body) > MAX_WORK:  # it does not become less
        return None
    if not _only_moves(each) and _is_looked_for(consumer, slot):
        return None
    for load, times in iterations(consumer.kernel.body, slot):
        if load.buffer != each.store.buffer:  # sizes that only the run shows to be the same
            return None
        # What is read often is read where it lies, if finding out where takes more than a step.
        if not (_at_most_once(times, each.count) or _is_plain(each)):
            return None
    before = divisions(consumer.kernel.body) + divisions(producer.kernel.body)
    body = _with_elements(consumer.kernel.body, slot, each, {})
    body = simplify_statements(body, {})
    if divisions(body) > before or _work(body) > MAX_WORK:
        return None
    return _stage(consumer, body, producer, slot)


def _is_looked_for(consumer: Stage, slot: int) -> bool:
    """Whether a stage reads elements and looks for one of them again (the place of the largest).

    A sum of products may be rounded otherwise in another loop: none would be equal to what was found before.
    """
    read = [load for load in loads(consumer.kernel.body) if load.buffer.name == name_of(slot)]
    again = (each for each in scalars(consumer.kernel.body) if isinstance(each, Apply) and each.function == "eq")
    return len(read) > 1 and any(operand in read for each in again for operand in operands(each))


def _at_most_once(times: Dim, count: Dim) -> bool:
    if isinstance(times, int) and isinstance(count, int):
        return times <= count
    return times == count


def _with_elements(
    body: Sequence[Statement], slot: int, each: Elements, extents: Mapping[str, Dim]
) -> tuple[Statement, ...]:
    made: list[Statement] = []
    for statement in body:
        match statement:
            case For(axis, extent, _, inner):
                around = {**extents, axis.name: extent}
                made.append(replace(statement, body=_with_elements(inner, slot, each, around)))
            case If(condition, then, otherwise):
                parts = (_with_elements(part, slot, each, extents) for part in (then, otherwise))
                made.append(If(_element(condition, slot, each, extents), *parts))
            case _:
                made.append(substitute(statement, {}, lambda load: _read(load, slot, each, extents)))
    return tuple(made)


def _element(scalar: Scalar, slot: int, each: Elements, extents: Mapping[str, Dim]) -> Scalar:
    return substitute(scalar, {}, lambda load: _read(load, slot, each, extents))


def _read(load: Load, slot: int, each: Elements, extents: Mapping[str, Dim]) -> Scalar | None:
    if load.buffer.name != name_of(slot):
        return None
    value = each.at(load.indices[0], extents)
    if load.mask is None:
        return value
    mask = load.mask

    def masked(inner: Load) -> Scalar:
        return replace(inner, mask=mask if inner.mask is None else Apply("and", (mask, inner.mask)))

    guarded = substitute(value, {}, masked)
    if isinstance(guarded, Load):
        return guarded
    return Select(mask, guarded, build.number(0, load.dtype))


def _stage(consumer: Stage, body: tuple[Statement, ...], producer: Stage, slot: int) -> Stage | None:
    """The fused stage: its buffers are those that are still read."""
    given: dict[str, Buffer] = {b.name: b for b in (*producer.kernel.inputs, *consumer.kernel.inputs)}
    read = dict.fromkeys(load.buffer.name for load in loads(body) if load.buffer.name in given)
    inputs = tuple(given[name] for name in read if name != name_of(slot))
    if len(inputs) > MAX_BUFFERS:
        return None
    nodes = (*producer.nodes, *consumer.nodes)
    return Stage(Kernel(consumer.kernel.name, inputs, consumer.kernel.outputs, body), nodes)


def _work(body: Sequence[Statement]) -> int:
    return sum(isinstance(part, Apply) for part in scalars(body))


def _in_turn(items: list[Item], kept: frozenset[int], join: Join) -> list[Item]:
    """The items after one stage after the other was joined to another as long as that can be."""
    place = 0
    while place < len(items):
        maker = items[place]
        made = join(items, place, maker, kept) if isinstance(maker, Stage) else None
        items = items if made is None else made
        place += made is None
    return items


def _followed(items: list[Item], place: int, maker: Stage, kept: frozenset[int]) -> list[Item] | None:
    """The items with the one reader of a reduction's result computed where the result is stored."""
    if len(maker.writes) != 1 or maker.writes[0] in kept or elements(maker) is not None:
        return None
    readers = _readers(items, maker.writes[0])
    if len(readers) != 1:
        return None
    reader = items[readers[0]]
    each = elements(reader) if isinstance(reader, Stage) else None
    if each is None or not isinstance(reader, Stage):
        return None
    made = _epilogue(maker, reader, each)
    if made is None:
        return None
    changed = list(items)
    changed[readers[0]] = made  # where the reader stands all that it reads is made
    del changed[place]
    return changed


def _epilogue(maker: Stage, reader: Stage, each: Elements) -> Stage | None:
    slot = maker.writes[0]
    extents = {loop.axis.name: loop.extent for loop in statements(maker.kernel.body) if isinstance(loop, For)}
    here = {loop.axis.name: loop.extent for loop in each.loops}
    own = simplify(each.store.indices[0], here)
    for load in loads([each.store]):
        if load.buffer.name == name_of(slot) and (load.mask is not None or simplify(load.indices[0], here) != own):
            return None
    stores = [s for s in statements(maker.kernel.body) if isinstance(s, Store) and s.buffer.name == name_of(slot)]
    whole = len(stores) == 1 and stores[0].mask is None and stores[0].buffer.shape == each.store.buffer.shape
    if not whole or any(load.buffer.name == name_of(slot) for load in loads(maker.kernel.body)):
        return None
    held = Variable(f"r{slot}", stores[0].buffer.dtype)

    def follow(statement: Statement) -> Sequence[Statement]:
        if statement is not stores[0]:
            return [statement]
        value = each.at(stores[0].indices[0], extents)
        value = substitute(value, {}, lambda load: held if load.buffer.name == name_of(slot) else None)
        return [Let(held, stores[0].value), Store(each.store.buffer, stores[0].indices, value)]

    before = divisions(maker.kernel.body) + divisions(reader.kernel.body)
    body = rewrite_blocks(maker.kernel.body, follow)
    if divisions(body) > before:
        return None
    given = {b.name: b for b in (*maker.kernel.inputs, *reader.kernel.inputs)}
    read = dict.fromkeys(load.buffer.name for load in loads(body) if load.buffer.name in given)
    inputs = tuple(given[name] for name in read)
    if len(inputs) > MAX_BUFFERS:
        return None
    kernel = Kernel(maker.kernel.name, inputs, reader.kernel.outputs, body)
    return Stage(kernel, (*maker.nodes, *reader.nodes))


def _with_first_reader(items: list[Item], place: int, maker: Stage, kept: frozenset[int]) -> list[Item] | None:
    """The items with a stage joined to the first one that reads what it makes."""
    readers = sorted({reader for slot in maker.writes for reader in _readers(items, slot)})
    if not readers:
        return None
    reader = items[readers[0]]
    between = items[place + 1 : readers[0]]
    waits = kept.isdisjoint(maker.writes) or all(isinstance(item, Stage) for item in between)
    if not isinstance(reader, Stage) or not waits:
        return None
    others = {slot for slot in maker.writes if any(slot in _reads(items[number]) for number in readers[1:])}
    made = joined(maker, reader, kept | others)
    if made is None:
        return None
    changed = list(items)
    changed[readers[0]] = made  # nobody in between reads what the maker makes, so it may wait
    del changed[place]
    return changed


def _reads(item: Item) -> tuple[int, ...]:
    return item.reads if isinstance(item, Stage) else ()
