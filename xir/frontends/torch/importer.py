"""A program of PyTorch as a graph: every call through its handler, all that cannot be taken in one error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xir.errors import InvalidModelError, UnsupportedError, UsageError
from xir.frontends.torch import guards
from xir.frontends.torch._builder import Builder, Shared
from xir.frontends.torch._imported import Imported, until_stable
from xir.frontends.torch._names import NameTable, output_names, unique
from xir.frontends.torch._shown import shown
from xir.frontends.torch._size_operands import with_size_operands
from xir.frontends.torch.call import COMPLEX, Call, Scope
from xir.frontends.torch.formulas import Sizes, parse_formula
from xir.frontends.torch.handlers.complex import view_as_complex
from xir.frontends.torch.higher_order import HIGHER_ORDER
from xir.frontends.torch.program import Argument, Body, Input, Output, Program, Reference, Subgraph, TensorInfo
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.builder import sourced
from xir.ir.constant import Constant
from xir.ir.constraints import Collected, collecting
from xir.ir.dims import SymbolicDim
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.rewrite import drop_unused_parameters
from xir.ir.source import Source
from xir.ir.types import DType, TensorType, Type
from xir.limits import inlining_limit

_MAX_NOTE = 500
"""Characters of a note."""


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

    def attempt(changed: frozenset[str]) -> tuple[Imported, frozenset[str]]:
        importer = _Importer(program, dict(inputs or {}), changed)
        return importer.run(), importer.written()

    return until_stable(attempt, changed, program.file)


class _Importer:
    def __init__(self, program: Program, given: dict[str, Type], changed: frozenset[str]) -> None:
        self.program = program
        self.given = given
        self.changed = changed
        self.scope = Scope()
        self.names = NameTable()
        self.guards = guards.read_guards(program.guards)
        limit = inlining_limit(_calls(program.body))
        self.shared = Shared(program, HIGHER_ORDER, Sizes(program.ranges, _divisors(program, self.guards)), limit)
        self.shared.notes.extend(program.notes)
        self.builder = Builder(self.shared, program.body, self.scope, self.names)
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
            self._assume_guards()
            self.builder.run()
            if self.shared.problems:
                raise self.shared.problems.error(len(self.program.body.nodes), self.program.file)
            graph = self._finish(assumed)
        if self.scope.left_out:
            told = "; ".join(dict.fromkeys(self.scope.left_out))
            self.shared.notes.append(f"{len(self.scope.left_out)} assertions are left out: {told[:_MAX_NOTE]}")
        state = {self.names.of(value): constant for value, constant in self.state.values()}
        return Imported(graph, state, tuple(self.shared.notes), len(self.program.body.nodes))

    def _assume_guards(self) -> None:
        """Says of the inputs' sizes what torch found that the program needs."""
        axes = [(name, axis, size) for name, place in self.users.items() for axis, size in enumerate(place.value.shape)]
        unchecked = guards.assume(self.guards, {f"{name}.{axis}": size for name, axis, size in axes})
        if unchecked:
            told = f"{len(unchecked)} guards of the program are not checked: {'; '.join(unchecked)}"
            self.shared.notes.append(told[:_MAX_NOTE])

    def _enter(self) -> None:
        """Makes the inputs and weights."""
        for input_ in self.program.inputs:
            if input_.name in self.builder.held:
                raise InvalidModelError(f"input name {input_.name!r} stands twice")
            if input_.role == "user":
                self._user_input(input_)
            elif input_.role in ("parameter", "buffer", "constant"):
                self._weight(input_)
            elif input_.role == "size":
                self._size(input_.name)
            elif input_.role == "object":
                self.shared.problems.note("object", "xir reads tensors, no objects of classes", None, input_.name)
                self.builder.lose(input_.name)
        if self.given:
            known = list(self.users)
            raise UsageError(f"the model has no inputs {list(self.given)}; it has {known}")

    def _user_input(self, input_: Input) -> None:
        if input_.value:
            if input_.name:
                self.builder.held[input_.name] = self.builder.resolved(input_.value[0])
                told = f"input {input_.name!r} is always {input_.value[0]!r}: the program was exported for it"
                if input_.value[0] is not None:
                    self.shared.notes.append(told)
            return
        info = self.program.body.tensors.get(input_.name)
        if info is None:
            self._number_input(input_.name)
            return
        declared = self._type(info, input_.name)
        is_complex = declared.dtype in COMPLEX
        fed = TensorType(COMPLEX[declared.dtype], (*declared.shape, 2)) if is_complex else declared
        value = Value(self.given.pop(input_.name, fed))
        call = Call("input", self.scope)
        self.users[input_.name] = Tensor(view_as_complex(call, value) if is_complex else value)
        if is_complex:
            self.shared.notes.append(f"input {input_.name!r} is complex: feed its parts along a last axis of 2")
        self.builder.held[input_.name] = self.users[input_.name]
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
        self.builder.held[name] = Computed(value)
        self.names.enter(value, name)
        self.inputs.append(value)

    def _size(self, name: str) -> None:
        """A number that the sizes of the inputs tell."""
        formula = self.program.body.quantities.get(name)
        size = None if isinstance(formula, float | None) else self.shared.sizes.size(formula)
        if size is None:
            raise UnsupportedError(f"the size {name!r} is {formula!r}, which xir cannot say")
        self.builder.held[name] = size

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
        self.builder.held[input_.name] = place
        self.weights[input_.target] = place
        self.names.enter(value, input_.target)
        if input_.target in self.changed:
            self.state[input_.target] = value, weight.constant
            return
        self.scope.constants[value] = weight.constant
        self.parameters.append(Parameter(value, weight.constant, weight.trainable and input_.role == "parameter"))

    def _type(self, info: TensorInfo, name: str) -> TensorType:
        shape = tuple(self.shared.sizes.size(size) for size in info.shape)
        known = tuple(size for size in shape if size is not None)
        if len(known) != len(shape):
            raise UnsupportedError(f"the sizes {list(info.shape)} of {name!r} are formulas that xir cannot say")
        return TensorType(info.dtype, known)

    def _finish(self, assumed: Collected) -> Graph:
        outputs = [output for output in self.program.outputs if output.role in ("user", "loss")]
        wanted = output_names(outputs, self.program.output_paths)
        values: list[Value] = []
        names: list[str] = []
        for name, output in zip(wanted, outputs, strict=True):
            with sourced(self._output_source(name, output)):
                value = self._output(output)
            if value is None:
                self.shared.notes.append(f"output {name!r} is left out: it is always {output.argument!r}")
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
            self.names.live(values, (*inputs, *(parameter.value for parameter in self.parameters))),
            tuple(assumed),
        )
        return drop_unused_parameters(with_size_operands(graph, self.scope))

    def _output_source(self, name: str, output: Output) -> Source:
        """Where nodes that show an output come from: the call that makes it, else the model's own last one."""
        nodes = self.program.body.nodes
        made = output.argument.name if isinstance(output.argument, Reference) else None
        makers = [node for node in nodes if made is not None and node.results == made]
        around = makers or [node for node in reversed(nodes) if not node.path] or nodes
        bare = Source("torch", self.program.file, name, "output", order=len(nodes))
        if not around:
            return bare
        place = self.builder.source_of(around[0], 0)
        return replace(bare, path=place.path, module=place.module, location=place.location)

    def _output(self, output: Output) -> Value | None:
        """The value of an output; None for what no tensor is."""
        made = self.builder.resolved(output.argument)
        if isinstance(made, Tensor):
            return shown(self.scope, made.value)
        if isinstance(made, bool | int | float | SymbolicDim | Computed):
            return Call("output", self.scope).number(made)
        return None

    def _changes(self) -> Iterable[tuple[str, Value]]:
        """The new elements of what the program changes, with their names."""
        told = {
            (output.role, output.target): self.builder.resolved(output.argument)
            for output in self.program.outputs
            if output.role in ("buffer", "parameter", "input")
        }
        by_name = {target: made for (role, target), made in told.items() if role != "input"}
        for target in self.state:
            made = by_name.get(target, self.weights[target])
            if isinstance(made, Tensor):
                yield f"{target}.new", shown(self.scope, made.value)
        for name, place in self.users.items():
            made = told.get(("input", name), place if place.writes else None)
            if isinstance(made, Tensor):
                yield f"{name}.new", shown(self.scope, made.value)


def _divisors(program: Program, told: guards.Guards) -> dict[str, int]:
    """{symbol: a number that divides it}, from what the guards say of axes that are of such a size."""
    found: dict[str, int] = {}
    for place, divisor in guards.divisors(told).items():
        name, _, axis = place.rpartition(".")
        info = program.body.tensors.get(name)
        size = info.shape[int(axis)] if info is not None and axis.isdigit() and int(axis) < len(info.shape) else 0
        term = parse_formula(size) if isinstance(size, str) else None
        if term is not None and term.parts is None:
            found[term.head] = divisor
    return found


def _calls(body: Body) -> int:
    """How many calls a program holds, those of bodies included."""
    count, pending = 0, [body]
    while pending:
        nodes = pending.pop().nodes
        count += len(nodes)
        arguments: list[Argument] = [item for node in nodes for item in (*node.items, *node.named.values())]
        pending += [item.body for item in arguments if isinstance(item, Subgraph)]
    return count
