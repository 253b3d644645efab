"""Forms of activations that TFLite has as operators; the others come apart."""

from __future__ import annotations

from xir.backends.export.tflite._form import (
    Answer,
    Call,
    Forms,
    Laid,
    Permutation,
    bare,
    decomposed,
    free,
    operand,
    real,
    whole,
)
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import activation as ops
from xir.ops.elementwise import clip
from xir.ops.norm import log_softmax, softmax

forms = Forms()


@forms.of(ops.relu)
def _relu(node: Node) -> Answer:
    return clip(operand(node), minimum=0.0, maximum=None)


@forms.of(ops.leaky_relu)
def _leaky_relu(node: Node) -> Answer:
    return free("LEAKY_RELU", [operand(node)], "LeakyReluOptions", alpha=real(node, "alpha"))


@forms.of(ops.elu)
def _elu(node: Node) -> Answer:
    return free("ELU", [operand(node)]) if real(node, "alpha") == 1.0 else decomposed(node)


@forms.of(ops.hard_swish)
def _hard_swish(node: Node) -> Answer:
    return free("HARD_SWISH", [operand(node)], "HardSwishOptions")


@forms.of(ops.gelu)
def _gelu(node: Node) -> Answer:
    """GELU, approximate with the hyperbolic tangent."""
    about = node.attributes["approximation"] == "tanh"
    return free("GELU", [operand(node)], "GeluOptions", approximate=about)


@forms.of(ops.prelu)
def _prelu(node: Node) -> Answer:
    """PRELU; the slope is repeated along axes of size 1 (prelu.cc)."""
    x, slope = operand(node), operand(node, 1)
    if slope.rank != x.rank or x.rank > 4 or x.dtype is not DType.FLOAT32:
        return decomposed(node)
    return free("PRELU", [x, bare(slope)])


def _last(rank: int, axis: int) -> Permutation:
    return (*(each for each in range(rank) if each != axis), axis)


def _over_axis(node: Node, kind: str, options: str, **fields: float) -> Answer:
    """An operator over the last axis of the file."""
    x, axis = operand(node), whole(node, "axis")
    perm = _last(x.rank, axis)
    return Call(kind, (Laid(x, perm),), (options, fields), perm)


@forms.of(softmax)
def _softmax(node: Node) -> Answer:
    return _over_axis(node, "SOFTMAX", "SoftmaxOptions", beta=1.0)


@forms.of(log_softmax)
def _log_softmax(node: Node) -> Answer:
    return _over_axis(node, "LOG_SOFTMAX", "LogSoftmaxOptions")
