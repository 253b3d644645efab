"""Simplified scalars: what they look like, and that they mean the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from xir.ir.dims import Dim, Symbol
from xir.ir.types import DType
from xir.kernel._simplify import simplify, simplify_statements, value_range
from xir.kernel.build import apply, cast, flatten, index, number, select, unflatten, within
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Scalar,
    Statement,
    Store,
    Variable,
)
from xir.kernel.interpret import interpret
from xir.kernel.printer import scalar_text
from xir.kernel.verify import verify

F32, I64, BOOL = DType.FLOAT32, DType.INT64, DType.BOOL
N = Symbol("n")
A, B, C, M, J = Axis("a"), Axis("b"), Axis("c"), Axis("m"), Axis("j")
WIDTH = Symbol("w")
EXTENTS: dict[str, Dim] = {"a": 5, "b": 8, "c": 3, "m": N, "j": WIDTH * Symbol("h")}
X, Y, D = Buffer("x", F32, (8,)), Buffer("y", F32, (8,)), Buffer("d", I64, (8,))
DATA = Load(D, (A,))
V = Variable("v", I64)


def plus(x: Scalar, y: Scalar | int) -> Scalar:
    return apply("add", x, index(y) if isinstance(y, int) else y)


def times(x: Scalar, count: Dim) -> Scalar:
    return apply("mul", x, index(count))


def by(function: str, x: Scalar, count: Dim) -> Scalar:
    return apply(function, x, index(count))


TILED = plus(times(A, 8), B)
WIDE = Axis("unknown")

TABLE: list[tuple[Scalar, str]] = [
    # sums
    (plus(index(2), 3), "5"),
    (times(plus(A, 0), 1), "a"),
    (plus(plus(A, 2), plus(B, -2)), "(a + b)"),
    (apply("sub", plus(A, B), A), "b"),
    (apply("sub", B, A), "(b - a)"),
    (apply("sub", A, A), "0"),
    (apply("neg", plus(A, 1)), "((a * -1) + -1)"),
    (times(plus(A, 1), 4), "((a * 4) + 4)"),
    (apply("mul", index(4), A), "(a * 4)"),
    (times(A, 0), "0"),
    (apply("mul", A, B), "(a * b)"),
    (times(index(1 << 62), 4), "0"),
    (times(plus(A, index(N)), 2), "((a * 2) + 2*n)"),
    # quotients and remainders
    (by("floor_div", TILED, 8), "a"),
    (by("mod", TILED, 8), "b"),
    (by("div", TILED, 8), "a"),
    (by("rem", TILED, 8), "b"),
    (by("floor_div", plus(times(A, N), M), N), "a"),
    (by("mod", apply("add", times(A, N), M), N), "m"),
    (by("floor_div", plus(TILED, 16), 8), "(a + 2)"),
    (by("mod", plus(TILED, 16), 8), "b"),
    (by("floor_div", plus(B, 8), 8), "1"),
    (by("mod", plus(B, 8), 8), "b"),
    (by("floor_div", plus(times(A, 8), C), 4), "(a * 2)"),
    (by("mod", plus(times(A, 8), C), 4), "c"),
    (by("floor_div", apply("sub", A, index(5)), 5), "-1"),
    (by("floor_div", plus(times(A, 4), times(B, 2)), 8), "(((a * 2) + b) // 4)"),
    (by("floor_div", plus(plus(times(A, 4), times(B, 2)), 3), 8), "((((a * 2) + b) + 1) // 4)"),
    (by("floor_div", by("floor_div", TILED, 3), 5), "(((a * 8) + b) // 15)"),
    (by("mod", by("mod", TILED, 12), 6), "(((a * 8) + b) % 6)"),
    (by("floor_div", DATA, 1), "d[a]"),
    (by("mod", DATA, 1), "0"),
    (by("floor_div", times(DATA, 8), 8), "((d[a] * 8) // 8)"),
    (by("div", DATA, 8), "(d[a] / 8)"),
    (by("rem", apply("sub", A, B), 8), "rem((a - b), 8)"),
    (by("div", A, 0), "(a / 0)"),
    (by("floor_div", A, -2), "(a // -2)"),
    (apply("floor_div", A, B), "(a // b)"),
    (by("floor_div", WIDE, 8), "(unknown // 8)"),
    (plus(times(by("floor_div", TILED, 5), 5), by("mod", TILED, 5)), "((a * 8) + b)"),
    (plus(times(by("floor_div", DATA, 5), 10), times(by("mod", DATA, 5), 2)), "(d[a] * 2)"),
    (plus(times(by("floor_div", DATA, 5), 10), by("mod", DATA, 5)), "(((d[a] // 5) * 10) + (d[a] % 5))"),
    (by("mod", DATA, N), "(d[a] % n)"),
    (by("floor_div", plus(times(A, 3 * N), times(M, 3)), 3 * N), "a"),
    (by("floor_div", plus(times(A, 3 * N), times(M, 3)), Symbol("k")), "(((a * 3*n) + (m * 3)) // k)"),
    (by("mod", plus(times(A, Symbol("k")), B), Symbol("k")), "(((a * k) + b) % k)"),
    (plus(times(by("floor_div", J, WIDTH), 3 * WIDTH), times(by("mod", J, WIDTH), 3)), "(j * 3)"),
    (by("lt", by("mod", DATA, 2 * N), 2 * N), "True"),
    (by("lt", by("mod", DATA, Symbol("k")), Symbol("k")), "((d[a] % k) < k)"),
    # comparisons
    (by("ge", A, 0), "True"),
    (by("lt", A, 5), "True"),
    (by("lt", A, 4), "(a < 4)"),
    (by("lt", A, 0), "False"),
    (by("le", A, 4), "True"),
    (by("gt", A, 4), "False"),
    (by("gt", plus(A, 1), 0), "True"),
    (by("lt", M, N), "True"),
    (by("ge", M, N), "False"),
    (by("eq", A, 7), "False"),
    (by("ne", A, 7), "True"),
    (by("eq", A, 3), "(a == 3)"),
    (apply("eq", plus(A, 1), plus(A, 1)), "True"),
    (apply("lt", DATA, plus(DATA, 1)), "(d[a] < (d[a] + 1))"),
    (by("lt", DATA, 8), "(d[a] < 8)"),
    (by("lt", by("mod", DATA, 8), 8), "True"),
    (by("lt", by("floor_div", TILED, 3), 16), "True"),
    (by("lt", apply("min", apply("max", DATA, index(0)), index(7)), 8), "True"),
    (by("ge", apply("max", apply("min", DATA, index(7)), index(0)), 0), "True"),
    (by("ge", apply("max", DATA, index(0)), 0), "True"),
    (by("le", select(by("lt", DATA, 2), A, B), 7), "True"),
    (by("lt", cast(Load(Buffer("t", DType.UINT8, ()), ()), I64), 256), "True"),
    (by("ge", cast(by("lt", DATA, 3), I64), 0), "True"),
    (by("ge", cast(Load(X, (A,)), I64), 0), "(i64(x[a]) >= 0)"),
    (by("ge", cast(Load(Buffer("t", DType.UINT64, ()), ()), I64), 0), "(i64(t[]) >= 0)"),
    (apply("lt", number(1, DType.INT8), number(2, DType.INT8)), "True"),
    (apply("lt", cast(A, DType.INT8), number(9, DType.INT8)), "(i8(a) < i8(9))"),
    (by("ge", apply("mul", A, B), 0), "((a * b) >= 0)"),
    (by("ge", V, 0), "(v >= 0)"),
    (by("lt", by("mod", A, -8), 8), "((a % -8) < 8)"),
    # the larger and the smaller
    (by("min", A, 4), "a"),
    (by("max", A, 4), "4"),
    (by("min", plus(A, 9), 4), "4"),
    (by("max", plus(A, 9), 4), "(a + 9)"),
    (by("max", DATA, 4), "max(d[a], 4)"),
    (apply("abs", A), "a"),
    (apply("abs", apply("sub", A, B)), "abs((a - b))"),
    # conditions
    (apply("and", by("lt", DATA, 3), by("ge", A, 0)), "(d[a] < 3)"),
    (apply("and", by("lt", DATA, 3), by("lt", A, 0)), "False"),
    (apply("or", by("ge", A, 0), by("lt", DATA, 3)), "True"),
    (apply("or", by("lt", A, 0), by("lt", DATA, 3)), "(d[a] < 3)"),
    (apply("xor", by("lt", DATA, 3), by("ge", A, 0)), "(d[a] >= 3)"),
    (apply("xor", by("lt", DATA, 3), by("lt", A, 0)), "(d[a] < 3)"),
    (apply("and", by("lt", DATA, 3), by("lt", DATA, 2)), "((d[a] < 3) and (d[a] < 2))"),
    (apply("xor", by("lt", DATA, 3), by("lt", DATA, 3)), "xor((d[a] < 3), (d[a] < 3))"),
    (apply("eq", by("lt", DATA, 3), by("lt", A, 0)), "(d[a] >= 3)"),
    (apply("lt", by("lt", DATA, 3), by("ge", A, 0)), "((d[a] < 3) < True)"),
    (cast(cast(A, DType.INT32), DType.INT32), "i32(a)"),
    (by("lt", times(A, 1 << 62), 5), "((a * 4611686018427387904) < 5)"),
    (apply("not", apply("not", by("eq", DATA, 3))), "(d[a] == 3)"),
    (apply("not", by("ge", A, 0)), "False"),
    (apply("not", apply("lt", Load(X, (A,)), Load(Y, (A,)))), "not((x[a] < y[a]))"),
    (within(apply("add", times(A, 2), index(1)), 10), "True"),
    # what is chosen, masked, cast
    (select(by("ge", A, 0), A, B), "a"),
    (select(by("lt", A, 0), A, B), "b"),
    (select(by("lt", DATA, 0), A, plus(A, 0)), "a"),
    (select(by("lt", DATA, 0), number(0.0, F32), number(-0.0, F32)), "(0.0 if (d[a] < 0) else -0.0)"),
    (Load(X, (plus(A, 0),), by("ge", A, 0)), "x[a]"),
    (Load(X, (A,), by("lt", A, 0)), "0.0"),
    (Load(D, (A,), by("lt", A, 0)), "0"),
    (Load(Buffer("t", BOOL, (8,)), (A,), by("lt", A, 0)), "False"),
    (Load(X, (A,), by("lt", A, 3)), "x[a where (a < 3)]"),
    (cast(index(300), DType.UINT8), "u8(44)"),
    (cast(index(2), BOOL), "True"),
    (cast(index(2), F32), "f32(2)"),
    (Bits(Bits(Load(X, (A,)), DType.INT32), DType.INT32), "bits i32(x[a])"),
    (V, "v"),
    # other types of integers, and floats
    (apply("add", cast(A, DType.INT32), number(0, DType.INT32)), "i32(a)"),
    (apply("mul", number(1, DType.INT32), cast(A, DType.INT32)), "i32(a)"),
    (apply("bit_and", cast(A, DType.INT32), number(0, DType.INT32)), "i32(0)"),
    (apply("rem", cast(A, DType.INT32), number(1, DType.INT32)), "i32(0)"),
    (apply("shift_left", A, index(0)), "a"),
    (apply("sub", number(0, DType.INT32), cast(A, DType.INT32)), "(i32(0) - i32(a))"),
    (apply("bit_not", A), "bit_not(a)"),
    (apply("mul", number(100, DType.INT8), number(2, DType.INT8)), "i8(-56)"),
    (apply("add", Load(X, (A,)), number(0, F32)), "(x[a] + 0.0)"),
]


def test_what_stands_twice_is_one_condition() -> None:
    small = by("lt", DATA, 3)
    assert scalar_text(simplify(apply("and", small, small), {})) == "(d[a] < 3)"


@pytest.mark.parametrize(("scalar", "expected"), TABLE, ids=[scalar_text(scalar) for scalar, _ in TABLE])
def test_a_scalar_becomes_simpler(scalar: Scalar, expected: str) -> None:
    assert scalar_text(simplify(scalar, EXTENTS)) == expected


def test_places_that_are_split_and_joined_again_are_the_places() -> None:
    axes, shape = (A, B, C), (5, 8, 3)
    there = unflatten(flatten(axes, shape), (5, 24))
    assert [scalar_text(simplify(each, EXTENTS)) for each in there] == ["a", "((b * 3) + c)"]
    back = unflatten(flatten(there, (5, 24)), shape)
    assert [scalar_text(simplify(each, EXTENTS)) for each in back] == ["a", "b", "c"]
    place = simplify(flatten(unflatten(DATA, (4, N, 3)), (4, N, 3)), EXTENTS)
    assert scalar_text(simplify(flatten(unflatten(DATA, (4, 7, 3)), (4, 7, 3)), EXTENTS)) == "d[a]"
    assert "d[a]" in scalar_text(place)


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_of_two_signs_are_two_atoms(zero: float) -> None:
    def bits(value: float) -> Scalar:
        return Bits(select(by("lt", DATA, 0), number(value, DType.FLOAT64), number(1, DType.FLOAT64)), I64)

    made = simplify(apply("sub", bits(0.0), bits(zero)), EXTENTS)
    assert (scalar_text(made) == "0") == (str(zero) == "0.0")


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        (TILED, (0, 39)),
        (apply("sub", index(3), TILED), (-36, 3)),
        (M, (0, N - 1)),
        (DATA, (None, None)),
        (apply("mul", DATA, index(2)), (None, None)),
        (apply("max", DATA, index(2)), (2, None)),
        (apply("min", DATA, index(2)), (None, 2)),
        (apply("abs", apply("sub", A, B)), (0, 7)),
        (apply("abs", apply("sub", A, index(9))), (5, 9)),
        (apply("abs", DATA), (None, None)),
        (by("floor_div", apply("max", DATA, index(4)), 2), (2, None)),
        (times(A, Symbol("s") - 5), (None, None)),
    ],
)
def test_ranges(scalar: Scalar, expected: tuple[Dim | None, Dim | None]) -> None:
    assert value_range(scalar, EXTENTS) == expected


def test_sizes_of_loops_that_run_are_positive_and_so_are_their_products() -> None:
    height, width = Symbol("h") - 2, Symbol("w") - 2
    pixel = plus(plus(times(C, height * width), times(A, width)), B)
    extents: dict[str, Dim] = {"a": height, "b": width, "c": 3}
    assert scalar_text(simplify(by("floor_div", pixel, height * width), extents)) == "c"
    assert scalar_text(simplify(by("mod", by("floor_div", pixel, width), height), extents)) == "a"
    assert value_range(pixel, extents) == (0, 3 * height * width - 1)
    assert value_range(pixel, {**extents, "a": 5}) == (None, None)


def random_scalar(generator: np.random.Generator, depth: int) -> Scalar:
    """An i64 scalar over the axes, a load and constants."""
    if depth == 0 or generator.random() < 0.15:
        leaves: list[Scalar] = [A, B, C, DATA, index(int(generator.integers(-9, 10)))]
        return leaves[int(generator.integers(len(leaves)))]
    kind = int(generator.integers(11))
    left = random_scalar(generator, depth - 1)
    if kind < 4:
        function = ("add", "sub", "min", "max")[kind]
        return apply(function, left, random_scalar(generator, depth - 1))
    if kind < 9:
        function = ("mul", "floor_div", "mod", "div", "rem")[kind - 4]
        return apply(function, left, index(int(generator.integers(-3, 13))))
    if kind == 9:
        return apply("abs", left)
    right = random_scalar(generator, depth - 1)
    compare = ("lt", "le", "gt", "ge", "eq", "ne")[int(generator.integers(6))]
    return select(apply(compare, left, right), random_scalar(generator, depth - 1), right)


def values(scalar: Scalar) -> list[int]:
    """The scalar for all the iterations of its axes."""
    result = Buffer("y", I64, (5, 8, 3))
    body: tuple[Statement, ...] = (Store(result, (A, B, C), scalar),)
    for axis, extent in ((C, 3), (B, 8), (A, 5)):
        body = (For(axis, extent, "parallel", body),)
    kernel = Kernel("k", (D,), (result,), body)
    verify(kernel)
    data = np.array([-(1 << 63), -7, 0, 12, (1 << 63) - 1, 3, 3, 3], np.int64)
    found: list[int] = interpret(kernel, [data])[0].reshape(-1).tolist()
    return found


@pytest.mark.parametrize("seed", range(300))
def test_a_simpler_scalar_has_the_same_values(seed: int) -> None:
    scalar = random_scalar(np.random.default_rng(seed), 5)
    made = simplify(scalar, EXTENTS)
    expected = values(scalar)
    assert values(made) == expected
    low, high = value_range(scalar, EXTENTS)
    assert not isinstance(low, int) or low <= min(expected)
    assert not isinstance(high, int) or high >= max(expected)


def test_statements_lose_what_ranges_decide() -> None:
    always, never, data = by("lt", A, 5), by("ge", A, 5), by("lt", DATA, 3)
    one, cell = number(1, F32), (plus(A, 0),)
    body: tuple[Statement, ...] = (
        Store(Y, cell, one, always, 4),
        Store(Y, cell, one, never),
        Accumulate(Y, cell, "add", one, apply("and", always, data)),
        If(always, (Store(Y, cell, one),), (Barrier(),)),
        If(never, (Barrier(),), ()),
        If(data, (Store(Y, cell, one, never),)),
        If(data, (Store(Y, cell, one, never),), (Barrier(),)),
        For(B, 8, "serial", (Store(Y, (B,), one, by("ge", B, 8)),)),
        Let(V, by("mod", DATA, 8)),
        If(by("lt", V, 8), (Let(Variable("w", F32), one), Allocate(X))),
        For(B, 8, "serial", (Store(Y, (B,), one, by("lt", V, 7)), Store(Y, (B,), one, by("ge", V, 0)))),
        Let(Variable("f", F32), one),
    )
    expected = (
        Store(Y, (A,), one, None, 4),
        Accumulate(Y, (A,), "add", one, data),
        Store(Y, (A,), one),
        If(data, (), (Barrier(),)),
        Let(V, by("mod", DATA, 8)),
        If(Const(True, BOOL), (Let(Variable("w", F32), one), Allocate(X))),
        For(B, 8, "serial", (Store(Y, (B,), one, by("lt", V, 7)), Store(Y, (B,), one))),
        Let(Variable("f", F32), one),
    )
    assert simplify_statements(body, EXTENTS) == expected


def test_every_pair_of_identities() -> None:
    """Integers of 32 bits: each function with each small second operand keeps its values."""
    whole = Variable("whole", DType.INT32)
    for function, second in itertools.product(
        ("add", "sub", "mul", "div", "rem", "floor_div", "mod", "bit_and", "bit_or", "bit_xor", "shift_left"),
        (-1, 0, 1),
    ):
        right = number(second, DType.INT32)
        for scalar in (apply(function, whole, right), apply(function, right, whole)):
            made = simplify(scalar, {})
            for value in (-5, 0, 7):
                assert known(made, value) == known(scalar, value), scalar_text(scalar)


def known(scalar: Scalar, value: int) -> int:
    result = Buffer("y", DType.INT32, ())
    body = (Let(Variable("whole", DType.INT32), number(value, DType.INT32)), Store(result, (), scalar))
    found: int = interpret(Kernel("k", (), (result,), body), [])[0].item()
    return found
