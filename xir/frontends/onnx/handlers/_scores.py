"""What the models of ai.onnx.ml share: rows of features, scores and their transforms, labels of classes.

ONNX names the transforms and says no more; what they compute is taken from onnx's reference evaluator
(onnx/reference/ops/aionnxml/_common_classifier.py) and onnxruntime (core/providers/cpu/ml/ml_common.h), which agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from xir.frontends.onnx._site import Site
from xir.ir.constant import Array, constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops._build import scalar_like
from xir.ops.activation import sigmoid
from xir.ops.constant import constant
from xir.ops.elementwise import abs_, add, cast, div, exp, log, mul, select, sqrt, sub
from xir.ops.index import gather
from xir.ops.norm import softmax
from xir.ops.reduce import arg_max, reduce_max, reduce_sum
from xir.ops.shape import broadcast, concat, reshape

DOMAIN = "ai.onnx.ml"

Transform = Literal["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
"""In the order of their numbers in TreeEnsemble-5."""

_NEAR_ZERO = 1e-7
"""What SOFTMAX_ZERO takes for zero (ml_common.h, ComputeSoftmaxZero)."""

_ERF_A = 0.147
"""The constant of the approximation of the inverse error function of PROBIT (S. Winitzki, 'A handy approximation for
the error function and its inverse', 2008); both implementations use it, so the scores of models do."""


def literal(array: Array) -> Value:
    """A literal that holds the array."""
    return constant(value=constant_of(array))


def transform_of(site: Site) -> Transform:
    """The attribute post_transform."""
    word = site.text("post_transform", "NONE")
    for known in TRANSFORMS:
        if word == known:
            return known
    site.invalid(f"attribute 'post_transform' is {word!r}, expected one of {', '.join(TRANSFORMS)}")


def rows_of(site: Site, x: Value) -> Value:
    """The features as [N, F] of f32 or f64: a vector is one row, integers become f32 (onnxruntime's kernels do so)."""
    if x.rank not in (1, 2):
        site.invalid(f"features are [N, F] or [F], got {x.type!r}")
    floats = x if x.dtype in (DType.FLOAT32, DType.FLOAT64) else cast(x, dtype=DType.FLOAT32)
    return floats if x.rank == 2 else reshape(floats, shape=(1, x.shape[0]))


def single(x: Value) -> Value:
    """`x` in f32, which all results of scores are."""
    return x if x.dtype is DType.FLOAT32 else cast(x, dtype=DType.FLOAT32)


def along_rows(row: Array, like: Value) -> Value:
    """One number a column, repeated for each row of `like` [N, C], in its element type."""
    return broadcast(literal(np.asarray(row).reshape(1, -1).astype(like.dtype.dtype)), shape=like.shape)


def transformed(scores: Value, transform: Transform) -> Value:
    """The transform of scores [N, C]; SOFTMAX and SOFTMAX_ZERO along each row."""
    match transform:
        case "NONE":
            return scores
        case "LOGISTIC":
            return sigmoid(scores)
        case "SOFTMAX":
            return softmax(scores, axis=1)
        case "SOFTMAX_ZERO":
            return _softmax_zero(scores)
        case "PROBIT":
            return _probit(scores)


def _softmax_zero(scores: Value) -> Value:
    """Softmax that leaves scores next to zero as small as they are; 0.5 where all are zero."""
    top = broadcast(reduce_max(scores, axes=(1,), keep_dims=True), shape=scores.shape)
    is_zero = compare.less_equal(abs_(scores), scalar_like(scores, _NEAR_ZERO))
    raised = select(is_zero, mul(scores, exp(elementwise.neg(top))), exp(sub(scores, top)))
    total = broadcast(reduce_sum(raised, axes=(1,), keep_dims=True), shape=scores.shape)
    nothing = compare.equal(total, scalar_like(total, 0.0))
    return select(nothing, scalar_like(scores, 0.5), div(raised, total))


def _probit(scores: Value) -> Value:
    """The quantile of the standard normal distribution, sqrt(2) * erfinv(2 x - 1), with Winitzki's erfinv."""
    x = sub(add(scores, scores), scalar_like(scores, 1.0))
    one = scalar_like(x, 1.0)
    logarithm = log(mul(sub(one, x), add(one, x)))
    half = add(scalar_like(x, 2.0 / (math.pi * _ERF_A)), mul(scalar_like(x, 0.5), logarithm))
    root = sqrt(sub(mul(half, half), mul(scalar_like(x, 1.0 / _ERF_A), logarithm)))
    size = mul(scalar_like(x, math.sqrt(2.0)), sqrt(sub(root, half)))
    return select(compare.less(x, scalar_like(x, 0.0)), elementwise.neg(size), size)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The labels of the classes.

    Attributes:
        array: i64 or text, one a class.
    """

    array: Array

    def __len__(self) -> int:
        """How many classes."""
        return int(self.array.size)

    def chosen(self, index: Value) -> Value:
        """The labels of the classes at `index`, i64 of any shape."""
        if self.array.dtype == np.int64 and (self.array == np.arange(len(self))).all():
            return index
        return gather(literal(self.array), index, axis=0)


def text_array(words: tuple[str, ...]) -> Array:
    """A vector of text."""
    array = np.empty(len(words), object)
    array[:] = words
    return array


def labels_of(site: Site, numbers: str, words: str) -> Labels:
    """The labels that stand in one of two attributes.

    Raises:
        InvalidModelError: both are given, or neither.
    """
    held_words = site.strings(words) or ()
    held_numbers = site.integers(numbers, ()) or ()
    if bool(held_words) == bool(held_numbers):
        site.invalid(f"one of {numbers!r} and {words!r} must be given")
    return Labels(text_array(held_words) if held_words else np.asarray(held_numbers, np.int64))


def top(scores: Value) -> Value:
    """The class with the highest score of each row, the first of equals: i64[N]."""
    return arg_max(scores, axis=1, keep_dims=False, last=False)


def beyond(scores: Value, threshold: float) -> Value:
    """1 where the score [N, 1] is above the threshold, else 0: i64[N]."""
    above = cast(compare.greater(scores, scalar_like(scores, threshold)), dtype=DType.INT64)
    return reshape(above, shape=(scores.shape[0],))


def pair(scores: Value, *, complement: bool) -> Value:
    """The scores of two classes from that of the second [N, 1]: `1 - s` and `s`, or `-s` and `s`."""
    other = sub(scalar_like(scores, 1.0), scores) if complement else elementwise.neg(scores)
    return concat(other, scores, axis=1)
