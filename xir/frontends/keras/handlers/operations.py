"""Operations of `keras.ops` that stand in a model as nodes (keras/src/ops/numpy.py, nn.py, core.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends._operands import product_of
from xir.frontends.keras.handlers._activations import FUNCTIONS
from xir.frontends.keras.handlers._slots import axes_of, axis_of, literal_of, real, slots_of
from xir.frontends.keras.inputs import DTYPES
from xir.frontends.keras.owners import OPERATION
from xir.frontends.keras.site import Handler, Site
from xir.ir.broadcasting import join
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, bitwise, compare, elementwise, norm, reduce
from xir.ops._build import scalar_like
from xir.ops.constant import constant
from xir.ops.einsum import einsum
from xir.ops.matmul import matmul
from xir.ops.shape import broadcast, reshape

handlers: Handlers[Handler] = Handlers("keras")

_MATRIX = 2
"""Axes of a matrix."""


def _pair(site: Site, operands: Sequence[Value]) -> tuple[Value, Value]:
    """Two operands of one type and shape; whole numbers beside real ones become real."""
    slots = slots_of(site, operands)
    if len(slots) != 2:
        site.invalid(f"two operands are needed, got {len(slots)}")
    tensors = [slot if isinstance(slot, Value) else literal_of(slot, operands[0]) for slot in slots]
    if len({value.dtype for value in tensors}) > 1:
        real = [value.dtype for value in tensors if value.dtype.is_floating]
        if len(set(real)) != 1:
            site.refuse("operands of " + " and ".join(str(value.dtype) for value in tensors), "cast one of them")
        tensors = [elementwise.cast(value, dtype=real[0]) for value in tensors]
    first, second = site.aligned(*tensors)
    return first, second


def _two(function: Callable[[Value, Value], Value], *, to_real: bool = False) -> Handler:
    def handler(site: Site, *operands: Value) -> Value:
        first, second = _pair(site, operands)
        return function(real(first), real(second)) if to_real else function(first, second)

    return handler


def _one(function: Callable[[Value], Value], *, to_real: bool = True) -> Handler:
    def handler(site: Site, x: Value) -> Value:
        return function(real(x) if to_real else x)

    return handler


def _square(x: Value) -> Value:
    return elementwise.mul(x, x)


def _inverse_root(x: Value) -> Value:
    return elementwise.reciprocal(elementwise.sqrt(x))


def _less_one(x: Value) -> Value:
    return elementwise.sub(elementwise.exp(x), scalar_like(x, 1.0))


def _log_one(x: Value) -> Value:
    return elementwise.log(elementwise.add(x, scalar_like(x, 1.0)))


def _floored(x: Value, y: Value) -> Value:
    """The quotient rounded down; that of whole numbers is exact without the rest, which has the divisor's sign."""
    if x.dtype.is_floating:
        return elementwise.floor(elementwise.div(x, y))
    return elementwise.div(elementwise.sub(x, elementwise.mod(x, y, floored=True)), y)


_TWO: Mapping[str, Handler] = MappingProxyType(
    {
        "Add": _two(elementwise.add),
        "Subtract": _two(elementwise.sub),
        "Multiply": _two(elementwise.mul),
        "Divide": _two(elementwise.div, to_real=True),
        "TrueDivide": _two(elementwise.div, to_real=True),
        "FloorDivide": _two(_floored),
        "Power": _two(elementwise.pow_),
        "Maximum": _two(elementwise.maximum),
        "Minimum": _two(elementwise.minimum),
        "Mod": _two(lambda x, y: elementwise.mod(x, y, floored=True)),
        "Equal": _two(compare.equal),
        "NotEqual": _two(compare.not_equal),
        "Less": _two(compare.less),
        "LessEqual": _two(compare.less_equal),
        "Greater": _two(compare.greater),
        "GreaterEqual": _two(compare.greater_equal),
        "LogicalAnd": _two(compare.logical_and),
        "LogicalOr": _two(compare.logical_or),
        "LogicalXor": _two(compare.logical_xor),
        "BitwiseAnd": _two(bitwise.bitwise_and),
        "BitwiseOr": _two(bitwise.bitwise_or),
        "BitwiseXor": _two(bitwise.bitwise_xor),
        "BitwiseLeftShift": _two(bitwise.shift_left),
        "BitwiseRightShift": _two(bitwise.shift_right),
    }
)
_ONE: Mapping[str, Handler] = MappingProxyType(
    {
        "Absolute": _one(elementwise.abs_, to_real=False),
        "Abs": _one(elementwise.abs_, to_real=False),
        "Negative": _one(elementwise.neg, to_real=False),
        "Sign": _one(elementwise.sign, to_real=False),
        "Square": _one(_square, to_real=False),
        "LogicalNot": _one(compare.logical_not, to_real=False),
        "Exp": _one(elementwise.exp),
        "Expm1": _one(_less_one),
        "Log": _one(elementwise.log),
        "Log1p": _one(_log_one),
        "Sqrt": _one(elementwise.sqrt),
        "Rsqrt": _one(_inverse_root),
        "Reciprocal": _one(elementwise.reciprocal),
        "Floor": _one(elementwise.floor),
        "Ceil": _one(elementwise.ceil),
        "Sin": _one(elementwise.sin),
        "Cos": _one(elementwise.cos),
        "Tan": _one(elementwise.tan),
        "Sinh": _one(elementwise.sinh),
        "Cosh": _one(elementwise.cosh),
        "Arcsin": _one(elementwise.asin),
        "Arccos": _one(elementwise.acos),
        "Arctan": _one(elementwise.atan),
        "Arcsinh": _one(elementwise.asinh),
        "Arccosh": _one(elementwise.acosh),
        "Arctanh": _one(elementwise.atanh),
        "Erf": _one(elementwise.erf),
        **{
            name: _one(FUNCTIONS[word])
            for name, word in {
                "Relu": "relu",
                "Relu6": "relu6",
                "Sigmoid": "sigmoid",
                "LogSigmoid": "log_sigmoid",
                "Tanh": "tanh",
                "Softplus": "softplus",
                "Softsign": "softsign",
                "SoftSign": "softsign",
                "Silu": "silu",
                "Swish": "silu",
                "HardSilu": "hard_silu",
                "HardSwish": "hard_silu",
                "HardTanh": "hard_tanh",
                "Mish": "mish",
                "TanhShrink": "tanh_shrink",
                "Selu": "selu",
                "Squareplus": "squareplus",
                "SparsePlus": "sparse_plus",
                "SparseSigmoid": "sparse_sigmoid",
            }.items()
        },
        "HardSigmoid": _one(lambda x: activation.hard_sigmoid(x, alpha=1 / 6, beta=0.5)),
    }
)
for _name, _handler in {**_TWO, **_ONE}.items():
    handlers.add(OPERATION + _name, _handler)


def _any(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    told = x if x.dtype == DType.BOOL else compare.not_equal(x, scalar_like(x, 0))
    counted = reduce.reduce_max(elementwise.cast(told, dtype=DType.INT32), axes=axes, keep_dims=keep_dims)
    return compare.not_equal(counted, scalar_like(counted, 0))


def _all(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    told = x if x.dtype == DType.BOOL else compare.not_equal(x, scalar_like(x, 0))
    return compare.logical_not(_any(compare.logical_not(told), axes=axes, keep_dims=keep_dims))


def _mean(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    return reduce.reduce_mean(real(x), axes=axes, keep_dims=keep_dims)


def _variance(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    x = real(x)
    mean = broadcast(reduce.reduce_mean(x, axes=axes, keep_dims=True), shape=x.shape)
    return reduce.reduce_mean(_square(elementwise.sub(x, mean)), axes=axes, keep_dims=keep_dims)


def _deviation(x: Value, *, axes: tuple[int, ...], keep_dims: bool) -> Value:
    return elementwise.sqrt(_variance(x, axes=axes, keep_dims=keep_dims))


_REDUCTIONS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "Sum": reduce.reduce_sum,
        "Mean": _mean,
        "Max": reduce.reduce_max,
        "Amax": reduce.reduce_max,
        "Min": reduce.reduce_min,
        "Amin": reduce.reduce_min,
        "Prod": reduce.reduce_prod,
        "Any": _any,
        "All": _all,
        "Var": _variance,
        "Std": _deviation,
        "Logsumexp": reduce.reduce_log_sum_exp,
    }
)


@handlers.layer(*(OPERATION + name for name in _REDUCTIONS))
def reduced(site: Site, x: Value) -> Value:
    """A reduction along some axes."""
    if site.config.raw("initial") is not None:
        site.refuse("a reduction that begins with a number")
    if site.config.raw("dtype") is not None:
        site.refuse("a reduction in numbers of another type", "cast its operand")
    function = _REDUCTIONS[site.layer.kind.removeprefix(OPERATION)]
    return function(x, axes=axes_of(site, x), keep_dims=site.config.flag("keepdims"))


@handlers.layer(OPERATION + "Argmax", OPERATION + "Argmin")
def extreme(site: Site, x: Value) -> Value:
    """Argmax, Argmin, i32."""
    if site.config.raw("axis") is None:
        x = reshape(x, shape=(product_of(x.shape),))
    function = reduce.arg_max if site.layer.kind.endswith("max") else reduce.arg_min
    place = function(x, axis=axis_of(site, x.rank, 0), keep_dims=site.config.flag("keepdims"))
    return elementwise.cast(place, dtype=DType.INT32)


@handlers.layer(OPERATION + "Softmax")
def softmax(site: Site, x: Value) -> Value:
    """Softmax."""
    return norm.softmax(x, axis=axis_of(site, x.rank, -1))


@handlers.layer(OPERATION + "LogSoftmax")
def log_softmax(site: Site, x: Value) -> Value:
    """LogSoftmax."""
    return norm.log_softmax(x, axis=axis_of(site, x.rank, -1))


@handlers.layer(OPERATION + "Gelu")
def gelu(site: Site, x: Value) -> Value:
    """Gelu."""
    return activation.gelu(x, approximation="tanh" if site.config.flag("approximate", True) else "none")


@handlers.layer(OPERATION + "LeakyRelu")
def leaky(site: Site, x: Value) -> Value:
    """LeakyRelu."""
    return activation.leaky_relu(x, alpha=site.config.number("negative_slope", 0.2))


@handlers.layer(OPERATION + "Elu", OPERATION + "Celu")
def exponential(site: Site, x: Value) -> Value:
    """Elu, Celu."""
    function = activation.elu if site.layer.kind.endswith("Elu") else activation.celu
    return function(x, alpha=site.config.number("alpha", 1.0))


@handlers.layer(OPERATION + "Clip")
def clipped(site: Site, x: Value) -> Value:
    """Clip."""
    return elementwise.clip(
        x, minimum=site.config.optional_number("x_min"), maximum=site.config.optional_number("x_max")
    )


@handlers.layer(OPERATION + "Cast")
def cast(site: Site, x: Value) -> Value:
    """Cast."""
    return elementwise.cast(x, dtype=DTYPES[site.config.word("dtype", "float32", *DTYPES)])


@handlers.layer(OPERATION + "ConvertToTensor")
def converted(site: Site, x: Value) -> Value:
    """ConvertToTensor: in another type where one is said."""
    if site.config.flag("sparse") or site.config.flag("ragged"):
        site.refuse("a conversion to a sparse or ragged tensor")
    word = site.config.raw("dtype")
    return x if word is None else elementwise.cast(x, dtype=DTYPES[site.config.word("dtype", "float32", *DTYPES)])


@handlers.layer(OPERATION + "ZerosLike", OPERATION + "OnesLike")
def filled(site: Site, x: Value) -> Value:
    """ZerosLike, OnesLike."""
    word = site.config.raw("dtype")
    dtype = x.dtype if word is None else DTYPES[site.config.word("dtype", "float32", *DTYPES)]
    number = 0 if site.layer.kind.endswith("ZerosLike") else 1
    return broadcast(constant(value=constant_of(np.asarray(number, dtype.dtype))), shape=x.shape)


@handlers.layer(OPERATION + "Where")
def chosen(site: Site, *operands: Value) -> Value:
    """Where: x1 where the condition holds, else x2."""
    slots = slots_of(site, operands)
    if len(slots) != 3 or not isinstance(slots[0], Value):
        site.refuse("a choice without a condition and two tensors")
    condition, *others = slots
    like = next((value for value in others if isinstance(value, Value)), None)
    if like is None or not isinstance(condition, Value):
        site.refuse("a choice between two numbers")
    first, second = (value if isinstance(value, Value) else literal_of(value, like) for value in others)
    condition, first, second = site.aligned(condition, first, second)
    return elementwise.select(condition, first, second)


@handlers.layer(OPERATION + "Round")
def rounded(site: Site, x: Value) -> Value:
    """Round; halves go to the even number."""
    if site.config.integer("decimals", 0):
        site.refuse("rounding to decimals")
    return elementwise.round_(x) if x.dtype.is_floating else x


@handlers.layer(OPERATION + "Matmul")
def product(site: Site, *operands: Value) -> Value:
    """Matmul; one vector is a row or a column, axes in front of matrices are repeated as elements are."""
    x, y = (slot for slot in slots_of(site, operands) if isinstance(slot, Value))
    row, column = x.rank < _MATRIX, y.rank < _MATRIX
    x = reshape(x, shape=(1, *x.shape)) if row else x
    y = reshape(y, shape=(*y.shape, 1)) if column else y
    batch = join([x.shape[:-2], y.shape[:-2]])
    made = matmul(*(site.repeated(value, (*batch, *value.shape[-2:])) for value in (x, y)))
    kept = (*batch, *(() if row else made.shape[-2:-1]), *(() if column else made.shape[-1:]))
    return reshape(made, shape=kept) if row or column else made


@handlers.layer(OPERATION + "Einsum")
def summed(site: Site, *operands: Value) -> Value:
    """Einsum."""
    return einsum(*operands, equation=site.config.text("subscripts"))
