"""Branches and loops as subgraphs of the file.

A subgraph sees nothing but its inputs. Weights that a body reads are weights of the subgraph (their bytes are shared in
the file); everything else that it reads is handed to it, by a loop from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from xir.backends.export.legal import legalize
from xir.backends.export.tflite._form import whole
from xir.errors import UnsupportedError
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType, TensorType
from xir.ops.compare import less, logical_and
from xir.ops.constant import constant
from xir.ops.elementwise import add, clip, sub
from xir.ops.index import gather
from xir.ops.shape import concat, reshape

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

_COUNT = TensorType(DType.INT32, ())


@dataclass(slots=True, eq=False)
class _Body:
    """A subgraph while it is put together.

    Attributes:
        plan: the graph around.
        inputs: of the subgraph.
        outer: what stands for them around it.
        weights: what it holds itself.
    """

    plan: Plan
    inputs: list[Value] = field(default_factory=list[Value])
    outer: list[Value] = field(default_factory=list[Value])
    weights: list[Parameter] = field(default_factory=list[Parameter])

    def take(self, outer: Value) -> Value:
        """What a value around is called inside."""
        inside = Value(outer.type)
        if self.plan.is_fixed(outer):
            self.weights.append(Parameter(inside, self.plan.constant(outer)))
        else:
            self.inputs.append(inside)
            self.outer.append(outer)
        return inside

    def inline(self, graph: Graph, operands: Sequence[Value]) -> tuple[Value, ...]:
        """The results of a body of a node, whose own weights become the subgraph's."""
        rewriter = Rewriter(graph)
        for old, new in zip(graph.inputs, operands, strict=True):
            rewriter.map(old, new)
        for parameter in graph.parameters:
            self.weights.append(Parameter(Value(parameter.value.type), parameter.constant))
            rewriter.map(parameter.value, self.weights[-1].value)
        rewriter.rebuild_nodes()
        return tuple(rewriter.new[value] for value in graph.outputs)

    def graph(self, name: str, inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
        """The subgraph."""
        names = {value: f"{name}_{index}" for index, value in enumerate(inputs)}
        return Graph(name, tuple(inputs), tuple(outputs), _numbered(outputs), tuple(self.weights), names)


def _numbered(outputs: Sequence[Value]) -> tuple[str, ...]:
    return tuple(f"result_{index}" for index in range(len(outputs)))


def _body_of(node: Node, name: str) -> Graph:
    body = node.attributes[name]
    if not isinstance(body, Graph):
        raise TypeError(f"{node.op.name}: attribute {name!r} is no body")
    return body


def _subgraph(plan: Plan, graph: Graph) -> Plan:
    made = type(plan)(legalize(graph, plan.answer, "TFLite"), module=plan.module, answer=plan.answer)
    plan.module.append(made)
    made.build()
    return made


def _scalar(value: Value) -> Value:
    return reshape(value, shape=()) if value.rank else value


def write_if(plan: Plan, node: Node) -> None:
    """IF, the branches being subgraphs."""
    condition, *captured = (value for value in node.inputs if value is not None)
    numbers: list[int] = []
    operands: list[Value] = []
    for name in ("then_body", "else_body"):
        body = _Body(plan)
        made = body.inline(_body_of(node, name), [body.take(value) for value in captured])
        numbers.append(len(plan.module))
        _subgraph(plan, body.graph(name, body.inputs, made))
        operands = body.outer
    test = plan.read(condition)
    if condition.rank:
        test = plan.reshaped(test, (), DType.BOOL)
    fields = {"then_subgraph_index": numbers[0], "else_subgraph_index": numbers[1]}
    plan.finish(node, "IF", [test, *map(plan.read, operands)], ("IfOptions", fields), node.outputs)


def _write_while(
    plan: Plan, node: Node, parts: tuple[Plan, Plan], inputs: list[int], results: Sequence[Value | TensorType]
) -> list[int]:
    """WHILE; `results` are ours where they are values. The numbers of all."""
    fields = {
        f"{name}_subgraph_index": plan.module.index(part) for name, part in zip(("cond", "body"), parts, strict=True)
    }
    return plan.finish(node, "WHILE", inputs, ("WhileOptions", fields), results)


def write_loop(plan: Plan, node: Node) -> None:
    """WHILE: the step and the condition are handed on, then the states, what is stacked, what the body reads besides.

    What is stacked grows by a row in each step: how many there will be is not known. It begins with a row of zeros,
    since LiteRT's loops take no tensor without elements; the row is cut off behind the loop.
    """
    count, going, *values = node.inputs
    carried, body = whole(node, "carried"), _Body(plan)
    states = [value for value in values if value is not None]
    step, test = Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ()))
    held = [Value(value.type) for value in states[:carried]]
    stacked = [Value(value.tensor.with_shape((Symbol(), *value.shape[1:]))) for value in node.outputs[carried:]]
    rest = [body.take(value) for value in states[carried:]]
    limit = None if count is None else body.take(count)
    turn = body.inline(_body_of(node, "body"), (step, test, *held, *rest))
    inputs = (step, test, *held, *stacked, *body.inputs)
    one = constant(value=constant_of(np.array(1, np.int64)))
    grown = (
        concat(above, reshape(row, shape=(1, *row.shape)), axis=0)
        for above, row in zip(stacked, turn[1 + carried :], strict=True)
    )
    outputs = (add(step, one), _scalar(turn[0]), *turn[1 : 1 + carried], *grown, *body.inputs)
    again = test if limit is None else logical_and(test, less(step, _scalar(limit)))
    parts = (
        _subgraph(plan, body.graph("condition", inputs, (again,))),
        _subgraph(plan, body.graph("step", inputs, outputs)),
    )
    first = plan.literal(constant_of(np.array(0, np.int64)))
    begun = plan.literal(constant_of(np.array(True))) if going is None else plan.read(going)
    if going is not None and going.rank:
        begun = plan.reshaped(begun, (), DType.BOOL)
    rows = [_blank(plan, value.tensor.with_shape((1, *value.shape[1:]))) for value in stacked]
    given = [first, begun, *map(plan.read, states[:carried]), *rows, *map(plan.read, body.outer)]
    results: tuple[Value | TensorType, ...] = (
        step.tensor,
        test.tensor,
        *node.outputs[:carried],
        *(value.tensor for value in (*stacked, *body.inputs)),
    )
    made = _write_while(plan, node, parts, given, results)
    for value, whole_ in zip(node.outputs[carried:], made[2 + carried :], strict=False):
        plan.hold(value, _behind_first(plan, whole_, value.tensor))


def _behind_first(plan: Plan, made: int, type: TensorType) -> int:
    """All rows of a tensor but the first."""
    rank = len(type.shape)
    first, none, one = (
        plan.literal(constant_of(np.array(numbers, np.int32)))
        for numbers in ([1] + [0] * (rank - 1), [0] * rank, [1] * rank)
    )
    mask = (1 << rank) - 1
    operands = [made, first, none, one]
    return plan.add("STRIDED_SLICE", operands, type.shape, type.dtype, "StridedSliceOptions", end_mask=mask)


def _blank(plan: Plan, type: TensorType) -> int:
    """A tensor of zeros."""
    nothing: Constant = constant_of(np.zeros((1,) * len(type.shape)), type.dtype)
    operands = [plan.literal(nothing), plan.sizes(type.shape)]
    return plan.add("BROADCAST_TO", operands, type.shape, type.dtype, "BroadcastToOptions")


def write_scan(plan: Plan, node: Node) -> None:
    """WHILE: the step, their number, the states, what is stacked, what is cut, and what the body reads besides."""
    scan = _Scan(plan, node)
    parts = (scan.condition(), scan.step())
    _write_while(plan, node, parts, scan.given(), scan.results())


class _Scan:
    def __init__(self, plan: Plan, node: Node) -> None:
        self.plan, self.node = plan, node
        self.states = whole(node, "states")
        self.axes = _numbers(node, "axes")
        values = [value for value in node.inputs if value is not None]
        count = len(self.axes)
        self.cut = values[self.states : self.states + count]
        self.first = values[: self.states]
        self.length: Dim = self.cut[0].shape[self.axes[0]] if self.cut else 0
        self.body = _Body(plan)
        self.place, self.limit = Value(_COUNT), Value(_COUNT)
        self.held = [Value(value.type) for value in self.first]
        self.stacked = [Value(value.type) for value in node.outputs[self.states :]]
        self.slices = [Value(value.type) for value in self.cut]
        self.rest = [self.body.take(value) for value in values[self.states + count :]]
        if not self.cut:
            raise UnsupportedError("a scan over nothing")

    @property
    def inputs(self) -> tuple[Value, ...]:
        """Of both subgraphs."""
        return (self.place, self.limit, *self.held, *self.stacked, *self.slices, *self.body.inputs)

    def condition(self) -> Plan:
        """Whether there are more steps."""
        return _subgraph(self.plan, self.body.graph("condition", self.inputs, (less(self.place, self.limit),)))

    def _at(self, backward: bool) -> Value:
        one = constant(value=constant_of(np.array(1, np.int32)))
        place = sub(sub(self.limit, one), self.place) if backward else self.place
        return clip(place, minimum=0.0, maximum=None)  # which says that it counts from the front

    def step(self) -> Plan:
        """One step; what is stacked is written into its place."""
        node, one = self.node, constant(value=constant_of(np.array(1, np.int32)))
        backward = _flags(node, "reversed_inputs")
        cut = [
            gather(value, self._at(back), axis=axis)
            for value, axis, back in zip(self.slices, self.axes, backward, strict=True)
        ]
        made = self.body.inline(_body_of(node, "body"), (*self.held, *cut, *self.rest))
        axes, turned = _numbers(node, "result_axes"), _flags(node, "reversed_results")
        pieces: list[Value] = []
        for value, axis, back in zip(made[self.states :], axes, turned, strict=True):
            pieces.append(reshape(value, shape=(*value.shape[:axis], 1, *value.shape[axis:])))
            pieces.append(_start(self._at(back), axis, value.rank + 1))
        outputs = (add(self.place, one), *made[: self.states], *pieces)
        plan = _subgraph(self.plan, self.body.graph("step", self.inputs, outputs))
        place, *results = plan.outputs
        passed = dict(zip(self.inputs, plan.inputs, strict=True))
        written = [
            plan.add(
                "DYNAMIC_UPDATE_SLICE",
                [passed[whole_], *results[self.states + 2 * index : self.states + 2 * index + 2]],
                whole_.shape,
                whole_.dtype,
                "DynamicUpdateSliceOptions",
            )
            for index, whole_ in enumerate(self.stacked)
        ]
        kept = [passed[value] for value in (*self.slices, *self.body.inputs)]
        plan.outputs = [place, passed[self.limit], *results[: self.states], *written, *kept]
        return plan

    def given(self) -> list[int]:
        """What the loop begins with."""
        plan = self.plan
        zero = plan.literal(constant_of(np.array(0, np.int32)))
        steps = plan.reshaped(plan.sizes((self.length,)), (), DType.INT32)
        begun = [_blank(plan, value.tensor) for value in self.stacked]
        return [zero, steps, *map(plan.read, self.first), *begun, *map(plan.read, (*self.cut, *self.body.outer))]

    def results(self) -> tuple[Value | TensorType, ...]:
        """What the loop ends with."""
        passed = (*self.slices, *self.body.inputs)
        return (_COUNT, _COUNT, *self.node.outputs, *(value.tensor for value in passed))


def _start(place: Value, axis: int, rank: int) -> Value:
    """Where a piece begins: at a place of one axis."""
    zero = constant(value=constant_of(np.zeros(1, np.int32)))
    parts = [reshape(place, shape=(1,)) if index == axis else zero for index in range(rank)]
    return concat(*parts, axis=0) if rank > 1 else parts[0]


def _numbers(node: Node, name: str) -> tuple[int, ...]:
    held = node.attributes[name]
    return tuple(item for item in held if isinstance(item, int)) if isinstance(held, tuple) else ()


def _flags(node: Node, name: str) -> tuple[bool, ...]:
    return tuple(bool(item) for item in _numbers(node, name))
