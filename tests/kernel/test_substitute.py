"""Replacing parts of kernels, and leaving the rest as it is."""

from __future__ import annotations

import pytest

from xir.errors import InvalidModelError
from xir.ir.dims import Dim, Symbol
from xir.ir.types import DType
from xir.kernel._substitute import substitute
from xir.kernel.build import apply, cast, index, number, select
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Const,
    For,
    If,
    Let,
    Load,
    Prefetch,
    Region,
    Scalar,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.printer import scalar_text

F32 = DType.FLOAT32
L, J, K = Axis("i"), Axis("j"), Axis("k")
V = Variable("v", F32)
X, Y, Z = Buffer("x", F32, (8,)), Buffer("y", F32, (8,)), Buffer("z", F32, (8,))
R = Buffer("r", F32, (8,), "register")
SIX = apply("add", J, index(6))
SMALL = apply("lt", L, index(3))


def region(buffer: Buffer, start: Scalar = L) -> Region:
    return Region(buffer, (start,), (1,))


SCALARS = [
    (L, "(j + 6)"),
    (apply("mul", L, K), "((j + 6) * k)"),
    (Load(X, (L,)), "x[(j + 6)]"),
    (Load(X, (K,), SMALL), "x[k where ((j + 6) < 3)]"),
    (cast(L, F32), "f32((j + 6))"),
    (Bits(cast(L, DType.INT32), F32), "bits f32(i32((j + 6)))"),
    (select(SMALL, L, K), "((j + 6) if ((j + 6) < 3) else k)"),
]


@pytest.mark.parametrize(("scalar", "expected"), SCALARS)
def test_an_axis_is_replaced_wherever_it_stands(scalar: Scalar, expected: str) -> None:
    assert scalar_text(substitute(scalar, {"i": SIX})) == expected


STATEMENTS: list[Statement] = [
    For(J, 3, "serial", (Store(Y, (L,), Load(X, (L,)), SMALL, 4),)),
    If(SMALL, (Store(Y, (L,), V),), (Barrier(),)),
    If(apply("lt", K, index(3)), (), (Store(Y, (L,), V),)),
    Let(Variable("w", DType.INT64), L),
    Accumulate(Y, (L,), "max", V, SMALL, atomic=True),
    Accumulate(Y, (K,), "max", cast(L, F32)),
    Prefetch(X, (L,)),
    AsyncCopy(region(R), region(X, K), 2),
    AsyncCopy(region(R, K), region(X), 2),
    TileMultiply(region(R, K), region(X), region(Z, K), transpose_left=True),
    TileMultiply(region(R), region(X, K), region(Z, K)),
    TileMultiply(region(R, K), region(X, K), region(Z)),
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_it_is_replaced_in_every_statement_and_back(statement: Statement) -> None:
    moved = substitute(statement, {"i": Axis("other")})
    assert moved != statement
    assert substitute(moved, {"other": L}) == statement


@pytest.mark.parametrize("part", [*(scalar for scalar, _ in SCALARS), *STATEMENTS, Barrier(), Wait(1), Allocate(R)])
def test_what_holds_nothing_of_it_is_the_same_object(part: Scalar | Statement) -> None:
    asked: list[Load] = []
    kept = {"variables": {"nothing": L}, "buffers": {"nothing": X}}
    assert substitute(part, {"nothing": SIX}, asked.append, **kept) is part  # type: ignore[call-overload]  # any part


N, M = Symbol("n"), Symbol("m")


@pytest.mark.parametrize(
    ("size", "dtype", "expected"),
    [
        (N, DType.INT64, "7"),
        (N + 1, DType.INT32, "i32(8)"),
        (N + M, DType.INT64, "m + 7"),
        (N // 2, F32, "3.0"),
        (N + 250, DType.UINT8, "u8(1)"),
        (143 * N, DType.BFLOAT16, "bf16(1000.0)"),
        (N, DType.BOOL, "True"),
    ],
)
def test_sizes_become_what_their_conversion_makes(size: Dim, dtype: DType, expected: str) -> None:
    assert scalar_text(substitute(Const(size, dtype), {}, sizes={N: 7})) == expected


def test_loops_end_where_sizes_say() -> None:
    loop = For(J, N * M, "serial", (Store(Y, (L,), V),))
    assert substitute(loop, {}, sizes={N: 7}) == For(J, 7 * M, "serial", loop.body)
    assert substitute(loop, {}, sizes={Symbol("k"): 7}) is loop


def test_a_load_becomes_what_it_would_read() -> None:
    seen: list[Load] = []

    def producer(load: Load) -> Scalar | None:
        seen.append(load)
        return apply("exp", Load(Z, load.indices)) if load.buffer is X else None

    total = apply("add", Load(X, (L,)), Load(Y, (L,)))
    made = substitute(Store(Y, (L,), total), {"i": SIX}, producer)
    assert isinstance(made, Store)
    assert scalar_text(made.value) == "(exp(z[(j + 6)]) + y[(j + 6)])"
    assert [scalar_text(load) for load in seen] == ["x[(j + 6)]", "y[(j + 6)]"]


def test_what_stands_twice_is_asked_about_once_and_stays_shared() -> None:
    asked: list[Load] = []
    load = Load(X, (L,))
    made = substitute(apply("mul", load, load), {"i": K}, asked.append)
    assert len(asked) == 1
    left, right = made.arguments  # type: ignore[union-attr]  # an Apply
    assert left is right


def test_bound_names_are_renamed() -> None:
    body: tuple[Statement, ...] = (
        Allocate(R),
        Let(V, Load(X, (L,))),
        Store(R, (L,), V),
        AsyncCopy(region(Y), region(R)),
    )
    other = Buffer("other", F32, (8,), "register")
    made = substitute(
        For(L, 8, "parallel", body), {"i": J}, variables={"v": Variable("w", F32)}, buffers={"r": other, "x": Z}
    )
    expected = (
        Allocate(other),
        Let(Variable("w", F32), Load(Z, (J,))),
        Store(other, (J,), Variable("w", F32)),
        AsyncCopy(region(Y, J), region(other, J)),
    )
    assert made == For(J, 8, "parallel", expected)


def test_a_bound_name_cannot_become_a_number() -> None:
    with pytest.raises(InvalidModelError, match="the loop of i"):
        substitute(For(L, 8, "serial", ()), {"i": index(0)})
    with pytest.raises(InvalidModelError, match="v is bound"):
        substitute(Let(V, number(1, F32)), {}, variables={"v": number(1, F32)})
