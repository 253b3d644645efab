"""Kernels for sizes that are known: numbers in the place of symbols, and what follows from them.

What computes floats stays as it is, and so do all bits: only places, conditions and the extents of loops become
simpler, and what never runs is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from xir.ir.dims import Dim, Symbol, evaluate
from xir.kernel._simplify import simplify_statements
from xir.kernel._substitute import substitute
from xir.kernel.grammar import Kernel


def with_sizes(kernel: Kernel, known: Mapping[Symbol, Dim]) -> Kernel:
    """The kernel with symbols replaced by what is known of them; others stay."""
    buffers = {
        buffer.name: replace(buffer, shape=tuple(evaluate(size, known) for size in buffer.shape))
        for buffer in (*kernel.inputs, *kernel.outputs)
    }
    body = tuple(substitute(statement, {}, buffers=buffers, sizes=known) for statement in kernel.body)
    inputs, outputs = (tuple(buffers[each.name] for each in part) for part in (kernel.inputs, kernel.outputs))
    return Kernel(kernel.name, inputs, outputs, simplify_statements(body, {}))
