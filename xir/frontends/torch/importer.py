"""A program of PyTorch as a graph: every call through its handler, all that cannot be taken in one error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from xir.errors import InvalidModelError, UnsupportedError, UsageError, XirError
from xir.frontends._problems import Problems
from xir.frontends.torch._names import NameTable, output_names, unique
from xir.frontends.torch._trace import line_of
from xir.frontends.torch.call import Call, Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.formulas import Sizes, parse_formula
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.program import Argument, Input, Names, Node, Output, Program, Reference, TensorInfo
from xir.frontends.torch.symbolic import SYMBOLIC
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.builder import sourced
from xir.ir.constant import Constant
from xir.ir.constraints import Collected, collecting
from xir.ir.dims import Symbol, SymbolicDim, as_dim, equal
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import DType, TensorType, Type

MAX_PASSES = 4
"""How often a program is gone through until it is known which of its weights it writes."""


_MAX_NOTE = 500
"""Characters of a note."""


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A program that became a graph.

    Attributes:
        graph: its inputs are those that a caller feeds, then the state: buffers that the program changes. Its outputs
            are what the model returns, then the new elements of what it changes, called `NAME.new`.
        state: what the state begins with, by the names of these inputs.
        notes: what a person should know of how it was read.
    """

    graph: Graph
    state: Mapping[str, Constant]
    notes: tuple[str, ...]


def import_program(program: Program, *, inputs: Mapping[str, Type] | None = None) -> Imported:
    """The graph of a program.

    Args:
        program: as a reader made it.
        inputs: types for inputs, instead of those that the program was exported for.

    Raises:
        UnsupportedError: calls that xir has no operators for: all of them, with reasons.
        InvalidModelError: the program contradicts itself.
        UnsafeError: it asks for more than the limits allow.
        UsageError: `inputs` names no inputs.
    """
    changed = frozenset(output.target for output in program.outputs if output.role in ("buffer", "parameter"))
    try:
        for _ in range(MAX_PASSES):
            importer = _Importer(program, dict(inputs or {}), changed)
            imported = importer.run()
            found = changed | importer.written()
            if found == changed:
                return imported
            changed = found
    except XirError as error:
        if error.source.file is None:
            error.source = replace(error.source, file=program.file)
        raise
    raise InvalidModelError("which weights the program writes does not come to rest", file=program.file)


_OF_TENSORS = {
    f"_operator.{name}": f"aten.{name}" for name in ("add", "sub", "mul", "neg", "eq", "ne", "lt", "le", "gt", "ge")
}
"""Functions of Python that are operators where a tensor is among their arguments."""


class _LostError(Exception):
    """A call reads what could not be made; why is among the problems."""


class _Importer:
    def __init__(self, program: Program, given: dict[str, Type], changed: frozenset[str]) -> None:
        self.program = program
        self.given = given
        self.changed = changed
        self.sizes = Sizes(program.ranges)
        self.scope = Scope()
        self.caller = Caller(OPERATORS, self.scope)
        self.problems = Problems()
        self.notes: list[str] = []
        self.held: dict[str, object] = {}
        self.lost: set[str] = set()
        self.names = NameTable()
        self.inputs: list[Value] = []
        self.state: dict[str, tuple[Value, Constant]] = {}
        self.weights: dict[str, Tensor] = {}
        self.users: dict[str, Tensor] = {}
        self.parameters: list[Parameter] = []

    def written(self) -> frozenset[str]:
        """The weights that calls have written in place."""
        return frozenset(name for name, place in self.weights.items() if place.writes)

    def run(self) -> Imported:
        with collecting() as assumed:
            self._enter()
            for order, node in enumerate(self.program.body.nodes):
                self._build(node, order)
            if self.problems:
                raise self.problems.error(len(self.program.body.nodes), self.program.file)
            graph = self._finish(assumed)
        if self.scope.left_out:
            told = "; ".join(dict.fromkeys(self.scope.left_out))
            self.notes.append(f"{len(self.scope.left_out)} assertions are left out: {told[:_MAX_NOTE]}")
        state = {self.names.of(value): constant for value, constant in self.state.values()}
        return Imported(graph, state, tuple(self.notes))

    def _enter(self) -> None:
        """Makes the inputs and weights."""
        for input_ in self.program.inputs:
            if input_.name in self.held:
                raise InvalidModelError(f"input name {input_.name!r} stands twice")
            if input_.role == "user":
                self._user_input(input_)
            elif input_.role in ("parameter", "buffer", "constant"):
                self._weight(input_)
            elif input_.role == "object":
                self.problems.note("object", "xir reads tensors, no objects of classes", None, input_.name)
                self.lost.add(input_.name)
        if self.given:
            known = list(self.users)
            raise UsageError(f"the model has no inputs {list(self.given)}; it has {known}")

    def _user_input(self, input_: Input) -> None:
        if input_.value:
            if input_.name:
                self.held[input_.name] = self._literal(input_.value[0])
                told = f"input {input_.name!r} is always {input_.value[0]!r}: the program was exported for it"
                if input_.value[0] is not None:
                    self.notes.append(told)
            return
        info = self.program.body.tensors.get(input_.name)
        if info is None:
            self._number_input(input_.name)
            return
        declared = self._type(info, input_.name)
        given = self.given.pop(input_.name, declared)
        value = Value(given)
        self.users[input_.name] = Tensor(value)
        self.held[input_.name] = self.users[input_.name]
        self.names.enter(value, input_.name)
        self.inputs.append(value)

    def _number_input(self, name: str) -> None:
        """A number that a caller feeds, as a tensor without axes."""
        formula = self.program.body.quantities.get(name)
        if formula is None:
            raise InvalidModelError(f"the program does not say what input {name!r} is")
        dtype = (
            DType.BOOL if isinstance(formula, bool) else DType.FLOAT64 if isinstance(formula, float) else DType.INT64
        )
        value = Value(TensorType(dtype, ()))
        self.held[name] = Computed(value)
        self.names.enter(value, name)
        self.inputs.append(value)

    def _weight(self, input_: Input) -> None:
        weight = self.program.weights.get(input_.target)
        if weight is None:
            raise InvalidModelError(f"the archive has no weight {input_.target!r}")
        if input_.target in self.weights:
            raise InvalidModelError(f"weight {input_.target!r} is an input twice")
        info = self.program.body.tensors.get(input_.name)
        if info is not None and (info.dtype, info.shape) != (weight.constant.dtype, weight.constant.shape):
            declared = f"{info.dtype}{list(info.shape)}"
            raise InvalidModelError(f"weight {input_.target!r} is declared {declared}, it is {weight.constant.type!r}")
        value = Value(weight.constant.type)
        place = Tensor(value)
        self.held[input_.name] = place
        self.weights[input_.target] = place
        self.names.enter(value, input_.target)
        if input_.target in self.changed:
            self.state[input_.target] = value, weight.constant
            return
        self.scope.constants[value] = weight.constant
        self.parameters.append(Parameter(value, weight.constant, weight.trainable))

    def _type(self, info: TensorInfo, name: str) -> TensorType:
        shape = tuple(self.sizes.size(size) for size in info.shape)
        known = tuple(size for size in shape if size is not None)
        if len(known) != len(shape):
            raise UnsupportedError(f"the sizes {list(info.shape)} of {name!r} are formulas that xir cannot say")
        return TensorType(info.dtype, known)

    def _literal(self, argument: Argument) -> object:
        """An argument with what references stand for."""
        match argument:
            case Reference(name):
                if name in self.lost:
                    raise _LostError
                if name not in self.held:
                    raise InvalidModelError(
                        f"reads {name!r}, which no earlier call makes", hint="the archive is damaged: export it again"
                    )
                return self.held[name]
            case tuple():
                return tuple(self._literal(item) for item in argument)
            case Mapping():
                return {key: self._literal(item) for key, item in argument.items()}
            case _:
                return argument

    def _build(self, node: Node, order: int) -> None:
        source = Source("torch", self.program.file, node.name, node.target, node.path, line_of(node.trace), order)
        try:
            with sourced(source):
                items = [self._literal(item) for item in node.items]
                named = {key: self._literal(item) for key, item in node.named.items()}
                made = self._call(node.target, items, named)
                self._bind(node.results, made, node)
        except _LostError:
            self._lose(node.results)
        except UnsupportedError as error:
            self.problems.note(node.target, error.message, error.hint, node.name)
            self._lose(node.results)

    def _call(self, target: str, items: Sequence[object], named: Mapping[str, object]) -> object:
        """What a call makes: by Python's own functions of numbers, or by the table of operators."""
        rule = SYMBOLIC.get(target)
        if target == "_operator.getitem":
            return _item(*items)
        if rule is None or any(isinstance(item, Tensor) for item in items):
            return self.caller.call(_OF_TENSORS.get(target, target), items, named)
        if named or not all(isinstance(item, bool | int | float | SymbolicDim | Computed) for item in items):
            raise InvalidModelError(f"takes numbers alone, got {[type(item).__name__ for item in items]}")
        try:
            return rule(Call(target, self.scope), *items)
        except TypeError as error:
            raise InvalidModelError(f"takes no {len(items)} numbers") from error

    def _lose(self, names: Names) -> None:
        if isinstance(names, tuple):
            for name in names:
                self._lose(name)
        elif names is not None:
            self.lost.add(names)

    def _bind(self, names: Names, made: object, node: Node) -> None:
        """Names what a call has made."""
        if names is None:
            return
        if isinstance(names, tuple):
            several = cast("tuple[object, ...]", made) if isinstance(made, tuple) else (made,)
            if len(several) < len(names):
                raise InvalidModelError(f"{len(names)} results are named, {len(several)} are made")
            for name, each in zip(names, several, strict=False):
                self._bind(name, each, node)
            return
        if names in self.held:
            raise InvalidModelError(f"{names!r} is made twice")
        self.held[names] = self._sized(names, made)
        if isinstance(made, Tensor):
            self.names.offer(made.value, names)
            self._check(names, made.value)

    def _sized(self, name: str, made: object) -> object:
        """A whole number that only the run knows and that the program says is 0 or more, as a size."""
        formula = self.program.body.quantities.get(name)
        if not isinstance(made, Computed) or not isinstance(formula, str) or made.value.dtype is not DType.INT64:
            return made
        term = parse_formula(formula)
        least = self.program.ranges.get(term.head, (None, None))[0] if term.parts is None else None
        if least is None or least < 0:
            return made
        symbol = Symbol(minimum=0)
        self.scope.sizes[symbol] = made.value
        return symbol

    def _check(self, name: str, value: Value) -> None:
        """What a call makes must be what the program says of it; a size that the run finds out gets its name there."""
        info = self.program.body.tensors.get(name)
        if info is None or not isinstance(value.type, TensorType):
            return
        told = f"{name!r} is declared {info.dtype}{list(info.shape)}, the call makes {value.type!r}"
        if info.dtype is not value.dtype or len(info.shape) != value.rank:
            raise InvalidModelError(told)
        for declared, size in zip(info.shape, value.shape, strict=True):
            if isinstance(declared, int) and equal(declared, size) is False:
                raise InvalidModelError(told)

    def _finish(self, assumed: Collected) -> Graph:
        outputs = [output for output in self.program.outputs if output.role in ("user", "loss")]
        wanted = output_names(outputs, self.program.output_paths)
        values: list[Value] = []
        names: list[str] = []
        for name, output in zip(wanted, outputs, strict=True):
            value = self._output(output)
            if value is None:
                self.notes.append(f"output {name!r} is left out: it is always {output.argument!r}")
            else:
                values.append(value)
                names.append(name)
        for name, value in self._changes():
            values.append(value)
            names.append(name)
        inputs = (*self.inputs, *(value for value, _ in self.state.values()))
        graph = Graph(
            self.program.name,
            inputs,
            tuple(values),
            unique(names),
            tuple(self.parameters),
            self.names.table(),
            tuple(assumed),
        )
        return drop_unused_parameters(_with_live_names(graph))

    def _output(self, output: Output) -> Value | None:
        """The value of an output; None for what no tensor is."""
        made = self._literal(output.argument)
        call = Call("output", self.scope)
        if isinstance(made, Tensor):
            return made.value
        if isinstance(made, Computed):
            return made.value
        if isinstance(made, bool):
            return call.literal(made, DType.BOOL)
        if isinstance(made, int | SymbolicDim):
            return call.scalar(as_dim(made), DType.INT64)
        if isinstance(made, float):
            return call.literal(made, DType.FLOAT32)
        return None

    def _changes(self) -> Iterable[tuple[str, Value]]:
        """The new elements of what the program changes, with their names."""
        told = {
            (output.role, output.target): self._literal(output.argument)
            for output in self.program.outputs
            if output.role in ("buffer", "parameter", "input")
        }
        by_name = {target: made for (role, target), made in told.items() if role != "input"}
        for target in self.state:
            made = by_name.get(target, self.weights[target])
            if isinstance(made, Tensor):
                yield f"{target}.new", made.value
        for name, place in self.users.items():
            made = told.get(("input", name), place if place.writes else None)
            if isinstance(made, Tensor):
                yield f"{name}.new", made.value


def _item(container: object = None, key: object = None) -> object:
    """One of several results."""
    if isinstance(container, tuple) and isinstance(key, int) and -len(container) <= key < len(container):
        return cast("tuple[object, ...]", container)[key]
    if isinstance(container, Mapping) and key in container:
        return cast("Mapping[object, object]", container)[key]
    raise InvalidModelError(f"takes item {key!r} of {type(container).__name__}")


def _with_live_names(graph: Graph) -> Graph:
    """The graph with the names of values that it still has."""
    live = {*graph.inputs, *(parameter.value for parameter in graph.parameters)}
    live.update(value for node in graph.nodes for value in node.outputs)
    names = {value: name for value, name in graph.names.items() if value in live}
    return graph.with_weights(graph.parameters, names)
