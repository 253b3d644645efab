"""Sizes that only the run tells, computed by the file's own operators in i32."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from xir.errors import UnsupportedError
from xir.ir.constant import constant_of
from xir.ir.dims import Dim, Extremum, Polynomial, Quotient, Shape, to_text
from xir.ir.types import DType

if TYPE_CHECKING:
    from xir.backends.export.tflite._plan import Plan

_INT = DType.INT32


def vector_of(plan: Plan, dims: Shape, known: dict[Dim, int]) -> int:
    """The tensor i32[n] of sizes.

    Args:
        plan: where operators are added.
        dims: the sizes.
        known: {size: its tensor i32[1]}, kept from call to call.

    Raises:
        UnsupportedError: a size that nothing has.
    """
    if all(isinstance(size, int) for size in dims):
        return _numbers(plan, [size for size in dims if isinstance(size, int)])
    parts = [_size(plan, size, known) for size in dims]
    if len(parts) == 1:
        return parts[0]
    return plan.add("CONCATENATION", parts, (len(parts),), _INT, "ConcatenationOptions", axis=0)


def _numbers(plan: Plan, numbers: list[int]) -> int:
    return plan.literal(constant_of(np.array(numbers, np.int32)))


def _size(plan: Plan, size: Dim, known: dict[Dim, int]) -> int:
    if isinstance(size, int):
        return _numbers(plan, [size])
    if size not in known:
        known[size] = _computed(plan, size, known)
    return known[size]


def _computed(plan: Plan, size: Dim, known: dict[Dim, int]) -> int:
    for held, tensor, axis in plan.places_of_sizes():
        if held == size:
            shape = plan.add(
                "SHAPE", [tensor], (len(plan.tensors[tensor].shape),), _INT, "ShapeOptions", out_type="INT32"
            )
            bounds = [_numbers(plan, [number]) for number in (axis, axis + 1, 1)]
            return plan.add("STRIDED_SLICE", [shape, *bounds], (1,), _INT, "StridedSliceOptions")
    match size:
        case Quotient(numerator, denominator):
            operands = [_size(plan, numerator, known), _size(plan, denominator, known)]
            return plan.add("FLOOR_DIV", operands, (1,), _INT, "FloorDivOptions")
        case Extremum():
            first, *rest = (_size(plan, each, known) for each in sorted(size.operands, key=to_text))
            kind = "MINIMUM" if size.kind == "min" else "MAXIMUM"
            for other in rest:
                first = plan.add(kind, [first, other], (1,), _INT, "MaximumMinimumOptions")
            return first
        case Polynomial():
            return _polynomial(plan, size, known)
        case _:
            raise UnsupportedError(
                f"the size {to_text(size)} is needed at run time, and no input or result has it",
                hint="give the input a type with this size as a name: --input NAME=f32[...]",
            )


def _polynomial(plan: Plan, size: Polynomial, known: dict[Dim, int]) -> int:
    terms = [
        _product(plan, [*_factors(monomial), *([count] if count != 1 or not monomial else [])], known)
        for monomial, count in sorted(size.terms.items(), key=lambda term: to_text(Polynomial({term[0]: 1})))
    ]
    first, *rest = terms
    for other in rest:
        first = plan.add("ADD", [first, other], (1,), _INT, "AddOptions")
    return first


def _product(plan: Plan, factors: list[Dim], known: dict[Dim, int]) -> int:
    first, *rest = (_size(plan, factor, known) for factor in factors)
    for other in rest:
        first = plan.add("MUL", [first, other], (1,), _INT, "MulOptions")
    return first


def _factors(monomial: Iterable[tuple[Dim, int]]) -> list[Dim]:
    return sorted((atom for atom, power in monomial for _ in range(power)), key=to_text)
