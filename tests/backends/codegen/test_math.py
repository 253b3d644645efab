"""The vector functions: errors in units of the last place over the whole range, edges, and how kernels are expanded."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.accuracy import REFERENCES, function_kernel, interpreted, operations, worst
from tests.backends.codegen.c_compiler import FLAGS, Library
from tests.conftest import REPOSITORY
from tools import minimax
from xir.backends.codegen.math import _wide
from xir.backends.codegen.math._terms import Lets, Term
from xir.backends.codegen.math.expand import CORE, WIDE, expand, expand_kernel, has_expansion
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel.build import apply, index, number
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    Apply,
    AsyncCopy,
    Axis,
    Barrier,
    Buffer,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Region,
    Select,
    Statement,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.interpret import interpret
from xir.kernel.verify import verify

F16, BF16, F32, F64 = DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64
FUNCTIONS = [*CORE, *WIDE]
UNARY = [name for name in FUNCTIONS if name != "pow"]

# Units of the last place, as docs/accuracy.md states them.
SINGLE = {
    **{"exp": 1.25, "log": 0.8, "tanh": 1.4, "erf": 1.3, "asin": 0.75, "acos": 1.0, "atan": 1.6},
    **{"sin": 1.7, "cos": 1.7, "tan": 0.6, "sinh": 0.51, "cosh": 0.51, "asinh": 0.51, "acosh": 0.51, "atanh": 0.51},
    "pow": 0.51,
}
DOUBLE = {"exp": 1.3, "log": 0.9, "tanh": 1.5, "erf": 1.2, "asin": 1.1, "acos": 1.1, "atan": 1.8} | {
    **{"sinh": 2.4, "cosh": 1.6, "asinh": 2.2, "acosh": 2.9, "atanh": 2.3}
}

STRIDE = 1021
"""Every so many bit patterns are tried: a prime, so the lowest bits vary as well."""

CHUNK = 1 << 19


def patterns(stride: int) -> Iterator[Array]:
    """The f32 of every stride-th bit pattern, and both zeros, infinities, some NaN and subnormal numbers."""
    edges = [0, 1 << 31, 1, 0x80000001, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FFFFFFF]
    yield np.array(edges, np.uint32).view(np.float32)
    for start in range(0, 1 << 32, stride * CHUNK):
        stop = min(start + stride * CHUNK, 1 << 32)
        yield np.arange(start, stop, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)


@pytest.mark.parametrize("function", UNARY)
def test_f32_is_as_exact_as_stated_over_the_whole_range(function: str) -> None:
    assert max(worst(function, interpreted(function, F32, [x]), [x]) for x in patterns(STRIDE)) <= SINGLE[function]


def powers(count: int) -> Iterator[tuple[Array, Array]]:
    """Pairs of any bits, and pairs whose power is a moderate number."""
    random = np.random.default_rng(5)
    bits = random.integers(0, 1 << 32, (2, count), np.uint64).astype(np.uint32).view(np.float32)
    yield bits[0], bits[1]
    yield np.exp(random.uniform(-5, 5, count)).astype(np.float32), random.uniform(-25, 25, count).astype(np.float32)
    yield random.uniform(0.9, 1.1, count).astype(np.float32), random.uniform(-900, 900, count).astype(np.float32)
    yield random.uniform(-20, 20, count).astype(np.float32), random.integers(-30, 30, count).astype(np.float32)


def power_error(x: Array, y: Array) -> float:
    return worst("pow", interpreted("pow", F32, [x, y]), [x, y])


def test_powers_are_as_exact_as_stated() -> None:
    assert max(power_error(x, y) for x, y in powers(200_000)) <= SINGLE["pow"]


def test_powers_at_their_edges_are_those_of_c() -> None:
    """C99, F.9.4.4; NumPy's pow in f64 follows it."""
    edges = [0.0, 1, 2, 3, 0.5, 1.5, np.inf, 1e-45, 3.4e38, 2**24, 2**24 + 2, 2**24 - 1, 1e-30]
    values = np.array([*edges, *(-each for each in edges), np.nan], np.float32)
    x, y = (each.ravel() for each in np.meshgrid(values, values))
    assert power_error(x, y) <= SINGLE["pow"]


@pytest.mark.parametrize("power", [-1, 0.5, 1, 2, 3, 4])
def test_known_powers_are_the_same_in_few_steps(power: float) -> None:
    n = Symbol("n")
    x, y = Buffer("x", F32, (n,)), Buffer("y", F32, (n,))
    store = Store(y, (L,), apply("pow", Load(x, (L,)), number(power, F32)))
    kernel = expand_kernel(Kernel("power", (x,), (y,), (For(L, n, "parallel", (store,)),)))
    verify(kernel)
    (loop,) = kernel.body
    assert isinstance(loop, For)
    assert len(loop.body) <= 4
    for values in patterns(STRIDE * 32):
        (made,) = interpret(kernel, [values], {n: values.size})
        assert worst("pow", made, [values, np.full_like(values, power)]) <= SINGLE["pow"]


def doubles(function: str) -> Array:
    random = np.random.default_rng(3)
    count = 60_000
    parts = [random.integers(0, 1 << 64, count, np.uint64).view(np.float64), random.uniform(-1, 1, count)]
    parts += [random.uniform(-low, low, count) for low in (3, 30, 760)]
    parts += [1 + np.exp(random.uniform(-30, 30, count)), np.exp(random.uniform(-40, 0, count))]
    edges = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        5e-324,
        -5e-324,
        1,
        -1,
        709.7,
        709.79,
        710.47,
        710.48,
        1e300,
        -745.1,
        -745.14,
        1e-310,
    ]
    return np.concatenate([*parts, np.array(edges)])


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="this machine has no wider float to compare f64 with")
@pytest.mark.parametrize("function", [name for name in FUNCTIONS if has_expansion(name, F64) and name != "erf"])
def test_f64_is_as_exact_as_stated(function: str) -> None:
    x = doubles(function)
    assert worst(function, interpreted(function, F64, [x]), [x]) <= DOUBLE[function]


def test_erf_of_f64_is_as_exact_as_stated() -> None:
    x = np.concatenate([np.random.default_rng(0).uniform(0, 6.2, 500), [0.92, 0.93, 0.94, 5.9, 6.0, 1e-5]])
    found = interpreted("erf", F64, [x])
    for place, value in zip(x.tolist(), found.tolist(), strict=True):
        wanted = minimax.error_function(Decimal(place))
        assert abs(Decimal(value) - wanted) <= Decimal(float(np.spacing(value)) * DOUBLE["erf"])


@pytest.mark.parametrize("dtype", [F16, BF16], ids=str)
@pytest.mark.parametrize("function", UNARY)
def test_narrow_floats_are_computed_in_f32_and_rounded_once(function: str, dtype: DType) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype.dtype)
    with np.errstate(all="ignore"):
        single = interpreted(function, F32, [x.astype(np.float32)]).astype(dtype.dtype)
        found = interpreted(function, dtype, [x]).astype(np.float64)
        np.testing.assert_array_equal(found, single.astype(np.float64))


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The functions with every product and sum fused, as an emitter may."""
    if platform.machine() != "x86_64" or " fma " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this machine has no fused multiply-add that the test knows how to ask for")
    kernels = {f"f_{name}": function_kernel(name, F32) for name in FUNCTIONS}
    flags = [flag for flag in FLAGS if "contract" not in flag] + ["-ffp-contract=fast", "-mfma", "-mavx2"]
    return Library(kernels, tmp_path_factory.mktemp("fused"), flags)


def compiled(library: Library, function: str, inputs: Sequence[Array]) -> Array:
    kernel = library.kernels[f"f_{function}"]
    symbols = kernel.inputs[0].shape[0]
    (made,) = library.run(f"f_{function}", inputs, {symbols: inputs[0].size})  # type: ignore[dict-item]  # a symbol
    return made


@pytest.mark.parametrize("function", UNARY)
def test_fused_products_and_sums_are_no_less_exact(function: str, fused: Library) -> None:
    assert max(worst(function, compiled(fused, function, [x]), [x]) for x in patterns(8191)) <= SINGLE[function]


def test_fused_powers_are_no_less_exact(fused: Library) -> None:
    for x, y in powers(50_000):
        assert worst("pow", compiled(fused, "pow", [x, y]), [x, y]) <= SINGLE["pow"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library({f"f_{name}": function_kernel(name, F32) for name in FUNCTIONS}, tmp_path_factory.mktemp("plain"))


@pytest.mark.nightly
@pytest.mark.parametrize("function", UNARY)
def test_every_f32_is_as_exact_as_stated(function: str, plain: Library) -> None:
    """All 2^32, through compiled C, which has the interpreter's bits (test_c.py)."""
    assert max(worst(function, compiled(plain, function, [x]), [x]) for x in patterns(1)) <= SINGLE[function]


def test_the_document_states_these_errors_and_costs() -> None:
    text = (REPOSITORY / "docs" / "accuracy.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| ([\d.]+|-) \| (\d+) \|", text, re.MULTILINE)
    stated = {name: (float(f32), None if f64 == "-" else float(f64), int(cost)) for name, f32, f64, cost in rows}
    assert stated == {name: (SINGLE[name], DOUBLE.get(name), operations(name, F32)) for name in FUNCTIONS}


def test_the_bits_of_a_turn_are_those_of_pi() -> None:
    digits = int((1 / (2 * minimax.PI)) * (1 << 160))
    words = tuple(digits >> (32 * place) & 0xFFFFFFFF for place in reversed(range(5)))
    assert _wide.TURNS[:5] == words


X, Y, L, J = Buffer("x", F32, (4,)), Buffer("y", F32, (4,)), Axis("i"), Axis("j")


def test_functions_are_expanded_wherever_scalars_stand() -> None:
    total, tile = Buffer("total", F32, (), "register"), Buffer("tile", F32, (2, 2), "shared")
    power = Variable("power", F32)
    tanh = apply("tanh", Load(X, (L,)))
    inside = apply("lt", apply("exp", Load(X, (L,))), number(3, F32))
    corner = Region(tile, (index(0), index(0)), (2, 2))
    body: tuple[Statement, ...] = (
        Allocate(total),
        Store(total, (), number(0, F32)),
        Let(power, apply("exp", apply("exp", Load(X, (L,))))),
        For(J, 2, "serial", (Accumulate(total, (), "add", apply("tanh", power), inside),)),
        If(inside, (Store(Y, (L,), tanh),), (Store(Y, (L,), Select(inside, tanh, Load(total, ()))),)),
    )
    shared = (
        Allocate(tile),
        For(L, 4, "serial", (Store(tile, (apply("floor_div", L, index(2)), apply("mod", L, index(2))), tanh),)),
        AsyncCopy(corner, corner),
        Wait(),
        Barrier(),
        TileMultiply(corner, corner, corner),
    )
    kernel = Kernel("test", (X,), (Y,), (*shared, For(L, 4, "parallel", body)))
    verify(kernel)
    made = expand_kernel(kernel)
    verify(made)
    x = np.array([-1, 0.1, 1.05, 2], np.float32)
    np.testing.assert_allclose(interpret(made, [x])[0], interpret(kernel, [x])[0], rtol=2e-6)


def test_what_has_no_expansion_stays_a_function() -> None:
    """And its operands stay what they are, in every place."""
    lets = Lets("m")
    assert expand("sin", (number(1, F64),), lets) is None
    assert expand("sin", (number(1, DType.INT32),), lets) is None
    assert expand("sqrt", (number(1, F16),), lets) is None
    assert lets.statements == []
    kernel = Kernel("test", (X,), (Y,), (For(L, 4, "parallel", (Store(Y, (L,), Apply("sqrt", (Load(X, (L,)),))),)),))
    verify(expand_kernel(kernel))
    assert len(expand_kernel(kernel).body[0].body) == 1  # type: ignore[union-attr]  # a loop


@pytest.mark.parametrize("power_of_two", [28, 29, 60, 100, 127])
def test_large_arguments_near_a_zero_of_the_sine_keep_their_digits(power_of_two: int) -> None:
    """The multiples of pi / 2 nearest to an f32: among neighbours, those where the sine or cosine is least."""
    start = np.array([2.0**power_of_two], np.float32).view(np.uint32)[0]
    x = (start + np.arange(1 << 19, dtype=np.uint32)).view(np.float32)
    with np.errstate(all="ignore"):
        order = np.argsort(np.abs(np.sin(2 * x.astype(np.float64))))
    least = x[order[:1000]]
    for function in ("sin", "cos", "tan"):
        assert worst(function, interpreted(function, F32, [least]), [least]) <= SINGLE[function]


def test_terms_write_arithmetic() -> None:
    x = Term(Const(2.0, F32))
    assert (3.0 * x).scalar == Apply("mul", (Const(3.0, F32), x.scalar))
    assert x.cast(F32) is x
    assert x.bits(F32) is x
    assert (x.equals(1.0) | x.equals(2.0)).dtype is DType.BOOL
    assert (x.equals(1.0) ^ x.equals(2.0)).scalar == Apply("xor", (x.equals(1.0).scalar, x.equals(2.0).scalar))
    assert Lets("m").let(x) is x


def test_a_choice_needs_a_term() -> None:
    with pytest.raises(TypeError, match="tells the type"):
        Term(Const(True, DType.BOOL)).choose(1.0, 2.0)


def test_every_function_has_a_reference() -> None:
    assert set(FUNCTIONS) == set(REFERENCES)
