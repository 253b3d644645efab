"""What is computed for each element alone: rounding, casts, clipping; the rest is reached from here."""

from __future__ import annotations

import math
from typing import cast as cast_array

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType, dtype_from_numpy
from xir.kernel import build
from xir.kernel._functions import convert
from xir.kernel.grammar import Const, Kernel, Scalar
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops._checks import require_floating
from xir.ops._define import op
from xir.ops._numeric import Numbers, in_float32, integer_range, require_number
from xir.ops._powers import powers_of_two
from xir.ops.arithmetic import abs_ as abs_
from xir.ops.arithmetic import add as add
from xir.ops.arithmetic import div as div
from xir.ops.arithmetic import exp as exp
from xir.ops.arithmetic import log as log
from xir.ops.arithmetic import maximum as maximum
from xir.ops.arithmetic import minimum as minimum
from xir.ops.arithmetic import mod as mod
from xir.ops.arithmetic import mul as mul
from xir.ops.arithmetic import neg as neg
from xir.ops.arithmetic import operands as operands
from xir.ops.arithmetic import pow_ as pow_
from xir.ops.arithmetic import reciprocal as reciprocal
from xir.ops.arithmetic import select as select
from xir.ops.arithmetic import sign as sign
from xir.ops.arithmetic import sqrt as sqrt
from xir.ops.arithmetic import sub as sub
from xir.ops.trigonometry import acos as acos
from xir.ops.trigonometry import acosh as acosh
from xir.ops.trigonometry import asin as asin
from xir.ops.trigonometry import asinh as asinh
from xir.ops.trigonometry import atan as atan
from xir.ops.trigonometry import atanh as atanh
from xir.ops.trigonometry import cos as cos
from xir.ops.trigonometry import cosh as cosh
from xir.ops.trigonometry import erf as erf
from xir.ops.trigonometry import sin as sin
from xir.ops.trigonometry import sinh as sinh
from xir.ops.trigonometry import tan as tan


@op
def floor(x: Value) -> TensorType:
    """The largest whole number <= x (ONNX Floor).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@floor.reference
def _floor_reference(x: Numbers) -> Array:
    return in_float32(np.floor, x)


floor.no_gradient("it is constant wherever it has a derivative")
floor.lower(build.each("floor"))


@op
def ceil(x: Value) -> TensorType:
    """The smallest whole number >= x (ONNX Ceil).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@ceil.reference
def _ceil_reference(x: Numbers) -> Array:
    return in_float32(np.ceil, x)


ceil.no_gradient("it is constant wherever it has a derivative")
ceil.lower(build.each("ceil"))


@op
def round_(x: Value) -> TensorType:
    """The nearest whole number, halves to the even one (ONNX Round).

    x: floating-point numbers; result: the same type.
    """
    require_floating(x)
    return x.tensor


@round_.reference
def _round_reference(x: Numbers) -> Array:
    return in_float32(np.rint, x)


round_.no_gradient("it is constant wherever it has a derivative")
round_.lower(build.each("round"))


@op
def cast(x: Value, *, dtype: DType) -> TensorType:
    """`x` as another element type: floats to integers round toward zero, anything but 0 is True (ONNX Cast).

    x: any tensor but strings; result: `dtype`, the same shape. A float beyond the integer's range becomes the
    number that the kernels' Cast gives it (`xir.kernel.grammar`), of which ONNX says nothing; for integers of less
    than 8 bits there is no promise. To f8e8m0, numbers become the nearest power of two.
    """
    if DType.STRING in (x.dtype, dtype):
        raise InvalidModelError(f"strings cannot be converted here, got {x.type!r} to {dtype}")
    return x.tensor.with_dtype(dtype)


@cast.reference
def _cast_reference(x: Numbers, *, dtype: DType) -> Array:
    if x.dtype.kind == "c" and dtype.dtype.kind != "c":
        x = x.real
    if dtype is DType.BOOL:
        return np.asarray(x != 0)
    if x.dtype == dtype.dtype:
        return x
    if x.dtype.kind == "V":
        x = _plain(x, dtype)
    if dtype is DType.FLOAT8E8M0:
        return powers_of_two(x, "nearest", saturate=False)
    return convert(x, dtype) if dtype in build.MACHINE_TYPES else x.astype(dtype.dtype)


def _plain(x: Numbers, dtype: DType) -> Numbers:
    """The elements of a type of ml_dtypes in one of NumPy, where it knows no conversion to `dtype` of its own."""
    held = dtype_from_numpy(x.dtype)
    if held.is_integer:
        return cast_array("Numbers", x.astype(np.int8 if held.is_signed else np.uint8))
    return cast_array("Numbers", x.astype(np.float32)) if held is not dtype else x


@cast.gradient
def _cast_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    return (cast(dy, dtype=x.dtype) if x.dtype.is_floating and dy.dtype.is_floating else None,)


@cast.lower
def _cast_lower(node: Node) -> Kernel:
    def value(x: Scalar) -> Scalar:
        return build.cast(x, node.outputs[0].dtype)

    return build.pointwise(node, value)


@op
def clip(x: Value, *, minimum: float | None, maximum: float | None) -> TensorType:
    """`x` raised to `minimum` and cut at `maximum`, each where it is given; NaN stays (ONNX Clip, Caffe Clip).

    x: numbers; result: the same type. Where minimum > maximum the result is maximum.
    """
    require_number(x)
    return x.tensor


@clip.reference
def _clip_reference(x: Numbers, *, minimum: float | None, maximum: float | None) -> Array:
    y = x if minimum is None else np.maximum(x, _bound(minimum, x))
    return np.asarray(y if maximum is None else np.minimum(y, _bound(maximum, x)))


@clip.gradient
def _clip_gradient(node: Node, dy: Value) -> tuple[Value | None, ...]:
    (x,) = operands(node)
    inside = compare.equal(x, node.outputs[0])
    return (select(inside, dy, scalar_like(dy, 0.0)),)


@clip.lower
def _clip_lower(node: Node) -> Kernel:
    def value(x: Scalar) -> Scalar:
        for name, function in (("minimum", "max"), ("maximum", "min")):
            bound = cast_array("float | None", node.attributes[name])
            if bound is not None:
                limit = _bound(bound, cast_array("Numbers", np.zeros((), x.dtype.dtype))).item()
                x = build.apply(function, x, build.number(limit, x.dtype))
        return x

    return build.pointwise(node, value)


@op
def is_nan(x: Value) -> TensorType:
    """Whether each element is NaN (ONNX IsNaN). x: floating-point numbers; result: bool, the same shape."""
    require_floating(x)
    return x.tensor.with_dtype(DType.BOOL)


@is_nan.reference
def _is_nan_reference(x: Numbers) -> Array:
    return np.asarray(np.isnan(x))


is_nan.no_gradient("the result is not a number")
is_nan.lower(build.each("is_nan"))


@op
def is_inf(x: Value, *, negative: bool = True, positive: bool = True) -> TensorType:
    """Whether each element is an infinity of a sign that is asked for (ONNX IsInf).

    x: floating-point numbers; result: bool, the same shape.
    """
    require_floating(x)
    return x.tensor.with_dtype(DType.BOOL)


@is_inf.reference
def _is_inf_reference(x: Numbers, *, negative: bool, positive: bool) -> Array:
    wide = x.astype(np.float64)
    return np.asarray((negative & np.isneginf(wide)) | (positive & np.isposinf(wide)))


is_inf.no_gradient("the result is not a number")


@is_inf.lower
def _is_inf_lower(node: Node) -> Kernel:
    signs = [math.inf] * bool(node.attributes["positive"]) + [-math.inf] * bool(node.attributes["negative"])

    def value(x: Scalar) -> Scalar:
        if len(signs) == 2:
            return build.apply("is_inf", x)
        return build.apply("eq", x, build.number(signs[0], x.dtype)) if signs else Const(False, DType.BOOL)

    return build.pointwise(node, value)


def _bound(bound: float, x: Numbers) -> Numbers:
    """The bound in the element type of `x`; one beyond an integer's range is the end of the range."""
    if x.dtype.kind in "iu":
        lowest, highest = integer_range(x)
        bound = min(max(bound, lowest), highest)
    with np.errstate(over="ignore"):
        return np.asarray(bound).astype(x.dtype)
