"""Forms of normalizations."""

from __future__ import annotations

from xir.backends.export.tflite._form import Answer, Forms, operand, real
from xir.ir.node import Node
from xir.ops._build import channelwise, scalar_like
from xir.ops._wide import narrow, wide
from xir.ops.elementwise import add, div, mul, sqrt, sub
from xir.ops.norm import batch_norm

forms = Forms()


@forms.of(batch_norm)
def _batch_norm(node: Node) -> Answer:
    """MUL by a = scale / sqrt(variance + epsilon), ADD of shift - mean * a, which takes an activation.

    Both are known before the run, one number a channel, as in the files of TensorFlow's converter
    (tensorflow/compiler/mlir/quantization/tensorflow/tests/prepare_lifting.mlir, decompose_batch_norm).
    """
    x, scale, shift, mean, variance = (wide(operand(node, place)) for place in range(5))
    epsilon = scalar_like(variance, real(node, "epsilon"))
    factor = div(scale, sqrt(add(variance, epsilon)))
    rest = sub(shift, mul(mean, factor))
    return narrow(add(mul(x, channelwise(factor, x)), channelwise(rest, x)), operand(node).dtype)
