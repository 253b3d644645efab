"""Subgraphs that say how two elements are combined or compared (openxla.org/stablehlo/spec, "Functions").

A region works on scalars. Here it is spread over whole tensors: element-wise operators stay themselves, so that a
reduction or a sort applies it a few times, whatever the tensors hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xir.frontends._bodies import Body
from xir.frontends._operands import product_of
from xir.frontends.tflite.site import Argument, Site
from xir.ir.builder import apply
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops._define import definition
from xir.ops.reduce import reduce_max, reduce_min, reduce_prod, reduce_sum
from xir.ops.shape import concat, reshape, slice_, transpose

_ELEMENTWISE = ("activation", "arithmetic", "bitwise", "cast", "compare", "elementwise", "trigonometry")
"""Families of operators that compute each element by itself."""
_SCALAR = ("broadcast", "constant", "identity", "reshape")
"""Operators that leave one element what it is."""

_REDUCTIONS: dict[str, Callable[..., Value]] = {
    "add": reduce_sum,
    "mul": reduce_prod,
    "maximum": reduce_max,
    "minimum": reduce_min,
}


def tensors(site: Site, made: Sequence[Argument]) -> tuple[Value, ...]:
    """What a subgraph makes, all of it tensors; raises UnsupportedError else."""
    found = tuple(each for each in made if isinstance(each, Value))
    if len(found) != len(made):
        site.refuse("a branch or loop that makes resources")
    return found


def region(site: Site, subgraph: int, dtypes: Sequence[DType]) -> Body:
    """A subgraph as a closed graph over scalars of these types."""
    inputs = [Value(TensorType(dtype, ())) for dtype in dtypes]
    return site.flow.body(inputs, lambda: tensors(site, site.flow.run(subgraph, inputs)))


def only_operator(body: Body) -> str | None:
    """The name of the operator, where the region is one operator of its two operands in order; else None."""
    graph = body.graph
    if len(graph.nodes) != 1 or len(graph.inputs) != 2:
        return None
    (node,) = graph.nodes
    return node.op.name if node.inputs == graph.inputs and node.outputs == graph.outputs else None


def spread(site: Site, body: Body, operands: Sequence[Value]) -> tuple[Value, ...]:
    """The region for each element of operands of one shape.

    Raises:
        UnsupportedError: it holds an operator that is not element-wise.
    """
    shape = operands[0].shape
    held = dict(zip(body.graph.inputs, (*operands, *body.captured), strict=True))
    for node in body.graph.nodes:
        inputs = tuple(None if value is None else held[value] for value in node.inputs)
        held.update(zip(node.outputs, _spread_node(site, node, inputs, shape), strict=True))
    return tuple(site.knowledge.broadcast(held[value], shape) for value in body.graph.outputs)


def _spread_node(site: Site, node: Node, inputs: Sequence[Value | None], shape: Shape) -> tuple[Value, ...]:
    types = [value.type for value in (*node.inputs, *node.outputs) if value is not None]
    is_scalar = all(isinstance(each, TensorType) and not each.shape for each in types)
    if is_scalar and node.op.name in _SCALAR:
        return (inputs[0],) if inputs and inputs[0] is not None else node.outputs
    if not is_scalar or definition(node).family not in _ELEMENTWISE:
        site.refuse(f"a region with {node.op.name}, which is not element-wise")
    wide = tuple(None if value is None else site.knowledge.broadcast(value, shape) for value in inputs)
    return apply(node.op, wide, node.attributes).outputs


def reduced(site: Site, body: Body, values: Sequence[Value], axes: Sequence[int]) -> tuple[Value, ...]:
    """Tensors of one shape, combined along axes by a region that is associative; at least one element is there.

    What is no sum, product, maximum or minimum goes by halves: each element with its neighbour, in order, until one
    is left.
    """
    name = only_operator(body)
    if name in _REDUCTIONS and values[0].dtype is not DType.BOOL:
        return (_REDUCTIONS[name](values[0], axes=tuple(axes), keep_dims=False),)
    kept = [axis for axis in range(values[0].rank) if axis not in axes]
    rest = tuple(values[0].shape[axis] for axis in kept)
    count = product_of([values[0].shape[axis] for axis in axes])
    if not isinstance(count, int):
        site.refuse("a reduction along an axis of unknown size", "type the inputs: --input")
    rows = tuple(reshape(transpose(value, perm=(*axes, *kept)), shape=(count, *rest)) for value in values)
    while count > 1:
        even, odd = (
            tuple(slice_(row, axes=(0,), starts=(first,), stops=(count - count % 2,), steps=(2,)) for row in rows)
            for first in (0, 1)
        )
        made = spread(site, body, (*even, *odd))
        if count % 2:
            last = (slice_(row, axes=(0,), starts=(count - 1,), stops=(count,), steps=(1,)) for row in rows)
            made = tuple(concat(pair, single, axis=0) for pair, single in zip(made, last, strict=True))
        rows, count = made, (count + 1) // 2
    return tuple(reshape(row, shape=rest) for row in rows)
