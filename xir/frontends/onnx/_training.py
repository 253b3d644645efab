"""Training information of an ONNX file: each step as closed graphs, which hold what they need of the model's nodes.

onnx.proto, TrainingInfoProto: a step is run on "the graph obtained by combining the inference graph and the algorithm
graph", their inputs, initializers, nodes and outputs one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xir.errors import InvalidModelError
from xir.frontends.onnx._frame import Frame
from xir.frontends.onnx.model import OnnxGraph, OnnxModel, SparseTensor
from xir.ir.constraints import Constraint
from xir.ir.dims import Dim, symbols_of
from xir.ir.graph import Graph, Parameter
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ir.walk import free_symbols, toposort


def changed_names(model: OnnxModel) -> frozenset[str]:
    """Names of the initializers that training changes: what the file says of them is only where they begin."""
    pairs = (pair for step in model.training for pair in (*step.initialization_bindings, *step.update_bindings))
    return frozenset(name for name, _ in pairs)


def wanted_outputs(graph: OnnxGraph, bindings: Sequence[tuple[str, str]], model: OnnxGraph | None) -> tuple[str, ...]:
    """Outputs of a step's graph: its own, and those of the model that a binding names.

    The values "must be output names of 'algorithm' or 'ModelProto.graph.output'" (onnx.proto, update_binding).
    """
    own = [info.name for info in graph.outputs]
    theirs = {info.name for info in model.outputs} if model is not None else set[str]()
    return tuple(dict.fromkeys((*own, *(output for _, output in bindings if output in theirs))))


def check_names(graph: OnnxGraph, model: Frame) -> None:
    """Checks that a step makes nothing that the model makes: the combined graph has every name once.

    Raises:
        InvalidModelError: the first name that stands twice.
    """
    for tensor in graph.initializers:
        name = tensor.values.name if isinstance(tensor, SparseTensor) else tensor.name
        if name in model.values:
            raise InvalidModelError(f"initializer {name!r} of training is the model's too")
    for node in graph.nodes:
        for name in node.outputs:
            if name and name in model.values:
                raise InvalidModelError(
                    f"{name!r} is made by the model and by its training", layer=node.label, kind=node.kind
                )


def closed(
    graph: OnnxGraph,
    frame: Frame,
    outputs: dict[str, Value],
    own: Sequence[Value],
    model_inputs: Sequence[Value],
    bound: frozenset[str],
    constraints: Sequence[Constraint],
) -> Graph:
    """A step's graph that stands alone.

    Args:
        graph: as it is in the file.
        frame: its names; the parent's are the model's.
        outputs: its outputs by name.
        own: the inputs that are its own.
        model_inputs: the model's inputs, of which it takes those that it needs.
        bound: names of weights that training changes.
        constraints: what was assumed of sizes, for the model and for the step.
    """
    results = tuple(outputs.values())
    read = {value for node in toposort(results) for value in node.inputs} | set(results)
    frames = [frame] if frame.parent is None else [frame.parent, frame]
    names: dict[Value, str] = {}
    for name, value in ((name, value) for each in frames for name, value in each.values.items()):
        names.setdefault(value, name)
    parameters = tuple(
        parameter
        for each in frames
        for parameter in each.parameters
        if parameter.value in read or (each is frame and names[parameter.value] in bound)
    )
    inputs = _needed(results, read, own, model_inputs, parameters)
    told = {symbol for dim in _sizes((*inputs, *(p.value for p in parameters))) for symbol in symbols_of(dim)}
    kept = tuple(
        constraint
        for constraint in constraints
        if all(symbol in told for dim in (constraint.left, constraint.right) for symbol in symbols_of(dim))
    )
    live = {*inputs, *(p.value for p in parameters)}
    live.update(value for node in toposort(results) for value in node.outputs)
    named = {value: name for value, name in names.items() if value in live}
    return Graph(graph.name or "training", inputs, results, tuple(outputs), parameters, named, kept)


def _needed(
    results: tuple[Value, ...],
    read: set[Value | None],
    own: Sequence[Value],
    model_inputs: Sequence[Value],
    parameters: Sequence[Parameter],
) -> tuple[Value, ...]:
    """The inputs of a step: those of the model that it reads or that tell sizes it mentions, then its own."""
    leaves = [value for value in (*model_inputs, *own) if value in read or value in own]
    open_sizes = set(free_symbols(results, (*leaves, *(p.value for p in parameters))))
    telling = [value for value in model_inputs if value in read or open_sizes & set(_sizes((value,)))]
    return (*telling, *own)


def _sizes(values: Sequence[Value]) -> Iterator[Dim]:
    for value in values:
        if isinstance(value.type, TensorType):
            yield from value.type.shape
