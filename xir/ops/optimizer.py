"""One step of an optimizer, for one tensor."""

from __future__ import annotations

from typing import Literal

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import scalar_like
from xir.ops._checks import only_element, require_dtype, require_floating, require_same_type, require_scalar
from xir.ops._define import op
from xir.ops._wide import narrow, wide
from xir.ops._windows import Numbers, widened
from xir.ops.compare import greater
from xir.ops.elementwise import add, cast, div, maximum, mul, pow_, select, sqrt, sub
from xir.ops.shape import broadcast, reshape

Momentum = Literal["standard", "nesterov"]


def _require(rate: Value, count: Value, x: Value, *others: Value) -> TensorType:
    """Checks a learning rate, a count of updates, and tensors of one floating type; returns that."""
    require_floating(rate, x)
    require_scalar(rate, rate.dtype)
    require_dtype(count, DType.INT64)
    require_scalar(count, DType.INT64)
    return require_same_type(x, *others)


def _number(array: Array) -> float:
    return float(only_element(array).astype(np.float64))


def _spread(number: Value, like: Value) -> Value:
    """A run-time number, everywhere in a tensor of the type of `like`."""
    return broadcast(reshape(narrow(number, like.dtype), shape=()), shape=like.shape)


def _scaled(x: Value, factor: float) -> Value:
    return mul(x, scalar_like(x, factor))


def _rounded(values: tuple[Numbers, ...], like: Array) -> tuple[Array, ...]:
    return tuple(value.astype(like.dtype) for value in values)


@op
def adagrad_step(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    squares: Value,
    *,
    decay: float,
    epsilon: float,
    regularization: float,
) -> tuple[TensorType, TensorType]:
    """`x - r g / (sqrt(h) + epsilon)`, h the sum of squared gradients (ONNX Adagrad; Duchi et al. 2011).

    rate: the learning rate, a floating scalar; count: i64, the updates so far; x, gradient, squares: floating, of one
    type; results: x and h after the step. r = rate / (1 + count * decay), g = gradient + regularization * x.
    """
    held = _require(rate, count, x, gradient, squares)
    return held, held


@adagrad_step.reference
def _adagrad_reference(
    rate: Array,
    count: Array,
    x: Array,
    gradient: Array,
    squares: Array,
    *,
    decay: float,
    epsilon: float,
    regularization: float,
) -> tuple[Array, ...]:
    data = widened(x)
    g: Numbers = widened(gradient) + data * data.dtype.type(regularization)
    h: Numbers = widened(squares) + g * g
    r = data.dtype.type(_number(rate) / (1 + _number(count) * decay))
    return _rounded((data - r * g / (np.sqrt(h) + data.dtype.type(epsilon)), h), x)


@adagrad_step.decompose
def _adagrad_decompose(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    squares: Value,
    *,
    decay: float,
    epsilon: float,
    regularization: float,
) -> tuple[Value, ...]:
    data = wide(x)
    g = add(wide(gradient), _scaled(data, regularization))
    h = add(wide(squares), mul(g, g))
    slower = add(scalar_like(data, 1.0), _scaled(_spread(cast(count, dtype=data.dtype), data), decay))
    r = div(_spread(rate, data), slower)
    step = div(mul(r, g), add(sqrt(h), scalar_like(h, epsilon)))
    return narrow(sub(data, step), x.dtype), narrow(h, x.dtype)


@op
def adam_step(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    mean: Value,
    squares: Value,
    *,
    alpha: float,
    beta: float,
    epsilon: float,
    regularization: float,
    decay: float,
) -> tuple[TensorType, TensorType, TensorType]:
    """`(1 - decay) (x - r v / (sqrt(h) + epsilon))`, v and h running means (ONNX Adam; Kingma and Ba 2014).

    rate: the learning rate, a floating scalar; count: i64, the updates so far; x, gradient, mean, squares: floating, of
    one type; results: x, v and h after the step. g = gradient + regularization * x, v = alpha * mean + (1 - alpha) g,
    h = beta * squares + (1 - beta) g^2; r = rate * sqrt(1 - beta^count) / (1 - alpha^count), or rate where count is 0.
    """
    held = _require(rate, count, x, gradient, mean, squares)
    return held, held, held


@adam_step.reference
def _adam_reference(
    rate: Array,
    count: Array,
    x: Array,
    gradient: Array,
    mean: Array,
    squares: Array,
    *,
    alpha: float,
    beta: float,
    epsilon: float,
    regularization: float,
    decay: float,
) -> tuple[Array, ...]:
    data = widened(x)
    kind = data.dtype.type
    g: Numbers = widened(gradient) + data * kind(regularization)
    v: Numbers = kind(alpha) * widened(mean) + kind(1 - alpha) * g
    h: Numbers = kind(beta) * widened(squares) + kind(1 - beta) * (g * g)
    r, t = _number(rate), _number(count)
    if t > 0:
        r = r * np.sqrt(1 - beta**t) / (1 - alpha**t)
    return _rounded((kind(1 - decay) * (data - kind(r) * (v / (np.sqrt(h) + kind(epsilon)))), v, h), x)


@adam_step.decompose
def _adam_decompose(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    mean: Value,
    squares: Value,
    *,
    alpha: float,
    beta: float,
    epsilon: float,
    regularization: float,
    decay: float,
) -> tuple[Value, ...]:
    data = wide(x)
    g = add(wide(gradient), _scaled(data, regularization))
    v = add(_scaled(wide(mean), alpha), _scaled(g, 1 - alpha))
    h = add(_scaled(wide(squares), beta), _scaled(mul(g, g), 1 - beta))
    # A count of 0 is taken as 1 in the branch that is not chosen, so that nothing there is divided by 0.
    times, r = reshape(count, shape=()), cast(reshape(rate, shape=()), dtype=DType.FLOAT64)
    exact = cast(maximum(times, scalar_like(times, 1)), dtype=DType.FLOAT64)
    one = scalar_like(exact, 1.0)
    lag = sub(one, pow_(scalar_like(exact, beta), exact))
    biased = div(mul(r, sqrt(lag)), sub(one, pow_(scalar_like(exact, alpha), exact)))
    rates = _spread(select(greater(times, scalar_like(times, 0)), biased, r), data)
    step = mul(rates, div(v, add(sqrt(h), scalar_like(h, epsilon))))
    results = (_scaled(sub(data, step), 1 - decay), v, h)
    return tuple(narrow(result, x.dtype) for result in results)


@op
def momentum_step(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    velocity: Value,
    *,
    alpha: float,
    beta: float,
    regularization: float,
    mode: Momentum,
) -> tuple[TensorType, TensorType]:
    """`x - rate * v`, or Nesterov's `x - rate * (g + alpha v)`, v the momentum (ONNX Momentum; Sutskever et al. 2013).

    rate: the learning rate, a floating scalar; count: i64, the updates so far; x, gradient, velocity: floating, of one
    type; results: x and v after the step. g = gradient + regularization * x; v = alpha * velocity + beta * g, or
    + g where count is 0.
    """
    held = _require(rate, count, x, gradient, velocity)
    return held, held


@momentum_step.reference
def _momentum_reference(
    rate: Array,
    count: Array,
    x: Array,
    gradient: Array,
    velocity: Array,
    *,
    alpha: float,
    beta: float,
    regularization: float,
    mode: Momentum,
) -> tuple[Array, ...]:
    data = widened(x)
    kind = data.dtype.type
    g: Numbers = widened(gradient) + data * kind(regularization)
    v: Numbers = kind(alpha) * widened(velocity) + kind(beta if _number(count) > 0 else 1.0) * g
    step = v if mode == "standard" else g + kind(alpha) * v
    return _rounded((data - kind(_number(rate)) * step, v), x)


@momentum_step.decompose
def _momentum_decompose(
    rate: Value,
    count: Value,
    x: Value,
    gradient: Value,
    velocity: Value,
    *,
    alpha: float,
    beta: float,
    regularization: float,
    mode: Momentum,
) -> tuple[Value, ...]:
    data = wide(x)
    g = add(wide(gradient), _scaled(data, regularization))
    times = reshape(count, shape=())
    share = cast(scalar_like(times, 0), dtype=data.dtype)
    started = greater(times, scalar_like(times, 0))
    factor = select(started, scalar_like(share, beta), scalar_like(share, 1.0))
    v = add(_scaled(wide(velocity), alpha), mul(broadcast(factor, shape=g.shape), g))
    step = v if mode == "standard" else add(g, _scaled(v, alpha))
    return narrow(sub(data, mul(_spread(rate, data), step)), x.dtype), narrow(v, x.dtype)
