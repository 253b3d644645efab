"""What is assumed of sizes: recorded where it was assumed, checked at the entry."""

from __future__ import annotations

import pytest

from tests.ir.helpers import add, tensor
from xir.errors import UsageError
from xir.ir.builder import sourced
from xir.ir.constraints import Constraint, assume_equal, check_constraints, collecting, is_collecting
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.source import Source

N, M = Symbol("N"), Symbol("M")


def test_only_what_cannot_be_told_is_recorded_and_once() -> None:
    with collecting() as assumed:
        answers = [assume_equal(a, b, "why") for a, b in [(N, N), (N, N + 1), (N, M), (M, N), (3, 3), (N, M)]]
    assert answers == [True, False, True, True, True, True]
    assert list(assumed) == [Constraint(N, M, "why")]
    assert len(assumed) == 1


def test_an_assumption_names_operator_and_layer() -> None:
    with collecting([Constraint(N, 4, "known")]) as assumed, sourced(Source("caffe", "a", "sum", "Eltwise")):
        add(Value(tensor(N)), Value(tensor(M)))
    assert [repr(each) for each in assumed] == ["N == 4 (known)", "N == M (add of a: layer 'sum' (Eltwise): operands)"]


def test_nobody_gathers_outside() -> None:
    assert not is_collecting()
    assert assume_equal(N, M, "why")
    with collecting() as outer:
        with collecting():
            assume_equal(N, M, "inner")
        assert is_collecting()
    assert list(outer) == []


@pytest.mark.parametrize("sizes", [{}, {N: 4}, {N: 4, M: 2}, {N: M}])
def test_sizes_that_fit_pass(sizes: dict[Symbol, Dim]) -> None:
    check_constraints([Constraint(N, 2 * M, "why")], sizes)


def test_sizes_that_break_an_assumption_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the model needs N == 2\*M \(why\); here 4 is not 6"):
        check_constraints([Constraint(N, 2 * M, "why")], {N: 4, M: 3})


@pytest.mark.parametrize(("size", "fits"), [(4, True), (8, True), (2, False), (12, False), (6, False)])
def test_a_symbol_has_a_range_and_a_divisor(size: int, fits: bool) -> None:
    symbol = Symbol("S", minimum=4, maximum=8, divisor=4)
    if fits:
        check_constraints([], {symbol: size})
    else:
        with pytest.raises(UsageError, match=rf"size S cannot be {size}: it lies in \[4, 8\] and 4 divides it"):
            check_constraints([], {symbol: size})


def test_a_symbol_without_a_maximum_says_so() -> None:
    with pytest.raises(UsageError, match=r"\[1, any\]"):
        check_constraints([], {Symbol("S", minimum=1): 0})
