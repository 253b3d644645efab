"""What the writer writes the reader reads; what leaves the file is refused."""

from __future__ import annotations

import struct

import pytest

from xir.errors import FormatError, InvalidModelError, UnsafeError
from xir.flatbuffer.read import Buffer
from xir.flatbuffer.schema import IDENTIFIER, tflite_schema
from xir.flatbuffer.write import write_tflite


def root(data):
    return Buffer(data, tflite_schema(), "m.tflite").root("Model", IDENTIFIER)


def test_all_kinds_of_fields_come_back():
    options = {"AddOptions": {"fused_activation_function": "RELU6", "pot_scale_int16": False}}
    quantization = {"scale": (0.5, 0.25), "zero_point": (3, -(1 << 40)), "quantized_dimension": 1}
    model = root(
        write_tflite(
            {
                "version": 3,
                "description": "é",
                "buffers": ({}, {"data": b"\1\2\3", "offset": 1 << 40}),
                "subgraphs": (
                    {
                        "tensors": ({"name": "x", "shape": (2, -1), "type": "INT8", "quantization": quantization},),
                        "operators": ({"opcode_index": 0, "builtin_options": options},),
                    },
                ),
            }
        )
    )
    assert (model.integer("version"), model.text("description")) == (3, "é")
    empty, full = model.tables("buffers")
    assert empty.raw("data") is None
    held = full.raw("data")
    assert bytes(full.buffer.data[held.offset : held.offset + held.length]) == b"\1\2\3"
    assert held.offset % 16 == 0
    assert full.integer("offset") == 1 << 40
    (graph,) = model.tables("subgraphs")
    (tensor,) = graph.tables("tensors")
    assert (tensor.text("name"), tensor.integers("shape"), tensor.word("type")) == ("x", (2, -1), "INT8")
    scales = tensor.table("quantization")
    assert scales.numbers("scale") == (0.5, 0.25)
    assert scales.integers("zero_point") == (3, -(1 << 40))
    assert scales.integer("quantized_dimension") == 1
    (operator,) = graph.tables("operators")
    add = operator.table("builtin_options")
    assert (add.name, add.word("fused_activation_function"), add.integer("pot_scale_int16")) == (
        "AddOptions",
        "RELU6",
        0,
    )
    assert set(operator.given()) == {"opcode_index", "builtin_options_type", "builtin_options"}


def test_fields_that_are_left_out_are_their_defaults():
    model = root(write_tflite({}))
    assert model.integer("version") == 0
    assert model.text("description") is None
    assert model.tables("buffers") == ()
    assert model.numbers("metadata_buffer") is None
    assert tflite_schema().fields("Conv2DOptions")["dilation_w_factor"].default == 1


def test_the_same_content_makes_the_same_bytes():
    content = {"version": 3, "subgraphs": ({"name": "a", "inputs": (0,)},)}
    assert write_tflite(content) == write_tflite(dict(reversed(content.items())))


def test_another_identifier_is_refused():
    with pytest.raises(FormatError, match="identifier"):
        root(b"\x08\0\0\0ABCD" + bytes(8))


@pytest.mark.parametrize("size", [0, 4, 7, 8, 12, 20])
def test_a_file_that_is_cut_short_is_refused(size):
    data = write_tflite({"version": 3, "description": "text"})[:size]
    with pytest.raises((InvalidModelError, FormatError)):
        root(data).text("description")


def test_distances_that_leave_the_file_are_refused():
    data = bytearray(write_tflite({"description": "text"}))
    start = data.index(b"text") - 4
    struct.pack_into("<I", data, start, 1 << 31)
    with pytest.raises(InvalidModelError, match="'description'"):
        root(bytes(data)).text("description")


def test_a_field_that_the_schema_does_not_know_is_refused():
    data = bytearray(write_tflite({"version": 3, "signature_defs": ()}))
    model = root(bytes(data))
    model.name = "SignatureDef"
    with pytest.raises(InvalidModelError, match="offset 18"):
        list(model.given())


def test_an_enumeration_without_the_number_is_refused():
    data = write_tflite({"subgraphs": ({"tensors": ({"type": 99},)},)})
    (graph,) = root(data).tables("subgraphs")
    with pytest.raises(InvalidModelError, match="TensorType has no 99"):
        graph.tables("tensors")[0].word("type")


def test_reading_the_same_bytes_again_and_again_is_refused():
    model = root(write_tflite({"metadata_buffer": (0,) * 1000}))
    with pytest.raises(UnsafeError, match="again and again"):
        tuple(model.numbers("metadata_buffer") for _ in range(1000))


def test_long_names_are_refused():
    with pytest.raises(UnsafeError):
        root(write_tflite({"description": "x" * 70_000})).text("description")
