"""Products and the sums that take them become one function, which rounds once: `a * b + c` is `fma(a, b, c)`.

It is decided here, from the kernel alone, and once: left to LLVM (its flag `contract`) it would depend on what stands
beside a sum in a block of instructions, and so on how many lanes and iterations are written out, which must not change
any bit. Of a sum of two products the first one is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xir.ir.types import DType
from xir.kernel.grammar import (
    Accumulate,
    Apply,
    Bits,
    Cast,
    Const,
    Kernel,
    Let,
    Scalar,
    Select,
    Statement,
    Store,
)
from xir.kernel.walk import rewrite_blocks

FUSED = (DType.FLOAT32, DType.FLOAT64)
"""The types whose products and sums are fused; halves are computed in f32 and rounded after each."""


def multiply_add(kernel: Kernel) -> Kernel:
    """The kernel with `fma` for each sum or difference of floats that has a product as an operand."""
    walk = _Fusion()
    return replace(kernel, body=rewrite_blocks(kernel.body, walk.statement))


@dataclass(slots=True)
class _Fusion:
    """What was rewritten already, by identity, and kept so that no other scalar takes its number."""

    done: dict[int, tuple[Scalar, Scalar]] = field(default_factory=dict[int, "tuple[Scalar, Scalar]"])

    def statement(self, statement: Statement) -> Sequence[Statement]:
        match statement:
            case Let(variable, value):
                return (Let(variable, self.scalar(value)),)
            case Store(value=value) | Accumulate(value=value):
                made = self.scalar(value)
                return (statement if made is value else replace(statement, value=made),)
            case _:
                return (statement,)

    def scalar(self, scalar: Scalar) -> Scalar:
        held = self.done.get(id(scalar))
        if held is None:
            held = self.done[id(scalar)] = (scalar, self.rebuilt(scalar))
        return held[1]

    def rebuilt(self, scalar: Scalar) -> Scalar:
        """The scalar with its sums fused; places and conditions are no sums of floats."""
        match scalar:
            case Cast(value, dtype) | Bits(value, dtype):
                inner = self.scalar(value)
                return scalar if inner is value else type(scalar)(inner, dtype)
            case Select(condition, then, otherwise):
                sides = self.scalar(then), self.scalar(otherwise)
                return scalar if sides[0] is then and sides[1] is otherwise else Select(condition, *sides)
            case Apply(function, arguments):
                operands = tuple(map(self.scalar, arguments))
                same = all(new is old for new, old in zip(operands, arguments, strict=True))
                made = scalar if same else Apply(function, operands)
                return _fused(made) if function in ("add", "sub") and made.dtype in FUSED else made
            case _:
                return scalar


def _fused(total: Apply) -> Scalar:
    """A sum or difference, with the product in it."""
    match total.function, total.arguments:
        case "add", ((Apply("mul", (a, b)), c) | (c, Apply("mul", (a, b)))):
            return Apply("fma", (a, b, c))
        case "sub", (Apply("mul", (a, b)), c):
            return Apply("fma", (a, b, _negative(c)))
        case "sub", (c, Apply("mul", (a, b))):
            return Apply("fma", (a, _negative(b), c) if isinstance(b, Const) else (_negative(a), b, c))
        case _:
            return total


def _negative(scalar: Scalar) -> Scalar:
    """The scalar with the other sign; of numbers at once."""
    if isinstance(scalar, Const) and isinstance(scalar.value, float):
        return Const(-scalar.value, scalar.dtype)
    return Apply("neg", (scalar,))
