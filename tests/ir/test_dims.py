"""Symbolic sizes: random formulas mean the same before and after normalisation, and equality never lies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xir.errors import InvalidModelError
from xir.ir.dims import (
    Dim,
    Extremum,
    Polynomial,
    Quotient,
    Symbol,
    add,
    as_dim,
    bounds,
    ceil_divide,
    divides,
    equal,
    evaluate,
    floor_divide,
    maximum,
    minimum,
    multiply,
    product,
    subtract,
    symbols_of,
    to_text,
)

N, M = Symbol("n"), Symbol("m")
NAMELESS = Symbol()
SYMBOLS = (
    N,
    M,
    Symbol("even", minimum=2, divisor=2),
    Symbol("few", minimum=1, maximum=5),
    Symbol("twelve", minimum=12, maximum=60, divisor=12),
)
OPERATIONS: dict[str, tuple[Callable[[Dim, Dim], Dim], Callable[[int, int], int]]] = {
    "+": (add, lambda a, b: a + b),
    "-": (subtract, lambda a, b: a - b),
    "*": (multiply, lambda a, b: a * b),
    "//": (floor_divide, lambda a, b: a // b),
    "%": (lambda a, b: subtract(a, multiply(b, floor_divide(a, b))), lambda a, b: a % b),
    "min": (minimum, min),
    "max": (maximum, max),
}
Tree = int | Symbol | tuple[str, "Tree", "Tree"]


def trees() -> st.SearchStrategy[Tree]:
    leaves = st.one_of(st.integers(-6, 12), st.sampled_from(SYMBOLS))
    return st.recursive(
        leaves, lambda inner: st.tuples(st.sampled_from(sorted(OPERATIONS)), inner, inner), max_leaves=9
    )


def sizes() -> st.SearchStrategy[dict[Symbol, int]]:
    def of(symbol: Symbol) -> st.SearchStrategy[int]:
        low = -(-symbol.minimum // symbol.divisor)
        high = (symbol.maximum or 40) // symbol.divisor
        return st.integers(low, high).map(lambda count: count * symbol.divisor)

    return st.tuples(*map(of, SYMBOLS)).map(lambda found: dict(zip(SYMBOLS, found, strict=True)))


def build(tree: Tree) -> Dim:
    match tree:
        case (operation, left, right):
            return OPERATIONS[operation][0](build(left), build(right))
        case _:
            return tree


def compute(tree: Tree, values: dict[Symbol, int]) -> int:
    match tree:
        case (operation, left, right):
            return OPERATIONS[operation][1](compute(left, values), compute(right, values))
        case Symbol():
            return values[tree]
        case _:
            return tree


def both(tree: Tree, values: dict[Symbol, int]) -> tuple[Dim, int]:
    """The formula and its value; discards what divides by zero or passes the bounds of formulas."""
    try:
        dim, value = build(tree), compute(tree, values)
    except (ZeroDivisionError, InvalidModelError):
        assume(False)
        raise
    return dim, value


@given(trees(), sizes())
@settings(max_examples=300, deadline=None)
def test_a_formula_means_what_was_written(tree: Tree, values: dict[Symbol, int]) -> None:
    dim, value = both(tree, values)
    assert evaluate(dim, values) == value


@given(trees(), sizes())
@settings(max_examples=200, deadline=None)
def test_values_lie_within_the_bounds(tree: Tree, values: dict[Symbol, int]) -> None:
    dim, value = both(tree, values)
    low, high = bounds(dim)
    assert low is None or low <= value
    assert high is None or value <= high


@given(trees(), trees(), sizes())
@settings(max_examples=300, deadline=None)
def test_equality_never_lies(first: Tree, second: Tree, values: dict[Symbol, int]) -> None:
    (a, x), (b, y) = both(first, values), both(second, values)
    try:
        answer = equal(a, b)
    except InvalidModelError:
        assume(False)
        raise
    assert answer is None or answer == (x == y)


@given(trees(), sizes(), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_what_divides_a_formula_divides_its_value(tree: Tree, values: dict[Symbol, int], divisor: int) -> None:
    dim, value = both(tree, values)
    assert not divides(divisor, dim) or value % divisor == 0


@given(trees(), sizes(), sizes())
@settings(max_examples=150, deadline=None)
def test_partial_evaluation_agrees_with_evaluation(
    tree: Tree, values: dict[Symbol, int], other: dict[Symbol, int]
) -> None:
    del other
    dim, value = both(tree, values)
    some = {symbol: values[symbol] for symbol in SYMBOLS[::2]}
    assert evaluate(evaluate(dim, some), values) == value


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (2 * N // 2, "n"),
        ((N + 1) * (N - 1), "n*n - 1"),
        ((N + 1) // 2, "(n + 1)//2"),
        ((N - 1) // 2 + 1, "(n + 1)//2"),
        (((N + 1) // 2 + 1) // 2, "(n + 3)//4"),
        (N // 2 // 3, "n//6"),
        (6 * N // 12, "n//2"),
        ((6 * N + 3) // 12, "(2*n + 1)//4"),
        ((3 * N + 1) // 2, "(n + 1)//2 + n"),
        (-N, "-n"),
        (3 - N, "3 - n"),
        (N // M, "n//m"),
        (6 // N, "6//n"),
        (N * M // M, "n"),
        ((N - 2) * (M - 3) // (M - 3), "n - 2"),
        ((4 * N * N - 9) // (2 * N + 3), "2*n - 3"),
        (((N + 1) // 2 - 5) * (N - M) * 6 // (3 * N - 3 * M), "2*((n + 1)//2) - 10"),
        (N // -2, "n//2 - n"),
        (2 * (N // 3) * M, "2*(n//3)*m"),
        (N % 4, "n - 4*(n//4)"),
        (-(N // 4), "-(n//4)"),
        (minimum(N, M), "min(m, n)"),
        (minimum(N, N + 1), "n"),
        (maximum(N, -1), "n"),
        (maximum(maximum(N, M), N), "max(m, n)"),
        (maximum(N, maximum(M, N + 1)), "max(m, n + 1)"),
        (maximum(minimum(N, M), 4), "max(4, min(m, n))"),
        (ceil_divide(N, 4), "(n + 3)//4"),
        (N - N, "0"),
        (SYMBOLS[2] // 2 * 2, "even"),
        (SYMBOLS[3] // 6, "0"),
        (M * (SYMBOLS[4] // 12) * 12, "m*twelve"),
        (product((N, 3, M)), "3*m*n"),
        (NAMELESS + 1, "? + 1"),
        (1 + N, "n + 1"),
    ],
)
def test_normal_form(formula: Dim, text: str) -> None:
    assert to_text(formula) == text


def test_negative_division_keeps_its_meaning() -> None:
    assert evaluate(N // -2, {N: 3}) == -2


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        (N, N, True),
        (N, Symbol("n"), True),
        (N * M, M * N, True),
        (minimum(N, M), minimum(M, N), True),
        (N, N + 1, False),
        (2 * N, 2 * M + 1, False),
        (N, M, None),
        (N, 0, None),
        (N, -1, False),
        (NAMELESS, Symbol(), None),
        (SYMBOLS[3], 6, False),
        (3, 3, True),
        (3, 4, False),
        (N // 2, N, None),
        (4 * SYMBOLS[4] + 1, 3 * SYMBOLS[4], False),
    ],
)
def test_equality_has_three_answers(a: Dim, b: Dim, answer: bool | None) -> None:
    assert equal(a, b) is answer


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        (minimum(N, SYMBOLS[3]), (0, 5)),
        (maximum(N, SYMBOLS[3]), (1, None)),
        (SYMBOLS[3] // N, (0, 5)),
        ((SYMBOLS[3] - 9) // 2, (-4, -2)),
        (N // (M - 3), (None, None)),
        ((SYMBOLS[3] - 2) * N, (None, None)),
        (SYMBOLS[3] * SYMBOLS[4], (12, 300)),
        (((N - 9) // 2) * M, (None, None)),
        (((SYMBOLS[3] - 9) // 2) * SYMBOLS[4], (-288, 120)),
        (160 * ((N - 512) // 160) - N, (-671, -512)),
        (N - 160 * ((N - 512) // 160), (512, 671)),
        (6 * (N // 3) - 2 * N, (-4, 0)),
        (4 * ((N + 6 * (M // 3)) // 2) - 2 * N - 4 * M, (-10, 0)),
        (3 * (N // 2) - N, (None, None)),
        (2 * ((N + 3) // 4) - (N + 1) // 2, (0, 1)),
        (6 * (N // 4) - 3 * (N // 2), (-3, 0)),
        (2 * (N // 3) - N, (None, None)),
    ],
)
def test_bounds(dim: Dim, expected: tuple[int | None, int | None]) -> None:
    assert bounds(dim) == expected


def test_symbols_come_by_name_then_as_they_appear() -> None:
    first, second = Symbol(), Symbol()
    found = list(symbols_of(maximum(second, first * N // 3) + (M + second) // N))
    assert found == [M, N, second, first]


def test_names_of_nameless_symbols_are_given_by_the_printer() -> None:
    assert to_text(NAMELESS * 2, {NAMELESS: "s0"}) == "2*s0"


def test_forms_compare_by_content() -> None:
    assert Quotient(N, 2) == Quotient(N, 2)
    assert Extremum("min", (N, M)) == Extremum("min", (M, N)) != Extremum("max", (M, N))
    assert hash(N * M + 1) == hash(1 + M * N)
    assert Quotient(N, 2) != (N, 2)
    assert isinstance(N + 1, Polynomial)
    assert len({N, Symbol("n"), Symbol(), Symbol()}) == 3


@pytest.mark.parametrize("value", [True, 1.0, "n", None])
def test_only_sizes_are_sizes(value: object) -> None:
    with pytest.raises(InvalidModelError, match="a size must be"):
        as_dim(value)


def test_division_by_zero_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="size n is divided by zero"):
        floor_divide(N, 0)


@pytest.mark.parametrize(
    "arguments", [{"minimum": -1}, {"divisor": 0}, {"minimum": 3, "maximum": 2}], ids=["negative", "divisor", "empty"]
)
def test_impossible_symbols_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidModelError, match="cannot lie in"):
        Symbol("n", **arguments)


def nested_quotients() -> Dim:
    size: Dim = N
    for _ in range(10_000):
        size = floor_divide(3 * size + M, M)
    return size


def doubled() -> Dim:
    size: Dim = N
    for _ in range(10_000):
        size = maximum(floor_divide(size, M), floor_divide(M, size))
    return size


def squared() -> Dim:
    size: Dim = N
    for _ in range(64):
        size = size * size
    return size


def many_terms() -> Dim:
    size: Dim = 1
    for index in range(64):
        size = size * (Symbol(f"a{index}") + Symbol(f"b{index}"))
    return size


def many_symbols() -> Dim:
    size: Dim = 0
    for index in range(100_000):
        size = size + Symbol(f"a{index}")
    return size


def many_bits() -> Dim:
    size: Dim = N + 1
    for _ in range(64):
        size = size * 2**4096
    return size


@pytest.mark.parametrize("formula", [nested_quotients, doubled, squared, many_terms, many_symbols, many_bits])
def test_hostile_formulas_meet_a_limit_that_says_what_to_do(formula: Callable[[], Dim]) -> None:
    with pytest.raises(InvalidModelError, match="beyond the limits") as caught:
        formula()
    assert caught.value.hint is not None
    assert "--input" in caught.value.hint


def test_repeated_halving_stays_one_quotient() -> None:
    size: Dim = N
    for _ in range(100):
        size = (size + 1) // 2
    assert isinstance(size, Quotient)
    assert size.denominator == 2**100


def test_order_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from xir.ir.dims import *\n"
        "a, b, c, d = map(Symbol, 'wxyz'); e, f = Symbol(), Symbol()\n"
        "formula = maximum(a * b * c, d + e) // (f * b + c) + minimum(minimum(c, f), e) * d\n"
        "print(formula, [s.name for s in symbols_of(formula)], [s is e for s in symbols_of(formula)])\n"
        "print(evaluate(formula, {a: e, f: b}))\n"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(texts) == 1
