"""Formulas of sizes, as sympy writes them in two ways."""

from __future__ import annotations

import re

import pytest

from xir.errors import InvalidModelError, UnsafeError, UsageError, XirError
from xir.frontends.torch.formulas import MAX_FORMULA_BYTES, Sizes, parse_formula
from xir.frontends.torch.guards import assume, divisors, read_guards
from xir.ir.constraints import check_constraints, collecting
from xir.ir.dims import Symbol

S0 = "Symbol('s0', positive=True, integer=True)"


def sizes() -> Sizes:
    return Sizes({"s0": (2, 64), "s1": (None, None), "far": (0, (1 << 63) - 2), "one": (4, 4), "u0": (2, 9)}, {"s1": 3})


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (7, "7"),
        (S0, "s0"),
        ("s0", "s0"),
        ("one + 1", "5"),
        (f"Add(Mul(Integer(2), {S0}), Integer(-1))", "2*s0 - 1"),
        ("2*s0 - 1", "2*s0 - 1"),
        ("-s0 + 70", "70 - s0"),
        ("(s0//2)", "s0//2"),
        ("s0 % 3", "s0 - 3*(s0//3)"),
        ("s0**2 - 3", "s0*s0 - 3"),
        ("Max(1, s0)", "s0"),
        ("Min(s0, s1)", "min(s0, s1)"),
        (f"Mul(Rational(1, 2), Mul(Integer(4), {S0}))", "2*s0"),
        ("s1/3", "s1//3"),
        ("floor(s0/2)", "s0//2"),
        ("ceiling(s0/2)", "(s0 + 1)//2"),
        ("Mod(s0, 3)", "s0 - 3*(s0//3)"),
        ("torch.utils.FloorDiv(s0, 4)", "s0//4"),
        ("CeilDiv(s0, 4)", "(s0 + 3)//4"),
        ("Identity(s0)", "s0"),
        ("Float('2.0', precision=53)*s0", "2*s0"),
    ],
)
def test_formulas_that_a_size_says(text, size):
    assert str(sizes().size(text)) == size


@pytest.mark.parametrize(
    "text", ["s0/3", "2.5", "Where(s0, 1, 2)", "s0**s1", "s0**99", "s0/s1", "sin(s0)", "floor(s0, 2)", "s0/0"]
)
def test_formulas_that_no_size_says(text):
    assert sizes().size(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "s0 +", "(s0", "s0)", "Symbol('s0'", "Integer()", "Rational(1, 0)", "Integer(s0)", "import os", "Float('x')",
     "s0; s1", "'s0'", "Symbol(s0, =)", "f(a, b", "**", "Integer(1, 2, 3)"],
)  # fmt: skip
def test_what_is_no_formula_is_refused(text):
    with pytest.raises(InvalidModelError, match="is no formula"):
        parse_formula(text)


@pytest.mark.parametrize(
    "text", ["(" * 200 + "s0" + ")" * 200, "f(" * 200, "-" * 200 + "s0", "s0" + "//1" * 200, "s0**" * 200 + "1",
             "s" * (MAX_FORMULA_BYTES + 1)]
)  # fmt: skip
def test_formulas_are_bounded(text):
    with pytest.raises(UnsafeError):
        parse_formula(text)


def test_long_sums_cost_no_depth():
    assert str(sizes().size("+".join(["s0"] * 1000))) == "1000*s0"


def test_ranges_and_divisors_of_symbols():
    held = sizes()
    symbols = [held.symbol(name) for name in ("s0", "s1", "far", "u0")]
    assert [(each.minimum, each.maximum, each.divisor) for each in symbols if isinstance(each, Symbol)] == [
        (1, 64, 1),
        (0, None, 3),
        (0, None, 1),
        (2, 9, 1),
    ]
    assert held.symbol("one") == 4
    assert held.symbol("s0") is symbols[0]
    with pytest.raises(XirError, match="lies between 5 and 2"):
        Sizes({"s": (5, 2)}).symbol("s")


GUARDS = ["(L['x'].size()[0] % 2) == 0", "L['x'].size()[0] != 2", "L['n'] >= 0 and L['n'] <= 4",
          "L['x'].size()[0] == L['y'].size()[1] + 1", "L['z'][0].size()[0] == 3", "a == b == c", "x" * 3000 + " == 1",
          "os.system('x') == 1", "2 <= L['y'].size()[1] and (L['x'].size()[0] < 100)", "not (L['x'].size()[0] > 2)",
          "max(L['x'].size()[0], L['y'].size()[1]) > math.ceil(L['y'].size()[1] / 2)"]  # fmt: skip


def test_guards_tell_divisors():
    assert divisors(read_guards(GUARDS)) == {"x.0": 2}


def test_guards_become_constraints_and_the_others_are_told():
    n, m = Symbol("n", minimum=1), Symbol("m", minimum=1)
    with collecting() as assumed:
        unchecked = assume(read_guards(GUARDS), {"x.0": n, "y.1": m})
    told = {constraint.reason.partition(" for ")[2].strip('"'): constraint for constraint in assumed}
    assert list(told) == [GUARDS[0], GUARDS[1], GUARDS[3], GUARDS[8], GUARDS[10]]
    assert sorted(unchecked) == sorted(GUARDS[index] for index in (2, 4, 5, 6, 7, 9))
    check_constraints(assumed, {n: 6, m: 5})


@pytest.mark.parametrize(
    ("guard", "good", "bad"),
    [
        ("L['x'].size()[0] != 2", (3, 3), (2, 3)),
        ("L['x'].size()[0] <= L['Y']['k-v'].size()[1]", (3, 3), (4, 3)),
        ("L['x'].size()[0] < L['Y']['k-v'].size()[1]", (2, 3), (3, 3)),
        ("L['x'].size()[0] >= 2*L['Y']['k-v'].size()[1]", (6, 3), (5, 3)),
        ("L['x'].size()[0] > (-1) + L['Y']['k-v'].size()[1]", (3, 3), (2, 3)),
        ("1 + (L['x'].size()[0] // 2) + ((-1)*L['Y']['k-v'].size()[1]) <= 0", (4, 3), (6, 3)),
    ],
)
def test_sizes_that_break_a_guard_are_refused_with_it(guard: str, good: tuple[int, int], bad: tuple[int, int]):
    n, m = Symbol("n", minimum=1), Symbol("m", minimum=1)
    with collecting() as assumed:
        assert assume(read_guards([guard]), {"x.0": n, "y_k_v.1": m}) == ()
    check_constraints(assumed, dict(zip((n, m), good, strict=True)))
    with pytest.raises(UsageError, match=re.escape(guard)):
        check_constraints(assumed, dict(zip((n, m), bad, strict=True)))
    with pytest.raises(InvalidModelError, match=re.escape(guard)):
        assume(read_guards([guard]), dict(zip(("x.0", "y_k_v.1"), bad, strict=True)))
