"""The small graphs that everybody builds: scalars and channels spread over a shape."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops._build import channelwise, scalar_like


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.bool_])
def test_a_scalar_takes_the_type_of_what_it_is_like(dtype: type[np.generic]) -> None:
    found = evaluate(lambda x: scalar_like(x, 1.0), np.zeros((2, 3), dtype))
    np.testing.assert_array_equal(found, np.ones((2, 3), dtype), strict=True)


def test_a_scalar_like_a_scalar_is_a_literal() -> None:
    made = scalar_like(Value(TensorType(DType.FLOAT32, ())), 2.0)
    assert made.node is not None
    assert made.node.op.name == "constant"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_vector_lies_along_its_axis(axis: int) -> None:
    x, vector = np.zeros((2, 3, 4)), np.arange((2, 3, 4)[axis]).astype(float)
    found = evaluate(lambda x, vector: channelwise(vector, x, axis), x, vector)
    shape = [1, 1, 1]
    shape[axis] = -1
    np.testing.assert_array_equal(found, np.broadcast_to(vector.reshape(shape), x.shape))


def test_what_fits_already_is_not_changed() -> None:
    x = Value(TensorType(DType.FLOAT32, (Symbol("C"),)))
    assert channelwise(x, x, 0) is x


@pytest.mark.parametrize(("shape", "words"), [((3, 1), "a vector is needed"), ((2,), "must be 3"), ((), "a vector")])
def test_anything_but_a_vector_of_the_right_length_is_refused(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        channelwise(Value(TensorType(DType.FLOAT32, shape)), Value(TensorType(DType.FLOAT32, (1, 3, 2))))
