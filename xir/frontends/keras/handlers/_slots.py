"""What operations of `keras.ops` are called with: tensors and numbers by their places, axes by their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from xir.frontends.keras.config import whole
from xir.frontends.keras.inputs import DTYPES
from xir.frontends.keras.model import Json
from xir.frontends.keras.site import Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops.constant import constant

Slot: TypeAlias = "Value | Json"
"""What an operation is called with at one place."""


def slots_of(site: Site, operands: Sequence[Value]) -> list[Slot]:
    """What the operation is called with, in order: tensors, and numbers between them."""
    held = [name for name in site.arguments if name.startswith("argument ")]
    numbers = {int(name.split(" ")[1]): site.argument(name) for name in held}
    tensors = list(operands)
    found: list[Slot] = []
    while tensors or len(found) in numbers:
        found.append(_held(numbers[len(found)]) if len(found) in numbers else tensors.pop(0))
    return found


def _held(value: Json) -> Slot:
    """What stands in the configuration; arrays, which say their element type, become tensors."""
    config = value.get("config") if isinstance(value, dict) else None
    if not isinstance(config, dict) or config.get("dtype") not in DTYPES:
        return value
    dtype = DTYPES[str(config["dtype"])]
    return constant(value=constant_of(np.asarray(config.get("value"), dtype.dtype)))


def literal_of(value: Json, like: Value) -> Value:
    """A number as a tensor; one with a fraction makes whole tensors real ones."""
    dtype = like.dtype
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size > 1 << 20:
        raise ValueError(f"{str(value)[:60]!r} is no number")
    if array.dtype.kind == "f" and not dtype.is_floating:
        dtype = DType.FLOAT32
    return constant(value=constant_of(array.astype(dtype.dtype)))


def real(x: Value) -> Value:
    return x if x.dtype.is_floating else elementwise.cast(x, dtype=DType.FLOAT32)


def axes_of(site: Site, x: Value) -> tuple[int, ...]:
    """The axes of a reduction; none stands for all."""
    listed = [whole(axis, "axis") for axis in site.config.listed("axis")]
    return site.axes(listed, x.rank) if listed else tuple(range(x.rank))


def axis_of(site: Site, rank: int, default: int) -> int:
    given = site.config.raw("axis")
    return site.axis(default if given is None else whole(given, "axis"), rank)
