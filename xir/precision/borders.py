"""Inputs and outputs of a model in another element type."""

from __future__ import annotations

from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import cast
from xir.precision.kept import is_wide


def narrow_borders(graph: Graph, dtype: DType) -> Graph:
    """The graph with its f32 and f64 inputs and outputs in `dtype`; the casts at the borders go, or turn around.

    Args:
        graph: a model whose values became narrow already.
        dtype: f16 or bf16.
    """
    fresh = {value: Value(value.tensor.with_dtype(dtype)) for value in graph.inputs if is_wide(value)}
    wide = {value: cast(new, dtype=value.dtype) for value, new in fresh.items()}
    origin = {wide[value]: new for value, new in fresh.items()}

    def replace(node: Node, rewriter: Rewriter) -> tuple[Value, ...] | None:
        given = node.inputs[0] if node.inputs else None
        if node.op.name == "cast" and given in origin and node.outputs[0].dtype is dtype:
            return (origin[given],)
        return None

    inner = Rewriter(graph).run(replace, leaves=wide)
    outputs = tuple(_narrow(value, dtype) for value in inner.outputs)
    inputs = tuple(fresh.get(value, value) for value in graph.inputs)
    names = {value: name for value, name in inner.names.items() if value not in origin}
    names |= {new: graph.name_of(old) for old, new in fresh.items()}
    for old, new in zip(inner.outputs, outputs, strict=True):
        name = names.get(old)
        if name is not None and new is not old and new not in names:
            names[new] = name
            del names[old]
    result = Graph(graph.name, inputs, outputs, graph.output_names, inner.parameters, names, inner.constraints)
    alive = {*inputs, *(p.value for p in result.parameters), *(v for node in result.nodes for v in node.outputs)}
    kept = {value: name for value, name in names.items() if value in alive}
    return Graph(graph.name, inputs, outputs, graph.output_names, inner.parameters, kept, inner.constraints)


def _narrow(value: Value, dtype: DType) -> Value:
    """The output in `dtype`: what its last cast was given, or a cast more."""
    if not isinstance(value.type, TensorType) or not is_wide(value):
        return value
    given = value.node.inputs[0] if value.node is not None and value.node.op.name == "cast" else None
    return given if given is not None and given.dtype is dtype else cast(value, dtype=dtype)
