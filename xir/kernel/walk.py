"""Walks over kernels: every statement, every scalar, every load; and blocks rebuilt from the inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from xir.kernel.grammar import (
    Accumulate,
    Apply,
    Bits,
    Cast,
    For,
    If,
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Select,
    Statement,
    Store,
)


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    """Every statement of a block and inside, in order."""
    pending = list(reversed(tuple(body)))
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, For):
            pending += reversed(statement.body)
        elif isinstance(statement, If):
            pending += reversed((*statement.then, *statement.otherwise))


def scalars(parts: Iterable[Statement | Scalar]) -> Iterator[Scalar]:
    """Every scalar in scalars or statements, those inside others too; what stands twice comes twice."""
    pending: list[Scalar] = []
    for part in parts:
        if isinstance(part, Scalar):
            pending.append(part)
        else:
            pending += [scalar for statement in statements([part]) for scalar in _written(statement)]
    while pending:
        scalar = pending.pop()
        yield scalar
        pending += operands(scalar)


def loads(body: Iterable[Statement | Scalar]) -> Iterator[Load]:
    """Every load."""
    return (scalar for scalar in scalars(body) if isinstance(scalar, Load))


def operands(scalar: Scalar) -> tuple[Scalar, ...]:
    """The scalars that a scalar is made of."""
    match scalar:
        case Load(_, indices, mask):
            return (*indices, *(() if mask is None else (mask,)))
        case Apply(_, arguments):
            return arguments
        case Cast(value, _) | Bits(value, _):
            return (value,)
        case Select(condition, then, otherwise):
            return condition, then, otherwise
        case _:
            return ()


def _written(statement: Statement) -> tuple[Scalar, ...]:
    match statement:
        case If(condition):
            return (condition,)
        case Let(_, value):
            return (value,)
        case Store(_, indices, value, mask) | Accumulate(_, indices, _, value, mask):
            return (*indices, value, *(() if mask is None else (mask,)))
        case Prefetch(_, indices):
            return indices
        case _:
            regions = (getattr(statement, name, None) for name in ("target", "source", "left", "right"))
            return tuple(start for region in regions if isinstance(region, Region) for start in region.starts)


def rewrite_blocks(
    body: Sequence[Statement], change: Callable[[Statement], Sequence[Statement]]
) -> tuple[Statement, ...]:
    """The block with every statement replaced by what `change` makes of it, inner ones first."""
    made: list[Statement] = []
    for statement in body:
        if isinstance(statement, For):
            statement = replace(statement, body=rewrite_blocks(statement.body, change))
        elif isinstance(statement, If):
            then, otherwise = (rewrite_blocks(part, change) for part in (statement.then, statement.otherwise))
            statement = replace(statement, then=then, otherwise=otherwise)
        made += change(statement)
    return tuple(made)


def parallel_loops(body: Sequence[Statement]) -> tuple[tuple[For, ...], tuple[Statement, ...]]:
    """The parallel loops around everything, outermost first, and what is inside of them."""
    loops: list[For] = []
    inner = tuple(body)
    while len(inner) == 1 and isinstance(inner[0], For) and inner[0].kind == "parallel":
        loops.append(inner[0])
        inner = inner[0].body
    return tuple(loops), inner


def divisions(body: Iterable[Statement]) -> int:
    """How many divisions and remainders there are: what an index costs beyond steps."""
    return sum(isinstance(part, Apply) and part.function in ("floor_div", "mod") for part in scalars(body))
