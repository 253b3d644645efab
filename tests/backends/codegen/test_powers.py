"""Products with powers of two: one instruction or several, the bits are the same."""

from __future__ import annotations

import numpy as np
import pytest

from xir.backends.codegen import compile as compiler
from xir.backends.codegen.ahead._processors import processors_of
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import exp


def powers(x: Array, monkeypatch: pytest.MonkeyPatch, cpu: str) -> Array:
    """Exp as a processor of that name computes it."""
    (processor,) = processors_of(cpu)
    monkeypatch.setattr(compiler, "host", lambda: processor.machine)
    value = Value(TensorType(DType.FLOAT64 if x.dtype == np.float64 else DType.FLOAT32, x.shape))
    (made,) = compiler.compile_graph(Graph("exp", (value,), (exp(value),)), threads=1)(x)
    return made


@pytest.mark.parametrize("count", [1, 2, 7, 16, 1 << 17])
@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float32, -110, 95), (np.float64, -750, 715)])
def test_every_processor_has_the_same_bits(
    dtype: type[np.floating], low: float, high: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(count).uniform(low, high, count).astype(dtype)
    x[: count // 16] = np.resize(np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, low, high], dtype), count // 16)
    found = [powers(x, monkeypatch, cpu) for cpu in ("native", "x86-64-v3")]
    np.testing.assert_array_equal(*found)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(found[0], np.exp(x), rtol=1e-6, atol=np.finfo(dtype).smallest_subnormal * 2)


def test_subnormal_powers_are_rounded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(-104, -87, 4096, dtype=np.float32)
    expected = np.exp(x.astype(np.float64)).astype(np.float32)
    for cpu in ("native", "x86-64-v3"):
        distance = np.abs(powers(x, monkeypatch, cpu) - expected)
        assert distance.max() <= np.finfo(np.float32).smallest_subnormal * 2
