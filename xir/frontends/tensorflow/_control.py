"""Loops, branches and calls: of TensorFlow 1 from frames, of TensorFlow 2 from functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends._bodies import Body, captured_by, closed, settled
from xir.frontends._problems import LostError
from xir.frontends.tensorflow._arrays import begun
from xir.frontends.tensorflow._frames import ENTER, EXIT, MERGE, NEXT, SWITCH, Frame
from xir.frontends.tensorflow._handles import ArrayState, Handle, Operand, RaggedList, flattened, restored, types_of
from xir.frontends.tensorflow._scope import Scope
from xir.frontends.tensorflow.model import Edge, TfFunction, TfNode
from xir.ir.constant import constant_of
from xir.ir.constraints import collecting
from xir.ir.dims import symbols_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.ops import control
from xir.ops.compare import equal
from xir.ops.constant import constant, identity
from xir.ops.elementwise import cast, sub
from xir.ops.shape import reshape

if TYPE_CHECKING:
    from xir.frontends.tensorflow.importer import Importer

PASSING = frozenset(("Identity", "IdentityN", "StopGradient", "RefIdentity", "PreventGradient", "Snapshot"))
CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall", "RemoteCall", "SymbolicGradient"))
WHILE = frozenset(("While", "StatelessWhile"))
IF = frozenset(("If", "StatelessIf"))
CASE = frozenset(("Case", "StatelessCase"))
_KINDS = ENTER | EXIT | MERGE | NEXT | SWITCH | PASSING | CALLS | WHILE | IF | CASE | {"LoopCond"}


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A loop, however the file writes it.

    Attributes:
        scope: the graph around it.
        start: its variables before the first step.
        step: the variables after a step that begins with these.
        test: whether there is a step that begins with these.
        steady: which variables a step hands on as it took them.
    """

    scope: Scope
    start: list[Operand]
    step: Callable[[list[Operand]], list[Operand]]
    test: Callable[[list[Operand]], Value]
    steady: Sequence[bool]


class Control:
    """Builds the control flow of one import.

    Attributes:
        importer: the import.
    """

    def __init__(self, importer: Importer) -> None:
        """The control flow of `importer`."""
        self.importer = importer

    def handles(self, node: TfNode) -> bool:
        """Whether a node is control flow, or hands on what it takes, tensor or not."""
        return node.kind in _KINDS or node.kind in self.importer.model.functions

    def results(self, node: TfNode, scope: Scope) -> Sequence[Operand | None] | None:
        """What such a node makes; None where something that it needs cannot be built."""
        try:
            if node.kind in ENTER:
                return [self._entered(node, scope)]
            if node.kind in EXIT:
                return self._left(node, scope)
            if node.kind in MERGE:
                return self._merged(node, scope)
            return self._applied(node, self._operands(node.inputs, scope), scope)
        except LostError:
            return None

    def _applied(self, node: TfNode, operands: list[Operand], scope: Scope) -> Sequence[Operand]:
        if node.kind in SWITCH:
            return [operands[0], operands[0]]
        if node.kind in WHILE:
            return self._while(node, operands, scope)
        if node.kind in IF:
            return self._if(node, operands, scope)
        if node.kind in CASE:
            return self._case(node, operands, scope)
        if node.kind in CALLS or node.kind in self.importer.model.functions:
            return self._call(node, operands, scope)
        return [identity(each) if isinstance(each, Value) else each for each in operands]

    def _operands(self, edges: Sequence[Edge], scope: Scope) -> list[Operand]:
        if any(edge.node in scope.lost for edge in edges):
            raise LostError
        return [self.importer.operand(edge, scope) for edge in edges]

    def _reached(self, edges: Sequence[Edge], scope: Scope) -> list[Operand]:
        """What edges carry, built now."""
        self.importer.evaluate(scope, [edge.node for edge in edges])
        return self._operands(edges, scope)

    # --- frames ----------------------------------------------------------------------------------------------------

    def _entered(self, node: TfNode, scope: Scope) -> Operand:
        if not scope.is_frame or scope.parent is None or not node.inputs:
            raise InvalidModelError("an Enter outside of a loop")
        return self._reached(node.inputs[:1], scope.parent)[0]

    def _left(self, node: TfNode, scope: Scope) -> Sequence[Operand | None]:
        """What goes out of a loop; all its exits are settled at once."""
        frame = self.importer.frames(scope).loop(node)
        start = self._operands([variable.enter.inputs[0] for variable in frame.variables], scope)

        def seeded(values: Sequence[Operand]) -> Scope:
            inner = scope.step()
            for variable, value in zip(frame.variables, values, strict=True):
                inner.results[variable.merge] = (value, None)
                if variable.switch is not None:
                    inner.results[variable.switch] = (None, value)
            return inner

        def step(values: list[Operand]) -> list[Operand]:
            return self._reached([variable.after for variable in frame.variables], seeded(values))

        def test(values: list[Operand]) -> Value:
            return _tensor(self._reached([frame.condition], seeded(values))[0])

        steady = [variable.is_steady for variable in frame.variables]
        made = self.loop(Loop(scope, start, step, test, steady))
        self._settle(frame, made, scope)
        return scope.results[node.name]

    def _settle(self, frame: Frame, made: Sequence[Operand], scope: Scope) -> None:
        for name, place in frame.exits.items():
            scope.results[name] = (made[place],)

    def needed_by_merge(self, node: TfNode, scope: Scope) -> list[str]:
        """The predicate, then the values: where the predicate is known, only that of the branch that is taken."""
        frames = self.importer.frames(scope)
        if frames.is_loop_merge(node):
            raise InvalidModelError("a loop's variable is read from outside of the loop", layer=node.name)
        try:
            predicate, place = frames.choice(node)
        except UnsupportedError:
            return [edge.node for edge in node.inputs]
        if not scope.has(predicate.node):
            return [predicate.node]
        side = self._side(predicate, scope)
        edges = node.inputs if side is None else (node.inputs[place if side else 1 - place],)
        return [edge.node for edge in edges]

    def _side(self, predicate: Edge, scope: Scope) -> bool | None:
        """Whether a predicate holds, where that is known."""
        if predicate.node in scope.lost:
            return None
        return self.known(_tensor(self.importer.operand(predicate, scope)))

    def known(self, predicate: Value) -> bool | None:
        """Whether a truth value holds, where that is known before the run."""
        found = self.importer.knowledge.folded(predicate)
        if found is not None and found.elements == 1:
            return bool(found.array().reshape(-1)[0])
        sizes = self.importer.knowledge.contents.of(predicate) if predicate.dtype is DType.BOOL else None
        return bool(sizes[0]) if sizes is not None and len(sizes) == 1 and isinstance(sizes[0], int) else None

    def _merged(self, node: TfNode, scope: Scope) -> Sequence[Operand]:
        frames = self.importer.frames(scope)
        predicate, place = frames.choice(node)
        side = self._side(predicate, scope)
        if side is not None:
            taken = place if side else 1 - place
            return [self._operands([node.inputs[taken]], scope)[0], _number(taken)]
        (condition,) = self._operands([predicate], scope)
        values = self._operands(node.inputs, scope)
        alive = frozenset(
            name
            for name in scope.results
            if name in scope.nodes and any(each == predicate for each, _ in frames.branches(name))
        ) | {edge.node for edge in node.inputs}
        chosen = self.select(_tensor(condition), [values[place]], [values[1 - place]], scope, alive)
        number = control_number(_tensor(condition), place)
        return [chosen[0], number]

    def select(
        self,
        condition: Value,
        then: list[Operand],
        other: list[Operand],
        scope: Scope,
        branches: frozenset[str] = frozenset(),
    ) -> list[Operand]:
        """The operands of the first branch where the condition holds, else those of the other.

        Args:
            condition: bool, one element.
            then: what the first branch makes.
            other: what the other one makes.
            scope: the graph around them.
            branches: names of its nodes that belong to the branches.
        """
        pairs = [_alike(a, b) for a, b in zip(then, other, strict=True)]
        then, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        known = self._known(scope, branches)
        bodies = [self._closed((), flattened(side), known) for side in (then, other)]
        captured = captured_by(*bodies)
        held = [body.taking(captured) for body in bodies]
        predicate = _scalar(condition)
        return restored(then, control.if_(predicate, *captured, then_body=held[0], else_body=held[1]))

    def _known(self, scope: Scope, without: frozenset[str] = frozenset()) -> dict[Value, None]:
        """What a body in a scope may capture: what `Scope.known` says, and what variables hold now."""
        return scope.known(without) | dict.fromkeys(self.importer.written.after().values())

    def _closed(self, inputs: Sequence[Value], outputs: Sequence[Value], known: dict[Value, None]) -> Body:
        return closed(inputs, outputs, known.keys())

    # --- loops -----------------------------------------------------------------------------------------------------

    def loop(self, loop: Loop) -> list[Operand]:
        """The variables after the last step."""
        moving = [place for place, steady in enumerate(loop.steady) if not steady]
        start = self._begun(loop, moving)

        def whole(values: Sequence[Operand]) -> list[Operand]:
            held = list(loop.start)
            for place, value in zip(moving, values, strict=True):
                held[place] = value
            return held

        first = _truth(loop.test(whole(start)))
        if self.known(first) is False:
            return whole(start)

        def build(types: Sequence[Type]) -> Body:
            inputs = [Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))]
            carried = [Value(type) for type in types]
            with collecting() as assumed:
                after = loop.step(whole(restored(start, carried)))
                again = _truth(loop.test(after))
                made = flattened([_alike(after[place], value)[0] for place, value in zip(moving, start, strict=True)])
            return closed([*inputs, *carried], [again, *made], self._known(loop.scope).keys(), assumed)

        body = settled(build, types_of(start), 1)
        values = flattened(start)
        made = control.loop(None, first, *values, *body.captured, body=body.graph, carried=len(values))
        return whole(restored(start, made[: len(values)]))

    def _begun(self, loop: Loop, moving: Sequence[int]) -> list[Operand]:
        """The variables before the first step; arrays of which nothing tells the elements are told by a step."""
        start = [loop.start[place] for place in moving]
        if all(_is_told(value) for value in start):
            return start
        after = loop.step(list(loop.start))
        sizes = (size for type in types_of(loop.start) if isinstance(type, TensorType) for size in type.shape)
        known = {symbol for size in sizes for symbol in symbols_of(size)}
        told: list[Operand] = []
        for place, value in zip(moving, start, strict=True):
            if isinstance(value, ArrayState | RaggedList) and not value.is_told:
                value = begun(self.importer.knowledge, value, after[place], known)
            told.append(value)
        return told

    # --- functions -------------------------------------------------------------------------------------------------

    def function(self, node: TfNode, name: str) -> TfFunction:
        """The function that an attribute of a node names."""
        held = node.attributes.get(name)
        called = "" if held is None else held.required("func").text("name")
        found = self.importer.model.functions.get(called)
        if found is None:
            raise InvalidModelError(f"attribute {name!r} names the function {called[:80]!r}, which is not there")
        return found

    def called(self, node: TfNode, function: TfFunction, operands: Sequence[Operand], scope: Scope) -> list[Operand]:
        """What a function makes of operands, its nodes being nodes of the graph around."""
        if function.name in scope.functions:
            raise UnsupportedError(f"function {function.name!r} calls itself")
        if len(operands) != len(function.arguments):
            raise InvalidModelError(
                f"function {function.name!r} takes {len(function.arguments)} operands, {len(operands)} are given"
            )
        calls = (*scope.calls, node.name)
        inner = Scope(function.nodes, scope, False, calls, (*scope.functions, function.name))
        for name, operand in zip(function.arguments, operands, strict=True):
            inner.results[name] = (operand,)
        results = self._reached(function.results, inner)
        if self.importer.written.names:
            self.importer.evaluate(inner, function.effects)
        return results

    def _call(self, node: TfNode, operands: list[Operand], scope: Scope) -> list[Operand]:
        if node.kind in self.importer.model.functions:
            return self.called(node, self.importer.model.functions[node.kind], operands, scope)
        return self.called(node, self.function(node, "f"), operands, scope)

    def _if(self, node: TfNode, operands: list[Operand], scope: Scope) -> list[Operand]:
        condition, rest = _truth(_tensor(operands[0])), operands[1:]
        side = self.known(condition)
        if side is not None:
            return self.called(node, self.function(node, "then_branch" if side else "else_branch"), rest, scope)
        with self.importer.written.inside():
            then = self.called(node, self.function(node, "then_branch"), rest, scope)
            other = self.called(node, self.function(node, "else_branch"), rest, scope)
        return self.select(condition, then, other, scope)

    def _case(self, node: TfNode, operands: list[Operand], scope: Scope) -> list[Operand]:
        """Case: the last branch is taken for numbers that are none of a branch (functional_ops.cc)."""
        held = node.attributes.get("branches")
        names = () if held is None else tuple(each.text("name") for each in held.required("list").messages("func"))
        functions = [self.importer.model.functions.get(name) for name in names]
        if not functions or None in functions:
            raise InvalidModelError(f"the branches are {list(names)}, of which not all are there")
        index = _scalar(_tensor(operands[0]))
        with self.importer.written.inside():
            made = [self.called(node, each, operands[1:], scope) for each in functions if each is not None]
        result = made[-1]
        for place in reversed(range(len(made) - 1)):
            is_taken = equal(index, constant(value=constant_of(np.asarray(place), index.dtype)))
            result = self.select(is_taken, made[place], result, scope)
        return result

    def _while(self, node: TfNode, operands: list[Operand], scope: Scope) -> list[Operand]:
        condition, body = self.function(node, "cond"), self.function(node, "body")

        def step(values: list[Operand]) -> list[Operand]:
            return self.called(node, body, values, scope)

        def test(values: list[Operand]) -> Value:
            return _tensor(self.called(node, condition, values, scope)[0])

        with self.importer.written.inside():
            return self.loop(Loop(scope, list(operands), step, test, _steady(body)))


def _steady(body: TfFunction) -> list[bool]:
    """Which arguments a function returns at their own places as it took them."""
    found: list[bool] = []
    for argument, edge in zip(body.arguments, body.results, strict=False):
        for _ in range(len(body.nodes)):
            node = body.nodes.get(edge.node)
            if node is None or node.kind not in ("Identity", "StopGradient"):
                break
            edge = node.inputs[0]
        found.append(edge.node == argument and edge.node not in body.nodes)
    return found


def _is_told(operand: Operand) -> bool:
    """Whether an operand is no array, or one of which it is known what its elements are."""
    return not isinstance(operand, ArrayState | RaggedList) or operand.is_told


def _alike(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """Two operands of one kind: contents of arrays of which only one is told get those of the other."""
    if _is_told(a) != _is_told(b):
        raise UnsupportedError("an array into which only one branch writes, and that nothing tells the elements of")
    if isinstance(a, Handle) != isinstance(b, Handle):
        raise InvalidModelError("one branch makes a tensor, the other a handle")
    return a, b


def _tensor(operand: Operand) -> Value:
    if isinstance(operand, Handle):
        raise InvalidModelError("a condition is a tensor, got a handle")
    return operand


def _scalar(value: Value) -> Value:
    """A tensor of one element without axes."""
    return value if value.rank == 0 else reshape(value, shape=())


def _truth(value: Value) -> Value:
    """A condition as bool: a number holds where it is not 0 (functional_ops.cc, ToBool)."""
    return _scalar(value if value.dtype is DType.BOOL else cast(value, dtype=DType.BOOL))


def _number(value: int) -> Value:
    return constant(value=constant_of(np.asarray(value, np.int32)))


def control_number(condition: Value, place: int) -> Value:
    """The place of the value that a Merge takes: `place` where the condition holds, else the other of two."""
    held = cast(_scalar(condition), dtype=DType.INT32)
    if place:
        return held
    return sub(_number(1), held)
