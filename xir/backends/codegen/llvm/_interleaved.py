"""Which vector loops compute several vectors at once, so that one does not wait for the steps of another."""

from __future__ import annotations

from xir.backends.codegen.llvm._library import LIBRARY
from xir.ir.types import DType
from xir.kernel.grammar import Apply, Cast, For, If, Let, Load, Store
from xir.kernel.strides import unit_steps
from xir.kernel.walk import loads, scalars, statements

INTERLEAVED = 4
"""Vectors at once: an exponential is a chain of a dozen steps of 4 cycles, of which 2 begin in each, so 20 steps of
others fill its waits; more vectors than 4 do not find registers for what they hold."""

_LANE_BY_LANE = frozenset({"rem", "floor_div", "mod", *LIBRARY})
"""Functions without a vector instruction: more lanes are only more text."""


def is_interleaved(loop: For, in_registers: bool) -> bool:
    """Whether it pays to compute several vectors of a vector loop at once.

    Args:
        loop: the loop.
        in_registers: whether it stores into registers that lie around it: then it is unrolled anyway, and only what
            is bound by lets is a chain of steps.
    """
    inside = list(statements(loop.body))
    if any(isinstance(each, For | If) for each in inside):
        return False
    if in_registers and not any(isinstance(each, Let) for each in inside):
        return False
    if any(isinstance(each, Store) and each.mask is not None for each in inside):
        return False
    if any(load.mask is not None for load in loads(inside)) or unit_steps(loop.body, loop.axis.name) is None:
        return False
    return not any(_is_heavy(part) for part in scalars(loop.body))


def _is_heavy(part: object) -> bool:
    """Whether a scalar takes a register for few lanes, or code for each lane."""
    match part:
        case Apply(function, arguments):
            whole = function == "div" and not arguments[0].dtype.is_floating
            return whole or function in _LANE_BY_LANE or part.dtype is DType.FLOAT64
        case Cast(_, dtype):
            return dtype is DType.FLOAT64
        case Load():
            return part.dtype is DType.FLOAT64
        case _:
            return False
