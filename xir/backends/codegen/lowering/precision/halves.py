"""Sums of products of halves: what tiles read one number at a time lies in f32, weights stay in 16 bits.

A tile reads a vector of weights and one number of each row. Vectors of halves become f32 in an instruction or two, a
single half takes as long, and is needed in every lane: so rows are widened once, before. The sums are the same, for
f32 holds every half.
"""

from __future__ import annotations

from dataclasses import replace

from xir.backends.codegen.lowering.lowered import Lowered
from xir.backends.codegen.lowering.stage import Stage, staged
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Buffer, Cast, Kernel, Load, Scalar, Store
from xir.ops._windows import window_attributes

HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})
SUMS = frozenset({"conv", "matmul"})
"""Operators whose kernels are sums of products of their first operands, which are read cast to f32."""

ROWS = 4
"""Results that a number is part of; fewer do not pay for writing it down once more."""


def widened(made: Lowered, node: Node, number: int) -> list[Stage] | None:
    """The stages of a product of halves with known weights: the other operand in f32, and the product; else None.

    Args:
        made: the program; it gets the widened operand.
        node: any node.
        number: makes the names of loops and registers its own.
    """
    if node.op.name not in SUMS or node not in made.kernels:
        return None
    x, w, *others = (value for value in node.inputs if value is not None)
    slot = made.slot(x)
    uses = w.shape[0] if node.op.name == "conv" else w.shape[-1]
    groups = window_attributes(node).groups if node.op.name == "conv" else 1
    few = not isinstance(uses, int) or uses // groups < ROWS
    if x.dtype not in HALVES or slot in made.constants or made.slot(w) not in made.constants or few:
        return None
    stages: list[Stage] = []
    if slot not in made.wide:
        made.wide[slot] = made.fresh(TensorType(DType.FLOAT32, x.shape))
        if slot in made.layouts:
            made.layouts[made.wide[slot]] = made.layouts[slot]
        stages.append(staged(_cast(x), [slot, made.wide[slot]], node, number, made.layouts))
    slots = [made.wide[slot], *(made.slot(value) for value in (w, *others, *node.outputs))]
    return [*stages, staged(_of_wide(made.kernels[node]), slots, node, number, made.layouts)]


def _cast(x: Value) -> Kernel:
    """Each element in f32."""
    source, result = Buffer("half", x.dtype, x.shape), Buffer("wide", DType.FLOAT32, x.shape)
    axes = build.axes_of("h", x.rank)
    body = Store(result, axes, Cast(Load(source, axes), DType.FLOAT32))
    return Kernel("cast", (source,), (result,), build.nest(axes, x.shape, "parallel", [body]))


def _of_wide(kernel: Kernel) -> Kernel:
    """The kernel, given its first operand in f32."""
    first, *others = kernel.inputs
    wide = replace(first, dtype=DType.FLOAT32)

    def read(load: Load) -> Scalar | None:
        if load.buffer != first:
            return None
        return Load(wide, load.indices, load.mask)  # every one is cast to f32, which is what it is now

    return replace(kernel, inputs=(wide, *others), body=tuple(substitute(each, {}, read) for each in kernel.body))
