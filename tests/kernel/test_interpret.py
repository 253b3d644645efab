"""Every statement and every scalar of the loop IR, interpreted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel import _functions
from xir.kernel import interpret as interpreter
from xir.kernel.build import apply, cast, index, number, select
from xir.kernel.grammar import (
    FUNCTIONS,
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
    Kernel,
    Let,
    Load,
    LoopKind,
    Prefetch,
    Region,
    Scalar,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.interpret import interpret
from xir.kernel.printer import kernel_text
from xir.kernel.verify import verify

F32, I64 = DType.FLOAT32, DType.INT64
L, J, K = Axis("i"), Axis("j"), Axis("k")
X, Y = Buffer("x", F32, (4,)), Buffer("y", F32, (4,))
ARRAY = np.array([1, 2, 3, 4], np.float32)


def run(*body: Statement, inputs: tuple[Buffer, ...] = (X,), outputs: tuple[Buffer, ...] = (Y,)) -> list[float]:
    kernel = Kernel("test", inputs, outputs, body)
    verify(kernel)
    assert kernel_text(kernel)
    (found,) = interpret(
        kernel, [np.arange(1, 1 + math.prod(b.shape), dtype=b.dtype.dtype).reshape(b.shape) for b in inputs]
    )  # type: ignore[type-var]  # known sizes
    return found.tolist()


@pytest.mark.parametrize("kind", ["serial", "unrolled", "vector", "parallel", "block", "thread", "warp"])
def test_every_kind_of_loop_visits_every_iteration(kind: LoopKind) -> None:
    assert run(For(L, 4, kind, (Store(Y, (L,), Load(X, (L,)), width=4),))) == [1, 2, 3, 4]


def test_independent_iterations_beyond_the_lanes_run_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MAX_LANES", 2)
    assert run(For(L, 4, "parallel", (Store(Y, (L,), Load(X, (L,))),))) == [1, 2, 3, 4]


def test_branches_and_masks() -> None:
    small = apply("lt", L, index(2))
    doubled = apply("add", Load(X, (L,)), Load(X, (L,)))
    branch = If(small, (Store(Y, (L,), doubled),), (Store(Y, (L,), number(0, F32)),))
    assert run(For(L, 4, "parallel", (branch,))) == [2, 4, 0, 0]
    assert run(For(L, 4, "parallel", (Store(Y, (L,), number(7, F32)), Store(Y, (L,), doubled, mask=small)))) == [
        2,
        4,
        7,
        7,
    ]
    shifted = Load(X, (apply("add", L, index(2)),), small)
    assert run(For(L, 4, "serial", (Store(Y, (L,), shifted),))) == [3, 4, 0, 0]
    never = If(Const(False, DType.BOOL), (Store(Y, (L,), number(1, F32)),))
    assert run(For(L, 4, "serial", (Store(Y, (L,), number(5, F32)), never))) == [5, 5, 5, 5]
    nowhere = Store(Y, (L,), number(1, F32), mask=Const(False, DType.BOOL))
    assert run(For(L, 4, "serial", (Store(Y, (L,), number(5, F32)), nowhere))) == [5, 5, 5, 5]


def test_lets_and_registers_belong_to_their_iteration() -> None:
    total = Buffer("total", F32, (), "register")
    square = Variable("square", F32)
    body = (
        Allocate(total),
        Store(total, (), number(0, F32)),
        Let(square, apply("mul", Load(X, (L,)), Load(X, (L,)))),
        For(J, 3, "serial", (Accumulate(total, (), "add", square),)),
        Store(Y, (L,), Load(total, ())),
    )
    assert run(For(L, 4, "parallel", body)) == [3, 12, 27, 48]


@pytest.mark.parametrize(("function", "expected"), [("add", 10), ("mul", 24), ("min", 1), ("max", 4)])
def test_iterations_may_meet_in_an_atomic_accumulation(function: str, expected: float) -> None:
    start = {"add": 0, "mul": 1, "min": 9, "max": -9}[function]
    single = Buffer("y", F32, (1,))
    accumulate = Accumulate(single, (index(0),), function, Load(X, (L,)), atomic=True)  # type: ignore[arg-type]  # by table
    body = (Store(single, (index(0),), number(start, F32)), For(L, 4, "parallel", (accumulate,)))
    assert run(*body, outputs=(single,)) == [expected]


def test_shared_memory_and_a_barrier_reverse_a_block() -> None:
    shared = Buffer("shared", F32, (2,), "shared")
    place = apply("add", apply("mul", L, index(2)), J)
    other = apply("sub", index(1), J)
    threads = For(
        J, 2, "thread", (Store(shared, (J,), Load(X, (place,))), Barrier(), Store(Y, (place,), Load(shared, (other,))))
    )
    assert run(For(L, 2, "block", (Allocate(shared), threads))) == [2, 1, 4, 3]


def test_a_copy_lands_when_it_is_waited_for() -> None:
    shared = Buffer("shared", F32, (4,), "shared")
    copy = AsyncCopy(Region(shared, (index(1),), (3,)), Region(X, (index(0),), (3,)), group=1)
    before = Store(Y, (index(0),), Load(shared, (index(1),)))
    clear = For(K, 4, "serial", (Store(shared, (K,), number(9, F32)),))
    after = For(J, 3, "serial", (Store(Y, (apply("add", J, index(1)),), Load(shared, (apply("add", J, index(1)),))),))
    assert run(Allocate(shared), clear, copy, before, Wait(1), after) == [9, 1, 2, 3]


@pytest.mark.parametrize("transposed", [True, False])
def test_tiles_multiply(transposed: bool) -> None:
    a, b, c = Buffer("a", F32, (2, 3)), Buffer("b", F32, (2, 3, 1)), Buffer("c", F32, (2, 2))
    b = Buffer("b", F32, (2, 3) if transposed else (3, 2))
    clear = For(L, 2, "serial", (For(J, 2, "serial", (Store(c, (L, J), number(1, F32)),)),))
    zero = (index(0), index(0))
    tiles = TileMultiply(
        Region(c, zero, (2, 2)),
        Region(a, zero, (2, 3)),
        Region(b, zero, b.shape),
        transpose_right=transposed,  # type: ignore[arg-type]  # known sizes
    )
    left = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    right = np.arange(1, 7, dtype=np.float32).reshape(b.shape)  # type: ignore[arg-type]  # known sizes
    expected = left @ (right.T if transposed else right) + 1
    assert run(clear, tiles, inputs=(a, b), outputs=(c,)) == expected.tolist()


def test_a_reduction_may_carry_two_values() -> None:
    best, place = Buffer("best", F32, (), "register"), Buffer("place", I64, (), "register")
    result = Buffer("y", I64, ())
    x = Load(X, (K,))
    better = If(apply("gt", x, Load(best, ())), (Store(best, (), x), Store(place, (), K)))
    body = (
        Allocate(best),
        Allocate(place),
        Store(best, (), number(-math.inf, F32)),
        Store(place, (), index(0)),
        For(K, 4, "serial", (better,)),
        Store(result, (), Load(place, ())),
    )
    kernel = Kernel("argmax", (X,), (result,), body)
    verify(kernel)
    assert interpret(kernel, [np.array([1, 7, 3, 7], np.float32)])[0] == 1


def scalar_of(value: Scalar) -> float:
    result = Buffer("y", value.dtype, ())
    kernel = Kernel("scalar", (), (result,), (Store(result, (), value),))
    verify(kernel)
    found: float = interpret(kernel, [])[0].item()
    return found


NOT_OF_NUMBERS = ("not", "is_nan", "is_inf", "bit_not")
"""Functions of one operand that need another test."""


def test_the_interpreter_knows_every_function() -> None:
    assert sorted(_functions.names()) == sorted(FUNCTIONS)


@pytest.mark.parametrize(
    "function", [name for name, (count, _) in FUNCTIONS.items() if count == 1 and name not in NOT_OF_NUMBERS]
)
def test_functions_of_one_number(function: str) -> None:
    x = 1.25 if function == "acosh" else 0.625
    by_name = {
        "neg": -x,
        "abs": x,
        "sign": 1.0,
        "floor": 0.0,
        "ceil": 1.0,
        "round": 1.0,
    }
    expected = by_name[function] if function in by_name else getattr(math, function)(x)
    assert scalar_of(apply(function, number(x, DType.FLOAT64))) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(
    ("function", "dtype", "x", "y", "expected"),
    [
        ("add", I64, 7, 2, 9),
        ("sub", I64, 7, 9, -2),
        ("mul", DType.INT8, 100, 2, -56),
        ("div", I64, -7, 2, -3),
        ("div", I64, 7, -2, -3),
        ("div", I64, -8, -2, 4),
        ("div", I64, 7, 0, 0),
        ("div", F32, 7, 2, 3.5),
        ("floor_div", I64, -7, 2, -4),
        ("mod", I64, -7, 3, 2),
        ("mod", F32, -7, 3, 2),
        ("rem", I64, -7, 3, -1),
        ("rem", I64, 7, -3, 1),
        ("rem", F32, -7, 3, -1),
        ("pow", F32, 2, 3, 8),
        ("bit_and", I64, 6, 3, 2),
        ("bit_or", I64, 6, 3, 7),
        ("bit_xor", I64, 6, 3, 5),
        ("shift_left", DType.INT8, 3, 6, -64),
        ("shift_left", DType.INT8, 3, 8, 0),
        ("shift_left", DType.INT8, 3, -1, 0),
        ("shift_right", DType.INT8, -7, 1, -4),
        ("shift_right", DType.INT8, -7, 8, -1),
        ("shift_right", DType.INT8, 7, -1, 0),
        ("shift_right", DType.UINT8, 200, 3, 25),
        ("min", F32, 2, 3, 2),
        ("max", F32, 2, 3, 3),
        ("eq", F32, 2, 3, False),
        ("ne", F32, 2, 3, True),
        ("lt", F32, 2, 3, True),
        ("le", F32, 3, 3, True),
        ("gt", F32, 2, 3, False),
        ("ge", F32, 2, 3, False),
    ],
)
def test_functions_of_two_numbers(function: str, dtype: DType, x: float, y: float, expected: float) -> None:
    assert scalar_of(apply(function, number(x, dtype), number(y, dtype))) == expected


@pytest.mark.parametrize("function", ["min", "max"])
def test_extremes_of_a_nan_are_nan(function: str) -> None:
    assert math.isnan(scalar_of(apply(function, number(math.nan, F32), number(1, F32))))


@pytest.mark.parametrize(("function", "expected"), [("and", False), ("or", True), ("xor", True)])
def test_logic(function: str, expected: bool) -> None:
    assert scalar_of(apply(function, Const(True, DType.BOOL), Const(False, DType.BOOL))) is expected


def test_other_scalars() -> None:
    assert scalar_of(apply("not", Const(True, DType.BOOL))) is False
    assert scalar_of(apply("is_nan", number(math.nan, F32))) is True
    assert scalar_of(apply("is_inf", number(math.inf, F32))) is True
    assert scalar_of(apply("floor", index(3))) == 3
    assert scalar_of(cast(number(-2.75, F32), I64)) == -2
    assert scalar_of(cast(number(0.5, F32), DType.BOOL)) is True
    assert scalar_of(cast(index(3), I64)) == 3
    assert scalar_of(select(Const(False, DType.BOOL), index(1), index(2))) == 2


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.INT32, DType.INT64], ids=str)
def test_no_integer_traps(dtype: DType) -> None:
    lowest = Const(-(1 << dtype.bits - 1), dtype)
    found = {name: scalar_of(apply(name, lowest, number(-1, dtype))) for name in ("div", "rem", "floor_div", "mod")}
    assert found == {"div": lowest.value, "rem": 0, "floor_div": lowest.value, "mod": 0}
    for name in ("div", "rem", "floor_div", "mod"):
        assert scalar_of(apply(name, lowest, number(0, dtype))) == 0
    assert scalar_of(apply("neg", lowest)) == lowest.value
    assert scalar_of(apply("abs", lowest)) == lowest.value


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (-1.9, DType.INT8, -1),
        (-1.9, DType.UINT8, 255),
        (300.7, DType.INT8, 44),
        (3e9, DType.INT8, 0),
        (3e9, DType.INT32, -(1 << 31)),
        (math.nan, DType.INT32, -(1 << 31)),
        (math.nan, DType.UINT16, 0),
        (5e9, DType.UINT32, 705032704),
        (-1.0, DType.UINT32, (1 << 32) - 1),
        (math.inf, DType.UINT32, 0),
        (-math.inf, DType.INT64, -(1 << 63)),
        (1e19, DType.INT64, -(1 << 63)),
        (1e19, DType.UINT64, 10**19),
        (-1.0, DType.UINT64, (1 << 64) - 1),
        (1e30, DType.UINT64, 0),
        (math.nan, DType.UINT64, 1 << 63),
        (math.nan, DType.BOOL, True),
        (-0.0, DType.BOOL, False),
    ],
)
def test_floats_become_integers_as_the_grammar_says(value: float, dtype: DType, expected: int) -> None:
    assert scalar_of(cast(number(value, DType.FLOAT64), dtype)) == expected


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64], ids=str)
@pytest.mark.filterwarnings("error")
def test_one_number_that_does_not_fit_changes_no_other(dtype: DType) -> None:
    numbers = np.array([-2.5, 0.5, 100.0]).astype(dtype.dtype)
    odd = np.append(numbers, np.array(np.nan).astype(dtype.dtype))
    for target in (DType.INT8, DType.UINT16, DType.INT32, DType.UINT32, DType.INT64, DType.UINT64):
        assert (_functions.convert(odd, target)[:3] == _functions.convert(numbers, target)).all()


@pytest.mark.parametrize("dtype", [DType.FLOAT16, DType.BFLOAT16], ids=str)
def test_floats_of_16_bits_are_rounded_once(dtype: DType) -> None:
    x = np.float32(0.7).astype(dtype.dtype)
    expected = np.exp(x.astype(np.float32)).astype(dtype.dtype)
    assert scalar_of(apply("exp", number(float(x), dtype))) == float(expected)


def test_bits_are_read_as_another_type() -> None:
    assert scalar_of(Bits(number(1, F32), DType.INT32)) == 0x3F800000
    assert scalar_of(Bits(Const(0xFF800000, DType.UINT32), F32)) == -math.inf
    assert scalar_of(apply("bit_not", number(5, DType.INT8))) == -6


def test_what_was_not_written_shows_up() -> None:
    whole, flag = Buffer("whole", I64, (1,)), Buffer("flag", DType.BOOL, (1,))
    found = interpret(Kernel("nothing", (), (Y, whole, flag), ()), [])
    assert np.isnan(found[0]).all()
    assert (found[1].item(), found[2].item()) == (85, False)


N = Symbol("n")


@pytest.mark.parametrize(
    ("kernel", "arrays", "message"),
    [
        (Kernel("k", (X,), (Y,), ()), [], "kernel k takes 1 arrays, got 0"),
        (Kernel("k", (X,), (Y,), ()), [ARRAY[:2]], r"x is f32\[4\], got float32\[2\]"),
        (Kernel("k", (X,), (Y,), ()), [ARRAY.astype(np.float64)], "got float64"),
        (Kernel("k", (), (Buffer("y", F32, (N,)),), ()), [], "needs the size n, which is not known"),
        (Kernel("k", (X,), (Y,), (Store(Y, (index(4),), number(0, F32)),)), [ARRAY], r"index 4\.\.4 leaves axis 0"),
        (Kernel("k", (X,), (Y,), (Prefetch(X, (index(4),)),)), [ARRAY], r"index 4\.\.4 leaves axis 0"),
        (
            Kernel("k", (X,), (Y,), (AsyncCopy(Region(Y, (index(0),), (2,)), Region(X, (index(3),), (2,))),)),
            [ARRAY],
            r"elements 3\.\.4 leave axis 0 of size 4",
        ),
    ],
)
def test_what_does_not_fit_is_refused(kernel: Kernel, arrays: list[np.ndarray], message: str) -> None:  # type: ignore[type-arg]  # any
    with pytest.raises(InvalidModelError, match=message):
        interpret(kernel, arrays)


def test_loops_of_nothing_do_nothing() -> None:
    body = For(L, N, "parallel", (Store(Y, (L,), number(1, F32)),))
    assert np.isnan(interpret(Kernel("k", (), (Y,), (body,)), [], {N: 0})[0]).all()
