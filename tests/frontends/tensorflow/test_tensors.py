"""TensorProto as constants: packed, one by one, filled up, contradicting themselves."""

from __future__ import annotations

import numpy as np
import pytest

from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.frontends.tensorflow.proto.pbtxt import parse_text
from xir.frontends.tensorflow.tensors import constant_from


def constant(text: str) -> np.ndarray:
    return constant_from(parse_text(text, "TensorProto"), "it").array()


SHAPE = "tensor_shape { dim { size: 2 } }"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"dtype: DT_FLOAT {SHAPE} float_val: [1.5, -inf]", np.array([1.5, -np.inf], np.float32)),
        (f"dtype: DT_DOUBLE {SHAPE} double_val: 0.1", np.array([0.1, 0.1])),
        (f"dtype: DT_HALF {SHAPE} half_val: 15360 half_val: 0xC000", np.array([1, -2], np.float16)),
        (f"dtype: DT_INT8 {SHAPE} int_val: -3 int_val: 017", np.array([-3, 15], np.int8)),
        (f"dtype: DT_INT64 {SHAPE} int64_val: 9223372036854775807", np.full(2, (1 << 63) - 1)),
        (f"dtype: DT_UINT64 {SHAPE} uint64_val: 18446744073709551615", np.full(2, (1 << 64) - 1, np.uint64)),
        (f"dtype: DT_BOOL {SHAPE} bool_val: true bool_val: false", np.array([True, False])),
        (f"dtype: DT_COMPLEX64 {SHAPE} scomplex_val: [1, 2, 3, 4]", np.array([1 + 2j, 3 + 4j], np.complex64)),
        (f"dtype: DT_INT16 {SHAPE} tensor_content: '\\001\\000\\377\\xff'", np.array([1, -1], np.int16)),
        (f"dtype: DT_INT32 {SHAPE}", np.zeros(2, np.int32)),
        ("dtype: DT_FLOAT tensor_shape: < > float_val: 2f;", np.array(2, np.float32)),
    ],
)
def test_elements(text, expected):
    made = constant(text)
    assert made.dtype == expected.dtype
    np.testing.assert_array_equal(made, expected)


def test_strings():
    assert constant(f'dtype: DT_STRING {SHAPE} string_val: "a" "b\\n" # said\n string_val: \'c\'').tolist() == [
        "ab\n",
        "c",
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"dtype: DT_FLOAT {SHAPE} float_val: [1, 2, 3]", InvalidModelError),
        (f"dtype: DT_FLOAT {SHAPE} tensor_content: 'abc'", InvalidModelError),
        ("dtype: DT_FLOAT tensor_shape { dim { size: -1 } }", InvalidModelError),
        ("dtype: DT_FLOAT tensor_shape { unknown_rank: true }", InvalidModelError),
        (f"dtype: DT_COMPLEX64 {SHAPE} scomplex_val: 1", InvalidModelError),
        ("dtype: DT_FLOAT tensor_shape { dim { size: 1000000000000 } }", UnsafeError),
        (f"dtype: DT_RESOURCE {SHAPE}", UnsupportedError),
        (f"dtype: DT_FLOAT {SHAPE} float_val: one", XirError),
        (f"dtype: DT_FLOAT {SHAPE} int_val: 99999999999", XirError),
        (f"dtype: DT_NOTHING {SHAPE}", XirError),
        (f"dtype: DT_FLOAT {SHAPE} float_val: [1, 2", XirError),
        (f"dtype: DT_STRING {SHAPE} string_val: 3", XirError),
        (f"dtype: DT_STRING {SHAPE} string_val: '\\q'", XirError),
        ("dtype: [DT_FLOAT]", XirError),
        ("dtype DT_FLOAT", XirError),
        ("tensor_shape: 3", XirError),
        ("}", XirError),
        ("dtype: DT_FLOAT @", XirError),
        ("tensor_shape { dim [{ size: 1 } { size: 2 }] }", XirError),
    ],
)
def test_what_contradicts_itself(text, error):
    with pytest.raises(error):
        constant(text)


def test_lists_of_messages():
    assert constant("dtype: DT_FLOAT tensor_shape { dim [{ size: 1 }, { size: 2 }] }").shape == (1, 2)
