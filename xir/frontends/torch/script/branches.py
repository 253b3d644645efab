"""Branches that only the run decides: both are followed, what they change is joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

from xir.errors import UnsupportedError
from xir.frontends._bodies import Body, captured_by, closed
from xir.frontends.torch.handlers.numbers import assume
from xir.frontends.torch.script.objects import Record
from xir.frontends.torch.script.snapshot import MISSING, Change, Snapshot
from xir.frontends.torch.script.syntax import Block, If, Return
from xir.frontends.torch.script.values import (
    Lost,
    Raised,
    Uninitialized,
    Unreadable,
    is_number,
    is_sequence,
    is_table,
    told,
)
from xir.frontends.torch.symbolic import SYMBOLIC, Comparison
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.constraints import Constraint, collecting
from xir.ir.dims import equal, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import control
from xir.ops.shape import reshape

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

Make: TypeAlias = Callable[[Sequence[Value]], object]
"""Makes a joined value of the results of the node that joins."""


class JoinedTensor(Tensor):
    """A tensor that is one of two, or what a loop leaves: it may share memory with another one, so it is not written.

    Attributes:
        is_shared: whether one of those that it may be is known elsewhere.
    """

    __slots__ = ("is_shared",)

    def __init__(self, value: Value, is_shared: bool) -> None:
        """A place of this value."""
        super().__init__(value)
        self.is_shared = is_shared

    def write(self, value: Value) -> None:
        """Writes it, where no other place could see that."""
        if self.is_shared:
            raise UnsupportedError(
                "writes a tensor that is one of several, which only the run decides", hint="clone() it first"
            )
        super().write(value)


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """What one branch does.

    Attributes:
        changes: what holds something else after it.
        assumed: what it assumes of sizes.
    """

    changes: dict[tuple[int, object], Change]
    assumed: tuple[Constraint, ...]


def follow(interpreter: Interpreter, condition: Computed, statement: If) -> None:
    """A branch whose condition only the run knows.

    A branch that raises an exception is not taken: that it is not is a constraint of the graph, or noted.

    Raises:
        Raised: both raise.
        UnsupportedError: what differs is nothing that a graph can join.
    """
    before = interpreter.snapshot()
    outcomes = [_followed(interpreter, block, before) for block in (statement.then, statement.other)]
    then, other = outcomes
    if isinstance(then, Raised) and isinstance(other, Raised):
        raise then
    if isinstance(then, Raised):
        _assume(interpreter, SYMBOLIC["_operator.not_"](interpreter.call, condition), then.message)
    elif isinstance(other, Raised):
        _assume(interpreter, condition, other.message)
    else:
        _join(interpreter, condition, before, then, other)
        return
    taken = statement.other if isinstance(then, Raised) else statement.then
    interpreter.block(taken)


def _followed(interpreter: Interpreter, block: Block, before: Snapshot) -> Branch | Raised:
    if block and isinstance(block[-1], Return):
        interpreter.refuse("a return that only the run decides")
    line, scope = interpreter.sources.line, interpreter.scope
    sizes, axes = dict(scope.sizes), dict(scope.axes)
    try:
        with collecting() as assumed:
            interpreter.block(block)
            return Branch({change.slot.identity: change for change in before.changes()}, tuple(assumed))
    except Raised as error:
        return error
    finally:
        interpreter.sources.line = line
        scope.sizes, scope.axes = sizes, axes
        before.restore()


def _assume(interpreter: Interpreter, condition: object, message: str) -> None:
    told_as = message[:200] or "an exception of the model's"
    if isinstance(condition, Comparison):
        assume(interpreter.call, condition, told_as)
    else:
        interpreter.scope.left_out.append(told_as)


@dataclass(slots=True)
class Join:
    """The pairs of values of which a node chooses.

    Attributes:
        interpreter: who follows.
        before: what was known before the branches.
        condition: what the run decides.
        pairs: {pair: its place among the node's results}.
    """

    interpreter: Interpreter
    before: Snapshot
    condition: Computed
    pairs: dict[tuple[Value, Value], int] = field(default_factory=dict[tuple[Value, Value], int])

    def of(self, a: object, b: object) -> Make:
        """What is `a` in the one branch and `b` in the other."""
        if a is b or isinstance(b, Uninitialized | Lost):
            return lambda results: a
        if isinstance(a, Uninitialized | Lost):
            return lambda results: b
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return self._tensors(a, b)
        if is_number(a) and is_number(b):
            return self._numbers(a, b)
        if is_sequence(a) and is_sequence(b) and isinstance(a, list) is isinstance(b, list):
            return self._several(a, b)
        if is_table(a) and is_table(b):
            return self._tables(a, b)
        if type(a) is type(b) and a == b:
            return lambda results: a
        return _unreadable(f"is {told(a)} or {told(b)}, which only the run decides")

    def _pair(self, a: Value, b: Value) -> int:
        return self.pairs.setdefault((a, b), len(self.pairs))

    def _tensors(self, a: Tensor, b: Tensor) -> Make:
        shared = any(item in self.before or _base(item) in self.before for item in (a, b))
        if a.value is b.value:
            value = a.value
            return lambda results: JoinedTensor(value, shared)
        left, right = self._of_one_rank(a.value, b.value)
        if left.dtype is not right.dtype or left.rank != right.rank:
            return _unreadable(f"is {told(a)} or {told(b)}, which only the run decides")
        place = self._pair(left, right)
        return lambda results: JoinedTensor(results[place], shared)

    def _of_one_rank(self, a: Value, b: Value) -> tuple[Value, Value]:
        """The pair; one that has no elements in its branch, and another rank, in the shape of the other one.

        Code that says `if n > 0: x = x.reshape(n, -1, 4)` goes on with the empty tensor as it was.
        """
        if a.rank == b.rank or equal(product(a.shape), product(b.shape)) is not True:
            return a, b
        if _is_empty(self.condition, True, a):
            return reshape(a, shape=b.shape), b
        if _is_empty(self.condition, False, b):
            return a, reshape(b, shape=a.shape)
        return a, b

    def _numbers(self, a: object, b: object) -> Make:
        if not isinstance(a, Computed) and not isinstance(b, Computed) and type(a) is type(b) and a == b:
            return lambda results: a
        if isinstance(a, complex) or isinstance(b, complex):
            return _unreadable("is one of two complex numbers, which only the run decides")
        call = self.interpreter.call
        left, right = call.number(a), call.number(b)
        if left is right:
            return lambda results: a
        if left.dtype is not right.dtype:
            return _unreadable(f"is {told(a)} or {told(b)}, which only the run decides")
        place = self._pair(left, right)
        return lambda results: Computed(results[place])

    def _several(self, a: Sequence[object], b: Sequence[object]) -> Make:
        if len(a) != len(b):
            return _unreadable(f"holds {len(a)} or {len(b)} items, which only the run decides")
        parts = [self.of(x, y) for x, y in zip(a, b, strict=True)]
        if isinstance(a, Record):
            kind, fields = a.kind, a.fields
            return lambda results: Record.of(kind, fields, [part(results) for part in parts])
        if isinstance(a, list):
            return lambda results: [part(results) for part in parts]
        return lambda results: tuple(part(results) for part in parts)

    def _tables(self, a: dict[object, object], b: dict[object, object]) -> Make:
        if a.keys() != b.keys():
            return _unreadable("has keys that only the run decides")
        parts = {key: self.of(value, b[key]) for key, value in a.items()}
        return lambda results: {key: part(results) for key, part in parts.items()}


def _is_empty(condition: Computed, holds: bool, value: Value) -> bool:
    """Whether a tensor has no elements where the condition holds, or where it does not."""
    if not isinstance(condition, Comparison):
        return False
    size, other = condition.left, condition.right
    kinds = (("eq", 0), ("le", 0), ("lt", 1)) if holds else (("ne", 0), ("gt", 0), ("ge", 1))
    return (condition.kind, other) in kinds and any(
        equal(size, each) is True for each in (*value.shape, product(value.shape))
    )


def _base(tensor: Tensor) -> Tensor:
    while tensor.base is not None:
        tensor = tensor.base
    return tensor


def _unreadable(reason: str) -> Make:
    return lambda results: Unreadable(f"a value {reason}")


def _join(interpreter: Interpreter, condition: Computed, before: Snapshot, then: Branch, other: Branch) -> None:
    join = Join(interpreter, before, condition)
    plans: list[tuple[Change, Make]] = []
    for identity in dict.fromkeys((*then.changes, *other.changes)):
        one, two = then.changes.get(identity), other.changes.get(identity)
        change = cast("Change", one or two)
        a = change.before if one is None else one.after
        b = change.before if two is None else two.after
        if a is MISSING or b is MISSING:
            if isinstance(change.slot.thing, dict) and change.slot.thing is interpreter.frame.held:
                continue  # a variable of one branch alone is read in that branch alone
            interpreter.refuse("an attribute or key that one branch alone sets, which only the run decides")
        if isinstance(change.slot.thing, list) and is_sequence(a) and is_sequence(b) and len(a) != len(b):
            interpreter.refuse("a list that grows in one branch alone, which only the run decides")
        plans.append((change, join.of(a, b)))
    results = _chosen(interpreter, condition, before, (then, other), list(join.pairs)) if join.pairs else ()
    for change, make in plans:
        change.slot.set(make(results))


def _chosen(
    interpreter: Interpreter,
    condition: Computed,
    before: Snapshot,
    branches: tuple[Branch, Branch],
    pairs: Sequence[tuple[Value, Value]],
) -> Sequence[Value]:
    interpreter.scope.refuse_ragged(value for pair in pairs for value in pair)
    bodies = [
        body_of(interpreter, before, (), [pair[place] for pair in pairs], branch.assumed)
        for place, branch in enumerate(branches)
    ]
    captured = captured_by(*bodies)
    then, other = (body.taking(captured) for body in bodies)
    with interpreter.sourced("if"):
        asked = interpreter.call.cast(condition.value, DType.BOOL)
        results = control.if_(asked, *captured, then_body=then, else_body=other)
    for value in results:
        interpreter.scope.note_axes(value)
    return results


def body_of(
    interpreter: Interpreter,
    before: Snapshot,
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    assumed: Sequence[Constraint],
) -> Body:
    """What leads to the outputs as a closed graph; what was known before is captured."""
    known = dict.fromkeys((*before.values(), *interpreter.scope.measured()))
    return closed(inputs, outputs, known.keys(), assumed)
