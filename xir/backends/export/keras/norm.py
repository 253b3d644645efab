"""Forms of normalisations: layers with the statistics and factors as weights."""

from __future__ import annotations

from xir.backends.export.forms import Table
from xir.backends.export.keras._form import Form, layer
from xir.backends.export.tflite._form import Answer, Call, Free, Laid, Operand, Permutation, operand, real, whole
from xir.ir.node import Node
from xir.ops.norm import batch_norm, layer_norm

forms = Table[Form]()


@forms.of(batch_norm)
def _batch_norm(node: Node) -> Answer:
    """BatchNormalization along the channels, wherever they stand."""
    x, *statistics = (operand(node, index) for index in range(5))

    def make(perm: Permutation) -> Call:
        axis, epsilon = perm.index(1), real(node, "epsilon")
        return layer("BatchNormalization", [Laid(x, perm)], statistics, perm, axis=axis, epsilon=epsilon)

    return Free((x,), make)


@forms.of(layer_norm)
def _layer_norm(node: Node) -> Answer:
    """LayerNormalization over the last axes."""
    x, axis = operand(node), whole(node, "axis")
    scale, shift = node.inputs[1:]
    weights: list[Operand] = [value for value in (scale, shift) if value is not None]
    return layer(
        "LayerNormalization",
        [x],
        weights,
        None,
        axis=tuple(range(axis, x.rank)),
        epsilon=real(node, "epsilon"),
        scale=scale is not None,
        center=shift is not None,
    )
