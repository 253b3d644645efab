"""The rules that every graph keeps, checked; an error names the layer that breaks one.

Rules (numbers are cited in the messages):
    G1  every value that is read is a graph input, a parameter, or the output of a node.
    G2  inputs and parameters are all different values, and no node makes one.
    G3  every node's outputs have the types that its operator infers from its operands.
    G4  a parameter's elements have the parameter's type.
    G5  names are different, and not empty; output names likewise.
    G6  bodies keep the same rules, and capture nothing; so do the graphs of training steps.
    T1  every binding of a training step gives a weight of the model or the step an output of its type; steps update
        no weight twice.
    T2  an initialization has no inputs.
    T3  weights and inputs that a step has in common with the model have the same types.
"""

from __future__ import annotations

from collections.abc import Iterable

from xir.errors import InvalidModelError
from xir.ir.builder import sourced
from xir.ir.dims import equal
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.training import verify_training
from xir.ir.types import MapType, OptionalType, SequenceType, TensorType, Type
from xir.ir.walk import all_graphs


def verify(graph: Graph) -> None:
    """Checks every rule on the graph, on its bodies, and on its steps of training.

    Raises:
        InvalidModelError: at the first rule that is broken.
    """
    for each in all_graphs(graph):
        try:
            _verify_one(each)
        except InvalidModelError as error:
            if each is not graph:
                error.message = f"G6: a body breaks a rule: {error.message}"
            raise
    for number, step in enumerate(graph.training, 1):
        for part in step.graphs:
            try:
                verify(part)
            except InvalidModelError as error:
                error.message = f"G6: training step {number} breaks a rule: {error.message}"
                raise
    verify_training(graph)


def _verify_one(graph: Graph) -> None:
    _verify_names(graph)
    _verify_leaves(graph)
    known = {*graph.inputs, *(parameter.value for parameter in graph.parameters)}
    for node in graph.nodes:
        with sourced(*node.source):
            _verify_node(graph, node, known)
    for value in graph.outputs:
        if not _is_made(value, known):
            raise InvalidModelError(f"G1: an output of graph {graph.name!r} is neither made by a node nor an input")


def _is_made(value: Value, known: set[Value]) -> bool:
    if value.node is None:
        return value in known
    return value.index < len(value.node.outputs) and value.node.outputs[value.index] is value


def compatible(a: Type, b: Type) -> bool:
    """Whether a value of one type may be one of the other: sizes that cannot be told apart pass."""
    match a, b:
        case TensorType(), TensorType():
            return (
                a.dtype is b.dtype
                and a.rank == b.rank
                and all(equal(m, n) is not False for m, n in zip(a.shape, b.shape, strict=True))
            )
        case SequenceType(), SequenceType():
            return compatible(a.element, b.element)
        case OptionalType(), OptionalType():
            return compatible(a.element, b.element)
        case MapType(), MapType():
            return a.key is b.key and compatible(a.element, b.element)
        case _:
            return a == b


def _verify_node(graph: Graph, node: Node, known: set[Value]) -> None:
    for value in node.inputs:
        if value is not None and not _is_made(value, known):
            raise InvalidModelError(
                f"G1: {node.op.name} in graph {graph.name!r} reads a value that is neither made by a node, "
                "nor an input, nor a parameter"
            )
    try:
        inferred = node.op.infer(node.inputs, node.attributes)
    except InvalidModelError as error:
        error.message = f"G3: {error.message}"
        raise
    held = tuple(value.type for value in node.outputs)
    fits = len(inferred) == len(held) and all(compatible(a, b) for a, b in zip(inferred, held, strict=True))
    if not fits:
        raise InvalidModelError(f"G3: {node.op.name} makes {_list(inferred)}, the graph says {_list(held)}")


def _list(types: Iterable[Type]) -> str:
    return ", ".join(repr(type) for type in types)


def _verify_leaves(graph: Graph) -> None:
    leaves = [*graph.inputs, *(parameter.value for parameter in graph.parameters)]
    if len(set(leaves)) != len(leaves) or any(value.node is not None for value in leaves):
        raise InvalidModelError(f"G2: inputs and parameters of graph {graph.name!r} must be different free values")
    for parameter in graph.parameters:
        if parameter.value.type != parameter.constant.type:
            name = graph.name_of(parameter.value)
            raise InvalidModelError(f"G4: {name!r} is {parameter.value.type!r}, its data {parameter.constant.type!r}")


def _verify_names(graph: Graph) -> None:
    for kind, names in (("value", list(graph.names.values())), ("output", list(graph.output_names))):
        seen: set[str] = set()
        for name in names:
            if name in seen or not name:
                raise InvalidModelError(f"G5: {kind} name {name!r} of graph {graph.name!r} is empty or stands twice")
            seen.add(name)
