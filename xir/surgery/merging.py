"""Two graphs joined to one: outputs of the first become inputs of the second."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xir.errors import InvalidModelError, UsageError
from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, Symbol, equal, evaluate, symbols_of, to_text
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters, specialize
from xir.ir.training import without_training
from xir.ir.types import TensorType
from xir.ir.verify import compatible, verify
from xir.ir.walk import all_graphs
from xir.surgery.names import Names, fresh, listed

Connections = Mapping[str, "str | Sequence[str]"]


def merge(
    first: Graph, second: Graph, *, connect: Connections | None = None, prefix: str | None = None, name: str = ""
) -> Graph:
    """One graph that runs `first`, then `second` on what it gives.

    The inputs of the second that are not connected stay inputs, after those of the first; the outputs of the first that
    are not connected stay outputs, before those of the second. Where an input has a symbolic size it takes the size of
    what it is connected to, and the other way round; sizes of which equality cannot be told become a constraint, which
    is checked when the model runs.

    Args:
        first: the graph that gives.
        second: the graph that takes.
        connect: {output of the first, or any value or layer in it: input of the second, or several}; without it outputs
            and inputs of the same name are connected, or the only output with the only input.
        prefix: stands before every name of the second; without it only names that clash get one, made of the second
            graph's name.
        name: the result's name; without it the two names joined.

    Raises:
        UsageError: if a name is unknown, nothing is connected, types do not fit, or names clash in spite of `prefix`.
    """
    first, second = (without_training(each, "it is of one of two models") for each in (first, second))
    pairs = _pairs(first, second, connect)
    second = _with_own_sizes(first, second, prefix or f"{_word(second)}_")
    first, second, assumed = _agreed(first, second, pairs)
    given, taken = Names(first), dict(zip(second.input_names, second.inputs, strict=True))
    leaves = {value: Value(value.type) for value in (*second.inputs, *(p.value for p in second.parameters))}
    leaves |= {taken[target]: _one(given, source) for source, target in pairs}
    behind = Rewriter(second).run(lambda node, rewriter: None, leaves=leaves)
    connected = {_one(given, source) for source, _ in pairs}
    open_inputs = [value for value in second.inputs if leaves[value] not in connected]
    kept = [
        (output, value)
        for output, value in zip(first.output_names, first.outputs, strict=True)
        if value not in connected
    ]
    labels = _Labels(first, second, prefix, [output for output, _ in kept])
    ends = [(labels.output(output), value) for output, value in zip(second.output_names, behind.outputs, strict=True)]
    whole = Graph(
        name or "+".join(filter(None, (first.name, second.name))),
        (*first.inputs, *(leaves[value] for value in open_inputs)),
        (*(value for _, value in kept), *(value for _, value in ends)),
        (*(output for output, _ in kept), *(output for output, _ in ends)),
        (*first.parameters, *behind.parameters),
        labels.values(behind, [leaves[value] for value in open_inputs]),
        (*first.constraints, *behind.constraints, *assumed),
    )
    whole = drop_unused_parameters(whole)
    verify(whole)
    return whole


def _pairs(first: Graph, second: Graph, connect: Connections | None) -> list[tuple[str, str]]:
    """The (value of the first, input of the second) pairs, each input once."""
    if connect:
        told = [(out, [into] if isinstance(into, str) else list(into)) for out, into in connect.items()]
        pairs = [(out, into) for out, several in told for into in several]
    else:
        pairs = [(out, out) for out in first.output_names if out in second.input_names]
        if not pairs and len(first.outputs) == len(second.inputs) == 1:
            pairs = [(first.output_names[0], second.input_names[0])]
    described = (
        f"the first gives {_signature(first.output_names, first.outputs)}; "
        f"the second takes {_signature(second.input_names, second.inputs)}"
    )
    if not pairs:
        raise UsageError(f"nothing is connected: {described}", hint="say which: --connect OUT=IN")
    seen: set[str] = set()
    for _, into in pairs:
        if into not in second.input_names:
            raise UsageError(f"the second model has no input {into!r}; {described}")
        if into in seen:
            raise UsageError(f"input {into!r} is connected twice")
        seen.add(into)
    return pairs


def _signature(names: Sequence[str], values: Sequence[Value]) -> str:
    return ", ".join(f"{name}: {value.type!r}" for name, value in zip(names, values, strict=True)) or "nothing"


def _one(names: Names, name: str) -> Value:
    values = names.find(name)
    if len(values) != 1:
        several = listed(names.graph.name_of(value) for value in values)
        raise UsageError(f"layer {name!r} gives {len(values)} values", hint=f"name one of them: {several}")
    (value,) = values
    return value


def _word(graph: Graph) -> str:
    return graph.name or "second"


def _with_own_sizes(first: Graph, second: Graph, prefix: str) -> Graph:
    """The second graph with other names for symbols that the first has too: they are not the same sizes."""
    held = {symbol.name for symbol in _named(first)}
    renamed: dict[Symbol, Dim] = {}
    for symbol in _named(second):
        if symbol.name in held:
            called = fresh(f"{prefix}{symbol.name}", {str(name) for name in held})
            renamed[symbol] = Symbol(called, minimum=symbol.minimum, maximum=symbol.maximum, divisor=symbol.divisor)
    return specialize(second, renamed)


def _named(graph: Graph) -> list[Symbol]:
    """The named symbols of a graph's values and of those of its bodies."""
    found: dict[Symbol, None] = {}
    for each in all_graphs(graph):
        for value in (*each.inputs, *(value for node in each.nodes for value in node.outputs)):
            if isinstance(value.type, TensorType):
                found.update((s, None) for dim in value.type.shape for s in symbols_of(dim) if s.name is not None)
    return list(found)


def _agreed(
    first: Graph, second: Graph, pairs: Sequence[tuple[str, str]]
) -> tuple[Graph, Graph, tuple[Constraint, ...]]:
    """Both graphs with the sizes that the connections tell, and what has to be assumed.

    Raises:
        UsageError: if a type does not fit.
    """
    sizes: dict[Symbol, Dim] = {}
    open_pairs: list[tuple[Dim, Dim, str]] = []
    names, inputs = Names(first), dict(zip(second.input_names, second.inputs, strict=True))
    for source, target in pairs:
        given, wanted = _one(names, source).type, inputs[target].type
        where = f"{source} -> {target}"
        if not compatible(given, wanted):
            raise UsageError(
                f"{source!r} of the first model is {given!r}, input {target!r} of the second is {wanted!r}",
                hint="the element type, the number of axes and every known size must agree",
            )
        if isinstance(given, TensorType) and isinstance(wanted, TensorType):
            for left, right in zip(given.shape, wanted.shape, strict=True):
                open_pairs += [] if _learned(left, right, sizes) else [(left, right, where)]
    assumed: list[Constraint] = []
    for left, right, where in open_pairs:
        a, b = evaluate(left, sizes), evaluate(right, sizes)
        if equal(a, b) is None:
            assumed.append(Constraint(a, b, where))
        elif not equal(a, b):
            raise UsageError(f"{where}: size {to_text(a)} cannot be {to_text(b)}")
    try:
        return specialize(first, sizes), specialize(second, sizes), tuple(assumed)
    except InvalidModelError as error:
        error.message = f"the sizes of what is connected do not fit the model: {error.message}"
        raise


def _learned(given: Dim, wanted: Dim, sizes: dict[Symbol, Dim]) -> bool:
    """Whether one of the two sizes could be set to the other; both are evaluated with what is known before."""
    left, right = evaluate(given, sizes), evaluate(wanted, sizes)
    if equal(left, right):
        return True
    if isinstance(left, Symbol) and isinstance(right, Symbol):
        joint = _joint(left, right)
        _bind(left, joint, sizes)
        _bind(right, joint, sizes)
        return True
    for symbol, size in ((right, left), (left, right)):
        if isinstance(symbol, Symbol) and symbol not in symbols_of(size):
            _bind(symbol, size, sizes)
            return True
    return False


def _bind(symbol: Symbol, size: Dim, sizes: dict[Symbol, Dim]) -> None:
    """Sets a symbol to a size, in what is known already too."""
    for known, held in sizes.items():
        sizes[known] = evaluate(held, {symbol: size})
    sizes[symbol] = size


def _joint(a: Symbol, b: Symbol) -> Symbol:
    """A symbol for a size that keeps the bounds of both; that both may be one size was checked before."""
    ends = [end for end in (a.maximum, b.maximum) if end is not None]
    return Symbol(
        a.name or b.name,
        minimum=max(a.minimum, b.minimum),
        maximum=min(ends) if ends else None,
        divisor=math.lcm(a.divisor, b.divisor),
    )


class _Labels:
    """The names of the second graph as they stand beside those of the first."""

    def __init__(self, first: Graph, second: Graph, prefix: str | None, outputs: Sequence[str]) -> None:
        self.names = dict(first.names)
        self.explicit = prefix is not None
        self.prefix = prefix if prefix is not None else f"{_word(second)}_"
        self.taken = set(first.names.values())
        self.outputs = set(outputs)

    def output(self, name: str) -> str:
        """The name of an output of the second."""
        return self._free(name, self.outputs, "output")

    def values(self, second: Graph, inputs: Sequence[Value]) -> dict[Value, str]:
        """The names of all values; inputs are named first, for it is they that a caller knows."""
        own = [*inputs, *(value for value in second.names if value not in set(inputs))]
        for value in own:
            name = second.names.get(value)
            if name is not None and value not in self.names:
                self.names[value] = self._free(name, self.taken, "input" if value in inputs else "")
        return self.names

    def _free(self, name: str, taken: set[str], kind: str) -> str:
        wanted = f"{self.prefix}{name}" if self.explicit or name in taken else name
        if kind and self.explicit and wanted in taken:
            raise UsageError(f"both models have an {kind} called {wanted!r}", hint="choose another --prefix")
        return fresh(wanted, taken)
