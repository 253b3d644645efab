"""Examples for the laws of normalizations of planes and of groups of channels."""

from __future__ import annotations

import numpy as np

from tests.passes.examples_fusions import READ, fused, mean, plus, spread, times
from tests.passes.helpers import F64, Example, Net
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import relu
from xir.ops.elementwise import add, exp, mul, neg, reciprocal, sqrt, sub
from xir.ops.norm import group_norm, instance_norm, layer_norm
from xir.ops.shape import reshape
from xir.passes.planes import NOT_CONSTANT

N = Symbol("N")


def planes(net: Net, *shape: object, axis: int = 2, dtype: DType = DType.FLOAT32) -> Value:
    x = net.input(*(shape or (2, 3, 4, 5)), dtype=dtype)  # type: ignore[arg-type]
    return layer_norm(x, axis=axis, epsilon=1e-5)


def followed(net: Net, y: Value, op: object, *shape: int) -> Value:
    assert callable(op)
    made = op(y, spread(net.weight(*shape, dtype=y.dtype), y))
    assert isinstance(made, Value)
    return made


def instances(net: Net, *, fixed: bool = True, plain: bool = False) -> Value:
    x = net.input(2, 3, 4, 5)
    if plain:
        return instance_norm(x, net.held(np.ones(3, np.float32)), net.held(np.zeros(3, np.float32)), epsilon=1e-5)
    return instance_norm(x, net.weight(3) if fixed else net.input(3), net.weight(3), epsilon=1e-5)


def groups(net: Net) -> Value:
    return group_norm(net.input(2, 6, 4), net.weight(6), net.weight(6), groups=3, epsilon=1e-5)


def grouped(
    net: Net, *, shape: object = (2, 6, 4, 5), inner: object = (2, 3, 40), outer: object = None, kind: str = "instance"
) -> Value:
    """What PyTorch's exporter writes for GroupNorm, without the scale and the shift of its channels."""
    x = net.input(*shape)  # type: ignore[misc]
    y = reshape(x, shape=inner)  # type: ignore[arg-type]
    count = y.shape[1]
    assert isinstance(count, int)
    match kind:
        case "instance":
            y = instance_norm(y, net.weight(count), net.weight(count), epsilon=1e-5)
        case "given":
            y = instance_norm(y, net.weight(count), net.input(count), epsilon=1e-5)
        case _:
            y = layer_norm(y, axis=2, epsilon=1e-5)
    return reshape(y, shape=outer or x.shape)  # type: ignore[arg-type]


def moments(
    net: Net, *axes: int, scaled: bool = True, read: bool = False, wrong: str = "", dtype: DType = DType.FLOAT32
) -> tuple[Value, ...]:
    """What TensorFlow makes of moments and batch_normalization."""
    x = net.input(2, 3, 4, dtype=dtype)
    middle = mean(x, *axes)
    d = sub(x, spread(middle, x))
    variance = mean(mul(d, d) if wrong != "square" else mul(d, x), *axes)
    factor = reciprocal(_root(variance))
    if wrong == "function":
        factor = exp(variance)
    if scaled:
        scale = net.weight(3, 1, dtype=dtype) if axes == (2,) and wrong == "channels" else net.weight(4, dtype=dtype)
        factor = mul(factor, scale) if scale.shape == factor.shape else mul(spread(factor, x), spread(scale, x))
    moved = mul(spread(middle, factor), factor) if middle.shape != factor.shape else mul(middle, factor)
    if wrong == "another mean":
        moved = mul(spread(mean(exp(x), *axes), factor), factor)
    if wrong == "another factor":
        moved = mul(moved, moved)
    shift = net.weight(4, dtype=dtype)
    rest = sub(spread(shift, x), moved if moved.shape == x.shape else spread(moved, x))
    whole = add(mul(x, spread(factor, x) if factor.shape != x.shape else factor), rest)
    return (whole, relu(d)) if read else (whole,)


def negated(net: Net, *, scaled: bool = True, shifted: bool = True, wrong: str = "") -> Value:
    """What Keras 3 makes of a layer normalization for TensorFlow: x * r + (-mean * r + b)."""
    x = net.input(2, 3, 4)
    middle = mean(x, 2)
    d = sub(x, spread(middle, x))
    factor = spread(reciprocal(_root(mean(mul(d, d), 2))), x)
    if scaled:
        factor = mul(factor, spread(net.weight(1, 1, 4), x))
    moved = mul(spread(middle if wrong == "sign" else neg(middle), x), exp(x) if wrong == "factor" else factor)
    if not shifted:
        return add(moved, mul(x, factor))
    return add(mul(x, factor), add(moved, spread(net.weight(1, 1, 4), x)))


def _root(variance: Value) -> Value:
    return sqrt(plus(variance, 1e-5))


EXAMPLES: tuple[Example, ...] = (
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net), mul, 3, 1, 1), "reshape instance_norm"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net, dtype=F64), add, 1, 3, 1, 1),
          "reshape instance_norm", label="add"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net, N, 3, 4, N), add, 3, 1, 1),
          "reshape instance_norm", label="open sizes"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net, 2, 3, 4), mul, 3, 1),
          "reshape instance_norm", label="one axis"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net), mul, 4, 5), None, label="one an element"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net), mul, 1, 1, 1), None, label="one for all"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net, 2, 1, 4), mul, 1, 1), None,
          label="one channel"),
    fused("planes_of_layer_norm", lambda net: mul(planes(net, 2, N, 4), net.input(2, N, 4)), None, label="any product"),
    fused("planes_of_layer_norm", lambda net: followed(net, planes(net, axis=3), mul, 3, 1, 1), None, label="rows"),
    fused("factor_into_planes", lambda net: followed(net, instances(net), mul, 3, 1, 1), "instance_norm"),
    fused("factor_into_planes", lambda net: followed(net, groups(net), mul, 6, 1), "group_norm", label="groups"),
    fused("factor_into_planes", lambda net: followed(net, instances(net, plain=True), mul, 3, 1, 1),
          "reshape instance_norm", label="nothing there"),
    fused("factor_into_planes", lambda net: followed(net, instances(net, fixed=False), mul, 3, 1, 1), None,
          NOT_CONSTANT),
    fused("factor_into_planes", lambda net: followed(net, instances(net), mul, 4, 5), None, label="one an element"),
    fused("factor_into_planes", lambda net: times(instances(net), 2.0), None, label="one for all"),
    fused("addend_into_planes", lambda net: followed(net, instances(net), add, 3, 1, 1), "instance_norm"),
    fused("addend_into_planes", lambda net: followed(net, groups(net), add, 1, 6, 1), "group_norm", label="groups"),
    fused("addend_into_planes", lambda net: followed(net, instances(net, plain=True), add, 3, 1, 1),
          "reshape instance_norm", label="nothing there"),
    fused("addend_into_planes", lambda net: followed(net, instances(net, fixed=False), add, 3, 1, 1), "instance_norm",
          label="only the shift counts"),
    fused("addend_into_planes", lambda net: add(y := instances(net), spread(net.input(3, 1, 1), y)), None,
          NOT_CONSTANT),
    fused("group_norm_of_planes", grouped, "group_norm"),
    fused("group_norm_of_planes", lambda net: grouped(net, kind="layer"), "group_norm", label="layer_norm"),
    fused("group_norm_of_planes", lambda net: grouped(net, inner=(2, 3, 2, 4, 5)), "group_norm", label="all axes"),
    fused("group_norm_of_planes", lambda net: grouped(net, shape=(N, 6, 4, N), inner=(N, 2, N * 12)), "group_norm",
          label="open sizes"),
    fused("group_norm_of_planes", lambda net: grouped(net, kind="given"), None, NOT_CONSTANT),
    fused("group_norm_of_planes", lambda net: grouped(net, inner=(2, 6, 20)), None, label="each its own group"),
    fused("group_norm_of_planes", lambda net: grouped(net, inner=(2, 4, 30)), None, label="parts of channels"),
    fused("group_norm_of_planes", lambda net: grouped(net, inner=(1, 3, 80)), None, label="several pictures"),
    fused("group_norm_of_planes", lambda net: grouped(net, outer=(2, 6, 20)), None, label="another shape"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2),
          "layer_norm broadcast mul broadcast add"),
    fused("layer_norm_of_moments", lambda net: moments(net, 1, 2, scaled=False, dtype=F64),
          "layer_norm broadcast add", label="no scale"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, wrong="channels"),
          "layer_norm broadcast mul broadcast add", label="one a channel"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, read=True), None, READ),
    fused("layer_norm_of_moments", lambda net: moments(net, 1), None, label="an axis between"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, wrong="square"), None, label="no square"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, wrong="function", scaled=False), None,
          label="another function"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, wrong="another mean"), None, label="another mean"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, wrong="another factor"), None, label="another factor"),
    fused("layer_norm_of_moments", lambda net: moments(net, 2, dtype=DType.FLOAT16), None, label="f16"),
    fused("layer_norm_of_moments", negated, "layer_norm broadcast mul broadcast add", label="a negated mean"),
    fused("layer_norm_of_moments", lambda net: negated(net, scaled=False, shifted=False), "layer_norm",
          label="a negated mean alone"),
    fused("layer_norm_of_moments", lambda net: negated(net, wrong="sign"), None, label="a mean added"),
    fused("layer_norm_of_moments", lambda net: negated(net, wrong="factor"), None, label="another factor of a mean"),
)  # fmt: skip
