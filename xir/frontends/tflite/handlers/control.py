"""Branches, loops, calls of subgraphs, and the variables that outlive a run."""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._bodies import Body, captured_by, settled
from xir.frontends._handlers import Handlers
from xir.frontends.tflite.handlers.regions import tensors
from xir.frontends.tflite.site import Argument, Handle, Handler, Site, whole
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType, Type
from xir.ops import compare, control, elementwise
from xir.ops._build import scalar_like
from xir.ops.shape import reshape

raw: Handlers[Handler] = Handlers("tflite")


def _scalar(value: Value) -> Value:
    return value if value.rank == 0 else reshape(value, shape=())


@raw.layer("IF")
def branch(site: Site, condition: Value, *operands: Argument) -> tuple[Argument, ...]:
    """IF: both subgraphs as bodies; where the condition is known, that subgraph alone."""
    then, other = site.integer("then_subgraph_index"), site.integer("else_subgraph_index")
    known = site.known(condition)
    if known is not None and len(known) == 1:
        return site.flow.run(then if known[0] else other, operands)

    def body(subgraph: int) -> Body:
        return site.flow.body((), lambda: tensors(site, site.flow.run(subgraph, operands)))

    bodies = (body(then), body(other))
    captured = captured_by(*bodies)
    first, second = (body.taking(captured) for body in bodies)
    return control.if_(_scalar(condition), *captured, then_body=first, else_body=second)


@raw.layer("STABLEHLO_CASE")
def case(site: Site, index: Value, *operands: Argument) -> tuple[Argument, ...]:
    """STABLEHLO_CASE: the subgraph that the index names; the last one for any other index (stablehlo_case.cc)."""
    branches = site.integers("branch_subgraph_indices")
    if not branches:
        site.invalid("no branch is given")
    place = reshape(whole(index), shape=())
    last = len(branches) - 1
    is_other = compare.logical_or(
        compare.less(place, scalar_like(place, 0)), compare.greater(place, scalar_like(place, last))
    )
    place = elementwise.select(is_other, scalar_like(place, last), place)

    def chosen(first: int, end: int) -> tuple[Value, ...]:
        """One of the branches from `first` to `end`, halved until one is left."""
        if end - first == 1:
            return tensors(site, site.flow.run(branches[first], operands))
        middle = (first + end) // 2
        bodies = (site.flow.body((), lambda: chosen(first, middle)), site.flow.body((), lambda: chosen(middle, end)))
        captured = captured_by(*bodies)
        then, other = (body.taking(captured) for body in bodies)
        is_first = compare.less(place, scalar_like(place, middle))
        return control.if_(is_first, *captured, then_body=then, else_body=other)

    return chosen(0, len(branches))


@raw.layer("WHILE", "STABLEHLO_WHILE")
def loop(site: Site, *operands: Argument) -> tuple[Argument, ...]:
    """WHILE: the subgraph of the condition is computed before the loop and at the end of each step."""
    condition, step = site.integer("cond_subgraph_index"), site.integer("body_subgraph_index")
    carried = [index for index, operand in enumerate(operands) if isinstance(operand, Value)]
    states = [operand for operand in operands if isinstance(operand, Value)]

    def filled(values: Sequence[Value]) -> list[Argument]:
        """The operands with other values, resources as they are."""
        held = list(operands)
        for index, value in zip(carried, values, strict=True):
            held[index] = value
        return held

    def holds(values: Sequence[Argument]) -> Value:
        (truth,) = tensors(site, site.flow.run(condition, values))
        return _scalar(truth)

    def built(types: Sequence[Type]) -> Body:
        inputs = [Value(TensorType(DType.INT64, ())), Value(TensorType(DType.BOOL, ())), *map(Value, types)]

        def results() -> list[Value]:
            made = site.flow.run(step, filled(inputs[2:]))
            if len(made) != len(operands):
                site.invalid(f"the body makes {len(made)} values of {len(operands)}")
            return [holds(made), *tensors(site, [made[index] for index in carried])]

        return site.flow.body(inputs, results)

    body = settled(built, [value.type for value in states], 1)
    results = control.loop(None, holds(operands), *states, *body.captured, body=body.graph, carried=len(states))
    return tuple(filled(results[: len(states)]))


@raw.layer("CALL_ONCE")
def initialised(site: Site) -> tuple[Argument, ...]:
    """CALL_ONCE: a subgraph that the first run alone computes; what it assigns is what variables begin with."""
    with site.flow.preparing():
        site.flow.run(site.integer("init_subgraph_index"), ())
    return ()


@raw.layer("VAR_HANDLE")
def variable(site: Site) -> Handle:
    """VAR_HANDLE: a variable by its shared name."""
    site.ignore("container")
    return Handle(site.text("shared_name"))


@raw.layer("READ_VARIABLE")
def read(site: Site, handle: Handle) -> Value:
    """READ_VARIABLE."""
    tensor = site.results[0]
    if tensor is None:
        site.invalid("a result is missing")
    return site.flow.read(handle, TensorType(dtype_of(tensor), tensor.shape))


@raw.layer("ASSIGN_VARIABLE")
def assigned(site: Site, handle: Handle, value: Value) -> tuple[Argument, ...]:
    """ASSIGN_VARIABLE."""
    site.flow.assign(handle, value)
    return ()


@raw.layer("STABLEHLO_COMPOSITE")
def composite(site: Site, *operands: Argument) -> tuple[Argument, ...]:
    """STABLEHLO_COMPOSITE: the subgraph that says what the composite operator computes."""
    site.ignore("name", "composite_attributes", "composite_attributes_format", "version")
    return site.flow.run(site.integer("decomposition_subgraph_index"), operands)
