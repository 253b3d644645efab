"""Serialized examples: which of several features counts, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ops.cases.examples import examples, held, serialized, varint
from tests.ops.evaluate import evaluate
from xir.errors import InvalidModelError
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.examples import example_feature

RULES: dict[str, Any] = {"key": "a", "shape": (1,), "dtype": DType.INT64}
DEFAULT = np.array([9], np.int64)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (serialized(("a", [1]), ("b", [5]), ("a", [2])), 2),
        (serialized(("a", [1])) + serialized(("a", [3])), 3),
        (serialized(("a", [1]), ("a", None)), 9),
        (serialized(("b", [1])), 9),
        (b"", 9),
        (varint(7 << 3) + varint(1) + varint(6 << 3 | 1) + b"12345678" + serialized(("a", [4])), 4),
        (held(1, held(1, held(1, b"a") + held(2, held(3, varint(1 << 3 | 5) + b"1234" + held(1, varint(6)))))), 6),
        (held(1, held(1, held(1, b"a") + held(2, held(3, held(2, b"1") + held(1, varint(-5)))))), -5),
    ],
)
def test_the_last_list_of_a_feature_counts(data: bytes, found: int) -> None:
    assert evaluate(example_feature, examples(data), DEFAULT, **RULES).tolist() == [[found]]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (serialized(("a", [1, 2])), "does not hold 1 elements of i64"),
        (serialized(("a", [])), "does not hold 1 elements"),
        (serialized(("a", [1.0])), "does not hold 1 elements"),
        (serialized(("b", [1])), "lacks the feature 'a'"),
        (b"\x0a\x05abc", "no serialized example"),
        (b"\x0b", "no serialized example"),
        (b"\xff" * 11, "no serialized example"),
        (b"\x08", "no serialized example"),
    ],
)
def test_what_an_example_does_not_hold(data: bytes, told: str) -> None:
    with pytest.raises(InvalidModelError, match=told):
        evaluate(example_feature, examples(data), None, **RULES)


def test_floats_have_four_bytes() -> None:
    data = held(1, held(1, held(1, b"a") + held(2, held(2, held(1, b"12345")))))
    with pytest.raises(InvalidModelError, match="no serialized example"):
        evaluate(example_feature, examples(data), None, **RULES | {"dtype": DType.FLOAT32})


def test_types_that_features_do_not_have() -> None:
    x = Value(TensorType(DType.STRING, (2,)))
    with pytest.raises(InvalidModelError, match="hold f32, i64 or str, not i32"):
        example_feature(x, key="a", shape=(), dtype=DType.INT32)
    with pytest.raises(InvalidModelError):
        example_feature(x, Value(TensorType(DType.INT64, (2,))), key="a", shape=(), dtype=DType.INT64)
