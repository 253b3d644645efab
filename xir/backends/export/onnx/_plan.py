"""The order of the ONNX nodes: each of ours once, sizes computed where they are first needed, broadcasts left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from xir.backends.export.onnx._form import Call, Fixed, Inner, OnnxAttribute, Operand, Sizes
from xir.backends.export.onnx._sizes import Definitions
from xir.backends.export.onnx.legalize import answer
from xir.errors import InvalidModelError, XirError
from xir.ir.broadcasting import join, needs_broadcast
from xir.ir.constant import Constant, constant_of
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Shape, Symbol, bounds, to_text
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Node, Value
from xir.ir.source import Sources
from xir.ir.training import TrainingStep
from xir.ir.types import TensorType


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A tensor of the file that is no value of ours: an initialiser of a form, or a size on its way.

    Attributes:
        role: what it is, for its name.
    """

    role: str


Ref = Value | Made


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """The plan of a body.

    Attributes:
        body: what it is of.
        plan: its own nodes.
        captured: what stands for `body.captured` in the file.
    """

    body: Inner
    plan: Plan
    captured: tuple[Ref, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Neighbouring axes of a value, of which the sizes are read at run time.

    Attributes:
        value: the value.
        start: the first axis.
        end: the axis after the last one.
        before: how many of the axes stand before the one that was looked for.
    """

    value: Value
    start: int
    end: int
    before: int = 0


SHAPE_OF_AXES = 15
"""The opset whose Shape has `start` and `end` (onnx.defs)."""

RecordAttribute: TypeAlias = OnnxAttribute | Nested


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One ONNX node, its tensors not yet named.

    Attributes:
        kind: op_type.
        inputs: what it reads; None for an absent operand.
        outputs: what it makes; None for an optional result that nothing reads.
        attributes: its attributes.
        source: the foreign layers it stands for.
        role: for nodes that only compute sizes, what they compute.
        domain: the operator set; empty for ONNX's own.
    """

    kind: str
    inputs: tuple[Ref | None, ...]
    outputs: tuple[Ref | None, ...]
    attributes: Mapping[str, RecordAttribute]
    source: Sources = ()
    role: str | None = None
    domain: str = ""

    @property
    def nested(self) -> tuple[Nested, ...]:
        """The plans of its bodies."""
        return tuple(value for value in self.attributes.values() if isinstance(value, Nested))


@dataclass(frozen=True, slots=True, eq=False)
class StepPlan:
    """The plan of a step of training.

    Attributes:
        step: the step, its graphs legal and with values of their own.
        initialization: the plan of its beginning, or None.
        algorithm: the plan of the step itself, without what the model makes; or None.
        shared: {what the algorithm reads: what of the model it is}.
    """

    step: TrainingStep
    initialization: Plan | None
    algorithm: Plan | None
    shared: Mapping[Ref, Ref]

    @property
    def parts(self) -> tuple[Plan, ...]:
        """Those of the two plans that are there."""
        return tuple(plan for plan in (self.initialization, self.algorithm) if plan is not None)

    def own_inputs(self, plan: Plan) -> tuple[Value, ...]:
        """The inputs of a part that are not the model's."""
        return tuple(value for value in plan.graph.inputs if value not in self.shared)


@dataclass(slots=True, eq=False)
class Plan:
    """What the file will hold.

    Attributes:
        graph: the legal graph.
        opset: the operator set.
        records: the nodes, in order.
        literals: the forms' initialisers.
        training: of the model's own plan, its steps of training.
    """

    graph: Graph
    opset: int
    records: list[Record] = field(default_factory=list[Record])
    literals: dict[Made, Constant] = field(default_factory=dict[Made, Constant])
    training: tuple[StepPlan, ...] = ()
    _fixed: dict[tuple[TensorType, str], Made] = field(default_factory=dict[tuple[TensorType, str], Made])
    _sizes: dict[Dim | tuple[Shape, bool], Made] = field(default_factory=dict[Dim | tuple[Shape, bool], Made])
    _shapes: dict[tuple[Value, int, int], Made] = field(default_factory=dict[tuple[Value, int, int], Made])
    _waiting: dict[Value, tuple[Node, Call]] = field(default_factory=dict[Value, tuple[Node, Call]])
    _known: Definitions = field(default_factory=Definitions)
    _outputs: set[Value] = field(default_factory=set[Value])
    _read: set[Value | None] = field(default_factory=set[Value | None])

    def build(self) -> None:
        """Fills the plan.

        Raises:
            InvalidModelError: a size is needed that nothing tells.
        """
        self._known.computed = self.opset >= SHAPE_OF_AXES
        for value in self.graph.inputs:
            self._known.learn(value)
        outputs = self._outputs = set(self.graph.outputs)
        self._read = {*outputs, *(value for node in self.graph.nodes for value in node.inputs)}
        for node in self.graph.nodes:
            if _literal_of(node.outputs[0]) is not None and node.outputs[0] not in outputs:
                continue
            call = answer(node, self.opset)
            if not isinstance(call, Call):
                raise InvalidModelError(f"{node.op.name} is not legal at opset {self.opset}: legalize the graph first")
            if node.op.name == "broadcast" and node.inputs[1] is None and node.outputs[0] not in outputs:
                for source in node.inputs:  # only the last of a chain waits, so that no chain is followed
                    self._ref(source)
                self._waiting[node.outputs[0]] = (node, call)
            else:
                self._write(node, call)

    def _write(self, node: Node, call: Call) -> None:
        try:
            inputs = tuple(self._ref(operand) for operand in self._elided(node, call))
        except XirError as error:
            raise error.located(node.source[0].where) if node.source else error from None
        remainders = {index: Made("whole") for index in call.modulo}
        outputs = tuple(remainders.get(index, out) for index, out in enumerate(self._wanted(node, call)))
        attributes = {name: self._planned(value) for name, value in call.attributes.items()}
        self.records.append(Record(call.kind, inputs, outputs, attributes, node.source, domain=call.domain))
        for index, size in call.modulo.items():
            operands = (remainders[index], self._size(size))
            self.records.append(Record("Mod", operands, (node.outputs[index],), {}, node.source))
        for value in self._wanted(node, call):
            if value is not None:
                self._known.learn(value)

    def _wanted(self, node: Node, call: Call) -> tuple[Value | None, ...]:
        """The node's results in ONNX's order; None for optional ones that nothing reads, none of them at the end."""
        if call.optional is None:
            return node.outputs
        places = range(len(node.outputs)) if call.places is None else call.places
        wanted: list[Value | None] = [None] * (max(places) + 1)
        for index, value in enumerate(node.outputs):
            if index < call.optional or value in self._read:
                wanted[places[index]] = value
        while wanted and wanted[-1] is None:
            wanted.pop()
        return tuple(wanted)

    def _planned(self, value: OnnxAttribute) -> RecordAttribute:
        """The attribute, a body with a plan of its own; what it reads of this graph is written before."""
        if not isinstance(value, Inner):
            return value
        captured = tuple(self._ref(outside) for outside in value.captured)
        inner = Plan(value.graph, self.opset)
        inner.build()
        return Nested(value, inner, tuple(ref for ref in captured if ref is not None))

    def every_record(self) -> Iterator[Record]:
        """The nodes of this plan and of its bodies."""
        for record in self.records:
            yield record
            for nested in record.nested:
                yield from nested.plan.every_record()

    def file_records(self) -> Iterator[Record]:
        """The nodes of the whole file: those of training come last."""
        for plan in (self, *(part for step in self.training for part in step.parts)):
            yield from plan.every_record()

    def weights(self) -> Iterator[Parameter]:
        """The weights of the whole file, each once: those of training come last."""
        yield from self.graph.parameters
        for step in self.training:
            for part in step.parts:
                yield from (p for p in part.graph.parameters if p.value not in step.shared)

    def _ref(self, operand: Operand) -> Ref | None:
        match operand:
            case Value():
                literal = None if operand in self._outputs else _literal_of(operand)
                if literal is not None:
                    return self._shared(literal, "constant")
                waiting = self._waiting.pop(operand, None)
                if waiting is not None:
                    self._write(*waiting)
                return operand
            case Fixed():
                return self._literal(operand.array)
            case Sizes():
                return self._vector(operand)
            case None:
                return None

    def _literal(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], role: str = "constant") -> Made:
        return self._shared(constant_of(array), role)

    def _shared(self, constant: Constant, role: str) -> Made:
        """The initialiser that holds a literal; equal ones are one."""
        key = (constant.type, constant.digest())
        made = self._fixed.get(key)
        if made is None:
            made = self._fixed[key] = Made(role)
            self.literals[made] = constant
        return made

    def _compute(self, kind: str, inputs: tuple[Ref, ...], role: str, **attributes: OnnxAttribute) -> Made:
        made = Made(role)
        self.records.append(Record(kind, inputs, (made,), attributes, role=role))
        return made

    def _vector(self, sizes: Sizes) -> Made:
        """The sizes as a vector, or the one size as a scalar."""
        known = [size for size in sizes.dims if isinstance(size, int)]
        if len(known) == len(sizes.dims):
            return self._literal(
                np.array(known[0] if sizes.scalar else known, np.int64).reshape(() if sizes.scalar else (len(known),))
            )
        key = (sizes.dims, sizes.scalar)
        if key not in self._sizes:
            self._sizes[key] = self._joined(sizes)
        return self._sizes[key]

    def _joined(self, sizes: Sizes) -> Made:
        if sizes.scalar:
            shape = self._literal(np.zeros(0, np.int64))
            return self._compute("Reshape", (self._size(sizes.dims[0]), shape), "size")
        parts: list[Ref] = []
        run: list[int] = []
        place = 0
        while place < len(sizes.dims):
            size = sizes.dims[place]
            if isinstance(size, int):
                run.append(size)
                place += 1
                continue
            stretch = self._stretch(sizes.dims, place, len(run))
            before = 0 if stretch is None else stretch.before
            if run[: len(run) - before]:
                parts.append(self._literal(np.array(run[: len(run) - before], np.int64)))
            run = []
            parts.append(self._size(size) if stretch is None else self._axes(stretch, "sizes"))
            place += 1 if stretch is None else stretch.end - stretch.start - before
        if run:
            parts.append(self._literal(np.array(run, np.int64)))
        first, *others = parts
        if isinstance(first, Made) and not others:
            return first
        return self._compute("Concat", tuple(parts), "sizes", axis=0)

    def _stretch(self, dims: Shape, place: int, before: int) -> Stretch | None:
        """Neighbouring axes of one value that have the sizes around dims[place], one at least of the `before` ones.

        None where no opset that is written reads several at once, or where dims[place] stands alone.
        """
        found = self._known.find(dims[place]) if self.opset >= SHAPE_OF_AXES else None
        if found is None:
            return None
        value, axis = found
        start, end = axis, axis + 1
        while end < value.rank and place + end - axis < len(dims) and value.shape[end] == dims[place + end - axis]:
            end += 1
        while start > 0 and axis - start < before and value.shape[start - 1] == dims[place + start - 1 - axis]:
            start -= 1
        return Stretch(value, start, end, axis - start) if end - start > 1 else None

    def _axes(self, stretch: Stretch, role: str) -> Made:
        """The sizes of neighbouring axes as one vector: Shape with a start and an end, which it has from opset 15."""
        key = (stretch.value, stretch.start, stretch.end)
        if key not in self._shapes:
            bounds_ = {"start": stretch.start, "end": stretch.end}
            whole = stretch.end - stretch.start == stretch.value.rank
            self._shapes[key] = self._compute("Shape", (stretch.value,), role, **({} if whole else bounds_))
        return self._shapes[key]

    def _size(self, size: Dim) -> Made:
        """One size as i64[1]."""
        if isinstance(size, int):
            return self._literal(np.array([size], np.int64))
        if size not in self._sizes:
            self._sizes[size] = self._computed_size(size)
        return self._sizes[size]

    def _computed_size(self, size: Dim) -> Made:
        found = self._known.find(size)
        if found is not None:
            value, axis = found
            if self.opset >= SHAPE_OF_AXES or value.rank == 1:
                return self._axes(Stretch(value, axis, axis + 1), to_text(size))
            index = self._literal(np.array([axis], np.int64))
            return self._compute(
                "Gather", (self._axes(Stretch(value, 0, value.rank), "shape"), index), to_text(size), axis=0
            )
        match size:
            case Symbol():
                solved = self._known.solve(size)
                if solved is not None:
                    return self._size(solved)
                raise InvalidModelError(
                    f"the size {to_text(size)} is needed at run time, and no input or result has it",
                    hint="give the input a type with this size as a name: --input NAME=f32[...]",
                )
            case Quotient(numerator, denominator):
                return self._quotient(numerator, denominator, to_text(size))
            case Extremum():
                return self._extremum(size)
            case Polynomial():
                return self._polynomial(size)
            case int():
                return self._size(size)

    def _extremum(self, size: Extremum) -> Made:
        """Min and Max take integers from opset 12 on; before, a comparison chooses."""
        first, *rest = (self._size(operand) for operand in sorted(size.operands, key=to_text))
        role = to_text(size)
        if self.opset >= 12:
            return self._compute("Min" if size.kind == "min" else "Max", (first, *rest), role)
        for other in rest:
            pair = (first, other) if size.kind == "min" else (other, first)
            first = self._compute("Where", (self._compute("Less", pair, "is smaller"), first, other), role)
        return first

    def _quotient(self, numerator: Dim, denominator: Dim, role: str) -> Made:
        """ONNX Div truncates; where the numerator may be negative the remainder is taken off first."""
        above, below = self._size(numerator), self._size(denominator)
        low = bounds(numerator)[0]
        if low is None or low < 0:
            rest = self._compute("Mod", (above, below), "remainder")
            above = self._compute("Sub", (above, rest), "whole")
        return self._compute("Div", (above, below), role)

    def _polynomial(self, size: Polynomial) -> Made:
        terms = sorted(size.terms.items(), key=lambda term: to_text(Polynomial({term[0]: 1})))
        total: Made | None = None
        for monomial, count in terms:
            factors = _factors(monomial)
            factors.sort(key=to_text)
            if count != 1 or not factors:
                factors.append(count)
            term = self._size(factors[0])
            for factor in factors[1:]:
                term = self._compute("Mul", (term, self._size(factor)), "product")
            total = term if total is None else self._compute("Add", (total, term), "sum")
        return total if total is not None else self._size(0)

    def _elided(self, node: Node, call: Call) -> tuple[Operand, ...]:
        """The operands, broadcasts left out where ONNX's own broadcasting does the same and the importer sees it."""
        match call.broadcasting:
            case "none":
                return call.inputs
            case "last":
                last = call.inputs[-1]
                bare = _source(last)
                result = node.outputs[0].shape
                if bare is None or not isinstance(last, Value) or last.shape != result:
                    return call.inputs
                return (*call.inputs[:-1], bare) if needs_broadcast(bare.shape, result) else call.inputs
            case "all" | "batch":
                return _elide_all(call.inputs, 2 if call.broadcasting == "batch" else 0)


def _literal_of(value: Value) -> Constant | None:
    """The elements of a literal, or None for any other value."""
    literal = (
        value.node.attributes.get("value") if value.node is not None and value.node.op.name == "constant" else None
    )
    return literal if isinstance(literal, Constant) else None


def _factors(monomial: Iterable[tuple[Dim, int]]) -> list[Dim]:
    return [atom for atom, power in monomial for _ in range(power)]


def _source(operand: Operand) -> Value | None:
    """What a broadcast to known sizes repeats, or None for any other operand."""
    node = operand.node if isinstance(operand, Value) else None
    if node is None or node.op.name != "broadcast" or node.inputs[1] is not None:
        return None
    return node.inputs[0]


def _elide_all(inputs: tuple[Operand, ...], kept: int) -> tuple[Operand, ...]:
    """Leaves out broadcasts one by one as long as the rest still joins to the same shape.

    Args:
        inputs: the operands.
        kept: trailing axes that do not take part.
    """
    chosen = [value for value in inputs if isinstance(value, Value)]
    if len(chosen) != len(inputs) or not any(_source(value) for value in chosen):
        return inputs
    for index, value in enumerate(chosen):
        bare = _source(value)
        if bare is None or bare.rank < kept or bare.shape[bare.rank - kept :] != value.shape[value.rank - kept :]:
            continue
        wanted = value.shape[: value.rank - kept]
        trial = [*chosen[:index], bare, *chosen[index + 1 :]]
        joined = join([other.shape[: other.rank - kept] for other in trial])
        if joined == wanted and needs_broadcast(bare.shape[: bare.rank - kept], wanted):
            chosen = trial
    return tuple(chosen)
