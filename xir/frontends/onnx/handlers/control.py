"""If, Loop and Scan: bodies become closed graphs, and what they read besides their inputs becomes operands."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._bodies import Body, captured_by, settled
from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.model import OnnxGraph
from xir.ir.constraints import assume_equal
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type, UnrankedType
from xir.ops import control
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("If", 1, 11, 13, 16, 19, 21, 23, 24, 25))
def branch(site: Site, condition: Value) -> tuple[Value, ...]:
    """If: both branches as bodies that take all that either reads; where the condition is known, that branch alone."""
    known = site.sizes(condition)
    if known is not None and len(known) == 1 and isinstance(known[0], int):
        branches = site.graph("then_branch"), site.graph("else_branch")
        return site.inline_body(branches[0 if known[0] else 1])
    for name in ("then_branch", "else_branch"):
        if site.graph(name).inputs:
            site.invalid(f"a branch takes no inputs, {name!r} takes {len(site.graph(name).inputs)}")
    then, other = site.body("then_branch"), site.body("else_branch")
    if _is_squeezing(site, condition, then.graph, other.graph):
        return site.inline_body(site.graph("then_branch"))
    captured = captured_by(then, other)
    results = control.if_(
        _scalar(condition), *captured, then_body=then.taking(captured), else_body=other.taking(captured)
    )
    return tuple(_ranked(value, made.type) for value, made in zip(results, then.graph.outputs, strict=True))


def _is_squeezing(site: Site, condition: Value, then: Graph, other: Graph) -> bool:
    """Whether the branches make different ranks and sizes decide between them, so that the first may be assumed.

    See `_ranked`: a run for which the sizes are others is refused at its entry, before anything is computed.
    """
    pairs = zip(then.outputs, other.outputs, strict=False)
    sizes = _compared(site, condition)
    if sizes is None or not any(
        isinstance(a.type, TensorType) and isinstance(b.type, TensorType) and a.rank != b.rank for a, b in pairs
    ):
        return False
    return assume_equal(*sizes, "the branches of an If make different ranks; the model is built for the first")


def _compared(site: Site, condition: Value) -> tuple[Dim, Dim] | None:
    """The two sizes that a condition takes to be equal; None for any other condition."""
    node = condition.node
    while node is not None and node.op.name in ("reshape", "identity"):
        node = None if node.inputs[0] is None else node.inputs[0].node
    if node is None or node.op.name != "equal":
        return None
    sides = [None if value is None else site.sizes(value) for value in node.inputs]
    (left, *_), (right, *_) = (side if side is not None and len(side) == 1 else (None,) for side in sides)
    return None if left is None or right is None else (left, right)


def _ranked(value: Value, first: Type) -> Value:
    """A result of which the branches make different ranks, taken for that of the first branch.

    torch's exporter writes `squeeze(axis)` as `If(size == 1, Squeeze, Identity)`, and all that follows is built for
    the rank that its trace had: that of the first branch. A run that takes the other one is told so.
    """
    if not isinstance(value.type, UnrankedType) or not isinstance(first, TensorType):
        return value
    return control.assume_shape(value, shape=tuple(Symbol() for _ in first.shape))


@handlers.layer(*versions("Loop", 1, 11, 13, 16, 19, 21, 23, 24, 25))
def loop(site: Site, count: Value | None = None, condition: Value | None = None, *carried: Value) -> tuple[Value, ...]:
    """Loop: the types of carried values are widened until a step gives back what it took."""
    inside = site.graph("body")
    if len(inside.inputs) != 2 + len(carried):
        site.invalid(f"the body takes {len(inside.inputs)} values, the node brings 2 and {len(carried)}")
    head = (TensorType(DType.INT64, ()), TensorType(DType.BOOL, ()))
    body = _settled(site, inside, head, [value.type for value in carried], (), 1)
    condition = None if condition is None else _scalar(condition)
    count = None if count is None else _scalar(count)
    return control.loop(count, condition, *carried, *body.captured, body=body.graph, carried=len(carried))


def _scalar(value: Value) -> Value:
    """A tensor of one element without axes."""
    return value if value.rank == 0 else reshape(value, shape=())


def _settled(
    site: Site, inside: OnnxGraph, head: Sequence[Type], states: Sequence[Type], rest: Sequence[Type], first: int
) -> Body:
    """The body built with types for what it carries that hold before and after a step.

    Args:
        site: the node.
        inside: the body in the file.
        head: types of the inputs before the carried ones.
        states: types of the carried values before the first step.
        rest: types of the inputs after them.
        first: the place of the first carried value among the body's results.
    """
    return settled(lambda held: site.build_body(inside, [*head, *held, *rest]), states, first)


@handlers.layer(*versions("Scan", 9, 11, 16, 19, 21, 23, 24, 25))
def scan(site: Site, *values: Value) -> tuple[Value, ...]:
    """Scan since opset 9: no batch axis, an axis and a direction for each scanned value."""
    count = site.integer("num_scan_inputs")
    states = len(values) - count
    if count < 1 or states < 0:
        site.invalid(f"{count} of {len(values)} values are scanned")
    axes = site.integers("scan_input_axes", (0,) * count)
    flipped = _ways(site, "scan_input_directions", count)
    if len(axes) != count or len(flipped) != count:
        site.invalid(f"{count} scanned values have {len(axes)} axes and {len(flipped)} directions")
    scanned = values[states:]
    axes = tuple(site.axis(axis, value.rank) for axis, value in zip(axes, scanned, strict=True))
    slices = [
        value.tensor.with_shape(value.shape[:axis] + value.shape[axis + 1 :])
        for value, axis in zip(scanned, axes, strict=True)
    ]
    body = _settled(site, site.graph("body"), (), [value.type for value in values[:states]], slices, 0)
    results = body.graph.outputs[states:]
    result_axes = site.integers("scan_output_axes", (0,) * len(results))
    reversed_results = _ways(site, "scan_output_directions", len(results))
    if len(result_axes) != len(results) or len(reversed_results) != len(results):
        site.invalid(f"{len(results)} results have {len(result_axes)} axes and {len(reversed_results)} directions")
    return control.scan(
        *values,
        *body.captured,
        body=body.graph,
        states=states,
        axes=axes,
        reversed_inputs=flipped,
        result_axes=tuple(site.axis(axis, value.rank + 1) for axis, value in zip(result_axes, results, strict=True)),
        reversed_results=reversed_results,
    )


def _ways(site: Site, name: str, count: int) -> tuple[bool, ...]:
    """Which values are scanned backwards: 0 is forward, 1 is backward, and nothing else is either."""
    ways = site.integers(name, (0,) * count)
    if not set(ways) <= {0, 1}:
        site.invalid(f"attribute {name!r} is {list(ways)}, expected 0 and 1 alone")
    return tuple(way == 1 for way in ways)


@handlers.layer(*versions("Scan", 8))
def scan_batch(site: Site, lengths: Value | None = None, *values: Value) -> tuple[Value, ...]:
    """Scan of opset 8: everything has a batch axis first, then the scanned axis; one scan inside another."""
    if lengths is not None:
        site.refuse("Scan of opset 8 with lengths of the sequences", "convert the model to a newer opset")
    count = site.integer("num_scan_inputs")
    states = len(values) - count
    if count < 1 or states < 0:
        site.invalid(f"{count} of {len(values)} values are scanned")
    flipped = _ways(site, "directions", count)
    rows = [value.tensor.with_shape(value.shape[1:]) for value in values]
    slices = [row.with_shape(row.shape[1:]) for row in rows[states:]]
    body = _settled(site, site.graph("body"), (), rows[:states], slices, 0)
    results = len(body.graph.outputs) - states
    held = [Value(row) for row in rows]
    captured = [Value(value.type) for value in body.captured]
    made = control.scan(
        *held,
        *captured,
        body=body.graph,
        states=states,
        axes=(0,) * count,
        reversed_inputs=flipped,
        result_axes=(0,) * results,
        reversed_results=(False,) * results,
    )
    example = Graph(f"{body.graph.name}_of_one_example", (*held, *captured), tuple(made))
    return control.scan(
        *values,
        *body.captured,
        body=example,
        states=0,
        axes=(0,) * len(values),
        reversed_inputs=(False,) * len(values),
        result_axes=(0,) * len(made),
        reversed_results=(False,) * len(made),
    )
