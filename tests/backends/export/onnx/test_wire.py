"""Protobuf's wire format, against protobuf itself."""

from __future__ import annotations

import onnx
import pytest

from xir.backends.export.onnx import _wire as wire
from xir.backends.export.onnx._tensor import IR_VERSIONS, NUMBERS, integer_limits, payload
from xir.errors import UnsupportedError
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.constant import constant_of
from xir.ir.types import DType


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 1 << 31, (1 << 63) - 1, -1, -(1 << 63)])
def test_integers(value: int) -> None:
    assert onnx.TensorProto.FromString(wire.unpacked_integers(1, [value])).dims == [value]
    assert onnx.AttributeProto.FromString(wire.integer(3, value)).i == value


def test_texts_floats_and_entries() -> None:
    read = onnx.AttributeProto.FromString(
        wire.text(1, "n\u00e4") + wire.single(2, 0.5) + wire.unpacked_floats(7, [1.0, -2.5])
    )
    assert (read.name, read.f, list(read.floats)) == ("n\u00e4", 0.5, [1.0, -2.5])
    entry = onnx.ModelProto.FromString(wire.entry(14, "k", "v")).metadata_props[0]
    assert (entry.key, entry.value) == ("k", "v")
    assert onnx.NodeProto.FromString(wire.text(3, "lone \ud800")).name == "lone ?"


def test_nested_messages_have_the_length_of_their_pieces() -> None:
    raw = payload(constant_of([1.0, 2.0], DType.FLOAT32))
    pieces = wire.nested(5, [wire.varint(9 << 3 | 2) + wire.varint(raw.length), raw])
    joined = b"".join(piece if isinstance(piece, bytes) else b"".join(piece.chunks()) for piece in pieces)
    assert wire.size_of(pieces) == len(joined)
    assert len(onnx.GraphProto.FromString(joined).initializer[0].raw_data) == 8


def test_element_types_are_those_of_onnx() -> None:
    assert {number: dtype for dtype, number in NUMBERS.items()} == dict(DTYPES)
    named = {"FLOAT32": "FLOAT", "FLOAT64": "DOUBLE"}
    for dtype, number in NUMBERS.items():
        assert onnx.TensorProto.DataType.Name(number) == named.get(dtype.name, dtype.name)
    assert set(IR_VERSIONS) <= set(NUMBERS)


def test_limits_of_integers() -> None:
    assert integer_limits(DType.INT4) == (-8, 7)
    assert integer_limits(DType.UINT16) == (0, 65535)


def test_text_has_no_raw_form() -> None:
    with pytest.raises(UnsupportedError, match="no raw form"):
        payload(constant_of(["a"], DType.STRING))
