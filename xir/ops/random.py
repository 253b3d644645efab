"""Random numbers: the same for the same seed, on every machine and in every release.

The generator is MT19937 (Matsumoto and Nishimura 1998) with the streams of `numpy.random.RandomState`, which NumPy has
frozen (NEP 19): uniform numbers have 53 random bits, normal ones come from the polar method, both in row-major order.
ONNX leaves the generator open; onnx's own examples of Dropout were made with this one.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError, UnsupportedError
from xir.ir.constant import Array
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import only_element, require_floating, require_rank, require_same_shape, require_size
from xir.ops._define import op
from xir.ops._windows import Numbers, widened
from xir.ops.compare import less, less_equal
from xir.ops.elementwise import div, exp, minimum, mul, sub
from xir.ops.reduce import cumsum, reduce_max, reduce_sum
from xir.ops.shape import broadcast, reshape

MAX_SEED = (1 << 63) - 1
_WORD = (1 << 32) - 1
_ONE_STREAM = "its numbers are one stream in row-major order, which no target has a kernel of"
_NO_SLOPE = "the numbers do not depend on the operand"


DRAWING = frozenset(("random_uniform", "random_normal", "bernoulli", "multinomial", "dropout"))
"""The operators that draw random numbers."""


def generator(seed: int) -> np.random.RandomState:
    """The stream of a seed: of 32 bits as `init_genrand` takes it, of 64 bits as two words for `init_by_array`."""
    return np.random.RandomState(seed if seed <= _WORD else [seed & _WORD, seed >> 32])


def _require_seed(seed: int) -> None:
    if not 0 <= seed <= MAX_SEED:
        raise InvalidModelError(f"a seed lies in [0, {MAX_SEED}], got {seed}")


def _require_shape(like: Value | None, shape: Shape, dtype: DType) -> None:
    if like is not None:
        require_same_shape(like.shape, shape)
    if not dtype.is_floating:
        raise InvalidModelError(f"random numbers are floating-point, got {dtype}")


@op
def random_uniform(
    like: Value | None = None, *, shape: Shape, low: float, high: float, seed: int, dtype: DType
) -> TensorType:
    """Numbers spread evenly over [low, high), rounded to `dtype` (ONNX RandomUniform, RandomUniformLike).

    like: a tensor of any type whose shape is that of the result; result: `shape` of `dtype`, floating.
    """
    _require_seed(seed)
    _require_shape(like, shape, dtype)
    return TensorType(dtype, shape)


@random_uniform.reference
def _random_uniform_reference(
    like: Array | None, *, shape: tuple[int, ...], low: float, high: float, seed: int, dtype: DType
) -> Array:
    drawn = generator(seed).uniform(low, high, shape if like is None else like.shape)
    return np.asarray(drawn).astype(dtype.dtype)


random_uniform.host(_ONE_STREAM)
random_uniform.no_gradient(_NO_SLOPE)


@op
def random_normal(
    like: Value | None = None, *, shape: Shape, mean: float, deviation: float, seed: int, dtype: DType
) -> TensorType:
    """Normal numbers of a mean and a standard deviation >= 0 (ONNX RandomNormal, RandomNormalLike).

    like: a tensor of any type whose shape is that of the result; result: `shape` of `dtype`, floating.
    """
    _require_seed(seed)
    _require_shape(like, shape, dtype)
    if not deviation >= 0:
        raise InvalidModelError(f"a standard deviation is >= 0, got {deviation}")
    return TensorType(dtype, shape)


@random_normal.reference
def _random_normal_reference(
    like: Array | None, *, shape: tuple[int, ...], mean: float, deviation: float, seed: int, dtype: DType
) -> Array:
    drawn = generator(seed).normal(mean, deviation, shape if like is None else like.shape)
    return np.asarray(drawn).astype(dtype.dtype)


random_normal.host(_ONE_STREAM)
random_normal.no_gradient(_NO_SLOPE)


@op
def bernoulli(x: Value, *, seed: int, dtype: DType) -> TensorType:
    """1 with the probability that each element is, else 0: where a uniform number in [0, 1) is below (ONNX Bernoulli).

    x: probabilities in [0, 1], floating; result: `dtype`, numbers or bool, the shape of `x`.
    """
    require_floating(x)
    _require_seed(seed)
    if not (dtype.is_floating or dtype.is_integer or dtype is DType.BOOL):
        raise InvalidModelError(f"a number type or bool is needed, got {dtype}")
    return x.tensor.with_dtype(dtype)


@bernoulli.reference
def _bernoulli_reference(x: Array, *, seed: int, dtype: DType) -> Array:
    drawn = generator(seed).uniform(0.0, 1.0, x.shape)
    return np.asarray(drawn < x.astype(np.float64)).astype(dtype.dtype)


@bernoulli.decompose
def _bernoulli_decompose(x: Value, *, seed: int, dtype: DType) -> Value:
    drawn = _uniform(x, x.shape, seed)
    return elementwise.cast(less(drawn, elementwise.cast(x, dtype=DType.FLOAT64)), dtype=dtype)


bernoulli.no_gradient("0 and 1 have no slope")


def _uniform(like: Value | None, shape: Shape, seed: int) -> Value:
    return random_uniform(like, shape=shape, low=0.0, high=1.0, seed=seed, dtype=DType.FLOAT64)


@op
def multinomial(x: Value, *, count: int, seed: int, dtype: DType) -> TensorType:
    """`count` draws from the classes of each row, by the inverse of their summed probabilities (ONNX Multinomial).

    x: [N, C] unnormalized log-probabilities, floating; result: [N, count] of `dtype`, i32 or i64: classes in [0, C).
    """
    require_floating(x)
    require_rank(x, 2)
    _require_seed(seed)
    if count < 1 or dtype not in (DType.INT32, DType.INT64):
        raise InvalidModelError(f"at least one draw of i32 or i64 is needed, got {count} of {dtype}")
    if x.shape[1] == 0:
        raise InvalidModelError(f"there is no class to draw from in {x.type!r}")
    return TensorType(dtype, (x.shape[0], count))


@multinomial.reference
def _multinomial_reference(x: Array, *, count: int, seed: int, dtype: DType) -> Array:
    scores = x.astype(np.float64)
    sums = np.cumsum(np.exp(scores - scores.max(axis=1, keepdims=True)), axis=1)
    drawn = generator(seed).uniform(0.0, 1.0, (len(x), count)) * sums[:, -1:]
    below = np.sum(sums[:, np.newaxis] <= drawn[:, :, np.newaxis], axis=2)
    found: Array = np.minimum(below, x.shape[1] - 1)
    return found.astype(dtype.dtype)


@multinomial.decompose
def _multinomial_decompose(x: Value, *, count: int, seed: int, dtype: DType) -> Value:
    scores = elementwise.cast(x, dtype=DType.FLOAT64)
    top = broadcast(reduce_max(scores, axes=(1,), keep_dims=True), shape=x.shape)
    sums = cumsum(exp(sub(scores, top)), axis=1)
    total = reduce_max(sums, axes=(1,), keep_dims=True)
    n, classes = x.shape
    drawn = mul(_uniform(None, (n, count), seed), broadcast(total, shape=(n, count)))
    shape = (n, count, classes)
    below = less_equal(
        broadcast(reshape(sums, shape=(n, 1, classes)), shape=shape),
        broadcast(reshape(drawn, shape=(n, count, 1)), shape=shape),
    )
    found = reduce_sum(elementwise.cast(below, dtype=DType.INT64), axes=(2,), keep_dims=False)
    from xir.ops._targets import size_value  # which builds on losses' helpers alone

    last = broadcast(size_value(classes - 1, DType.INT64), shape=found.shape)
    return elementwise.cast(minimum(found, last), dtype=dtype)


multinomial.no_gradient("classes are no numbers with a slope")


@op
def dropout(
    x: Value, ratio: Value | None = None, training: Value | None = None, *, rate: float, seed: int
) -> tuple[TensorType, TensorType]:
    """Elements kept with the probability 1 - rate and divided by it, the others 0 (ONNX Dropout; Srivastava 2014).

    x: floating; results: the type of `x`, and bool: where they are kept, which is where a uniform number in [0, 1) is
    not below `rate`, itself in [0, 1). `ratio`: a floating scalar, gives the rate at run time; `training`: a bool
    scalar, false of which keeps all elements as they are.
    """
    require_floating(x)
    _require_seed(seed)
    if ratio is not None:
        require_floating(ratio)
    for number in (ratio, training):
        for size in () if number is None else number.shape:
            require_size(size, 1, "the number of elements of a run-time number")
    if training is not None and training.dtype is not DType.BOOL:
        raise InvalidModelError(f"whether this is training is a bool, got {training.type!r}")
    if not 0 <= rate < 1:
        raise InvalidModelError(f"the rate lies in [0, 1), got {rate}")
    return x.tensor, x.tensor.with_dtype(DType.BOOL)


@dropout.reference
def _dropout_reference(
    x: Array, ratio: Array | None, training: Array | None, *, rate: float, seed: int
) -> tuple[Array, Array]:
    share = rate if ratio is None else float(cast("NDArray[np.float64]", only_element(ratio).astype(np.float64)))
    if training is not None and not bool(only_element(training)):
        share = 0.0
    if not 0 <= share < 1:
        raise InvalidModelError(f"the rate lies in [0, 1), got {share}")
    if share == 0:
        return x, np.ones(x.shape, np.bool_)
    kept = np.asarray(generator(seed).uniform(0.0, 1.0, x.shape) >= share)
    data: Numbers = widened(x)
    return np.where(kept, data * data.dtype.type(1 / (1 - share)), 0).astype(x.dtype), kept


@dropout.gradient
def _dropout_gradient(node: Node, dy: Value, dkept: Value) -> tuple[Value | None, ...]:
    """The gradient goes where the elements were kept, by the factor that they took.

    Raises:
        UnsupportedError: if the rate is computed at run time: the factor would be 1 where nothing is dropped.
    """
    ratio, training = node.inputs[1:]
    if ratio is not None or training is not None:
        raise UnsupportedError(
            "the gradient of dropout needs a rate that is known before the run",
            hint="fold the rate and the training mode into constants",
        )
    kept = elementwise.cast(node.outputs[1], dtype=dy.dtype)
    share = cast("float", node.attributes["rate"])
    return div(mul(dy, kept), scalar_like(dy, 1 - share)), None, None


dropout.host(_ONE_STREAM)
