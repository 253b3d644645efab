"""The wordings of opsets 1 to 6: limited broadcasting, and a hint about storage that changes nothing.

Opset 7 brought broadcasting as NumPy has it (onnx docs/Changelog.md). Before, `broadcast=1` asked for the second
operand to be repeated: one element, or a shape that is a contiguous part of the first operand's, which begins at
`axis` or, without it, ends where that ends.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.constant import constant_of
from xir.ir.dims import equal
from xir.ir.node import Value
from xir.ops import activation, compare, elementwise, matmul
from xir.ops._build import channelwise
from xir.ops.constant import constant, identity
from xir.ops.elementwise import add, clip, div, maximum, minimum, pow_
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("onnx")

_STORAGE = "consumed_inputs"
"""Which operands may be overwritten: 'legacy optimization attribute' (onnx.defs)."""


def _spread(site: Site, x: Value, y: Value) -> Value:
    """The second operand in the shape of the first."""
    site.ignore(_STORAGE)
    axis = site.axis(site.integer("axis"), x.rank) if site.has("axis") else x.rank - y.rank
    if not site.flag("broadcast", False):
        return y
    if all(size == 1 for size in y.shape):
        return y if y.shape == x.shape else broadcast(reshape(y, shape=()), shape=x.shape)
    if axis < 0 or axis + y.rank > x.rank:
        site.invalid(f"{y.type!r} does not fit into {x.type!r} from axis {axis} on")
    for have, want in zip(y.shape, x.shape[axis : axis + y.rank], strict=True):
        if have != 1 and equal(have, want) is False:
            site.invalid(f"{y.type!r} does not fit into {x.type!r} from axis {axis} on")
    behind = x.rank - axis - y.rank
    aligned = reshape(y, shape=(*y.shape, *(1,) * behind)) if behind else y
    return site.scope.broadcast(aligned, x.shape)


def _binary(operator: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, x: Value, y: Value) -> Value:
        """One operator of two operands, the second of which may be repeated."""
        return operator(x, _spread(site, x, y))

    return handler


for _kind, _operator, _since in (
    ("Add", elementwise.add, (1, 6)),
    ("Sub", elementwise.sub, (1, 6)),
    ("Mul", elementwise.mul, (1, 6)),
    ("Div", elementwise.div, (1, 6)),
    ("Pow", pow_, (1,)),
    ("Equal", compare.equal, (1,)),
    ("Less", compare.less, (1,)),
    ("Greater", compare.greater, (1,)),
    ("And", compare.logical_and, (1,)),
    ("Or", compare.logical_or, (1,)),
    ("Xor", compare.logical_xor, (1,)),
):
    handlers.layer(*versions(_kind, *_since))(_binary(_operator))


def _unary(operator: Callable[[Value], Value]) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        """One operator of one operand."""
        site.ignore(_STORAGE)
        return operator(x)

    return handler


for _kind, _unary_op in (
    ("Abs", elementwise.abs_),
    ("Ceil", elementwise.ceil),
    ("Exp", elementwise.exp),
    ("Floor", elementwise.floor),
    ("Log", elementwise.log),
    ("Neg", elementwise.neg),
    ("Reciprocal", elementwise.reciprocal),
    ("Relu", activation.relu),
    ("Sigmoid", activation.sigmoid),
    ("Sqrt", elementwise.sqrt),
    ("Tanh", activation.tanh),
):
    handlers.layer(*versions(_kind, 1))(_unary(_unary_op))


def _folded(combine: Callable[[Value, Value], Value]) -> Handler:
    def handler(site: Site, first: Value, *rest: Value) -> Value:
        """One operator over operands of one shape, from left to right."""
        site.ignore(_STORAGE)
        for other in rest:
            first = combine(first, other)
        return first if rest else identity(first)

    return handler


handlers.layer(*versions("Sum", 1, 6))(_folded(add))
handlers.layer(*versions("Min", 1, 6))(_folded(minimum))
handlers.layer(*versions("Max", 1, 6))(_folded(maximum))


@handlers.layer(*versions("Mean", 1, 6))
def mean(site: Site, first: Value, *rest: Value) -> Value:
    """Mean of operands of one shape."""
    site.ignore(_STORAGE)
    total = first
    for other in rest:
        total = add(total, other)
    count = constant(value=constant_of(np.asarray(1 + len(rest)), total.dtype))
    return div(total, site.repeated(count, total.shape))


@handlers.layer(*versions("Clip", 1))
def clip_of_the_first_opset(site: Site, x: Value) -> Value:
    """Clip with its bounds as attributes."""
    site.ignore(_STORAGE)
    low = site.real("min") if site.has("min") else None
    high = site.real("max") if site.has("max") else None
    return clip(x, minimum=low, maximum=high)


@handlers.layer(*versions("LeakyRelu", 1))
def leaky(site: Site, x: Value) -> Value:
    """LeakyRelu."""
    site.ignore(_STORAGE)
    return activation.leaky_relu(x, alpha=site.real("alpha", 0.01))


@handlers.layer(*versions("Elu", 1))
def exponential(site: Site, x: Value) -> Value:
    """Elu."""
    site.ignore(_STORAGE)
    return activation.elu(x, alpha=site.real("alpha", 1.0))


@handlers.layer(*versions("Selu", 1))
def scaled(site: Site, x: Value) -> Value:
    """Selu, whose default constants have five digits."""
    site.ignore(_STORAGE)
    return activation.selu(x, alpha=site.real("alpha", _f32(1.6732)), gamma=site.real("gamma", _f32(1.0507)))


@handlers.layer(*versions("HardSigmoid", 1))
def hard(site: Site, x: Value) -> Value:
    """HardSigmoid."""
    site.ignore(_STORAGE)
    return activation.hard_sigmoid(x, alpha=site.real("alpha", _f32(0.2)), beta=site.real("beta", 0.5))


def _f32(value: float) -> float:
    """A default as the schema holds it: in 32 bits."""
    return float(np.float32(value))


@handlers.layer(*versions("PRelu", 1, 6))
def parametric(site: Site, x: Value, slope: Value) -> Value:
    """PRelu; one slope for all, or one for each channel, which is axis 1."""
    site.ignore(_STORAGE)
    if all(size == 1 for size in slope.shape):
        return activation.prelu(x, broadcast(reshape(slope, shape=()), shape=x.shape))
    if slope.rank == 1 and x.rank > 1:
        return activation.prelu(x, channelwise(slope, x))
    return activation.prelu(x, site.repeated(slope, x.shape))


@handlers.layer(*versions("Gemm", 1, 6))
def general_product(site: Site, a: Value, b: Value, c: Value) -> Value:
    """Gemm, whose third operand is repeated only where `broadcast` says so."""
    transpose_a, transpose_b = site.flag("transA", False), site.flag("transB", False)
    if a.rank != 2 or b.rank != 2:
        site.invalid(f"matrices are needed, got {a.type!r} and {b.type!r}")
    if site.flag("broadcast", False):
        c = site.repeated(c, (a.shape[1 if transpose_a else 0], b.shape[0 if transpose_b else 1]))
    return matmul.gemm(
        a,
        b,
        c,
        alpha=site.real("alpha", 1.0),
        beta=site.real("beta", 1.0),
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
