"""A graph cut at results of nodes before it is read: they become its inputs, and what they need is not looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from xir.errors import UsageError, XirError
from xir.frontends._contents import Contents
from xir.frontends._near import did_you_mean
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._outputs import PLACEHOLDERS, wanted_outputs
from xir.frontends.tensorflow._placed import placed, pruned, unread
from xir.frontends.tensorflow._reach import needed
from xir.frontends.tensorflow._scope import Scope
from xir.frontends.tensorflow._site import Site
from xir.frontends.tensorflow.importer import Importer
from xir.frontends.tensorflow.model import Edge, TfGraph, parse_edge
from xir.frontends.tensorflow.op_defs import operator
from xir.frontends.tensorflow.saved_model import Signature
from xir.frontends.tensorflow.tensors import shape_of_message, type_of
from xir.ir.constraints import collecting
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import TensorType, Type

Trial: TypeAlias = Callable[[Mapping[str, Type]], Importer]
"""Makes an import of the whole graph, with types for some of its inputs."""


_DEFAULTED = "PlaceholderWithDefault"
"""What is an input where it is named, and else its default."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A graph that was cut.

    Attributes:
        graph: its graph.
        signature: what its inputs and outputs are called, or None.
        inputs: types of its inputs that are told, by name.
    """

    graph: TfGraph
    signature: Signature | None
    inputs: Mapping[str, Type]


def cut(whole: Cut, names: Sequence[str], outputs: Sequence[str] | None, trial: Trial) -> Cut:
    """The graph in which what is named and is no input yet becomes one.

    Its type is what is told of it; else that of what is built of the nodes before it; else what its own node says.

    Args:
        whole: the graph, with types of inputs, and of what is to become one.
        names: what is to become an input besides.
        outputs: the results to compute, or None.
        trial: makes an import of the whole graph.

    Raises:
        UsageError: there is no such result, or nothing that is computed needs it; nothing tells its type.
    """
    graph, signature = whole.graph, whole.signature
    told = {_canonical(graph, signature, name): type for name, type in whole.inputs.items()}
    asked = [_canonical(graph, signature, name) for name in names]
    edges = {edge: name for name in (*told, *asked) if (edge := _inner(whole, name, name in told)) is not None}
    inputs = {name: type for name, type in told.items() if name not in edges.values()}
    if not edges:
        return replace(whole, inputs=inputs)
    typed = {edge: told[name] for edge, name in edges.items() if name in told}
    types = typed | _types(trial(inputs), typed, [edge for edge in edges if edge not in typed])
    ends = unread(graph) if signature is None and outputs is None else []
    ends += [edge.node for edge in wanted_outputs(graph, signature, outputs).values()]
    new = pruned(placed(graph, types), dict.fromkeys(ends))
    needless = [name for name in edges.values() if name not in new.nodes]
    if needless:
        raise UsageError(f"nothing that is computed needs {needless[0]!r}", hint="leave it out, or name other outputs")
    return Cut(new, None if signature is None else _signed(signature, new, types), inputs)


def _canonical(graph: TfGraph, signature: Signature | None, name: str) -> str:
    """The name as graphs spell it (`node` for `node:0`), or that of an input of the signature.

    Raises:
        UsageError: there is no such result.
    """
    if signature is not None and name in signature.inputs:
        return name
    edge = parse_edge(name)
    if edge is not None and not edge.output and edge.node in graph.nodes and not name.startswith("^"):
        return str(edge)
    known = sorted(signature.inputs if signature is not None else _placeholders(graph))
    what = "graph" if signature is None else "signature"
    raise UsageError(
        f"the {what} has no inputs {[name]}, and there is no node of that name; it has {known[:_SHOWN]}",
        hint=did_you_mean(name, (*graph.nodes, *known)),
    )


_SHOWN = 20


def _placeholders(graph: TfGraph) -> list[str]:
    return [node.name for node in graph.nodes.values() if node.kind in PLACEHOLDERS]


def _inner(whole: Cut, name: str, is_told: bool) -> Edge | None:
    """The result of that name; None where it is an input already, as one with a default is where its type is told."""
    edge = parse_edge(name)
    if edge is None or (whole.signature is not None and name in whole.signature.inputs):
        return None
    fed = whole.signature is None and whole.graph.nodes[edge.node].kind in PLACEHOLDERS
    return None if fed and (is_told or whole.graph.nodes[edge.node].kind != _DEFAULTED) else edge


def _signed(signature: Signature, graph: TfGraph, types: Mapping[Edge, Type]) -> Signature:
    """The signature with the inputs that outputs still need, and the new ones."""
    kept = {node.name for node in needed(graph, [edge.node for edge in signature.outputs.values()])}
    inputs = {name: fed for name, fed in signature.inputs.items() if fed[0].node in kept}
    inputs |= {str(edge): (Edge(str(edge), "", 0), type) for edge, type in types.items()}
    return replace(signature, inputs=inputs)


def _types(importer: Importer, typed: Mapping[Edge, Type], edges: Sequence[Edge]) -> dict[Edge, Type]:
    """The types of results as far as the graph tells them; sizes that are computed of others are sizes of their own."""
    scope = Scope(importer.model.nodes)
    sizes: dict[Dim, Dim] = {}
    with collecting():
        importer.take_given(scope)
        for edge, type in typed.items():
            held = list(scope.results.get(edge.node, ()))
            held += [None] * (edge.place + 1 - len(held))
            held[edge.place] = Value(type)
            scope.results[edge.node] = tuple(held)
        return {edge: _loose(_built(importer, scope, edge) or _said(importer, edge), sizes) for edge in edges}


def _built(importer: Importer, scope: Scope, edge: Edge) -> Type | None:
    """The type of what is built of a node; None where what it needs cannot be read, which is why the graph is cut."""
    if importer.model.nodes[edge.node].kind == _DEFAULTED:
        return None
    try:
        importer.evaluate(scope, [edge.node])
    except XirError:
        return None
    results = scope.results.get(edge.node, ())
    made = results[edge.place] if edge.place < len(results) else None
    return made.type if isinstance(made, Value) else None


def _said(importer: Importer, edge: Edge) -> Type:
    """The type that a node itself tells of its result, with the sizes of its `shape` or `_output_shapes`."""
    node = importer.model.nodes[edge.node]
    declared = operator(node.kind)
    types = [] if declared is None else Site(node, declared, Knowledge(Contents({}), {})).result_types()
    if edge.place >= len(types):
        raise UsageError(
            f"nothing tells the type of {str(edge)!r}", hint=f"tell it: --input {edge}=f32[...]", layer=node.name
        )
    if node.kind == _DEFAULTED:
        shape = node.attributes.get("shape")
        return type_of(types[0], None if shape is None else shape_of_message(shape.message("shape")))
    held = node.attributes.get("_output_shapes")
    listed = () if held is None else held.required("list").messages("shape")
    return type_of(types[edge.place], shape_of_message(listed[edge.place]) if edge.place < len(listed) else None)


def _loose(type: Type, sizes: dict[Dim, Dim]) -> Type:
    if not isinstance(type, TensorType):
        return type
    kept = (int, Symbol)
    return type.with_shape(
        tuple(size if isinstance(size, kept) else sizes.setdefault(size, Symbol()) for size in type.shape)
    )
