"""Loops in the form that becomes machine code: scans along first axes, and scans for loops of a known length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from xir.errors import InvalidModelError
from xir.ir.constant import constant_of
from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.rewrite import Rewriter
from xir.ir.types import DType
from xir.limits import MAX_LOOP_STEPS
from xir.ops.constant import constant
from xir.ops.control import scan
from xir.ops.shape import iota, transpose


def along_first(node: Node) -> Sequence[Value] | None:
    """A scan whose steps are rows in memory: operands and results are transposed outside; None where they are so."""
    given = node.attributes
    states, axes = cast("int", given["states"]), cast("tuple[int, ...]", given["axes"])
    result_axes = cast("tuple[int, ...]", given["result_axes"])
    if not any((*axes, *result_axes)):
        return None
    values = [value for value in node.inputs if value is not None]
    scanned = [
        transpose(value, perm=(axis, *(other for other in range(value.rank) if other != axis))) if axis else value
        for value, axis in zip(values[states:], axes, strict=False)
    ]
    made = scan(
        *values[:states],
        *scanned,
        *values[states + len(axes) :],
        body=cast("Graph", given["body"]),
        states=states,
        axes=(0,) * len(axes),
        reversed_inputs=cast("tuple[bool, ...]", given["reversed_inputs"]),
        result_axes=(0,) * len(result_axes),
        reversed_results=cast("tuple[bool, ...]", given["reversed_results"]),
    )
    results = [
        transpose(value, perm=(*range(1, axis + 1), 0, *range(axis + 1, value.rank))) if axis else value
        for value, axis in zip(made[states:], result_axes, strict=True)
    ]
    return (*made[:states], *results)


def as_scan(node: Node, rewriter: Rewriter) -> Sequence[Value] | None:
    """A loop that stacks results and of which the number of steps is known, as a scan over the steps' numbers."""
    count, condition = node.inputs[:2]
    values = [value for value in node.inputs[2:] if value is not None]
    carried, body = cast("int", node.attributes["carried"]), cast("Graph", node.attributes["body"])
    steps = None if count is None else rewriter.constant_of(count)
    if steps is None or steps.elements != 1 or len(node.outputs) == carried:
        return None
    number = max(int(steps.array().reshape(())), 0)
    if number > MAX_LOOP_STEPS or not _always(condition, rewriter) or not _goes_on(body):
        return None
    held = constant(value=constant_of(True, DType.BOOL))
    inside = Rewriter(body).run(lambda node, rewriter: None, leaves={body.inputs[1]: held})
    inputs = (*body.inputs[2 : 2 + carried], body.inputs[0], *body.inputs[2 + carried :])
    closed = replace(inside, inputs=inputs, outputs=inside.outputs[1:], output_names=inside.output_names[1:])
    try:
        return scan(
            *values[:carried],
            iota(shape=(number,), axis=0, dtype=DType.INT64),
            *values[carried:],
            body=closed,
            states=carried,
            axes=(0,),
            reversed_inputs=(False,),
            result_axes=(0,) * (len(node.outputs) - carried),
            reversed_results=(False,) * (len(node.outputs) - carried),
        )
    except InvalidModelError:  # carried values change their sizes: the reference runs the loop
        return None


def _always(condition: Value | None, rewriter: Rewriter) -> bool:
    """Whether the condition of the first step holds in every run."""
    if condition is None:
        return True
    known = rewriter.constant_of(condition)
    return known is not None and known.elements == 1 and bool(known.array().reshape(()))


def _goes_on(body: Graph) -> bool:
    """Whether the condition of the next step holds after every step."""
    if body.outputs[0] is body.inputs[1]:
        return True
    known = body.constant_of(body.outputs[0])
    return known is not None and known.elements == 1 and bool(known.array().reshape(()))
