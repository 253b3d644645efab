"""Loops: those of a known number of steps are written down step by step, others become a loop of the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

from xir.errors import InvalidModelError
from xir.frontends._bodies import Body
from xir.frontends.torch.script.branches import JoinedTensor, body_of
from xir.frontends.torch.script.containers import truth
from xir.frontends.torch.script.growing import Growing, Rows
from xir.frontends.torch.script.snapshot import MISSING, Change, Slot, Snapshot
from xir.frontends.torch.script.syntax import Block, Expression, For, If, While, With
from xir.frontends.torch.script.values import Raised, Unreadable, is_number
from xir.frontends.torch.tensor import Computed, Number, Tensor
from xir.ir.constraints import Constraint, collecting
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.limits import MAX_UNROLLED_NODES
from xir.ops import control
from xir.ops.control import admits_always, widest

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

Make: TypeAlias = Callable[[Sequence[Value]], object]

_MAX_TRIES = 12
"""How often a body is followed until it is known what it changes, and types hold before and after a step."""


def follow_for(interpreter: Interpreter, statement: For) -> None:
    """`for name in range(count)`."""
    count = interpreter.evaluate(statement.count)
    if isinstance(count, bool) or not is_number(count) or isinstance(count, float | complex):
        raise InvalidModelError("a loop whose number of steps is no whole number")
    if isinstance(count, int) and count * _size(statement.body) <= MAX_UNROLLED_NODES:
        for step in range(count):
            interpreter.frame.held[statement.name] = step
            interpreter.inner(statement.body)
        return
    steps = interpreter.call.scalar(cast("Number", count), DType.INT64)
    _Loop(interpreter, statement.body, statement.name, None).follow(steps, None)


def follow_while(interpreter: Interpreter, statement: While) -> None:
    """`while condition`: steps are written down as long as the condition is known."""
    while True:
        interpreter.charge(1)
        going = truth(interpreter, interpreter.evaluate(statement.condition))
        if isinstance(going, Computed):
            loop = _Loop(interpreter, statement.body, None, statement.condition)
            loop.follow(None, interpreter.call.cast(going.value, DType.BOOL))
            return
        if not going:
            return
        interpreter.inner(statement.body)


def _size(block: Block) -> int:
    """How many statements a block has."""
    count = 0
    pending: list[Block] = [block]
    while pending:
        for statement in pending.pop():
            count += 1
            if isinstance(statement, If):
                pending += [statement.then, statement.other]
            elif isinstance(statement, While | For | With):
                pending.append(statement.body)
    return max(count, 1)


@dataclass(slots=True, eq=False)
class Carried:
    """A slot that a step hands to the next one.

    Attributes:
        slot: which.
        first: the values before the first step.
        make: makes what the slot holds of such values.
        types: of the values, so that they hold before and after a step.
    """

    slot: Slot
    first: list[Value]
    make: Make
    types: list[Type]


@dataclass(slots=True, eq=False)
class _Step:
    """One step as it was followed.

    Attributes:
        inputs: the step's number and condition, then what is carried.
        changes: what it changes.
        going: whether another step follows.
        assumed: of sizes.
    """

    inputs: list[Value]
    changes: dict[tuple[int, object], Change]
    going: Value
    assumed: tuple[Constraint, ...]


@dataclass(slots=True)
class _Loop:
    """A loop of the graph in the making.

    Attributes:
        interpreter: who follows.
        body: the statements of a step.
        name: the variable that counts the steps, or None.
        condition: what is asked after each step, or None.
        carried: what a step hands on, by slot.
        grown: lists that a step adds items to, by slot.
        lost: slots that no graph can carry.
    """

    interpreter: Interpreter
    body: Block
    name: str | None
    condition: Expression | None
    carried: dict[tuple[int, object], Carried] = field(default_factory=dict[tuple[int, object], Carried])
    grown: dict[tuple[int, object], Slot] = field(default_factory=dict[tuple[int, object], Slot])
    lost: dict[tuple[int, object], Slot] = field(default_factory=dict[tuple[int, object], Slot])

    def follow(self, count: Value | None, going: Value | None) -> None:
        """Makes the node, and what everything holds after it.

        Raises:
            UnsupportedError: what the steps change is nothing that a graph can carry.
        """
        before = self.interpreter.snapshot()
        for _ in range(_MAX_TRIES):
            step = self._step(before)
            if not self._learns(before, step):
                self._finish(before, step, count, going)
                return
        self.interpreter.refuse("a loop that changes something else in each step")

    def _step(self, before: Snapshot) -> _Step:
        """Follows one step, and undoes it."""
        interpreter = self.interpreter
        outer, line = interpreter.scope, interpreter.sources.line
        inputs = [Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))]
        for each in self.carried.values():
            values = [Value(type) for type in each.types]
            inputs += values
            each.slot.set(each.make(values))
        for slot in self.grown.values():
            slot.set((Growing(),))
        for slot in self.lost.values():
            slot.set(Unreadable("a value that depends on how many steps a loop takes"))
        interpreter.use(outer.inside())
        try:
            with collecting() as assumed:
                if self.name is not None:
                    interpreter.frame.held[self.name] = Computed(inputs[0])
                interpreter.inner(self.body)
                going = True if self.condition is None else truth(interpreter, interpreter.evaluate(self.condition))
                asked = interpreter.call.cast(interpreter.call.number(going), DType.BOOL)
            changes = {change.slot.identity: change for change in before.changes()}
            return _Step(inputs, changes, asked, tuple(assumed))
        except Raised as error:
            interpreter.refuse(f"a loop whose first step raises an exception: {error.message[:200]}")
        finally:
            interpreter.use(outer)
            interpreter.sources.line = line
            before.restore()

    def _learns(self, before: Snapshot, step: _Step) -> bool:
        """Whether the step changes what was not known to change, or makes other types; both is known from now on."""
        learned = False
        for identity, change in step.changes.items():
            if identity in self.carried:
                learned = self._widened(identity, change) or learned
            elif identity not in self.grown and identity not in self.lost and not self._is_inner(change):
                self._enter(identity, change)
                learned = True
        return learned

    def _is_inner(self, change: Change) -> bool:
        """Whether a variable is one of the step alone."""
        is_variable = change.slot.thing is self.interpreter.frame.held
        return is_variable and (change.before is MISSING or change.slot.key == self.name)

    def _enter(self, identity: tuple[int, object], change: Change) -> None:
        slot, was, now = change.slot, change.before, change.after
        if isinstance(slot.thing, list) and len(cast("tuple[object]", now)) > len(cast("tuple[object]", was)):
            self.grown[identity] = slot
            return
        if isinstance(slot.thing, list) and len(cast("tuple[object]", now)) < len(cast("tuple[object]", was)):
            self.interpreter.refuse("a list that shrinks in a loop whose number of steps only the run knows")
        leaves, make = self._taken(was)
        self.interpreter.scope.refuse_ragged(leaves or ())
        if leaves is None:
            if isinstance(slot.thing, list):
                self.interpreter.refuse("a list whose items a loop changes in a way that no graph can carry")
            self.lost[identity] = slot
            return
        self.carried[identity] = Carried(slot, leaves, make, [value.type for value in leaves])

    def _widened(self, identity: tuple[int, object], change: Change) -> bool:
        """Whether a carried slot holds values of other types after a step."""
        carried = self.carried[identity]
        leaves, _ = self._taken(change.after)
        made = None if leaves is None else [_dtype(value.type) for value in leaves]
        if leaves is None or made != [_dtype(type) for type in carried.types]:
            if isinstance(carried.slot.thing, list | Tensor):
                self.interpreter.refuse("a loop whose steps change what a list or a tensor holds to other types")
            del self.carried[identity]
            self.lost[identity] = carried.slot
            return True
        wide = [widest(a, b.type) for a, b in zip(carried.types, leaves, strict=True)]
        fits = all(admits_always(a, b.type) for a, b in zip(carried.types, leaves, strict=True))
        if not fits:
            carried.types = wide
        return not fits

    def _taken(self, value: object) -> tuple[list[Value] | None, Make]:
        """A value as values of the graph, and what makes it of such again; None where it is nothing of the kind."""
        if isinstance(value, Tensor):
            return [value.value], lambda values: JoinedTensor(values[0], True)
        if is_number(value) and not isinstance(value, complex):
            return [self.interpreter.call.number(value)], lambda values: Computed(values[0])
        if isinstance(value, list | tuple):
            return self._several(cast("Sequence[object]", value))
        return None, lambda values: None

    def _several(self, value: Sequence[object]) -> tuple[list[Value] | None, Make]:
        parts = [self._taken(part) for part in value]
        leaves: list[Value] = []
        cuts: list[tuple[int, int, Make]] = []
        for found, make in parts:
            if found is None:
                return None, make
            cuts.append((len(leaves), len(leaves) + len(found), make))
            leaves += found

        def made(values: Sequence[Value]) -> object:
            items = [make(values[start:stop]) for start, stop, make in cuts]
            return items if isinstance(value, list) else tuple(items)

        return leaves, made

    def _finish(self, before: Snapshot, step: _Step, count: Value | None, going: Value | None) -> None:
        interpreter = self.interpreter
        carried, rows = self._results(step)
        with interpreter.sourced("loop"):
            body = body_of(interpreter, before, step.inputs, [step.going, *carried, *rows], step.assumed)
            made = self._node(body, count, going)
        place = 0
        for each in self.carried.values():
            each.slot.set(each.make(made[place : place + len(each.first)]))
            place += len(each.first)
        for identity, slot in self.grown.items():
            items = cast("tuple[object, ...]", slot.value)
            news = len(cast("tuple[object, ...]", step.changes[identity].after)) - 1 if identity in step.changes else 0
            slot.set((*items, Rows(tuple(made[place : place + news]))))
            place += news
        for slot in self.lost.values():
            slot.set(Unreadable("a value that depends on how many steps a loop takes"))

    def _results(self, step: _Step) -> tuple[list[Value], list[Value]]:
        """What a step hands on, and what it adds to lists."""
        carried: list[Value] = []
        place = 2
        for identity, each in self.carried.items():
            held = step.inputs[place : place + len(each.first)]
            place += len(each.first)
            change = step.changes.get(identity)
            leaves = held if change is None else self._taken(change.after)[0]
            carried += leaves or held
        rows: list[Value] = []
        for identity in self.grown:
            items = cast("tuple[object, ...]", step.changes[identity].after)[1:] if identity in step.changes else ()
            for item in items:
                if not isinstance(item, Tensor):
                    self.interpreter.refuse("a list of other things than tensors that a loop makes")
                rows.append(item.value)
        return carried, rows

    def _node(self, body: Body, count: Value | None, going: Value | None) -> Sequence[Value]:
        first = [value for each in self.carried.values() for value in each.first]
        made = control.loop(count, going, *first, *body.captured, body=body.graph, carried=len(first))
        for value in made:
            self.interpreter.scope.note_axes(value)
        return made


def _dtype(type: Type) -> DType | None:
    return type.dtype if isinstance(type, TensorType) else None
