"""Moved at once: what only moves into a part of another buffer is written there by the stage that makes it.

A concatenation has one nest of loops for each operand, and a padding one for what is padded and one for the border.
Each of these nests is a stage of its own that writes its part of the result; those that read the whole of what one
stage makes, element by element, go where that stage stores it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xir.backends.codegen.lowering.stage import MAX_BUFFERS, Item, Stage, slot_of
from xir.backends.codegen.steps import writes
from xir.ir.dims import Dim, product, subtract
from xir.kernel import build
from xir.kernel._affine import affine
from xir.kernel._simplify import simplify, simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import (
    Apply,
    Axis,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Scalar,
    Select,
    Statement,
    Store,
    Variable,
)
from xir.kernel.walk import divisions, loads, parallel_loops, rewrite_blocks, statements


def placed(items: Sequence[Item], kept: frozenset[int]) -> list[Item]:
    """The items, with what is moved into parts of buffers written there at once.

    Args:
        items: stages and other steps, in order.
        kept: slots that others than stages read, which must be made.
    """
    done: list[Item] = []
    for number, item in enumerate(items):
        if not isinstance(item, Stage):
            done.append(item)
            continue
        parts = _parts(item)
        whole, moved = [*done, _whole(item, parts)], False
        for place, part in enumerate(parts if len(parts) > 1 else ()):
            made = _moved(done, [*parts[place + 1 :], *items[number + 1 :]], part, kept)
            done = [*done, part] if made is None else made
            moved = moved or made is not None
        done = done if moved else whole  # as one stage, they are fewer steps
    return done


def _whole(stage: Stage, parts: Sequence[Stage]) -> Stage:
    body = tuple(statement for part in parts for statement in part.kernel.body)
    return replace(stage, kernel=replace(stage.kernel, body=body))


def _parts(stage: Stage) -> list[Stage]:
    """A stage for each nest of the kernel, where these write different parts of the one result."""
    kernel = stage.kernel
    body = _bordered(kernel) or kernel.body
    if len(body) < 2 or len(kernel.outputs) != 1 or not all(_is_part(each, kernel) for each in body):
        return [stage]
    return [_reading(stage, (each,)) for each in body]


def _is_part(statement: Statement, kernel: Kernel) -> bool:
    """Whether a nest stores numbers that it reads from elsewhere, and does nothing else."""
    inner = [each for each in statements((statement,)) if not isinstance(each, For | If)]
    stores = all(isinstance(each, Store) and each.buffer == kernel.outputs[0] for each in inner)
    return stores and all(load.buffer != kernel.outputs[0] for load in loads((statement,)))


def _reading(stage: Stage, body: tuple[Statement, ...]) -> Stage:
    """A stage with that body, which is given what the body reads."""
    read = {load.buffer.name for load in loads(body)}
    inputs = tuple(buffer for buffer in stage.kernel.inputs if buffer.name in read)
    return replace(stage, kernel=replace(stage.kernel, inputs=inputs, body=body))


def _moved(done: list[Item], later: Sequence[Item], part: Stage, kept: frozenset[int]) -> list[Item] | None:
    """The items that are done with the part's numbers written where they are made; None where that cannot be."""
    loops, body = parallel_loops(part.kernel.body)
    store = body[0] if len(body) == 1 else None
    if not isinstance(store, Store):
        return None
    extents = {loop.axis.name: loop.extent for loop in loops}
    whole = build.flatten(tuple(loop.axis for loop in loops), tuple(loop.extent for loop in loops))
    own = simplify(whole, extents)
    read = list(loads((store.value,)))
    elsewhere = {each.buffer for each in read if each.mask or simplify(each.indices[0], extents) != own}
    for load in read:
        if load.buffer not in elsewhere and load.buffer.shape == (product(tuple(extents.values())),):
            made = _with_maker(done, later, part, loops, store, load, kept)
            if made is not None:
                return made
    return None


def _with_maker(
    done: list[Item],
    later: Sequence[Item],
    part: Stage,
    loops: Sequence[For],
    store: Store,
    load: Load,
    kept: frozenset[int],
) -> list[Item] | None:
    slot = slot_of(load.buffer)
    makers = [place for place, item in enumerate(done) if isinstance(item, Stage) and slot in item.writes]
    maker = done[makers[0]] if len(makers) == 1 else None
    if not isinstance(maker, Stage) or not {*maker.writes}.isdisjoint({*part.reads} - {slot}):
        return None  # what else the maker makes may not be there yet, and a kernel is not given what it makes
    others = [item for item in (*done, *later) if isinstance(item, Stage) and slot in item.reads]
    fused = _both(maker, part, loops, store, load, keep=slot in kept or bool(others))
    if fused is None or not _may_move(part, done[makers[0] + 1 :]):
        return None
    return [*done[: makers[0]], fused, *done[makers[0] + 1 :]]


def _may_move(part: Stage, between: Sequence[Item]) -> bool:
    """Whether a part may be written before these items: they make nothing that it reads, and tell none of its sizes."""
    made = {slot for item in between for slot in (item.writes if isinstance(item, Stage) else writes(item))}
    sizes = [size for buffer in part.kernel.outputs for size in buffer.shape]
    known = all(isinstance(size, int) for size in sizes) or all(isinstance(item, Stage) for item in between)
    return known and made.isdisjoint(part.reads)


def _both(maker: Stage, part: Stage, loops: Sequence[For], store: Store, load: Load, *, keep: bool) -> Stage | None:
    """The maker, which also does what the part does with each number that it stores; `keep`: others read it too."""
    body = maker.kernel.body
    stores = [each for each in statements(body) if isinstance(each, Store) and each.buffer == load.buffer]
    again = any(each.buffer == load.buffer for each in loads(body))
    if len(stores) != 1 or stores[0].mask is not None or again or store.buffer in maker.kernel.inputs:
        return None
    indices = build.unflatten(stores[0].indices[0], tuple(loop.extent for loop in loops))
    axes = {loop.axis.name: index for loop, index in zip(loops, indices, strict=True)}
    value = stores[0].value
    held = value if isinstance(value, Variable) else Variable(f"m{slot_of(load.buffer)}", load.dtype)
    changed = substitute(store, axes, lambda each: held if each.buffer == load.buffer else None)
    # The rest of the body is simple already, and may have been given many parts.
    moved = simplify_statements((changed,), _around(body, stores[0]) or {})

    def follow(statement: Statement) -> Sequence[Statement]:
        if statement is not stores[0]:
            return [statement]
        named = [] if value is held else [Let(held, value)]
        return [*named, *([replace(stores[0], value=held)] if keep else []), *moved]

    body = rewrite_blocks(maker.kernel.body, follow)
    given = {buffer.name: buffer for buffer in (*maker.kernel.inputs, *part.kernel.inputs)}
    read = dict.fromkeys(each.buffer.name for each in loads(body) if each.buffer.name in given)
    outputs = [each for each in maker.kernel.outputs if keep or each != load.buffer]
    outputs += [each for each in part.kernel.outputs if each not in outputs]
    if divisions(moved) > (0 if keep else divisions((stores[0],))) or len(read) + len(outputs) > MAX_BUFFERS:
        return None
    kernel = Kernel(maker.kernel.name, tuple(given[name] for name in read), tuple(outputs), body)
    return Stage(kernel, (*maker.nodes, *part.nodes))


def _around(body: Sequence[Statement], wanted: Statement) -> dict[str, Dim] | None:
    """The extents of the loops around a statement; None where it does not stand in the body."""
    for statement in body:
        if statement is wanted:
            return {}
        inner = (statement.then, statement.otherwise) if isinstance(statement, If) else ()
        for part in (statement.body,) if isinstance(statement, For) else inner:
            found = _around(part, wanted)
            if found is not None:
                return {statement.axis.name: statement.extent, **found} if isinstance(statement, For) else found
    return None


# Padding


def _bordered(kernel: Kernel) -> tuple[Statement, ...] | None:
    """`Select(inside, value, constant)` as nests for the border and one for what is inside; None for anything else."""
    loops, body = parallel_loops(kernel.body)
    store = body[0] if len(body) == 1 else None
    if not isinstance(store, Store) or store.mask is not None or not isinstance(store.value, Select):
        return None
    value = store.value
    inside = _bounds(value.condition, {loop.axis.name: loop.extent for loop in loops})
    if not inside or not isinstance(value.otherwise, Const):
        return None
    nests: list[Statement] = []
    for number, loop in enumerate(loops):
        if loop.axis.name in inside:
            before = {each.axis.name: inside[each.axis.name] for each in loops[:number] if each.axis.name in inside}
            outside = replace(store, value=value.otherwise)
            nests.append(_nest(loops, outside, before, loop.axis.name, inside[loop.axis.name], f"b{number}"))
    nests.append(_nest(loops, replace(store, value=value.then), inside, None, (0, 0), "i"))
    return simplify_statements(tuple(nests), {})


def _nest(
    loops: Sequence[For],
    store: Statement,
    inside: Mapping[str, tuple[Dim, Dim]],
    around: str | None,
    gap: tuple[Dim, Dim],
    mark: str,
) -> Statement:
    """Loops over a part of the elements: inside of bounds along some axes, and around a gap along one of them."""
    names: dict[str, Scalar] = {}
    made: list[For] = []
    for loop in loops:
        name = loop.axis.name
        axis = Axis(name + mark)
        low, high = gap if name == around else inside.get(name, (0, loop.extent))
        behind = Apply("add", (axis, build.index(subtract(high, low))))
        if name == around:
            names[name] = Select(Apply("lt", (axis, build.index(low))), axis, behind)
            made.append(replace(loop, axis=axis, extent=subtract(loop.extent, subtract(high, low))))
        else:
            names[name] = Apply("add", (axis, build.index(low)))
            made.append(replace(loop, axis=axis, extent=subtract(high, low)))
    body: Statement = substitute(store, names)
    for loop in reversed(made):
        body = replace(loop, body=(body,))
    return body


def _bounds(condition: Scalar, extents: Mapping[str, Dim]) -> dict[str, tuple[Dim, Dim]] | None:
    """{axis: the lowest number inside, the first behind it}, where a condition says this of axes, and nothing else."""
    lows: dict[str, Dim] = {}
    highs: dict[str, Dim] = {}
    pending = [condition]
    while pending:
        match pending.pop():
            case Apply("and", parts):
                pending += parts
            case Apply("ge" | "lt" as word, (place, Const(limit, _))) if not isinstance(limit, float):
                form = affine(place)
                name = next(iter(form.coefficients), "") if form is not None else ""
                side = lows if word == "ge" else highs
                if form is None or form.coefficients != {name: 1} or name in side or name not in extents:
                    return None
                side[name] = subtract(limit, form.constant)
            case _:
                return None
    found = {name: (lows.get(name, 0), highs.get(name, extents[name])) for name in lows.keys() | highs.keys()}
    ordered = {name: found[name] for name in extents if name in found}
    known = [part for name, (low, high) in ordered.items() for part in (low, subtract(extents[name], high))]
    return ordered if all(isinstance(part, int) and part >= 0 for part in known) else None
