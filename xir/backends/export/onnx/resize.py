"""ONNX form of interpolation."""

from __future__ import annotations

import math

import numpy as np

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Fixed,
    Forms,
    OnnxAttribute,
    Operand,
    Refusal,
    Sizes,
    again,
    ints,
    operand,
    real,
    shape_in,
    whole,
)
from xir.backends.export.onnx._tensor import integer_limits
from xir.ir.dims import Shape
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.elementwise import cast, clip, round_
from xir.ops.resample import resample
from xir.ops.resize import resize

forms = Forms()


@forms.of(resize)
def _resize(node: Node, opset: int) -> Answer:
    """Resize, by sizes or, where they are what ONNX computes from them, by scales."""
    x, mode = operand(node), str(node.attributes["mode"])
    coordinates, sizes = str(node.attributes["coordinates"]), shape_in(node, "sizes")
    if x.dtype.is_integer and mode != "nearest":
        return _rounded(node, x)
    missing = _missing(coordinates, opset)
    if missing is not None:
        return missing
    attributes: dict[str, OnnxAttribute] = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if whole(node, "antialias") and opset < 18:
        return Refusal("Resize with antialias", 18)
    attributes |= _details(node, mode)
    nothing = Fixed(np.zeros(0, np.float32)) if opset < 13 else None
    scales = _scales(node)
    if scales is None:
        return Call("Resize", (x, nothing, nothing, Sizes((*x.shape[:2], *sizes))), attributes)
    if not _are_sizes(x.shape[2:], scales, sizes):
        return Refusal("Resize has scales or sizes, not both")
    full: Operand = Fixed(np.array([1.0, 1.0, *scales], np.float32))
    return Call("Resize", (x, nothing, full), attributes)


def _missing(coordinates: str, opset: int) -> Refusal | None:
    """Why an opset lacks the coordinates, or None."""
    if coordinates == "half_pixel_symmetric" and opset < 19:
        return Refusal("Resize with half_pixel_symmetric", 19)
    if coordinates == "tf_half_pixel_for_nn" and opset >= 13:
        return Refusal("Resize with tf_half_pixel_for_nn, which ONNX took back with opset 13")
    return None


@forms.of(resample)
def _resample(node: Node, opset: int) -> Answer:
    """Resize by sizes, scales and regions that are operands."""
    x, coordinates = operand(node), str(node.attributes["coordinates"])
    missing = _missing(coordinates, opset) or _missing_words(node, opset)
    if missing is not None:
        return missing
    if x.dtype.is_integer and node.attributes["mode"] != "nearest":
        return _rounded(node, x)
    region, scales, sizes = node.inputs[1:]
    axes = ints(node, "axes")
    attributes: dict[str, OnnxAttribute] = {
        "mode": str(node.attributes["mode"]),
        "coordinate_transformation_mode": coordinates,
        **_details(node, str(node.attributes["mode"])),
    }
    if coordinates == "tf_crop_and_resize":
        attributes["extrapolation_value"] = real(node, "extrapolation")
    if axes != tuple(range(x.rank)):
        attributes["axes"] = axes
    if node.attributes["policy"] != "stretch":
        attributes["keep_aspect_ratio_policy"] = str(node.attributes["policy"])
    nothing = Fixed(np.zeros(0, np.float32)) if opset < 13 else None
    inputs: list[Operand] = [x, region or nothing, scales or nothing, sizes]
    return Call("Resize", tuple(inputs), attributes)


def _missing_words(node: Node, opset: int) -> Refusal | None:
    """Why an opset lacks what came with 18, or None."""
    if opset >= 18:
        return None
    if ints(node, "axes") != tuple(range(operand(node).rank)):
        return Refusal("Resize of some axes", 18)
    if whole(node, "antialias") or node.attributes["policy"] != "stretch":
        return Refusal("Resize with antialias or an aspect ratio to keep", 18)
    return None


def _details(node: Node, mode: str) -> dict[str, OnnxAttribute]:
    """The attributes that say something other than ONNX's default in this mode."""
    details: dict[str, OnnxAttribute] = {}
    if mode == "nearest":
        details["nearest_mode"] = str(node.attributes["rounding"])
    if mode == "cubic":
        details["cubic_coeff_a"] = real(node, "cubic_coefficient")
    for name in ("exclude_outside", "antialias"):
        if whole(node, name):
            details[name] = 1
    return details


def _rounded(node: Node, x: Value) -> Answer:
    """Integers are interpolated as floats and rounded; ONNX leaves open how, and runtimes cut off."""
    wide = DType.FLOAT32 if x.dtype.bits <= 16 else DType.FLOAT64
    (result,) = again(node, (cast(x, dtype=wide), *node.inputs[1:]))
    low, high = integer_limits(x.dtype)
    return cast(clip(round_(result), minimum=float(low), maximum=float(high)), dtype=x.dtype)


def _scales(node: Node) -> tuple[float, ...] | None:
    value = node.attributes["scales"]
    if not isinstance(value, tuple):
        return None
    return tuple(float(np.float32(item)) for item in value if isinstance(item, float))


def _are_sizes(have: Shape, scales: tuple[float, ...], sizes: Shape) -> bool:
    """Whether ONNX's `floor(size * scale)` gives the sizes, in f32 as runtimes multiply."""
    for size, scale, result in zip(have, scales, sizes, strict=True):
        if isinstance(size, int):
            if math.floor(float(np.float32(size) * np.float32(scale))) != result:
                return False
        elif not scale.is_integer() or size * int(scale) != result:
            return False
    return True
