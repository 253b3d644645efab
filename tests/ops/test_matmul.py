"""Matrix products: values, element types, and what is refused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.ops.evaluate import Operator, decomposed, evaluate, onnx_results, placeholders
from xir.errors import InvalidModelError
from xir.ops.matmul import gemm, matmul

RANDOM = np.random.default_rng(0)
PLAIN = {"alpha": 1.0, "beta": 1.0, "transpose_a": False, "transpose_b": False}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64])
def test_matmul_agrees_with_onnxruntime(dtype: type[np.generic]) -> None:
    x, y = (RANDOM.integers(0, 9, size=shape).astype(dtype) for shape in ((2, 3, 4), (2, 4, 5)))
    np.testing.assert_array_equal(evaluate(matmul, x, y), onnx_results("MatMul", [x, y])[0])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_narrow_floats_are_summed_in_f32(dtype: type[np.generic]) -> None:
    result = evaluate(matmul, np.ones((1, 4096), dtype), np.ones((4096, 1), dtype))
    assert (result.dtype, float(result.item())) == (dtype, 4096)


def test_integers_wrap_around() -> None:
    big = np.array([[2**31 - 1, 1]], np.int32)
    assert evaluate(matmul, big, np.ones((2, 1), np.int32)).item() == -(2**31)


@pytest.mark.parametrize("operator", [gemm, decomposed(gemm)], ids=["reference", "decompose"])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_gemm_agrees_with_onnxruntime(operator: Operator, alpha: float, transposed: tuple[bool, bool]) -> None:
    a, b, c = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((2, 3), (3, 4), (2, 4)))
    a, b = (np.ascontiguousarray(m.T) if turn else m for m, turn in zip((a, b), transposed, strict=True))
    for addend, beta in ((c, 2.0), (c, 1.0), (None, 1.0)):
        given = {"alpha": alpha, "beta": beta}
        result = evaluate(operator, a, b, addend, **given, transpose_a=transposed[0], transpose_b=transposed[1])
        theirs = {"transA": int(transposed[0]), "transB": int(transposed[1])}
        np.testing.assert_allclose(
            result, onnx_results("Gemm", [a, b, addend], **given, **theirs)[0], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ((2, 3), (4, 5), "number of rows"),
        ((2, 2, 3), (3, 3, 4), "differ"),
        ((2, 3), (1, 3, 4), "2 axes"),
        ((3,), (3,), "at least 2"),
    ],
)
def test_matmul_refuses(x: tuple[int, ...], y: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        matmul(*placeholders(np.zeros(x, np.float32), np.zeros(y, np.float32)))


def test_types_that_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="32 or 64 bits"):
        matmul(*placeholders(np.zeros((1, 1), np.int8), np.zeros((1, 1), np.int8)))
    whole = np.zeros((1, 1), np.int32)
    with pytest.raises(InvalidModelError, match="whole factors"):
        gemm(*placeholders(whole, whole), **(PLAIN | {"alpha": 0.5}))
    with pytest.raises(InvalidModelError, match="differ"):
        gemm(*placeholders(np.zeros((1, 2)), np.zeros((2, 3)), np.zeros((1, 2))), **PLAIN)
