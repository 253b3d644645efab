"""What losses share: scores as [outer, classes, inner], labels as [outer, inner], what is ignored, what divides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Dim, equal, product
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._build import scalar_like
from xir.ops._checks import require_axis, require_floating
from xir.ops._wide import narrow, scalar, wide
from xir.ops._windows import Numbers
from xir.ops.compare import equal as equal_values
from xir.ops.compare import not_equal
from xir.ops.constant import constant
from xir.ops.elementwise import cast, div, maximum, mul, select
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, iota, reshape, shape_of

Normalization = Literal["full", "valid", "batch_size", "none"]
Integers: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]


def require_labels(x: Value, labels: Value, axis: int) -> None:
    """Checks that there is one whole-numbered label for each position of `x` apart from `axis`.

    Raises:
        InvalidModelError: if there is not.
    """
    require_floating(x)
    require_axis(x, axis)
    if not (labels.dtype.is_floating or labels.dtype.is_integer):
        raise InvalidModelError(f"labels are numbers, got {labels.type!r}")
    positions = product((*x.shape[:axis], *x.shape[axis + 1 :]))
    if equal(labels.tensor.elements, positions) is False:
        raise InvalidModelError(f"{x.type!r} needs {positions!r} labels, got {labels.type!r}")


def require_same_elements(x: Value, *others: Value) -> None:
    """Checks that all are floating, of one element type and one number of elements.

    Raises:
        InvalidModelError: if they are not.
    """
    require_floating(x)
    if x.rank < 1:
        raise InvalidModelError(f"a batch axis is needed, got {x.type!r}")
    for other in others:
        if other.dtype is not x.dtype or equal(other.tensor.elements, x.tensor.elements) is False:
            raise InvalidModelError(f"as many elements as in {x.type!r} are needed, got {other.type!r}")


@dataclass(frozen=True, slots=True)
class Scores:
    """Arrays of a loss over classes.

    Attributes:
        x: f64 [outer, classes, inner].
        labels: i64 [outer, inner]; 0 where they are ignored.
        valid: bool [outer, inner], False where the label is ignored.
    """

    x: Numbers
    labels: Integers
    valid: Bools

    @property
    def picked(self) -> tuple[Integers, ...]:
        """Coordinates in `x` of the labels' scores."""
        rows, columns = int(self.labels.shape[0]), int(self.labels.shape[1])
        return np.arange(rows)[:, np.newaxis], self.labels, np.arange(columns)[np.newaxis]


def scores_of(x: Array, labels: Array, axis: int, ignore_label: int | None) -> Scores:
    """The arrays of a loss over classes, in f64; labels are cut to whole numbers as C's static_cast<int> does.

    Raises:
        InvalidModelError: if a label that counts is no class.
    """
    outer = int(np.prod(x.shape[:axis], dtype=np.int64))
    inner = int(np.prod(x.shape[axis + 1 :], dtype=np.int64))
    whole = whole_numbers(labels).reshape(outer, inner)
    valid = counted(whole, ignore_label)
    kept = np.where(valid, whole, 0)
    wrong = kept[(kept < 0) | (kept >= x.shape[axis])]
    if wrong.size:
        raise InvalidModelError(f"label {int(wrong[0])} is none of the {x.shape[axis]} classes")
    return Scores(x.astype(np.float64).reshape(outer, x.shape[axis], inner), kept, valid)


def counted(whole: Integers, ignore_label: int | None) -> Bools:
    """Which labels count."""
    return np.ones(whole.shape, np.bool_) if ignore_label is None else whole != ignore_label


def whole_numbers(labels: Array) -> Integers:
    """Labels as i64, cut toward zero; what is no number, or too large for one, becomes -2^62, which is no class."""
    if labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    cut = np.trunc(labels.astype(np.float64))
    return np.where(np.abs(cut) < 2.0**62, cut, -(2.0**62)).astype(np.int64)


def normalizer_of(normalization: Normalization, valid: Bools) -> int:
    """The divisor of a loss, at least 1 (get_normalizer in softmax_loss_layer.cpp); valid: [outer, inner...]."""
    valid_count = int(np.count_nonzero(valid))
    counts = {"full": valid.size, "valid": valid_count, "batch_size": int(valid.shape[0]), "none": 1}
    return max(1, counts[normalization])


def scalar_array(value: float, like: Array) -> Array:
    """A number without axes in the element type of `like`."""
    return np.asarray(value, np.float64).astype(like.dtype)


@dataclass(frozen=True, slots=True)
class ScoreValues:
    """The same in a graph.

    Attributes:
        x: [outer, classes, inner], f32 or wider.
        labels: i64 [outer, inner]; 0 where they are ignored.
        valid: bool [outer, inner], or None where nothing is ignored.
        shape: the shape that the scores came in.
        dtype: the element type that the scores came in.
    """

    x: Value
    labels: Value
    valid: Value | None
    shape: tuple[Dim, ...]
    dtype: DType

    def masked(self, values: Value) -> Value:
        """[outer, inner] values, 0 where the label is ignored."""
        return values if self.valid is None else select(self.valid, values, scalar_like(values, 0.0))

    def along_classes(self, values: Value) -> Value:
        """[outer, inner] values repeated for every class: [outer, classes, inner]."""
        outer, inner = values.shape
        return broadcast(reshape(values, shape=(outer, 1, inner)), shape=self.x.shape)

    def picked(self) -> Value:
        """1 at the label's class, 0 elsewhere and where it is ignored: [outer, classes, inner]."""
        classes = iota(shape=self.x.shape, axis=1, dtype=DType.INT64)
        marked = cast(equal_values(classes, self.along_classes(self.labels)), dtype=self.x.dtype)
        return marked if self.valid is None else mul(marked, self.along_classes(cast(self.valid, dtype=self.x.dtype)))

    def divided(self, loss: Value, normalization: Normalization) -> Value:
        """A scalar loss over the normalizer, in the element type that the scores came in."""
        return narrow(div(loss, self.normalizer(normalization)), self.dtype)

    def normalizer(self, normalization: Normalization) -> Value:
        """The divisor, at least 1, as a scalar."""
        outer, inner = self.labels.shape
        return normalizer_value(normalization, outer, inner, self.valid, self.x.dtype)

    def returned(self, gradient: Value) -> Value:
        """A [outer, classes, inner] gradient in the shape and element type of the scores."""
        return narrow(reshape(gradient, shape=self.shape), self.dtype)


def score_values(x: Value, labels: Value, axis: int, ignore_label: int | None) -> ScoreValues:
    """The values of a loss over classes."""
    outer, inner = product(x.shape[:axis]), product(x.shape[axis + 1 :])
    whole = reshape(whole_values(labels), shape=(outer, inner))
    scores = reshape(wide(x), shape=(outer, x.shape[axis], inner))
    if ignore_label is None:
        return ScoreValues(scores, whole, None, x.shape, x.dtype)
    valid = not_equal(whole, scalar_like(whole, ignore_label))
    return ScoreValues(scores, select(valid, whole, scalar_like(whole, 0)), valid, x.shape, x.dtype)


def whole_values(labels: Value) -> Value:
    """Labels as i64, cut toward zero."""
    return labels if labels.dtype is DType.INT64 else cast(labels, dtype=DType.INT64)


def normalizer_value(normalization: Normalization, outer: Dim, inner: Dim, valid: Value | None, dtype: DType) -> Value:
    """The divisor of a loss, at least 1, as a scalar of a graph."""
    if normalization == "none":
        return scalar(dtype, 1.0)
    if normalization == "valid" and valid is not None:
        axes = tuple(range(valid.rank))
        count = cast(reduce_sum(cast(valid, dtype=DType.INT64), axes=axes, keep_dims=False), dtype=dtype)
        return maximum(count, scalar(dtype, 1.0))
    return at_least_one(outer if normalization == "batch_size" else product((outer, inner)), dtype)


def at_least_one(size: Dim, dtype: DType) -> Value:
    """max(size, 1) as a scalar: a literal when the size is known."""
    if isinstance(size, int):
        return scalar(dtype, float(max(size, 1)))
    return maximum(size_value(size, dtype), scalar(dtype, 1.0))


def size_value(size: Dim, dtype: DType) -> Value:
    """A size as a scalar: a literal when it is known, else the length of a vector of that size."""
    if isinstance(size, int):
        return scalar(dtype, float(size))
    vector = broadcast(constant(value=constant_of(np.asarray(False))), shape=(size,))
    return cast(reshape(shape_of(vector), shape=()), dtype=dtype)


def total(values: Value) -> Value:
    """The sum of all elements."""
    return reduce_sum(values, axes=tuple(range(values.rank)), keep_dims=False)
