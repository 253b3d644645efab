"""From a graph to the text of a module: every operator said, what nobody reads left out, the rest written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xir.backends.export import legal
from xir.backends.export.torch._blocks import Instance, find_blocks
from xir.backends.export.torch._code import Code, Said, arguments_of, sized_places
from xir.backends.export.torch._form import Answer, Argument, Block, Layer, Refusal, Say, decomposed
from xir.backends.export.torch._literals import TORCH
from xir.backends.export.torch._module import Module
from xir.backends.export.torch._names import identifier
from xir.backends.export.torch._tables import FORMS
from xir.errors import Problem, UnsupportedError
from xir.ir.constant import Constant
from xir.ir.dims import Extremum, Polynomial, Quotient, Symbol, symbols_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, OptionalType, SequenceType, TensorType, Type
from xir.ir.walk import all_graphs


@dataclass(frozen=True, slots=True)
class Program:
    """A module as text.

    Attributes:
        graph: in operators that have a form each.
        initial: the lines of `__init__`.
        forward: the lines of `forward`.
        arguments: the names of its arguments.
        begun: how many of the last ones may be left out: they are state that begins with what the module holds.
        module: what holds the weights.
        operators: {kind of node: how many}.
        helpers: the functions of `_helpers` that it calls.
        classes: the lines of the blocks that repeat.
    """

    graph: Graph
    initial: Sequence[str]
    forward: Sequence[str]
    arguments: Sequence[str]
    begun: int
    module: Module
    operators: Mapping[str, int]
    helpers: Sequence[str]
    classes: Sequence[Sequence[str]]


def answer(node: Node) -> Answer:
    """What the tables say of one node: a form, simpler operators, or a refusal."""
    form = FORMS.get(node.op.name)
    refusal = _refused_type(node)
    if refusal is not None:
        return refusal
    if form is None:
        return decomposed(node)
    said = form(node)
    if isinstance(said, Refusal):
        pieces = decomposed(node)
        return said if isinstance(pieces, Refusal) else pieces
    return said


def _refused_type(node: Node) -> Refusal | None:
    for value in (*node.inputs, *node.outputs):
        dtype = None if value is None else element_of(value.type)
        if dtype is not None and dtype not in TORCH:
            return Refusal(f"PyTorch has no elements of {dtype}")
    return None


def element_of(type: Type) -> DType | None:
    """The element type of a tensor, or of what a sequence or optional holds."""
    while isinstance(type, SequenceType | OptionalType):
        type = type.element
    return getattr(type, "dtype", None)


def legalize(graph: Graph) -> Graph:
    """The graph in operators that have a form each.

    Raises:
        UnsupportedError: operators that have none; all of them are listed.
    """
    return legal.legalize(graph, answer, "PyTorch")


def plan(graph: Graph, state: Mapping[str, Constant] | None = None) -> Program:
    """The module's text and its weights.

    Args:
        graph: the model.
        state: what inputs that are its state begin with, by name.

    Raises:
        UnsupportedError: operators, element types or sizes that have no form; all of the first two are listed.
    """
    _check_boundary(graph)
    legal = legalize(graph)
    said: dict[Node, Said] = {}
    for part in all_graphs(legal):
        said.update(_needed(part))
    module = Module(legal, said)
    device = _Device(legal)
    code = Code(module, said, "")
    arguments: list[str] = []
    for value in legal.inputs:
        name = code.fresh(identifier(legal.name_of(value)).lower() or "x")
        code.bind(value, name)
        arguments.append(name)
    code.device = device.text(arguments)
    begun = _begin(code, legal, module, arguments, state or {})
    groups = find_blocks(legal, said)
    _write(code, legal, module, groups)
    classes = [(f"class Block{number}(nn.Module):", *group[0].text) for number, group in enumerate(groups, start=1)]
    helpers = code.helpers.union(*(group[0].helpers for group in groups))
    results = [code.read(value) for value in legal.outputs]
    code.line(f"return {', '.join(results)}" if results else "return ()")
    operators: dict[str, int] = {}
    for node in legal.nodes:
        if node in said:
            operators[node.op.name] = operators.get(node.op.name, 0) + 1
    return Program(
        legal,
        module.lines,
        code.lines,
        arguments,
        begun,
        module,
        dict(sorted(operators.items())),
        sorted(helpers),
        classes,
    )


def _begin(code: Code, graph: Graph, module: Module, arguments: Sequence[str], state: Mapping[str, Constant]) -> int:
    """Lines that let the state begin where the caller gives none; answers how many of the last inputs that are."""
    count = 0
    for name, argument in zip(reversed(graph.input_names), reversed(arguments), strict=True):
        if name not in state:
            break
        held = module.beginning(name, state[name])
        code.line(f"{argument} = self.{held} if {argument} is None else {argument}")
        count += 1
    return count


def _write(code: Code, graph: Graph, module: Module, groups: Sequence[Sequence[Instance]]) -> None:
    """The lines of all nodes; those of a block are one call."""
    first: dict[Node, tuple[int, Instance]] = {}
    inside: set[Node] = set()
    for number, group in enumerate(groups, start=1):
        for each in group:
            first[each.nodes[0]] = number, each
            inside.update(each.nodes)
    pending: list[Node] = []
    for node in graph.nodes:
        if node in first:
            code.nodes(graph, pending)
            pending = []
            number, each = first[node]
            code.call(graph, module.block(f"Block{number}", each.name, each.module), each.inputs, each.result)
        elif node not in inside:
            pending.append(node)
    code.nodes(graph, pending)


class _Device:
    """Where new tensors are made: where the first input or weight is."""

    def __init__(self, graph: Graph) -> None:
        self._place = next(
            (index for index, value in enumerate(graph.inputs) if isinstance(value.type, TensorType)), None
        )

    def text(self, arguments: Sequence[str]) -> str:
        """The code of the device."""
        return "None" if self._place is None else f"{arguments[self._place]}.device"


def _check_boundary(graph: Graph) -> None:
    """Refuses inputs and weights that PyTorch has no element type for."""
    problems = [
        Problem("input", (graph.name_of(value),), f"PyTorch has no elements of {element_of(value.type)}", None)
        for value in graph.inputs
        if element_of(value.type) not in TORCH
    ]
    if problems:
        names = ", ".join(problem.layers[0] for problem in problems)
        raise UnsupportedError(f"{len(problems)} inputs have no form in PyTorch: {names}", problems=tuple(problems))


def _needed(graph: Graph) -> dict[Node, Said]:
    """What the nodes say of which a result is read, in the order of the nodes; literals say nothing."""
    places: dict[Symbol, Value] = {}
    made = [*graph.inputs, *(value for node in graph.nodes for value in node.outputs)]
    for symbol, value, _ in sized_places(made):
        places.setdefault(symbol, value)
    live = set(graph.outputs)
    for value in graph.outputs:
        live.update(_places_of(value.type, places))
    said: dict[Node, Said] = {}
    for node in reversed(graph.nodes):
        if node.op.name == "constant" or not any(value in live for value in node.outputs):
            continue
        found = answer(node)
        if not isinstance(found, Say | Layer | Block):
            raise TypeError(f"{node.op.name} has no form after legalisation")
        said[node] = found
        if isinstance(found, Block):
            live.update(value for value in node.inputs if value is not None)
            continue
        if isinstance(found, Layer):
            live.update(value for value, _ in found.weights.values())
            live.update(item for item in arguments_of(found.otherwise) if isinstance(item, Value))
        for item in arguments_of(found):
            live.update(_read(item, places))
    return dict(reversed(said.items()))


def _read(item: Argument, places: Mapping[Symbol, Value]) -> list[Value]:
    """The values that an argument needs: itself, or those that a size is read off."""
    match item:
        case Value():
            return [item]
        case Symbol() | Quotient() | Extremum() | Polynomial():
            return [places[symbol] for symbol in symbols_of(item) if symbol in places]
        case _:
            return []


def _places_of(type: Type, places: Mapping[Symbol, Value]) -> list[Value]:
    shape = type.shape if isinstance(type, TensorType) else ()
    return [places[symbol] for size in shape for symbol in symbols_of(size) if symbol in places]
