"""Comparisons and logic: operands of one type, bool results."""

from __future__ import annotations

import numpy as np

from xir.ir.constant import Array
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel import build
from xir.ops._checks import require_dtype, require_same_type
from xir.ops._define import op
from xir.ops._numeric import require_number

_REASON = "the result is not a number"


@op
def equal(x: Value, y: Value) -> TensorType:
    """Whether x equals y; NaN equals nothing (ONNX Equal).

    x, y: tensors of one type and shape; result: bool, that shape.
    """
    return require_same_type(x, y).with_dtype(DType.BOOL)


@equal.reference
def _equal_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.equal(x, y))


equal.no_gradient(_REASON)
equal.lower(build.each("eq"))


@op
def not_equal(x: Value, y: Value) -> TensorType:
    """Whether x differs from y (ONNX Not(Equal)).

    x, y: tensors of one type and shape; result: bool, that shape.
    """
    return require_same_type(x, y).with_dtype(DType.BOOL)


@not_equal.reference
def _not_equal_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.not_equal(x, y))


not_equal.no_gradient(_REASON)
not_equal.lower(build.each("ne"))


@op
def less(x: Value, y: Value) -> TensorType:
    """Whether x < y (ONNX Less).

    x, y: numbers of one type and shape; result: bool, that shape.
    """
    require_number(x)
    return require_same_type(x, y).with_dtype(DType.BOOL)


@less.reference
def _less_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.less(x, y))


less.no_gradient(_REASON)
less.lower(build.each("lt"))


@op
def less_equal(x: Value, y: Value) -> TensorType:
    """Whether x <= y (ONNX LessOrEqual).

    x, y: numbers of one type and shape; result: bool, that shape.
    """
    require_number(x)
    return require_same_type(x, y).with_dtype(DType.BOOL)


@less_equal.reference
def _less_equal_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.less_equal(x, y))


less_equal.no_gradient(_REASON)
less_equal.lower(build.each("le"))


@op
def greater(x: Value, y: Value) -> TensorType:
    """Whether x > y (ONNX Greater).

    x, y: numbers of one type and shape; result: bool, that shape.
    """
    require_number(x)
    return require_same_type(x, y).with_dtype(DType.BOOL)


@greater.reference
def _greater_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.greater(x, y))


greater.no_gradient(_REASON)
greater.lower(build.each("gt"))


@op
def greater_equal(x: Value, y: Value) -> TensorType:
    """Whether x >= y (ONNX GreaterOrEqual).

    x, y: numbers of one type and shape; result: bool, that shape.
    """
    require_number(x)
    return require_same_type(x, y).with_dtype(DType.BOOL)


@greater_equal.reference
def _greater_equal_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.greater_equal(x, y))


greater_equal.no_gradient(_REASON)
greater_equal.lower(build.each("ge"))


@op
def logical_and(x: Value, y: Value) -> TensorType:
    """Whether both hold (ONNX And).

    x, y: bool of one shape; result: bool, that shape.
    """
    require_dtype(x, DType.BOOL)
    return require_same_type(x, y)


@logical_and.reference
def _logical_and_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.logical_and(x, y))


logical_and.no_gradient(_REASON)
logical_and.lower(build.each("and"))


@op
def logical_or(x: Value, y: Value) -> TensorType:
    """Whether one or both hold (ONNX Or).

    x, y: bool of one shape; result: bool, that shape.
    """
    require_dtype(x, DType.BOOL)
    return require_same_type(x, y)


@logical_or.reference
def _logical_or_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.logical_or(x, y))


logical_or.no_gradient(_REASON)
logical_or.lower(build.each("or"))


@op
def logical_xor(x: Value, y: Value) -> TensorType:
    """Whether exactly one holds (ONNX Xor).

    x, y: bool of one shape; result: bool, that shape.
    """
    require_dtype(x, DType.BOOL)
    return require_same_type(x, y)


@logical_xor.reference
def _logical_xor_reference(x: Array, y: Array) -> Array:
    return np.asarray(np.logical_xor(x, y))


logical_xor.no_gradient(_REASON)
logical_xor.lower(build.each("xor"))


@op
def logical_not(x: Value) -> TensorType:
    """Whether x does not hold (ONNX Not).

    x: bool; result: bool, the same shape.
    """
    require_dtype(x, DType.BOOL)
    return x.tensor


@logical_not.reference
def _logical_not_reference(x: Array) -> Array:
    return np.asarray(np.logical_not(x))


logical_not.no_gradient(_REASON)
logical_not.lower(build.each("not"))
