"""Forms of control flow: Python's own, written by `_flow`."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Block, Forms, Say, operand
from xir.ir.node import Node
from xir.ops import control
from xir.ops.sequence import sequence_map

forms = Forms()


@forms.of(control.if_, control.loop, control.scan, sequence_map)
def _block(node: Node) -> Answer:
    return Block(node.op.name)


@forms.of(control.assume_shape)
def _assume_shape(node: Node) -> Answer:
    """What follows refuses another rank by itself."""
    return Say("{}", operand(node))
