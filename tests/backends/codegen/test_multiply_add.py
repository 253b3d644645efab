"""Products and sums that are fused: decided once, and the same bits in every emitter and every lane."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.backends.codegen.c_compiler import Library
from xir.backends.codegen import compile
from xir.backends.codegen.ahead._processors import processors_of
from xir.backends.codegen.compile import compile_graph
from xir.backends.codegen.engine import host
from xir.backends.codegen.math.multiply_add import multiply_add
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.kernel import _functions
from xir.kernel.build import apply, cast, index, number
from xir.kernel.grammar import Apply, Axis, Buffer, For, Kernel, Load, LoopKind, Scalar, Store, Variable
from xir.kernel.interpret import interpret
from xir.kernel.printer import scalar_text
from xir.kernel.verify import verify
from xir.ops.elementwise import mul, sub
from xir.ops.shape import broadcast

F16, F32, F64 = DType.FLOAT16, DType.FLOAT32, DType.FLOAT64
N, L = Symbol("n"), Axis("i")


def kernel(value: Scalar, dtype: DType, kind: LoopKind = "vector") -> Kernel:
    """The value of three arrays a, b and c, element by element, the first factor the same everywhere."""
    given = tuple(Buffer(name, dtype, (1,) if name == "a" else (N,)) for name in "abc")
    result = Buffer("y", dtype, (N,))
    return Kernel("k", given, (result,), (For(L, N, kind, (Store(result, (L,), value),)),))


def elements(dtype: DType) -> tuple[Scalar, Scalar, Scalar]:
    a, b, c = kernel(number(0, dtype), dtype).inputs
    return Load(a, (index(0),)), Load(b, (L,)), Load(c, (L,))


X, Y, Z = (Variable(name, F32) for name in "xyz")
PRODUCT = apply("mul", X, Y)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (apply("add", PRODUCT, Z), "fma(x, y, z)"),
        (apply("add", Z, PRODUCT), "fma(x, y, z)"),
        (apply("sub", PRODUCT, Z), "fma(x, y, neg(z))"),
        (apply("sub", Z, PRODUCT), "fma(neg(x), y, z)"),
        (apply("sub", Z, apply("mul", X, number(0.5, F32))), "fma(x, -0.5, z)"),
        (apply("add", PRODUCT, apply("mul", Y, Z)), "fma(x, y, (y * z))"),
        (apply("add", apply("add", PRODUCT, Z), apply("mul", X, X)), "fma(x, x, fma(x, y, z))"),
        (apply("mul", PRODUCT, Z), "((x * y) * z)"),
    ],
)
def test_a_sum_takes_its_product_in(value: Scalar, wanted: str) -> None:
    (loop,) = multiply_add(kernel(value, F32)).body
    assert isinstance(loop, For)
    (store,) = loop.body
    assert isinstance(store, Store)
    assert scalar_text(store.value) == wanted


@pytest.mark.parametrize("dtype", [F16, DType.BFLOAT16, DType.INT32])
def test_halves_and_integers_stay(dtype: DType) -> None:
    a, b, c = elements(dtype)
    made = kernel(apply("add", apply("mul", a, b), c), dtype)
    assert multiply_add(made) == made
    with pytest.raises(InvalidModelError):
        verify(kernel(Apply("fma", (a, b, c)), dtype))


def operands(dtype: DType, count: int = 67) -> list[Array]:
    """Numbers whose products are nearly cancelled, so that one rounding differs from two; edges at the end."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(1).astype(dtype.dtype), rng.standard_normal(count).astype(dtype.dtype)
    c = (-(a * b) * (1 + rng.integers(-2, 3, count) * np.finfo(dtype.dtype).eps)).astype(dtype.dtype)
    b[-4:], c[-4:] = [np.inf, np.nan, np.finfo(dtype.dtype).tiny, 0.0], [1.0, 1.0, 0.0, -0.0]
    return [a, b, c]


@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_the_interpreter_rounds_once(dtype: DType) -> None:
    given = operands(dtype)
    made = multiply_add(kernel(apply("add", apply("mul", *elements(dtype)[:2]), elements(dtype)[2]), dtype))
    (found,) = interpret(made, given, {N: given[1].size})
    for b, c, value in zip(given[1][:-4].tolist(), given[2][:-4].tolist(), found[:-4].tolist(), strict=True):
        exact = Fraction(given[0].item()) * Fraction(b) + Fraction(c)
        beside = np.nextafter(np.asarray(value, dtype.dtype), np.asarray([-np.inf, np.inf], dtype.dtype)).tolist()
        assert all(abs(Fraction(value) - exact) <= abs(Fraction(other) - exact) for other in beside)
    assert [np.isinf(found[-4]), np.isnan(found[-3]), found[-1] == 0] == [True] * 3


@pytest.mark.parametrize("cpu", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_machine_code_has_the_same_bits_in_every_lane(dtype: DType, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole vectors, and single elements behind them; one factor is the same everywhere."""
    here, machine = host(), processors_of(cpu)[0].machine
    if here.lanes < machine.lanes:
        pytest.skip("this machine has no AVX-512")
    monkeypatch.setattr(compile, "host", lambda: machine)
    a, b, c = Value(TensorType(dtype, ())), Value(TensorType(dtype, (N,))), Value(TensorType(dtype, (N,)))
    graph = Graph("net", (a, b, c), (sub(c, mul(broadcast(a, shape=(N,)), b)),), ("y",), constraints=())
    model, given = compile_graph(graph, threads=1), operands(dtype)
    with np.errstate(invalid="ignore"):
        wanted = _functions.compute("fma", [-given[0], given[1], given[2]], dtype)
    for count in (1, 7, 16, 67):
        (found,) = model(given[0][0], given[1][:count], given[2][:count])
        np.testing.assert_array_equal(found, wanted[:count])


def test_c_has_the_interpreters_bits(tmp_path: Path) -> None:
    kernels = {}
    for dtype in (F32, F64):
        a, b, c = elements(dtype)
        kernels[str(dtype)] = multiply_add(kernel(apply("add", apply("mul", a, b), cast(c, dtype)), dtype, "serial"))
    library = Library(kernels, tmp_path)
    for dtype in (F32, F64):
        given = operands(dtype)
        made = replace(kernels[str(dtype)], name="k")
        (wanted,) = interpret(made, given, {N: given[1].size})
        (found,) = library.run(str(dtype), given, {N: given[1].size})
        assert found.tobytes() == wanted.tobytes()
