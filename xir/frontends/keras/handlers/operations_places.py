"""Operations of `keras.ops` that write at places (keras/src/ops/core.py)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.keras.config import whole
from xir.frontends.keras.handlers._slots import Slot, literal_of, slots_of
from xir.frontends.keras.owners import OPERATION
from xir.frontends.keras.site import Handler, Site
from xir.ir.constant import constant_of
from xir.ir.node import Value
from xir.ops.constant import constant
from xir.ops.index import Reduction
from xir.ops.places import scatter_nd
from xir.ops.shape import broadcast

handlers: Handlers[Handler] = Handlers("keras")

_REDUCTIONS: Mapping[str, Reduction] = MappingProxyType(
    {"None": "none", "add": "add", "max": "max", "min": "min", "mul": "mul"}
)
"""{a reduction of ScatterUpdate: how ours is called}."""


@handlers.layer(OPERATION + "Scatter")
def scattered(site: Site, *operands: Value) -> Value:
    """Scatter: zeros with values at places; what falls on one place is added up (backend/tensorflow/core.py)."""
    places, values = _operands(site, operands, 2)
    sizes = tuple(whole(size, "shape") for size in site.config.listed("shape"))
    held = _tensor(values, None)
    zeros = broadcast(constant(value=constant_of(np.zeros((), held.dtype.dtype))), shape=sizes)
    return scatter_nd(zeros, _places(places), held, reduction="add")


@handlers.layer(OPERATION + "ScatterUpdate")
def updated(site: Site, *operands: Value) -> Value:
    """ScatterUpdate: a tensor with others put at places, or combined with what stands there."""
    x, places, updates = _operands(site, operands, 3)
    given = str(site.config.raw("reduction"))
    reduction = _REDUCTIONS.get(given)
    if reduction is None:
        site.refuse(f"the reduction {given[:40]!r}", "one of " + ", ".join(_REDUCTIONS))
    whole_tensor = _tensor(x, updates if isinstance(updates, Value) else None)
    return scatter_nd(whole_tensor, _places(places), _tensor(updates, whole_tensor), reduction=reduction)


def _operands(site: Site, operands: tuple[Value, ...], count: int) -> list[Slot]:
    slots = slots_of(site, operands)
    return slots if len(slots) == count else site.invalid(f"{count} operands are needed, got {len(slots)}")


def _tensor(slot: Slot, like: Value | None) -> Value:
    """A tensor; numbers of the configuration have the element type of another one, else f32."""
    other = constant(value=constant_of(np.zeros((), np.float32))) if like is None else like
    return slot if isinstance(slot, Value) else literal_of(slot, other)


def _places(slot: Slot) -> Value:
    return slot if isinstance(slot, Value) else literal_of(slot, constant(value=constant_of(np.zeros((), np.int32))))
