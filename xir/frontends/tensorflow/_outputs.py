"""Which nodes of a graph are its inputs and outputs, and which must not be there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xir.errors import XirError
from xir.frontends._contents import Contents
from xir.frontends._operands import Knowledge
from xir.frontends.tensorflow._site import Site
from xir.frontends.tensorflow.model import Edge, TfGraph, TfNode
from xir.frontends.tensorflow.op_defs import operator
from xir.ir.node import UNKNOWN_RANK, Value
from xir.ir.types import UnrankedType

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

_FED = "data come out of it that are not in the graph: freeze the graph without it"
_EXAMPLES = "it parses serialized examples: serve the graph behind it, whose inputs are the features"
_NESTED = "ragged tensors are taken apart into rows and values, not handed on whole"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("IteratorV2", "IteratorGetNext", "OneShotIterator", "FIFOQueueV2"), _FED),
    **dict.fromkeys(("QueueDequeueV2", "QueueDequeueManyV2", "QueueDequeueUpToV2"), _FED),
    **dict.fromkeys(("ParseExample", "ParseExampleV2", "ParseSingleExample"), _EXAMPLES),
    **dict.fromkeys(("RaggedTensorFromVariant", "RaggedTensorToVariant"), _NESTED),
    **dict.fromkeys(
        ("SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2"), "it cuts out at random what a network trains on"
    ),
    "DenseToDenseSetOperation": "xir has no sets of rows",
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
    read = {edge.node for node in graph.nodes.values() for edge in node.inputs}
    read.update(name for node in graph.nodes.values() for name in node.controls)
    ends = [node for node in graph.nodes.values() if node.name not in read and node.kind not in _NO_RESULTS]
    return tuple(Edge(node.name, "", index) for node in ends for index in range(_results(node)))


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
