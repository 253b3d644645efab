"""Which nodes of a graph are its inputs and outputs, and which must not be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xir.errors import InvalidModelError, UsageError, XirError
from xir.frontends._contents import Contents
from xir.frontends._near import did_you_mean
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._placed import HANDED_OUT, SOURCES, unread
from xir.frontends.tensorflow._site import Site
from xir.frontends.tensorflow.model import Edge, TfGraph, TfNode, parse_edge
from xir.frontends.tensorflow.op_defs import operator
from xir.ir.node import UNKNOWN_RANK, Value
from xir.ir.types import UnrankedType

if TYPE_CHECKING:
    from xir.frontends.tensorflow.saved_model import Signature

PLACEHOLDERS = frozenset(("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"))
"""Nodes that are inputs of the model."""

_NO_RESULTS = PLACEHOLDERS | {"Const", "NoOp", "Assert", "VariableV2", "Variable", "VarHandleOp"}
"""Nodes that are no outputs although nothing reads them."""

_FILES = "it reads or writes files of the machine"
_CODE = "it runs code that is not in the graph"
UNSAFE = {
    **dict.fromkeys(("ReadFile", "WriteFile", "MatchingFiles"), _FILES),
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), _CODE),
    **dict.fromkeys(("LoadLibrary", "XlaLaunch", "XlaCustomCallV2", "TPUExecute"), _CODE),
}
"""Operators that no model may have, and why."""

_FED = "what it hands out is an input of a graph, not of a function, where it tells the types of tensors"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(SOURCES | HANDED_OUT, _FED),
}
"""Operators that are not read, and why."""


def unsafe_nodes(graph: TfGraph) -> Iterator[tuple[TfNode, str]]:
    """The nodes that touch files or run code, with the reason why that is refused, wherever they stand."""
    functions = (node for function in graph.functions.values() for node in function.nodes.values())
    for node in (*graph.nodes.values(), *functions):
        reason = UNSAFE.get(node.kind)
        if reason is not None:
            yield node, reason


def found_outputs(graph: TfGraph) -> tuple[Edge, ...]:
    """The results of the nodes that no other node reads."""
    ends = [node for node in map(graph.nodes.__getitem__, unread(graph)) if node.kind not in _NO_RESULTS]
    return tuple(Edge(node.name, "", index) for node in ends for index in range(_results(node)))


def wanted_outputs(graph: TfGraph, signature: Signature | None, outputs: Sequence[str] | None) -> dict[str, Edge]:
    """The outputs by name, as they were asked for or are found.

    Raises:
        UsageError: there is no such result, or output of the signature.
        InvalidModelError: there are none, or the signature names what is not there.
    """
    if signature is not None:
        return _signed(graph, signature, outputs)
    if outputs is None:
        found = {str(edge): edge for edge in found_outputs(graph)}
        if not found:
            raise InvalidModelError("the graph has no outputs", hint="name some with --output")
        return found
    wanted: dict[str, Edge] = {}
    for name in outputs:
        edge = parse_edge(name)
        if edge is None or edge.node not in graph.nodes:
            close = did_you_mean(name, graph.nodes)
            raise UsageError(f"there is no node {name!r}", hint=close or "name a result like node or node:1")
        wanted[name] = edge
    return wanted


def _signed(graph: TfGraph, signature: Signature, outputs: Sequence[str] | None) -> dict[str, Edge]:
    """The outputs of the signature in the order of their nodes, or those that were asked for."""
    known = signature.outputs
    for name, edge in known.items():
        if edge.node not in graph.nodes:
            raise InvalidModelError(f"output {name!r} of the signature is {str(edge)!r}, which is not there")
    if outputs is None:
        order = sorted(known, key=lambda name: (graph.nodes[known[name].node].order, known[name].place, name))
        return {name: known[name] for name in order}
    unknown = [name for name in outputs if name not in known]
    if unknown:
        raise UsageError(f"the signature has no outputs {unknown}; it has {sorted(known)}")
    return {name: known[name] for name in outputs}


def untold_ranks(error: XirError, inputs: Mapping[str, Value]) -> str | None:
    """What to do about an error of a tensor whose rank is not known, where the file does not tell that of inputs."""
    types = {name: value.type.dtype for name, value in inputs.items() if isinstance(value.type, UnrankedType)}
    if error.code != f"XIR-E{UNKNOWN_RANK}" or not types:
        return None
    told = " ".join(f"--input {name}={dtype}[...]" for name, dtype in types.items())
    return f"the file does not tell how many axes {', '.join(map(repr, types))} has: tell all sizes with {told}"


def _results(node: TfNode) -> int:
    """How many results a node has; one of an unknown operator has one."""
    declared = operator(node.kind)
    return 1 if declared is None else Site(node, declared, Knowledge(Contents({}), {})).count()
