"""What ONNX leaves open: applications whose results no two implementations need to agree on. They are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from xir.ir.constant import Array
from xir.ir.types import DType, dtype_from_numpy

Rule = Callable[[Sequence[Array], Mapping[str, object]], bool]


def _cast(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Cast: numbers out of the range of a whole number type, and NaN, are undefined (ONNX Cast)."""
    target = cast("DType", attributes["dtype"])
    source = dtype_from_numpy(given[0].dtype)
    if target is DType.FLOAT8E8M0:
        return True
    if source is DType.STRING or target is DType.STRING or not source.is_floating or not target.is_integer:
        return False
    numbers = given[0].astype(np.float64)
    bits = target.bits - int(target.is_signed)
    low = -(2.0**bits) if target.is_signed else 0.0
    return bool((~np.isfinite(numbers) | (numbers <= low - 1) | (numbers >= 2.0**bits)).any())


def _division(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Div and Mod of whole numbers: by 0, or the least number by -1."""
    top, bottom = given[0], given[1]
    if dtype_from_numpy(top.dtype).is_floating or top.dtype.kind == "c":
        return False
    least = bool((bottom.astype(np.int64) == -1).any()) and top.dtype.kind == "i" and bool(top.size)
    if (bottom.astype(np.float64) == 0).any():
        return True
    return least and int(top.min()) == np.iinfo(top.dtype.name).min


def _power(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Pow of whole numbers to negative ones, and what does not fit."""
    base, exponent = given[0], given[1]
    if dtype_from_numpy(base.dtype).is_floating or base.shape != exponent.shape:
        return False
    with np.errstate(all="ignore"):
        made = np.power(base.astype(np.float64), exponent.astype(np.float64))
    return not bool(np.isfinite(made).all() and (np.abs(made) < 2.0 ** (8 * base.dtype.itemsize - 1)).all())


def _shift(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """BitShift by as many bits as there are, or more."""
    return bool((given[1].astype(np.uint64) >= 8 * given[1].dtype.itemsize).any())


def _no_number(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Quantising what is no finite number, or by a scale that is no positive one."""
    floats = [each for each in given if dtype_from_numpy(each.dtype).is_floating]
    return any(not np.isfinite(each.astype(np.float64)).all() for each in floats) or any(
        bool((each.astype(np.float64) <= 0).any()) for each in floats[1:]
    )


def _not_finite(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Places, regions and scores that are no finite numbers: neither ONNX nor the papers say what is there."""
    floats = [each for each in given if dtype_from_numpy(each.dtype).is_floating]
    return any(not np.isfinite(each.astype(np.float64)).all() for each in floats)


def _far(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Places so far away that their numbers do not tell a thousandth of an element: rounding decides what is there."""
    return _not_finite(given, attributes) or bool((np.abs(given[1].astype(np.float64)) > 1e3).any())


def _ratio(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Chances that are none: Bernoulli's lie in [0, 1], Dropout's ratio in [0, 1)."""
    chances = given[0] if len(given) == 1 else given[1]
    if not dtype_from_numpy(chances.dtype).is_floating:
        return False
    wide = chances.astype(np.float64)
    return not bool(((wide >= 0) & (wide < 1)).all())


def _mel(given: Sequence[Array], attributes: Mapping[str, object]) -> bool:
    """Edges in hertz that are no rising positive numbers."""
    edges = [float(each.astype(np.float64).reshape(-1)[0]) for each in given[3:5] if each.size]
    return len(edges) < 2 or not 0 <= edges[0] < edges[1] < np.inf


PLACES = (
    "affine_grid",
    "deform_conv",
    "detection_output",
    "grid_sample",
    "non_max_suppression",
    "prior_box",
    "proposal",
    "psroi_pool",
    "range",
    "roi_align",
    "roi_pool",
    "yolo_boxes",
    "yolo_detection_output",
)
"""Operators whose floating operands are places, or sorted by score."""

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(PLACES, _not_finite),
    "grid_sample": _far,
    "mel_weight_matrix": _mel,
    "bernoulli": _ratio,
    "dropout": _ratio,
    "cast": _cast,
    "saturating_cast": _no_number,
    "scale_cast": _no_number,
    "div": _division,
    "mod": _division,
    "pow": _power,
    "shift_left": _shift,
    "shift_right": _shift,
    "quantize": _no_number,
    "dynamic_quantize": _no_number,
    "quantized_conv": _no_number,
    "quantized_matmul": _no_number,
}
"""{operator: whether these operands are such a case}."""


def is_left_open(name: str, given: Sequence[object], attributes: Mapping[str, object], *, strict: bool) -> bool:
    """Whether the results of the operator on these operands are nobody's promise.

    Args:
        name: the operator.
        given: its operands at run time.
        attributes: its attributes.
        strict: whether it will run on other numbers too, so that no application of such an operator is sure.
    """
    rule = RULES.get(name)
    if rule is None:
        return False
    if strict and any(isinstance(each, np.ndarray) and each.dtype.kind not in "fV" for each in given):
        return True
    arrays = [cast("Array", each) for each in given if isinstance(each, np.ndarray)]
    return (strict and rule not in (_division, _power, _shift)) or rule(arrays, attributes)
