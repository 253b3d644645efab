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
    Axis,
    Bits,
    Cast,
    Const,
    If,
    Kernel,
    Let,
    Load,
    Scalar,
    Select,
    Statement,
    Store,
    Variable,
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
            case If(condition, then, otherwise):
                return (If(self.scalar(condition), then, otherwise),)
            case Let(variable, value):
                return (Let(variable, self.scalar(value)),)
            case Store(_, indices, value, mask) | Accumulate(_, indices, _, value, mask):
                where = None if mask is None else self.scalar(mask)
                return (replace(statement, indices=self.all(indices), value=self.scalar(value), mask=where),)
            case _:
                return (statement,)

    def all(self, scalars: Sequence[Scalar]) -> tuple[Scalar, ...]:
        return tuple(map(self.scalar, scalars))

    def scalar(self, scalar: Scalar) -> Scalar:
        held = self.done.get(id(scalar))
        if held is None:
            held = self.done[id(scalar)] = (scalar, self.rebuilt(scalar))
        return held[1]

    def rebuilt(self, scalar: Scalar) -> Scalar:
        match scalar:
            case Const() | Axis() | Variable():
                return scalar
            case Load(buffer, indices, mask):
                return Load(buffer, self.all(indices), None if mask is None else self.scalar(mask))
            case Cast(value, dtype) | Bits(value, dtype):
                return type(scalar)(self.scalar(value), dtype)
            case Select(condition, then, otherwise):
                return Select(*self.all((condition, then, otherwise)))
            case Apply(function, arguments):
                made = Apply(function, self.all(arguments))
                return _fused(made) if function in ("add", "sub") and made.dtype in FUSED else made


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
