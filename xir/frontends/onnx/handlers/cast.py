"""Casts: to a type that is named by number or (opset 1) by word, or that another operand has, and of the bits."""

from __future__ import annotations

from typing import Literal

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.cast import LARGEST, bit_cast, number_to_text, saturating_cast, scale_cast, text_to_number
from xir.ops.constant import identity

handlers: Handlers[Handler] = Handlers("onnx")

_WORDS = {
    "FLOAT": DType.FLOAT32,
    "DOUBLE": DType.FLOAT64,
    **{dtype.name: dtype for dtype in DTYPES.values() if dtype.name not in ("FLOAT32", "FLOAT64")},
}
"""The names of TensorProto.DataType, which Cast-1 takes."""

_NARROW = 8


def converted(site: Site, x: Value, dtype: DType) -> Value:
    """`x` as `dtype`, by the node's `saturate` (opset 19) and `round_mode` (24), which most types do not heed."""
    saturate = site.flag("saturate", True)
    rounding = _rounding(site)
    if DType.STRING in (x.dtype, dtype):
        return _of_text(x, dtype, saturate, rounding)
    if dtype is DType.FLOAT8E8M0 and (saturate or rounding != "nearest"):
        wide = x if x.dtype.is_floating else elementwise.cast(x, dtype=DType.FLOAT32)
        return scale_cast(wide, rounding=rounding, saturate=saturate)
    if dtype in LARGEST and saturate:
        plain = x.dtype is DType.BOOL or (x.dtype.is_integer and x.dtype.bits < _NARROW)
        return elementwise.cast(x, dtype=dtype) if plain else saturating_cast(x, dtype=dtype)
    return elementwise.cast(x, dtype=dtype)


def _rounding(site: Site) -> Literal["up", "down", "nearest"]:
    match site.choice("round_mode", ("up", "down", "nearest"), "up"):
        case "down":
            return "down"
        case "nearest":
            return "nearest"
        case _:
            return "up"


def _of_text(x: Value, dtype: DType, saturate: bool, rounding: Literal["up", "down", "nearest"]) -> Value:
    if x.dtype is dtype:
        return identity(x)
    if dtype is DType.STRING:
        return number_to_text(x)
    if dtype is DType.FLOAT8E8M0:
        return scale_cast(text_to_number(x, dtype=DType.FLOAT32), rounding=rounding, saturate=saturate)
    if dtype in LARGEST and saturate:
        return saturating_cast(text_to_number(x, dtype=DType.FLOAT32), dtype=dtype)
    return text_to_number(x, dtype=dtype)


def _named(site: Site) -> DType:
    number = site.integer("to")
    if number not in DTYPES:
        site.invalid(f"there is no element type {number}")
    return DTYPES[number]


@handlers.layer(*versions("Cast", 1))
def cast_by_word(site: Site, x: Value) -> Value:
    """Cast of opset 1: the type is a word."""
    word = site.text("to").upper()
    if word not in _WORDS:
        site.invalid(f"there is no element type {word!r}")
    return converted(site, x, _WORDS[word])


@handlers.layer(*versions("Cast", 6, 9, 13, 19, 21, 23, 24, 25, 28))
def cast(site: Site, x: Value) -> Value:
    """Cast."""
    return converted(site, x, _named(site))


@handlers.layer(*versions("CastLike", 15, 19, 21, 23, 24, 25))
def cast_like(site: Site, x: Value, like: Value) -> Value:
    """CastLike: the type of another operand, whose elements do not matter."""
    return converted(site, x, like.dtype)


@handlers.layer(*versions("BitCast", 26))
def reinterpreted(site: Site, x: Value) -> Value:
    """BitCast."""
    return bit_cast(x, dtype=_named(site))
