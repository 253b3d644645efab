"""Examples for the laws of formulas: activations, normalizations, products, recurrent layers."""

from __future__ import annotations

import math

import numpy as np

from tests.passes.helpers import F64, I32, Example, Net, literal
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops.activation import hard_sigmoid, relu, sigmoid, softplus, tanh
from xir.ops.elementwise import abs_, add, clip, div, erf, exp, log, mul, neg, pow_, reciprocal, sqrt, sub
from xir.ops.lstm import lstm
from xir.ops.matmul import gemm, matmul
from xir.ops.norm import layer_norm, mean_variance_normalize, softmax
from xir.ops.norm_length import rms_norm
from xir.ops.reduce import reduce_mean, reduce_sum, reduce_sum_square
from xir.ops.rnn import gru
from xir.ops.shape import broadcast, reshape, transpose

N = Symbol("N")
BOUND = 64.0
"""Units in the last place of the largest number, see the modules of the laws."""
READ = "other operators read a part of the formula"


def number(x: Value, value: float) -> Value:
    """`value` in the shape and type of `x`."""
    return broadcast(literal(value, dtype=x.dtype), shape=x.shape)


def times(x: Value, value: float) -> Value:
    return mul(x, number(x, value))


def plus(x: Value, value: float) -> Value:
    return add(number(x, value), x)


def fused(rule: str, build: object, left: str | None, reason: str = "", label: str = "") -> Example:
    assert callable(build)
    return Example(rule, build, left, reason, label, bound=BOUND)


def standardized(net: Net, *axes: int, outside: bool = False, scaled: bool = True) -> Value:
    x = net.input(2, 3, 4)
    return mean_variance_normalize(x, axes=axes, normalize_variance=scaled, epsilon=1e-5, outside=outside)


def by_erf(x: Value, root: float = math.sqrt(2)) -> Value:
    return plus(erf(div(x, number(x, root))), 1.0)


def by_erfc(x: Value, less: float = 1.0) -> Value:
    return sub(number(x, less), erf(times(x, math.sqrt(0.5))))


def inner_tanh(x: Value, cube: Value, factor: float = math.sqrt(2 / math.pi)) -> Value:
    return plus(tanh(times(add(x, times(cube, 0.044715)), factor)), 1.0)


def gelu_factored(net: Net) -> Value:
    x = net.input(2, 3)
    line = plus(times(mul(x, x), 0.044715), 1.0)
    return mul(times(x, 0.5), plus(tanh(mul(times(x, math.sqrt(2 / math.pi)), line)), 1.0))


def of(net: Net, build: object, dtype: DType = DType.FLOAT32) -> Value:
    assert callable(build)
    made = build(net.input(2, 3, dtype=dtype))
    assert isinstance(made, Value)
    return made


def read_twice(net: Net) -> tuple[Value, ...]:
    x = net.input(2, 3)
    gate = erf(times(x, math.sqrt(0.5)))
    return mul(times(x, 0.5), plus(gate, 1.0)), relu(gate)


ACTIVATIONS = [
    fused("gelu_by_erf", lambda net: of(net, lambda x: times(mul(x, by_erf(x)), 0.5)), "gelu"),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(times(x, 0.5), by_erf(x)), F64), "gelu", label="half first"),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(x, times(by_erf(x), 0.5))), "gelu", label="half last"),
    fused("gelu_by_erf", read_twice, None, READ),
    fused("gelu_by_erf", lambda net: of(net, lambda x: times(mul(x, by_erf(x, 1.5)), 0.5)), None, label="another root"),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(times(x, 0.5), by_erfc(neg(x)))), "gelu", label="erfc"),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(times(x, 0.5), by_erfc(x))), None, label="erfc upwards"),
    fused(
        "gelu_by_erf", lambda net: of(net, lambda x: mul(times(x, 0.5), by_erfc(neg(x), 2.0))), None, label="two less"
    ),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(x, by_erf(x))), None, label="no half"),
    fused("gelu_by_erf", lambda net: of(net, lambda x: mul(x, plus(erf(x), 2.0))), None, label="two more"),
    fused("gelu_by_tanh", lambda net: of(net, lambda x: times(mul(x, inner_tanh(x, mul(x, mul(x, x)))), 0.5)), "gelu"),
    fused(
        "gelu_by_tanh",
        lambda net: of(net, lambda x: times(mul(x, inner_tanh(x, pow_(x, number(x, 3.0)))), 0.5)),
        "gelu",
        label="pow",
    ),
    fused("gelu_by_tanh", gelu_factored, "gelu", label="factored"),
    fused(
        "gelu_by_tanh",
        lambda net: of(net, lambda x: times(mul(x, inner_tanh(x, mul(x, x))), 0.5)),
        None,
        label="square",
    ),
    fused(
        "gelu_by_tanh",
        lambda net: of(net, lambda x: times(mul(x, inner_tanh(x, exp(x))), 0.5)),
        None,
        label="exp",
    ),
    fused(
        "gelu_by_tanh",
        lambda net: of(net, lambda x: times(mul(x, inner_tanh(x, mul(x, mul(x, x)), 0.7)), 0.5)),
        None,
        label="another factor",
    ),
    fused("gelu_by_tanh", lambda net: of(net, lambda x: times(mul(x, plus(tanh(x), 1.0)), 0.5)), None, label="no cube"),
    fused("swish_of_sigmoid", lambda net: of(net, lambda x: mul(sigmoid(x), x)), "swish"),
    fused("swish_of_sigmoid", lambda net: of(net, lambda x: mul(x, sigmoid(times(x, 1.7)))), "swish", label="beta"),
    fused("swish_of_sigmoid", lambda net: of(net, lambda x: mul(x, sigmoid(exp(x)))), None, label="another operand"),
    fused("swish_of_sigmoid", lambda net: of(net, lambda x: mul(times(x, 2.0), sigmoid(x))), None, label="twice"),
    fused("softplus_of_exp", lambda net: of(net, lambda x: log(plus(exp(x), 1.0))), "softplus"),
    fused("softplus_of_exp", lambda net: of(net, lambda x: log(plus(exp(x), 2.0))), None, label="two more"),
    fused("mish_of_softplus", lambda net: of(net, lambda x: mul(x, tanh(softplus(x)))), "mish"),
    fused("mish_of_softplus", lambda net: of(net, lambda x: mul(x, tanh(exp(x)))), None, label="no softplus"),
    fused(
        "hard_sigmoid_of_clip",
        lambda net: of(net, lambda x: times(clip(plus(x, 3.0), minimum=0.0, maximum=6.0), 1 / 6)),
        "hard_sigmoid",
    ),
    fused(
        "hard_sigmoid_of_clip",
        lambda net: of(net, lambda x: times(clip(plus(x, 3.0), minimum=0.0, maximum=6.0), 1 / 5)),
        None,
        label="another height",
    ),
    fused(
        "hard_sigmoid_between_0_and_1",
        lambda net: of(net, lambda x: clip(plus(times(x, 0.2), 0.5), minimum=0.0, maximum=1.0)),
        "hard_sigmoid",
    ),
    fused(
        "hard_sigmoid_between_0_and_1",
        lambda net: of(net, lambda x: clip(plus(x, 0.5), minimum=0.0, maximum=1.0)),
        None,
        label="no factor",
    ),
    fused(
        "hard_sigmoid_between_0_and_1",
        lambda net: of(net, lambda x: clip(plus(times(x, 0.2), 0.5), minimum=0.0, maximum=None)),
        None,
        label="no bound",
    ),
    fused(
        "hard_sigmoid_between_0_and_1",
        lambda net: of(net, lambda x: clip(relu(x), minimum=0.0, maximum=1.0)),
        None,
        label="no line",
    ),
    fused(
        "hard_sigmoid_between_0_and_1",
        lambda net: of(net, lambda x: clip(plus(mul(x, exp(x)), 0.5), minimum=0.0, maximum=1.0)),
        None,
        label="a product of two",
    ),
    fused(
        "hard_swish_of_clip",
        lambda net: of(net, lambda x: div(mul(x, clip(plus(x, 3.0), minimum=0.0, maximum=6.0)), number(x, 6.0))),
        "hard_swish",
    ),
    fused(
        "hard_swish_of_clip",
        lambda net: of(net, lambda x: times(mul(x, clip(plus(x, 2.0), minimum=0.0, maximum=6.0)), 1 / 6)),
        None,
        label="another line",
    ),
    fused(
        "hard_swish_of_hard_sigmoid",
        lambda net: of(net, lambda x: mul(hard_sigmoid(x, alpha=1 / 6, beta=0.5), x)),
        "hard_swish",
    ),
    fused(
        "hard_swish_of_hard_sigmoid",
        lambda net: of(net, lambda x: mul(hard_sigmoid(x, alpha=0.2, beta=0.5), x)),
        None,
        label="another slope",
    ),
]


def mean(x: Value, *axes: int, keep: bool = True) -> Value:
    return reduce_mean(x, axes=axes, keep_dims=keep)


def spread(x: Value, like: Value) -> Value:
    return broadcast(x, shape=like.shape)


def root_of(x: Value, *axes: int, power: bool = False) -> Value:
    squares = pow_(x, number(x, 2.0)) if power else mul(x, x)
    return sqrt(plus(mean(squares, *axes), 1e-5))


def centred(x: Value, *axes: int) -> Value:
    return sub(x, spread(mean(x, *axes), x))


def standard(net: Net, *axes: int, power: bool = False, dtype: DType = DType.FLOAT32) -> Value:
    d = centred(net.input(2, 3, 4, dtype=dtype), *axes)
    return div(d, spread(root_of(d, *axes, power=power), d))


def standard_by_reciprocal(net: Net) -> Value:
    d = centred(net.input(2, 3, 4), 2)
    return mul(spread(reciprocal(root_of(d, 2)), d), d)


def standard_read(net: Net) -> tuple[Value, ...]:
    d = centred(net.input(2, 3, 4), 2)
    return div(d, spread(root_of(d, 2), d)), relu(d)


def other_mean(net: Net) -> Value:
    x = net.input(2, 3, 4)
    d = sub(x, spread(mean(exp(x), 2), x))
    return div(d, spread(root_of(d, 2), d))


def rms(net: Net, *axes: int, dtype: DType = DType.FLOAT32) -> Value:
    x = net.input(2, 3, 4, dtype=dtype)
    return div(x, spread(root_of(x, *axes), x))


def scaled(net: Net, kind: str, *shape: int) -> Value:
    x = net.input(2, 3, 4)
    y = (layer_norm if kind == "layer" else rms_norm)(x, axis=2, epsilon=1e-5)
    return mul(y, spread(net.weight(*shape), y))


def shifted(net: Net, *shape: int) -> Value:
    x = net.input(2, 3, 4)
    y = layer_norm(x, net.weight(4), axis=2, epsilon=1e-5)
    return add(spread(net.weight(*shape), y), y)


NORMS = [
    fused("layer_norm_of_standardized", lambda net: standardized(net, 2, 1), "layer_norm"),
    fused("layer_norm_of_standardized", lambda net: standardized(net, 1), None, label="an axis between"),
    fused("layer_norm_of_standardized", lambda net: standardized(net, 2, outside=True), None, label="outside"),
    fused("layer_norm_of_standardized", lambda net: standardized(net, 2, scaled=False), None, label="means alone"),
    fused("layer_norm_of_means", lambda net: standard(net, 2), "layer_norm"),
    fused("layer_norm_of_means", lambda net: standard(net, 1, 2, power=True, dtype=F64), "layer_norm", label="pow"),
    fused("layer_norm_of_means", standard_by_reciprocal, "layer_norm", label="reciprocal"),
    fused("layer_norm_of_means", standard_read, None, READ),
    fused("layer_norm_of_means", lambda net: standard(net, 1), None, label="an axis between"),
    fused("layer_norm_of_means", lambda net: standard(net, 2, dtype=DType.FLOAT16), None, label="f16"),
    fused("layer_norm_of_means", other_mean, None, label="the mean of something else"),
    fused("rms_norm_of_mean", lambda net: rms(net, 2), "rms_norm"),
    fused("rms_norm_of_mean", lambda net: rms(net, 1, 2, dtype=F64), "rms_norm", label="two axes"),
    fused("rms_norm_of_mean", lambda net: standard(net, 2), None, label="layer norm"),
    fused("rms_norm_of_mean", lambda net: rms(net, 0), None, label="the first axis"),
    fused("scale_into_norm", lambda net: scaled(net, "layer", 4), "layer_norm"),
    fused("scale_into_norm", lambda net: scaled(net, "rms", 1, 4), "reshape rms_norm", label="rms"),
    fused("scale_into_norm", lambda net: scaled(net, "layer", 3, 1), None, label="along another axis"),
    fused("scale_into_norm", lambda net: scaled(net, "layer", 1), None, label="one for all"),
    fused("shift_into_layer_norm", lambda net: shifted(net, 4), "layer_norm"),
    fused("shift_into_layer_norm", lambda net: shifted(net, 3, 4), None, label="one a row"),
]


def summed(net: Net, rank: int = 2, dtype: DType = DType.FLOAT32) -> Value:
    lead = (2,) if rank == 3 else ()
    product = matmul(net.input(*lead, 3, 4, dtype=dtype), net.weight(*lead, 4, 5, dtype=dtype))
    return add(spread(net.weight(5, dtype=dtype), product), product)


def turned(net: Net, *, both: bool, read: bool = False) -> Value | tuple[Value, ...]:
    a, b = transpose(net.input(4, 3), perm=(1, 0)), net.input(5, 4)
    right = transpose(b, perm=(1, 0)) if both else net.weight(5, 4)
    y = gemm(a, right, alpha=0.5, beta=1.0, transpose_a=False, transpose_b=not both)
    return (y, relu(a)) if read else y


def dense(net: Net, *, rows: bool = False, axes: tuple[int, ...] = (0, 2, 3, 1), read: str = "") -> tuple[Value, ...]:
    """A convolution's result, flattened with the channels last, before a layer; `read` says what is read twice."""
    flat = reshape(transpose(net.input(2, 3, 2, 4), perm=axes), shape=(24, 2) if axes[0] else (2, 24))
    x = relu(abs_(flat))
    w = net.input(24, 2) if read == "unknown" else net.weight(*((5, 24) if rows else (24, 5 if axes[0] == 0 else 2)))
    if rows:
        y = gemm(x, w, alpha=0.5, beta=1.0, transpose_a=False, transpose_b=True)
    else:
        y = matmul(x, reshape(w, shape=(2, 24)) if axes[0] else w)
    return (y, *({"flat": (abs_(flat),), "last": (abs_(x),)}.get(read, ())))


def dense_of_large(net: Net) -> tuple[Value, ...]:
    """Weights of 80 kB that two layers read."""
    w = net.weight(24, 860)
    x = [reshape(transpose(net.input(2, 3, 2, 4), perm=(0, 2, 3, 1)), shape=(2, 24)) for _ in range(2)]
    return matmul(x[0], w), matmul(abs_(x[1]), w)


def many_steps(net: Net, steps: int) -> Value:
    value = reshape(transpose(net.input(2, 3, 4), perm=(0, 2, 1)), shape=(2, 12))
    for _ in range(steps):
        value = relu(value)
    return matmul(value, net.weight(12, 2))


FUNCTIONS = (("sigmoid", 0.0, 0.0), ("tanh", 0.0, 0.0), ("tanh", 0.0, 0.0))


def remembering(net: Net, start: float, *, steps: int = 3) -> tuple[Value, ...]:
    x = net.input(3, 2, 4)
    zeros = broadcast(literal(start), shape=(1, 2, 5))
    lengths = net.held(np.full(2, steps, np.int32), "lengths")
    w, r = net.weight(1, 20, 4), net.weight(1, 20, 5)
    words = {"direction": "forward", "functions": FUNCTIONS, "clip": None}
    return lstm(x, w, r, None, lengths, zeros, zeros, coupled=False, **words)


def forgetful(net: Net) -> tuple[Value, ...]:
    x, zeros = net.input(3, 2, 4), broadcast(literal(0.0), shape=(1, 2, 5))
    words = {"direction": "forward", "functions": FUNCTIONS[:2], "clip": None}
    return gru(x, net.weight(1, 15, 4), net.weight(1, 15, 5), h=zeros, linear_before_reset=False, **words)


PRODUCTS = [
    Example("addend_into_matmul", summed, "broadcast gemm"),
    Example("addend_into_matmul", lambda net: summed(net, 3), None, label="three axes"),
    Example("addend_into_matmul", lambda net: summed(net, dtype=I32), None, label="whole numbers"),
    Example("transpose_into_gemm", lambda net: turned(net, both=True), "gemm"),
    Example("transpose_into_gemm", lambda net: turned(net, both=False), "gemm", label="the first"),
    Example(
        "transpose_into_gemm",
        lambda net: turned(net, both=False, read=True),
        None,
        "every transpose has several readers",
    ),
    Example("transpose_into_rows", dense, "reshape abs relu matmul"),
    Example("transpose_into_rows", lambda net: dense(net, rows=True), "reshape abs relu gemm", label="gemm"),
    Example("transpose_into_rows", lambda net: many_steps(net, 15), "reshape " + "relu " * 15 + "matmul", label="far"),
    Example("transpose_into_rows", lambda net: many_steps(net, 17), None, label="too far"),
    Example("transpose_into_rows", lambda net: dense(net, axes=(1, 2, 3, 0)), None, label="not the first axis"),
    Example("transpose_into_rows", lambda net: dense(net, read="flat"), None, "what is flattened has several readers"),
    Example(
        "transpose_into_rows",
        lambda net: dense(net, read="last"),
        None,
        "what is flattened has several readers",
        label="the last is read",
    ),
    Example(
        "transpose_into_rows",
        lambda net: dense(net, read="unknown"),
        None,
        "the weights are not constant, or their partner is transposed too",
    ),
    Example("transpose_into_rows", dense_of_large, None, "the weights have several readers"),
    Example("plain_recurrence", lambda net: remembering(net, 0.0), "lstm"),
    Example("plain_recurrence", forgetful, "gru", label="gru"),
    Example("plain_recurrence", lambda net: remembering(net, -0.0, steps=2), None, label="fewer steps, -0"),
]


def total(x: Value, *axes: int) -> Value:
    return reduce_sum(x, axes=axes, keep_dims=True)


def two_numbers(net: Net, *, read: bool = False, low: float = 2.0) -> tuple[Value, ...]:
    x = net.input(2, 3)
    inner = times(x, low)
    return (times(inner, low), relu(inner)) if read else (times(inner, low),)


def two_addends(x: Value) -> Value:
    return plus(plus(x, 1.5), 2.0)


REDUCTIONS = [
    fused("sum_of_squares", lambda net: of(net, lambda x: total(mul(x, x), 1)), "reduce_sum_square"),
    fused("sum_of_squares", lambda net: of(net, lambda x: total(mul(x, x), 1), F64), None, label="f64"),
    fused("sum_of_squares", lambda net: of(net, lambda x: total(mul(x, x))), None, label="no axes"),
    fused(
        "root_of_squares",
        lambda net: of(net, lambda x: sqrt(reduce_sum_square(x, axes=(0, 1), keep_dims=False))),
        "reduce_l2",
    ),
    fused(
        "root_of_squares",
        lambda net: of(net, lambda x: sqrt(reduce_sum_square(x, axes=(0,), keep_dims=False)), F64),
        None,
        label="f64",
    ),
    fused("sum_of_magnitudes", lambda net: of(net, lambda x: total(abs_(x), 0)), "reduce_l1"),
    fused("sum_of_magnitudes", lambda net: of(net, lambda x: total(abs_(x), 0), F64), None, label="f64"),
    fused("log_of_powers", lambda net: of(net, lambda x: log(total(exp(x), 1))), "reduce_log_sum_exp"),
    fused("log_of_powers", lambda net: of(net, lambda x: log(total(exp(x), 1)), F64), None, label="f64"),
    fused("numbers_meet", two_numbers, "constant broadcast mul"),
    fused(
        "numbers_meet", lambda net: of(net, lambda x: plus(plus(x, 1.5), 2.0)), "constant broadcast add", label="add"
    ),
    fused("numbers_meet", lambda net: two_numbers(net, read=True), None, "the result of mul has 2 readers"),
    fused(
        "numbers_meet",
        lambda net: two_numbers(net, low=1e30),
        None,
        "the one number would leave the range of the type",
    ),
]


def attended(
    net: Net,
    *,
    mask: tuple[int, ...] | None = None,
    how: str = "scores",
    dtype: DType = DType.FLOAT32,
    factor: float = 0.5,
    read: bool = False,
) -> tuple[Value, ...]:
    """Attention of 3 heads, 4 queries, 5 keys of 2 numbers, values of 6, as formulas write it."""
    q, k = net.input(2, 3, 4, 2, dtype=dtype), net.input(2, 3, 5, 2, dtype=dtype)
    v = net.input(2, 3, 5, 6, dtype=dtype)
    turned = transpose(k, perm=(0, 1, 3, 2))
    if how == "both":
        q, turned = times(q, factor), times(turned, factor)
    scores = matmul(q, turned)
    if how == "scores":
        scores = times(scores, factor)
    if how == "division":
        scores = div(scores, number(scores, factor))
    if mask is not None:
        scores = add(broadcast(net.input(*mask, dtype=dtype), shape=scores.shape), scores)
    weights = softmax(scores, axis=3)
    return (matmul(weights, v), relu(weights)) if read else (matmul(weights, v),)


def other_batch(net: Net) -> Value:
    q, k, v = net.input(N, 3, 4, 2), net.input(N, 3, 2, 5), net.input(Symbol("M"), 3, 5, 6)
    return matmul(softmax(matmul(q, k), axis=3), v)


def along_queries(net: Net) -> Value:
    q, k, v = net.input(2, 3, 4, 2), net.input(2, 3, 2, 5), net.input(2, 3, 5, 6)
    return matmul(softmax(matmul(q, k), axis=2), v)


ATTENTION = "transpose transpose attention"
ATTENTIONS = [
    fused("attention_of_softmax", attended, ATTENTION),
    fused("attention_of_softmax", lambda net: attended(net, how="both", mask=(2, 1, 1, 5)), ATTENTION, label="mask"),
    fused(
        "attention_of_softmax",
        lambda net: attended(net, how="division", mask=(4, 5), dtype=F64),
        "transpose transpose broadcast attention",
        label="a mask of two axes",
    ),
    fused("attention_of_softmax", lambda net: attended(net, how="none"), ATTENTION, label="no scale"),
    fused("attention_of_softmax", lambda net: attended(net, read=True), None, READ),
    fused("attention_of_softmax", lambda net: attended(net, factor=-1.0), None, "the scale is not positive"),
    fused(
        "attention_of_softmax",
        lambda net: attended(net, dtype=DType.FLOAT16),
        None,
        "narrow floats are widened by the operator alone",
    ),
    fused("attention_of_softmax", along_queries, None, label="along the queries"),
    fused("attention_of_softmax", other_batch, None, "queries, keys and values have different heads"),
]

EXAMPLES = [*ATTENTIONS, *ACTIVATIONS, *NORMS, *PRODUCTS, *REDUCTIONS]
