"""A part of a graph, cut out between any values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from xir.errors import UsageError
from xir.ir.constraints import Constraint
from xir.ir.dims import Symbol, SymbolicDim, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Attribute, Node, Value
from xir.ir.rewrite import Rewriter, drop_unused_parameters
from xir.ir.training import without_training
from xir.ir.types import TensorType
from xir.ir.verify import verify
from xir.surgery.names import Names, listed, readers_of


def extract(graph: Graph, *, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None) -> Graph:
    """The part of a graph that computes `outputs` from `inputs`.

    Any value may be cut at: the result of a layer, a weight, a graph input. A layer's name stands for what it makes.
    What is cut becomes an input of its own name and type; what the part needs of the weights goes with it, and nothing
    else.

    Args:
        graph: the model.
        inputs: names of the values that the part takes, in this order; None takes the graph's inputs that it needs,
            be it only for their sizes.
        outputs: names of the values that the part gives, in this order; None gives the graph's outputs.

    Raises:
        UsageError: if there is no value of such a name, or the part needs an input, or a size, that `inputs` lack; the
            error lists what to add.
    """
    names = Names(graph)
    wanted = _found(names, outputs) if outputs is not None else dict(_outputs(graph))
    cut = None if inputs is None else tuple(dict.fromkeys(_found(names, inputs).values()))
    if not wanted or cut == ():
        raise UsageError(f"no {'input' if wanted else 'output'} is named", hint="xir inspect --names lists the names")
    return extract_values(without_training(graph, "it is of the whole model"), cut, wanted)


def extract_values(graph: Graph, inputs: Sequence[Value] | None, outputs: Mapping[str, Value]) -> Graph:
    """The part of a graph between values, as `extract` cuts it.

    Args:
        graph: the model.
        inputs: the values that the part takes, in this order; None takes the graph's inputs that it needs.
        outputs: {name: value} of what the part gives, in this order.

    Raises:
        UsageError: if the part needs an input, or a size, that `inputs` lack.
    """
    part = _cut(graph, inputs or (), tuple(outputs.values()), tuple(outputs))
    return _checked(graph, part, None if inputs is None else {graph.name_of(value) for value in inputs})


def _outputs(graph: Graph) -> zip[tuple[str, Value]]:
    return zip(graph.output_names, graph.outputs, strict=True)


def _found(names: Names, wanted: Sequence[str]) -> dict[str, Value]:
    """{name: value}; a layer with several results gives each by its own name."""
    found: dict[str, Value] = {}
    for name in wanted:
        values = names.find(name)
        for value in values:
            key = name if len(values) == 1 else names.graph.name_of(value)
            if key in found:
                raise UsageError(f"{key!r} is named twice")
            found[key] = value
    return found


def _cut(graph: Graph, cut: Sequence[Value], outputs: tuple[Value, ...], output_names: tuple[str, ...]) -> Graph:
    """The graph with a new input in the place of each value that is cut, and the part's outputs."""
    new = {value: Value(value.type) for value in cut}
    whole = Graph(graph.name, graph.inputs, outputs, output_names, graph.parameters, graph.names, graph.constraints)
    order = iter(whole.nodes)

    def replace(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
        old = next(order)
        if not any(value in new for value in old.outputs):
            return None
        return tuple(new.get(before, after) for before, after in zip(old.outputs, node.outputs, strict=True))

    leaves = {old: value for old, value in new.items() if old.node is None}
    built = Rewriter(whole).run(replace, leaves=leaves)
    # A value that nothing read until now has a name of its own too: it is an input that is asked for.
    names = dict(built.names) | {value: graph.name_of(old) for old, value in new.items()}
    held = [p for p in built.parameters if p.value not in new.values()]
    inputs = (*new.values(), *(value for value in built.inputs if value not in new.values()))
    alive = {*inputs, *(p.value for p in held), *(value for node in built.nodes for value in node.outputs)}
    return drop_unused_parameters(
        Graph(
            built.name,
            inputs,
            built.outputs,
            output_names,
            tuple(held),
            {value: name for value, name in names.items() if value in alive},
            built.constraints,
        )
    )


def _checked(graph: Graph, part: Graph, cut: set[str] | None) -> Graph:
    """The part with the inputs that it needs, or the reason why it cannot stand alone."""
    readers = readers_of(part, part.inputs)
    read = [value for value in part.inputs if value in readers or value in part.outputs]
    if cut is None:
        lost = _untold(replace(part, inputs=tuple(read)))
        inputs = tuple(v for v in part.inputs if v in read or any(symbol in lost for symbol in _symbols_in(v)))
    else:
        missing = [value for value in read if part.name_of(value) not in cut]
        if missing:
            raise _lacking(part, missing, readers, cut)
        inputs = tuple(value for value in part.inputs if part.name_of(value) in cut)
    told = _told_sizes(inputs, part)
    alone = Graph(
        part.name,
        inputs,
        part.outputs,
        part.output_names,
        part.parameters,
        {value: name for value, name in part.names.items() if value in inputs or value not in part.inputs},
        tuple(constraint for constraint in part.constraints if _is_about(constraint, told)),
    )
    _check_sizes(graph, alone)
    verify(alone)
    return alone


def _lacking(part: Graph, missing: Sequence[Value], readers: Mapping[Value, Node], cut: set[str]) -> UsageError:
    names = [part.name_of(value) for value in missing]
    first = readers.get(missing[0])
    reader = "an output is that input itself"
    if first is not None:
        reader = f"{first.op.name} of {first.source[0]}" if first.source else f"operator {first.op.name}"
        reader += f" reads {names[0]!r}: {missing[0].type!r}"
    every = [*(part.name_of(value) for value in part.inputs if part.name_of(value) in cut), *names]
    return UsageError(
        f"the part needs {listed(names)} too; {reader}",
        hint=f"add {'it' if len(names) == 1 else 'them'}: --inputs {','.join(every)}",
    )


def _told_sizes(inputs: Sequence[Value], part: Graph) -> set[Symbol]:
    """The symbols that the part's values have in their shapes."""
    values = (*inputs, *(value for node in part.nodes for value in node.outputs))
    return {symbol for value in values for symbol in _symbols_in(value)}


def _is_about(constraint: Constraint, told: set[Symbol]) -> bool:
    return all(symbol in told for dim in (constraint.left, constraint.right) for symbol in symbols_of(dim))


def _check_sizes(graph: Graph, part: Graph) -> None:
    """Refuses a part whose operators mention a size that nothing in the part tells.

    Raises:
        UsageError: with the values of the graph that would tell it.
    """
    known = _untold(graph)
    for symbol in _untold(part):
        if symbol in known:
            continue
        values = (*graph.inputs, *(value for node in graph.nodes for value in node.outputs))
        tellers = [
            graph.name_of(value) for value in values if isinstance(value.type, TensorType) and symbol in value.shape
        ]
        raise UsageError(
            f"the part needs the size {symbol.name or 'that is found at run time'}, which none of its inputs tells",
            hint=f"add one of the values that have it: {listed(tellers)}" if tellers else "cut elsewhere",
        )


def _untold(graph: Graph) -> dict[Symbol, None]:
    """The symbols in attributes that no input tells, nor a node that finds them out (`xir.ir.walk.toposort`)."""
    told = {symbol for value in graph.inputs for symbol in _symbols_in(value)}
    asked: dict[Symbol, None] = {}
    for node in graph.nodes:
        mentioned = _mentioned(node)
        asked.update(dict.fromkeys(mentioned))
        takes_sizes = sum(value is not None for value in node.inputs) > 1
        made = (symbol for value in node.outputs for symbol in _symbols_in(value))
        told.update(symbol for symbol in made if takes_sizes or symbol not in mentioned)
    return {symbol: None for symbol in asked if symbol not in told}


def _symbols_in(value: Value) -> list[Symbol]:
    shape = value.type.shape if isinstance(value.type, TensorType) else ()
    return [symbol for dim in shape for symbol in symbols_of(dim)]


def _mentioned(node: Node) -> list[Symbol]:
    """The symbols that a node's attributes mention."""
    found: list[Symbol] = []
    pending: list[Attribute] = list(node.attributes.values())
    while pending:
        item = pending.pop()
        if isinstance(item, tuple):
            pending += item
        elif isinstance(item, SymbolicDim):
            found += symbols_of(item)
    return found
