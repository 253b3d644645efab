"""How one operator is said in Keras: a layer with weights, or an operation of `keras.ops`; else as TFLite says it.

A record of the plan is one of TFLite's kinds, or the class of a layer or operation, which its options tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xir.backends.export import legal
from xir.backends.export.tflite._form import Answer, Call, Free, Laid, Operand, Permutation, loose, operand
from xir.flatbuffer.write import Content
from xir.ir.node import Node, Value

LAYER, OPERATION = "layer", "operation"
"""What the options of a record of Keras's own are called."""

Form = Callable[[Node], Answer]


def layer(
    kind: str,
    tensors: Sequence[Operand],
    weights: Sequence[Operand],
    perm: Permutation | None,
    kernel: Sequence[int] = (),
    /,
    **config: Content,
) -> Call:
    """A layer of the class `kind`.

    Args:
        kind: its class.
        tensors: what it is called with.
        weights: its weights, in Keras's order.
        perm: the order of axes in which it makes its first result.
        kernel: the shape of its first weight, where it is not that of the operand.
        config: its settings.
    """
    held: dict[str, Content] = {"tensors": len(tensors), "kernel": kernel, "config": config}
    return Call(kind, (*tensors, *weights), (LAYER, held), perm)


def operation(kind: str, operands: Sequence[Operand], perm: Permutation | None, **config: Content) -> Call:
    """An operation of the class `kind`."""
    return Call(kind, tuple(operands), (OPERATION, {"config": config}), perm)


def each(kind: str, **config: Content) -> Form:
    """An operation that works element by element, in any order of axes."""

    def form(node: Node) -> Answer:
        return free(kind, loose(node), **config)

    return form


def free(kind: str, values: Sequence[Value], **config: Content) -> Free:
    """An operation on operands of one rank that it takes element by element."""
    return Free(tuple(values), lambda perm: operation(kind, [Laid(value, perm) for value in values], perm, **config))


def freely(kind: str, **config: Content) -> Form:
    """A layer without weights that works element by element, in any order of axes."""

    def form(node: Node) -> Answer:
        x = operand(node)
        return Free((x,), lambda perm: layer(kind, [Laid(x, perm)], (), perm, **config))

    return form


def decomposed(node: Node) -> Answer:
    """The node by its operator's own decomposition, or a refusal where it has none."""
    return legal.decomposed(node, "Keras")
