"""Loops and branches as steps: what a body captures are slots of the program, what it makes too.

A body is lowered for the operands that it gets: its types are inferred anew, so its sizes are those of the graph
around it. A loop whose body is machine code, of sizes that nothing inside changes, becomes one `Repeat`; a branch a
`Choose`, or a `Branch` where it has nodes that run by their reference. The reference runs every other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from xir.backends.codegen.llvm.types import element_bytes, is_compiled
from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.steps import Arm, Branch, Carry, Choose, Copy, Repeat, Row, Run, Step, is_native, writes
from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.builder import apply
from xir.ir.constraints import substituted
from xir.ir.dims import Dim, Symbol, equal, multiply, product
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter, evaluate_attribute
from xir.ir.types import DType, TensorType, Type

CONTROL = frozenset({"if", "loop", "scan"})
"""Operators with bodies."""

Inside = Callable[[Lowered, Graph], tuple[Step, ...]]
"""Lowers a body whose inputs have slots."""


def controlled(made: Lowered, node: Node, inside: Inside) -> Step | None:
    """The step of a loop or branch, or None where the reference runs it."""
    match node.op.name:
        case "if":
            return _if(made, node, inside)
        case "scan":
            return _scan(made, node, inside)
        case "loop":
            return _loop(made, node, inside)
        case _:
            return None


def _body(node: Node, name: str) -> Graph:
    return cast("Graph", node.attributes[name])


def _opened(body: Graph, operands: Sequence[Type]) -> Graph | None:
    """The body for operands of these types; None where they do not fit.

    What had to be assumed of sizes are its constraints.
    """
    sizes: dict[Symbol, Dim] = {}
    for value, given in zip(body.inputs, operands, strict=True):
        if isinstance(value.type, TensorType) and isinstance(given, TensorType) and value.rank == given.rank:
            pairs = zip(value.shape, given.shape, strict=True)
            sizes.update((size, known) for size, known in pairs if isinstance(size, Symbol) and size not in sizes)

    def sized(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        attributes = {name: evaluate_attribute(value, sizes) for name, value in node.attributes.items()}
        return None if attributes == node.attributes else apply(node.op, node.inputs, attributes).outputs

    leaves = {value: Value(given) for value, given in zip(body.inputs, operands, strict=True)}
    try:
        constraints = substituted(body.constraints, sizes)
        return Rewriter(body).run(sized, leaves=leaves, constraints=constraints)
    except (InvalidModelError, UnsupportedError):  # the reference says so, when it comes to it
        return None


def _is_plain(type: Type) -> bool:
    return isinstance(type, TensorType) and is_compiled(type.dtype)


def _is_single(value: Value | None) -> bool:
    """Whether it has one element, as far as sizes tell before the run."""
    return value is None or (isinstance(value.type, TensorType) and all(size == 1 for size in value.shape))


def _same(a: Type, b: Type) -> bool:
    """Whether both are tensors of which every size is known to be the same."""
    if not (isinstance(a, TensorType) and isinstance(b, TensorType)) or a.dtype is not b.dtype or a.rank != b.rank:
        return False
    return all(equal(m, n) is True for m, n in zip(a.shape, b.shape, strict=True))


def _bytes(type: TensorType) -> Dim:
    return multiply(product(type.shape), element_bytes(type.dtype))


def _bound(made: Lowered, body: Graph, given: Mapping[int, Value]) -> Lowered:
    """The slots of a body: those of the values around it for the inputs that it captures, its own for the others."""
    scope = made.scope()
    for place, value in enumerate(body.inputs):
        if place in given:
            scope.numbers[value] = made.slot(given[place])
        else:
            scope.slot(value)
    return scope


class _Results:
    """The slots of what a body makes: each has one of its own that the body writes, by a copy where it must be."""

    def __init__(self, scope: Lowered, steps: Sequence[Step]) -> None:
        self.scope = scope
        self.steps = list(steps)
        self.written = {slot for step in steps for slot in writes(step)}

    def slot(self, value: Value, taken: set[int]) -> int:
        """The slot of a result, none of those that are taken."""
        slot = self.scope.slot(value)
        if slot in self.written and slot not in taken:
            taken.add(slot)
            return slot
        fresh = self.scope.fresh(value.tensor)
        self.steps.append(Copy(slot, fresh, _bytes(value.tensor)))
        taken.add(fresh)
        return fresh


def _scan(made: Lowered, node: Node, inside: Inside) -> Step | None:
    values = [value for value in node.inputs if value is not None]
    states, axes = cast("int", node.attributes["states"]), cast("tuple[int, ...]", node.attributes["axes"])
    if any((*axes, *cast("tuple[int, ...]", node.attributes["result_axes"]))):
        return None
    if not all(_is_plain(value.type) for value in (*values, *node.outputs)):
        return None
    cut = states + len(axes)
    steps = next((v.shape[0] for v in values[states:cut] if isinstance(v.shape[0], int)), values[states].shape[0])
    if any(equal(value.shape[0], steps) is not True for value in values[states:cut]):
        return None
    rows = [value.tensor.with_shape(value.shape[1:]) for value in values[states:cut]]
    body = _opened(_body(node, "body"), [*(v.type for v in values[:states]), *rows, *(v.type for v in values[cut:])])
    if body is None or body.constraints:
        return None
    stacked = [_stack_of(value.type, steps) for value in body.outputs[states:]]
    wanted = [value.type for value in (*values[:states], *node.outputs)]
    have = [*(v.type for v in body.outputs[:states]), *(v.type for v in values[:states]), *stacked]
    if not all(a is not None and _same(a, b) for a, b in zip(have, wanted, strict=True)):
        return None
    scope = _bound(made, body, {place: value for place, value in enumerate(values) if place >= cut})
    lowered = inside(scope, body)
    if not is_native(lowered):
        return None
    results = _Results(scope, lowered)
    carries = _carries(made, results, body.inputs[:states], values[:states], body.outputs, node.outputs)
    backward = cast("tuple[bool, ...]", node.attributes["reversed_inputs"])
    slices = tuple(
        Row(made.slot(whole), scope.slot(value), _bytes(value.tensor), flipped)
        for whole, value, flipped in zip(values[states:cut], body.inputs[states:cut], backward, strict=True)
    )
    taken: set[int] = set()
    stacks = tuple(
        Row(made.slot(whole), results.slot(value, taken), _bytes(value.tensor), flipped)
        for whole, value, flipped in zip(
            node.outputs[states:],
            body.outputs[states:],
            cast("tuple[bool, ...]", node.attributes["reversed_results"]),
            strict=True,
        )
    )
    return Repeat(tuple(results.steps), steps, None, None, None, None, None, carries, slices, stacks, made.fault())


def _stack_of(type: Type, steps: Dim) -> Type | None:
    return type.with_shape((steps, *type.shape)) if isinstance(type, TensorType) else None


def _carries(
    made: Lowered,
    results: _Results,
    inside: Sequence[Value],
    starts: Sequence[Value],
    after: Sequence[Value],
    ends: Sequence[Value],
) -> tuple[Carry, ...]:
    """What steps hand on: `inside` is read and `after` written by a step, `starts` come before and `ends` after all."""
    taken: set[int] = set()
    return tuple(
        Carry(made.slot(start), results.scope.slot(value), results.slot(new, taken), made.slot(end), _bytes(new.tensor))
        for value, start, new, end in zip(inside, starts, after, ends, strict=False)
    )


def _loop(made: Lowered, node: Node, inside: Inside) -> Step | None:
    """Loops that stack results are made into scans before, where the number of steps is known."""
    (count, condition), values = node.inputs[:2], [value for value in node.inputs[2:] if value is not None]
    carried = cast("int", node.attributes["carried"])
    if len(node.outputs) != carried or not _is_single(count) or not _is_single(condition):
        return None
    if not all(_is_plain(value.type) for value in (*values, *node.outputs)):
        return None
    fixed = [TensorType(DType.INT64, ()), TensorType(DType.BOOL, ())]
    body = _opened(_body(node, "body"), [*fixed, *(value.type for value in values)])
    if body is None or body.constraints or not _is_single(body.outputs[0]):
        return None
    pairs = zip((*body.outputs[1:], *node.outputs), (*values[:carried], *values[:carried]), strict=True)
    if not all(_same(a.type, b.type) for a, b in pairs):
        return None
    scope = _bound(made, body, {2 + place: value for place, value in enumerate(values) if place >= carried})
    lowered = inside(scope, body)
    if not is_native(lowered):
        return None
    results = _Results(scope, lowered)
    ends = node.outputs
    carries = _carries(made, results, body.inputs[2 : 2 + carried], values[:carried], body.outputs[1:], ends)
    going = scope.slot(body.outputs[0])
    flag = scope.slot(body.inputs[1])
    return Repeat(
        tuple(results.steps),
        None,
        None if count is None else made.slot(count),
        None if condition is None else made.slot(condition),
        None if going == flag else going,
        scope.slot(body.inputs[0]),
        flag,
        carries,
        (),
        (),
        made.fault(),
    )


def _if(made: Lowered, node: Node, inside: Inside) -> Step | None:
    condition, captured = node.inputs[0], node.inputs[1:]
    if condition is None or not _is_single(condition):
        return None
    operands = [value for value in captured if value is not None]
    types = [value.type for value in operands]
    bodies = [_opened(_body(node, name), types) for name in ("then_body", "else_body")]
    arms: list[tuple[Lowered, Graph, tuple[Step, ...]]] = []
    for body in bodies:
        if body is None:
            return None
        scope = _bound(made, body, dict(enumerate(operands)))
        arms.append((scope, body, inside(scope, body)))
    results = tuple(made.slot(value) for value in node.outputs)
    fits = not any(body.constraints for _, body, _ in arms) and all(
        _same(a.type, b.type) and _is_plain(a.type)
        for _, body, _ in arms
        for a, b in zip(body.outputs, node.outputs, strict=True)
    )
    if fits and all(is_native(steps) for _, _, steps in arms):
        return Choose(made.slot(condition), *(_filling(results, *arm) for arm in arms))
    then, otherwise = (
        Arm(steps, tuple((scope.slot(value), value.type) for value in body.outputs), body.constraints)
        for scope, body, steps in arms
    )
    return Branch(node, made.slot(condition), then, otherwise, results)


def _filling(results: Sequence[int], scope: Lowered, body: Graph, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of an arm that write the branch's results."""
    made, taken = _Results(scope, steps), set[int]()
    own = {made.slot(value, taken): result for value, result in zip(body.outputs, results, strict=True)}
    return tuple(_renamed(step, own) for step in made.steps)


def _renamed(step: Step, names: Mapping[int, int]) -> Step:
    """The step on other slots."""

    def of(slot: int) -> int:
        return names.get(slot, slot)

    def all_of(steps: Iterable[Step]) -> tuple[Step, ...]:
        return tuple(_renamed(each, names) for each in steps)

    match step:
        case Run(_, slots):
            return replace(step, slots=tuple(map(of, slots)))
        case Copy(source, target, _):
            return replace(step, source=of(source), target=of(target))
        case Choose(condition, then, otherwise):
            return Choose(of(condition), all_of(then), all_of(otherwise))
        case Repeat():
            return replace(
                step,
                body=all_of(step.body),
                count=None if step.count is None else of(step.count),
                condition=None if step.condition is None else of(step.condition),
                going=None if step.going is None else of(step.going),
                carries=tuple(
                    replace(each, start=of(each.start), made=of(each.made), result=of(each.result))
                    for each in step.carries
                ),
                slices=tuple(replace(each, whole=of(each.whole)) for each in step.slices),
                stacks=tuple(replace(each, whole=of(each.whole), inside=of(each.inside)) for each in step.stacks),
            )
        case _:
            return step
