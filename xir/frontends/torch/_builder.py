"""The calls of one body become nodes: of the program itself, of a branch or the body of a loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.frontends._bodies import Body as GraphBody
from xir.frontends._bodies import closed
from xir.frontends._problems import LostError, Problems
from xir.frontends.torch._names import NameTable
from xir.frontends.torch._trace import line_of
from xir.frontends.torch.autocast import Autocast
from xir.frontends.torch.call import COMPLEX, Call, Scope
from xir.frontends.torch.caller import Caller
from xir.frontends.torch.formulas import Sizes
from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.program import Argument, Body, Names, Node, Program, Reference
from xir.frontends.torch.symbolic import SYMBOLIC
from xir.frontends.torch.tensor import Computed, Tensor
from xir.ir.builder import sourced
from xir.ir.constraints import collecting
from xir.ir.dims import SymbolicDim, equal
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import TensorType, Type
from xir.limits import MAX_CALLS

_OF_TENSORS = {
    f"_operator.{name}": f"aten.{name}" for name in ("add", "sub", "mul", "neg", "eq", "ne", "lt", "le", "gt", "ge")
}
"""Functions of Python that are operators where a tensor is among their arguments."""


@dataclass(slots=True)
class Shared:
    """What all bodies of one import share.

    Attributes:
        program: what is imported.
        higher: rules of higher-order operators, by name.
        sizes: the symbols of the program.
        limit: how many calls may be built, those of bodies each time that they are.
        problems: what cannot be taken.
        notes: what a person should know.
        built: how many calls were built.
    """

    program: Program
    higher: Mapping[str, HigherOrder]
    sizes: Sizes
    limit: int
    problems: Problems = field(default_factory=Problems)
    notes: list[str] = field(default_factory=list[str])
    built: int = 0


class Builder:
    """Builds the calls of one body.

    Attributes:
        shared: what all bodies share.
        body: the body.
        scope: what all calls of one graph share.
        depth: how many bodies are around.
        held: {name: what it stands for}.
        names: of the graph that the nodes are part of.
        autocast: the region around, where operators cast their operands.
    """

    def __init__(
        self, shared: Shared, body: Body, scope: Scope, names: NameTable, around: Source | None = None, depth: int = 0
    ) -> None:
        """A builder that has built nothing; `around` is the call that the body belongs to."""
        if depth > MAX_CALLS:
            raise UnsafeError(f"bodies are nested more than {MAX_CALLS} deep", number=805)
        self.shared = shared
        self.body = body
        self.scope = scope
        self.depth = depth
        self.names = names
        self.held: dict[str, object] = {}
        self.autocast: Autocast | None = None
        self._lost: set[str] = set()
        self._around = around
        self._source = around
        self._caller = Caller(OPERATORS, scope)

    @property
    def call(self) -> Call:
        """A call for what the builder itself makes."""
        return Call(self._source.kind if self._source is not None else "program", self.scope)

    def run(self) -> None:
        """Builds all calls; those that cannot be built are among the problems."""
        self.shared.built += len(self.body.nodes)
        if self.shared.built > self.shared.limit:
            raise UnsafeError(f"bodies expand to more than {self.shared.limit} calls", number=806)
        for order, node in enumerate(self.body.nodes):
            self._build(node, order)

    def resolved(self, argument: Argument) -> object:
        """An argument with what its references stand for.

        Raises:
            LostError: that could not be made.
            InvalidModelError: nothing of that name was made.
        """
        match argument:
            case Reference(name):
                if name in self._lost:
                    raise LostError
                if name not in self.held:
                    raise InvalidModelError(
                        f"reads {name!r}, which no earlier call makes", hint="the archive is damaged: export it again"
                    )
                return self.held[name]
            case tuple():
                return tuple(self.resolved(item) for item in argument)
            case Mapping():
                return {key: self.resolved(item) for key, item in argument.items()}
            case _:
                return argument

    def lose(self, names: Names) -> None:
        """Notes that these could not be made."""
        if isinstance(names, tuple):
            for name in names:
                self.lose(name)
        elif names is not None:
            self._lost.add(names)

    def _build(self, node: Node, order: int) -> None:
        source = self._source = self.source_of(node, order)
        try:
            with sourced(source):
                items = [self.resolved(item) for item in node.items]
                named = {key: self.resolved(item) for key, item in node.named.items()}
                made = self._call(node.target, items, named)
                self._bind(node.results, made)
        except LostError:
            self.lose(node.results)
        except UnsupportedError as error:
            self.shared.problems.note(node.target, error.message, error.hint, source.layer)
            self.lose(node.results)

    def source_of(self, node: Node, order: int) -> Source:
        """Where the nodes of a call come from."""
        around, file = self._around, self.shared.program.file
        line = line_of(node.trace)
        if around is None:
            return Source("torch", file, node.name, node.target, node.path, line, order, module=node.module)
        layer = f"{around.layer}/{node.name}"
        place = node if node.module is not None else around
        line = line or around.location
        return Source("torch", file, layer, node.target, place.path, line, around.order, module=place.module)

    def _call(self, target: str, items: Sequence[object], named: Mapping[str, object]) -> object:
        """What a call makes: by the rules of bodies, by Python's functions of numbers, or by operators' handlers."""
        if target == "_operator.getitem":
            return _item(*items)
        if target.startswith("torch._functorch."):
            raise UnsupportedError("a transformed function (vmap, grad)", hint="call export.run_decompositions() first")
        higher, rule = self.shared.higher.get(target), SYMBOLIC.get(target)
        if higher is not None:
            return higher(self, list(items))
        if rule is None or any(isinstance(item, Tensor) for item in items):
            if self.autocast is not None:
                items, named = self.autocast.items(target, items, named)
            return self._caller.call(_OF_TENSORS.get(target, target), items, named)
        numbers = items
        if len(items) == 1 and isinstance(items[0], tuple):  # torch.sym_sum takes a list
            numbers = cast("Sequence[object]", items[0])
        if named or not all(isinstance(item, bool | int | float | SymbolicDim | Computed) for item in numbers):
            raise InvalidModelError(f"takes numbers alone, got {[type(item).__name__ for item in numbers]}")
        try:
            return rule(Call(target, self.scope), *numbers)
        except TypeError as error:
            raise InvalidModelError(f"takes no {len(numbers)} numbers") from error

    def _bind(self, names: Names, made: object) -> None:
        """Names what a call has made."""
        if names is None:
            return
        if isinstance(names, tuple):
            several = cast("tuple[object, ...]", made) if isinstance(made, tuple) else (made,)
            if len(several) < len(names):
                raise InvalidModelError(f"{len(names)} results are named, {len(several)} are made")
            for name, each in zip(names, several, strict=False):
                self._bind(name, each)
            return
        if names in self.held:
            raise InvalidModelError(f"{names!r} is made twice")
        self.held[names] = made
        if isinstance(made, Tensor):
            self.names.offer(made.value, names)
            self._check(names, made.value)
            self.scope.note_axes(made.value)

    def _check(self, name: str, value: Value) -> None:
        """What a call makes must be what the program says of it."""
        info = self.body.tensors.get(name)
        if info is None or not isinstance(value.type, TensorType):
            return
        told = f"{name!r} is declared {info.dtype}{list(info.shape)}, the call makes {value.type!r}"
        if info.dtype is not value.dtype or len(info.shape) != value.rank:
            raise InvalidModelError(told)
        for declared, size in zip(info.shape, value.shape, strict=True):
            if isinstance(declared, int) and equal(declared, size) is False:
                raise InvalidModelError(told)

    def inline(self, body: Body, arguments: Sequence[object]) -> tuple[object, ...]:
        """The results of a body whose calls become nodes of this graph.

        Raises:
            LostError: a result could not be made.
            InvalidModelError: the arguments are not as many as the body takes.
        """
        inner = Builder(self.shared, body, self.scope, self.names, self._source, self.depth + 1)
        inner.autocast = self.autocast
        return inner.results(arguments)

    def results(self, arguments: Sequence[object]) -> tuple[object, ...]:
        """The results of the body for these arguments; see `inline`."""
        if len(arguments) != len(self.body.inputs):
            raise InvalidModelError(f"a body takes {len(self.body.inputs)} values, it gets {len(arguments)}")
        for input_, given in zip(self.body.inputs, arguments, strict=True):
            if isinstance(input_, Reference):
                self.held[input_.name] = given
        self.run()
        return tuple(self.resolved(output) for output in self.body.outputs)

    def body_of(self, types: Sequence[Type], make: Callable[[Builder, Sequence[Value]], Sequence[Value]]) -> GraphBody:
        """The closed graph of a branch or loop.

        Args:
            types: of its inputs.
            make: makes its results from them with a builder of its own.
        """
        names = NameTable()
        empty = Body((), (), (), tensors={}, quantities={})
        inner = Builder(self.shared, empty, self.scope.inside(), names, self._source, self.depth + 1)
        inner.autocast = self.autocast
        with collecting() as assumed:
            inputs = [Value(type) for type in types]
            outputs = tuple(make(inner, inputs))
        held = (item.value for item in self.held.values() if isinstance(item, Tensor))
        known = dict.fromkeys((*held, *self.scope.measured()))
        return closed(inputs, outputs, known.keys(), assumed, names.live(outputs))

    def value(self, item: object) -> Value:
        """A tensor, or a number as a tensor without axes.

        Raises:
            InvalidModelError: it is neither.
        """
        if isinstance(item, Tensor):
            if item.value.dtype in COMPLEX:
                self.call.refuse("complex numbers in a branch or loop", "use torch.view_as_real before it")
            return item.value
        if isinstance(item, bool | int | float | SymbolicDim | Computed):
            return self.call.number(item)
        raise InvalidModelError(f"a tensor or number is needed, got {type(item).__name__}")


HigherOrder: TypeAlias = Callable[[Builder, Sequence[object]], object]
"""(who builds, arguments by place) -> what the call makes. By name torch gives hints and settings of training alone."""


def _item(container: object = None, key: object = None) -> object:
    """One of several results."""
    if isinstance(container, tuple) and isinstance(key, int):
        held = cast("tuple[object, ...]", container)
        if -len(held) <= key < len(held):
            return held[key]
    elif isinstance(container, Mapping):
        table = cast("Mapping[object, object]", container)
        if key in table:
            return table[key]
    raise InvalidModelError(f"there is no item {key!r}")
