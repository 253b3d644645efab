"""Activations (aten/src/ATen/native/Activation.cpp)."""

from __future__ import annotations

from collections.abc import Callable

from xir.autodiff import pullback
from xir.frontends.torch.call import Call
from xir.frontends.torch.operators import Operators
from xir.frontends.torch.tensor import Number
from xir.ir.dims import floor_divide
from xir.ir.node import Value
from xir.ops import activation as ops
from xir.ops.compare import greater, less, less_equal
from xir.ops.elementwise import abs_, add, clip, div, exp, maximum, minimum, mul, neg, select, sub
from xir.ops.shape import reshape, split

operators = Operators("aten")

SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946
"""The constants of aten/src/ATen/native/Activation.cpp (`SELU_ALPHA`, `SELU_SCALE`; Klambauer et al. 2017)."""


def _number(call: Call, number: Number, what: str) -> float:
    """A number that must be known before the run."""
    if isinstance(number, bool | int | float):
        return float(number)
    call.refuse(f"{what} that is not known before the run")


def _like(call: Call, number: float, x: Value) -> Value:
    return call.repeated(call.scalar(number, x.dtype), x.shape)


def _unary(made: Callable[[Value], Value]) -> Callable[[Call, Value], Value]:
    def handler(call: Call, x: Value) -> Value:
        """One tensor in, one of the same type out."""
        return made(x)

    return handler


operators.op("silu(Tensor self) -> Tensor")(_unary(lambda x: ops.swish(x, beta=1.0)))
operators.op("mish(Tensor self) -> Tensor")(_unary(ops.mish))
operators.op("hardswish(Tensor self) -> Tensor")(_unary(ops.hard_swish))
operators.op("hardsigmoid(Tensor self) -> Tensor")(_unary(lambda x: ops.hard_sigmoid(x, alpha=1 / 6, beta=0.5)))
operators.op("selu(Tensor self) -> Tensor")(_unary(lambda x: ops.selu(x, alpha=SELU_ALPHA, gamma=SELU_SCALE)))


@operators.op("gelu(Tensor self, *, str approximate='none') -> Tensor")
def gelu(call: Call, x: Value, approximate: str) -> Value:
    """The Gaussian unit, exact or by tanh."""
    if approximate == "none":
        return ops.gelu(x, approximation="none")
    if approximate == "tanh":
        return ops.gelu(x, approximation="tanh")
    call.invalid(f"approximate is {approximate!r}, expected 'none' or 'tanh'")


@operators.op("relu6(Tensor self) -> Tensor")
def relu6(call: Call, x: Value) -> Value:
    """`min(max(x, 0), 6)`."""
    return hardtanh(call, x, 0, 6)


@operators.op("hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor")
def hardtanh(call: Call, x: Value, low: Number, high: Number) -> Value:
    """`min(max(x, low), high)`, in the type of x."""
    if isinstance(low, int | float) and isinstance(high, int | float):
        if x.dtype.is_integer:
            return minimum(maximum(x, _like(call, int(low), x)), _like(call, int(high), x))
        return clip(x, minimum=float(low), maximum=float(high))
    least, most = (call.repeated(call.scalar(each, x.dtype), x.shape) for each in (low, high))
    return minimum(maximum(x, least), most)


@operators.op("leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor")
def leaky_relu(call: Call, x: Value, slope: Number) -> Value:
    """X where it is positive, else `slope * x`."""
    return ops.leaky_relu(x, alpha=_number(call, slope, "a slope"))


@operators.op("prelu(Tensor self, Tensor weight) -> Tensor")
def prelu(call: Call, x: Value, slope: Value) -> Value:
    """X where it is positive, else x times the slope of its channel (axis 1), or the one slope that there is."""
    if slope.rank == 1 and slope.shape[0] != 1 and x.rank > 1:
        slope = reshape(slope, shape=(slope.shape[0], *(1,) * (x.rank - 2)))
    return ops.prelu(x, call.repeated(reshape(slope, shape=()) if x.rank == 0 else slope, x.shape))


@operators.op("_prelu_kernel(Tensor self, Tensor weight) -> Tensor")
def prelu_repeated(call: Call, x: Value, slope: Value) -> Value:
    """X where it is positive, else `slope * x`; the slopes broadcast."""
    return ops.prelu(x, call.repeated(slope, x.shape))


@operators.op("elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor")
def elu(call: Call, x: Value, alpha: Number, scale: Number, input_scale: Number) -> Value:
    """`scale * x` where x > 0, else `scale * alpha * (exp(input_scale * x) - 1)`."""
    a, s, i = (_number(call, each, "a factor") for each in (alpha, scale, input_scale))
    if i == 1:
        y = ops.elu(x, alpha=a)
        return y if s == 1 else mul(y, _like(call, s, x))
    below = ops.elu(mul(x, _like(call, i, x)), alpha=a * s)
    return select(greater(x, _like(call, 0, x)), mul(x, _like(call, s, x)), below)


@operators.op("celu(Tensor self, Scalar alpha=1.) -> Tensor")
def celu(call: Call, x: Value, alpha: Number) -> Value:
    """`max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`."""
    return ops.celu(x, alpha=_number(call, alpha, "alpha"))


@operators.op("softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor")
def softplus(call: Call, x: Value, beta: Number, threshold: Number) -> Value:
    """`log(1 + exp(beta * x)) / beta`, x itself where `beta * x` is above the threshold."""
    factor, most = _number(call, beta, "beta"), _number(call, threshold, "a threshold")
    scaled = x if factor == 1 else mul(x, _like(call, factor, x))
    y = ops.softplus(scaled)
    y = y if factor == 1 else div(y, _like(call, factor, x))
    return select(greater(scaled, _like(call, most, x)), x, y)


@operators.op("log_sigmoid(Tensor self) -> Tensor")
def log_sigmoid(call: Call, x: Value) -> Value:
    """`log(1 / (1 + exp(-x)))`, without overflow."""
    return neg(ops.softplus(neg(x)))


@operators.op("log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)")
def log_sigmoid_forward(call: Call, x: Value) -> tuple[Value, Value]:
    """`log_sigmoid`, and `exp(-|x|)` for the derivative."""
    return log_sigmoid(call, x), exp(neg(abs_(x)))


@operators.op("hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor")
def hardshrink(call: Call, x: Value, border: Number) -> Value:
    """0 where |x| is at most `border`, else x; NaN stays."""
    near = less_equal(abs_(x), _like(call, _number(call, border, "a border"), x))
    return select(near, _like(call, 0, x), x)


@operators.op("softshrink(Tensor self, Scalar lambd=0.5) -> Tensor")
def softshrink(call: Call, x: Value, border: Number) -> Value:
    """X moved towards 0 by `border`, 0 where it would pass it."""
    width = _number(call, border, "a border")
    if width < 0:
        call.invalid(f"lambd is {width}, expected 0 or more")
    high, low = _like(call, width, x), _like(call, -width, x)
    zero = mul(x, _like(call, 0, x))  # NaN stays
    return select(greater(x, high), sub(x, high), select(less(x, low), add(x, high), zero))


@operators.op("glu(Tensor self, int dim=-1) -> Tensor")
def glu(call: Call, x: Value, dim: int) -> Value:
    """The first half along an axis times the sigmoid of the second (Dauphin et al. 2016)."""
    axis = call.axis(dim, x.rank)
    half = floor_divide(x.shape[axis], 2)
    first, second = split(x, axis=axis, sizes=(half, half))
    return mul(first, ops.sigmoid(second))


@operators.op(
    "rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.3333333333333333, bool training=False,"
    " Generator? generator=None) -> Tensor"
)
def randomized(call: Call, x: Value, lower: Number, upper: Number, training: bool) -> Value:
    """The leaky ReLU with the mean of both slopes; random slopes are for training."""
    if training:
        call.refuse("random slopes", "put the model in eval mode")
    return ops.leaky_relu(x, alpha=(_number(call, lower, "a slope") + _number(call, upper, "a slope")) / 2)


@operators.op("gelu_backward(Tensor grad_output, Tensor self, *, str approximate='none') -> Tensor")
def gelu_backward(call: Call, dy: Value, x: Value, approximate: str) -> Value:
    """The derivative of `gelu`."""

    def build(value: Value) -> Value:
        return gelu(call, value, approximate)

    return pullback(build, (x,), dy)[0]


@operators.op("silu_backward(Tensor grad_output, Tensor self) -> Tensor")
def silu_backward(call: Call, dy: Value, x: Value) -> Value:
    """The derivative of `silu`."""

    def build(value: Value) -> Value:
        return ops.swish(value, beta=1.0)

    return pullback(build, (x,), dy)[0]


@operators.op("hardtanh_backward(Tensor grad_output, Tensor self, Scalar min_val, Scalar max_val) -> Tensor")
def hardtanh_backward(call: Call, dy: Value, x: Value, low: Number, high: Number) -> Value:
    """The derivative of `hardtanh`: 0 at the borders and beyond."""
    least, most = (call.repeated(call.scalar(each, x.dtype), x.shape) for each in (low, high))
    zero = _like(call, 0, dy)
    return select(less_equal(x, least), zero, select(less_equal(most, x), zero, dy))


@operators.op("threshold_backward(Tensor grad_output, Tensor self, Scalar threshold) -> Tensor")
def threshold_backward(call: Call, dy: Value, x: Value, threshold: Number) -> Value:
    """The derivative of `threshold` and `relu`: 0 up to the threshold."""
    below = less_equal(x, call.repeated(call.scalar(threshold, x.dtype), x.shape))
    return select(below, _like(call, 0, dy), dy)


@operators.op("sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor")
def sigmoid_backward(call: Call, dy: Value, y: Value) -> Value:
    """`dy * y * (1 - y)`."""
    return mul(dy, mul(y, sub(_like(call, 1, y), y)))


@operators.op("tanh_backward(Tensor grad_output, Tensor output) -> Tensor")
def tanh_backward(call: Call, dy: Value, y: Value) -> Value:
    """`dy * (1 - y * y)`."""
    return mul(dy, sub(_like(call, 1, y), mul(y, y)))


@operators.op("relu(Tensor self) -> Tensor")
def relu(call: Call, x: Value) -> Value:
    """`max(x, 0)`; integers stay integers."""
    return ops.relu(x)


@operators.op(
    "threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor",
)
def threshold(call: Call, x: Value, least: Number, value: Number) -> Value:
    """X above the threshold, else the value; NaN stays (aten/src/ATen/native/cpu/Activation.cpp)."""
    below = less_equal(x, call.filled(least, x.dtype, x.shape))
    return select(below, call.filled(value, x.dtype, x.shape), x)
