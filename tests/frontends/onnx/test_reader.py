"""Bytes that are no ONNX model: always one XirError, soon."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests.frontends.onnx.models import i64, model, normal, saved
from xir.errors import FormatError, UnsafeError, XirError
from xir.frontends import _wire
from xir.frontends.onnx import import_onnx, read_model


def small(folder: Path) -> bytes:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1], auto_pad="NOTSET"),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=0.5),
        helper.make_node("Resize", ["b", "", "scales"], ["c"], mode="nearest"),
        helper.make_node("Reshape", ["c", "s"], ["d"]),
        helper.make_node("Constant", [], ["k"], value_floats=[1.0, 2.0]),
        helper.make_node("Softmax", ["d"], ["y"], axis=-1),
    ]
    constants = {"w": normal(2, 3, 3, 3), "s": i64(0, -1), "scales": np.array([1, 1, 2, 2], np.float32)}
    made = model(nodes, {"x": normal(1, 3, 4, 4)}, constants, ["y"])
    made.graph.node[0].metadata_props.add(key="xir.source", value="[]")
    return saved(made, folder).read_bytes()


def written(data: bytes, folder: Path) -> Path:
    path = folder / "bad.onnx"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"", FormatError, "is empty"),
        (b"\x08\x0a", FormatError, "has no graph"),
        (b"\x3a\x00", FormatError, "has no ir_version"),
        (b"\x3a\x00\x3a\x00", FormatError, "two graphs"),
        (b"\x00\x00", FormatError, "impossible number 0"),
        (b"\x3a\x05\x08", FormatError, "declares 5 bytes, 1 are left"),
        (b"\x09\x00", FormatError, "takes 8 bytes, 1 are left"),
        (b"\x0b", FormatError, "wire type 3"),
        (b"\x08" + b"\xff" * 11, FormatError, "too long"),
        (b"\x08\xff", FormatError, "goes on past its message"),
        (b"\xf8\x07\x01", FormatError, "ModelProto has no field 127"),
        (b"\x38\x01", FormatError, "should hold a message"),
        (b"\x08\x0a\x12\x02\xff\xfe", FormatError, "not UTF-8"),
        (b"\x0a\x01x", FormatError, "should hold a number"),
        (b"\x10\x01", FormatError, "should hold bytes"),
    ],
)
def test_bytes_that_are_no_model(data: bytes, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        read_model(written(data, tmp_path))


def field(number: int, data: bytes) -> bytes:
    size = len(data)
    return bytes([number << 3 | 2, *([size] if size < 128 else [size & 127 | 128, size >> 7])]) + data


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((7, 14 + 16), "GraphProto has no field 30"),
        ((7, 1, 15), "NodeProto has no field 15"),
        ((7, 1, 5, 12), "AttributeProto has no field 12"),
        ((7, 5, 15), "TensorProto has no field 15"),
        ((7, 5, 3), "in segments"),
        ((7, 11, 15), "ValueInfoProto has no field 15"),
        ((7, 11, 2, 15), "TypeProto has no field 15"),
        ((7, 11, 2, 4, 15), "TypeProto has no field 15"),
        ((7, 11, 2, 1, 15), "TypeProto.Tensor has no field 15"),
        ((7, 11, 2, 1, 2, 15), "TensorShapeProto has no field 15"),
        ((7, 11, 2, 1, 2, 1, 15), "TensorShapeProto.Dimension has no field 15"),
        ((8, 15), "OperatorSetIdProto has no field 15"),
        ((14, 15), "StringStringEntryProto has no field 15"),
        ((7, 5, 4), "should hold numbers of 4 bytes"),
    ],
)
def test_fields_that_onnx_does_not_have(path: tuple[int, ...], text: str, tmp_path: Path) -> None:
    data = b"\x01"
    for number in reversed(path):
        data = field(number, data) if number < 16 else bytes([number << 3 & 127 | 2 | 128, 1, len(data)]) + data
    with pytest.raises(FormatError, match=text):
        read_model(written(data, tmp_path))


def test_broken_attributes_and_tensors(tmp_path: Path) -> None:
    for inner, text in [
        (field(5, b"\x0a\x01a\xa0\x01\x63"), "unknown type 99"),
        (field(5, b"\x0a\x01a\xa0\x01\x02") * 2, "two attributes 'a'"),
        (field(5, b"\x10\x01"), "32-bit float"),
    ]:
        with pytest.raises(FormatError, match=text):
            read_model(written(field(7, field(1, inner)), tmp_path))
    for inner, text in [
        (b"\x70\x05", "data_location 5"),
        (b"\x0a\x01\xff", "goes on past its field"),
        (b"\x0a\x0b" + b"\xff" * 10 + b"\x01", "too long"),
        (b"\x0d\x01\x01\x01\x01", "should hold numbers"),
    ]:
        with pytest.raises(FormatError, match=text):
            read_model(written(field(7, field(5, inner)), tmp_path))


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    data = b""
    for _ in range(200):
        inner = field(1, data)
        if len(inner) > 16000:
            break
        data = field(4, inner)
    with pytest.raises(UnsafeError, match="nested deeper"):
        read_model(written(field(7, field(11, field(2, data))), tmp_path))


def test_too_many_fields_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wire, "MAX_RECORDS", 50)
    with pytest.raises(UnsafeError, match="more than 50 fields"):
        read_model(written(b"\x08\x01" * 60, tmp_path))


def test_long_names_are_refused(tmp_path: Path) -> None:
    made = model([helper.make_node("Relu", ["x"], ["y"], name="n" * 70000)], {"x": normal(2)}, {}, ["y"])
    with pytest.raises(FormatError, match="a name takes 70000 bytes"):
        read_model(saved(made, tmp_path))


def test_every_cut_is_one_error(tmp_path: Path) -> None:
    data = small(tmp_path)
    for size in range(0, len(data), 3):
        with pytest.raises(XirError):
            import_onnx(written(data[:size], tmp_path))


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_give_a_graph_or_one_error(seed: int, tmp_path: Path) -> None:
    data = small(tmp_path)
    chance = random.Random(seed)
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        assert _outcome(written(bytes(changed), tmp_path)) in (0, 3, 4, 5, 8)


def _outcome(path: Path) -> int:
    try:
        import_onnx(path)
    except XirError as error:
        return error.exit_code
    return 0


@pytest.mark.parametrize("list_", [b"\x42\x06" + bytes(6), b"\x3a\x18" + bytes(24)], ids=["ints", "floats"])
def test_numbers_in_lists_are_bounded(list_: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wire, "MAX_LISTED", 5)
    with pytest.raises(UnsafeError, match="more than 5 numbers in lists"):
        read_model(written(b"\x08\x0a" + field(7, field(1, field(5, list_))), tmp_path))


def test_text_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wire, "MAX_COPIED", 500)
    made = model([helper.make_node("Relu", ["x"], ["y"])], {"x": normal(2)}, {}, ["y"])
    made.metadata_props.add(key="k", value="v" * 500)
    with pytest.raises(UnsafeError, match="more than 500 bytes of text"):
        read_model(saved(made, tmp_path))


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\x07\x3a\x02\x01\x02",
        b"\x10\x07\x38\x01\x38\x02",
        b"\x10\x01" + b"\x25\x00\x00\x80\x3f" * 4,
        b"\x10\x01" + b"\x22\x08\x00\x00\x80\x3f\x00\x00\x80\x3f" * 2,
    ],
    ids=["packed", "one by one", "floats one by one", "floats in pieces"],
)
def test_weights_stored_number_by_number_are_bounded(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(b"\x08\x0a" + field(7, field(5, data)), tmp_path)
    read_model(path)
    monkeypatch.setattr(_wire, "MAX_UNPACKED", 15)
    with pytest.raises(UnsafeError, match="more than 15 bytes of weights"):
        read_model(path)


@pytest.mark.parametrize("data", [b"\x10\x07\x39" + bytes(8), b"\x10\x01\x21" + bytes(8)], ids=["fixed", "double"])
def test_numbers_of_another_width_are_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="should hold numbers"):
        read_model(written(b"\x08\x0a" + field(7, field(5, data)), tmp_path))


def test_numbers_of_several_bytes_are_joined_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wire, "_CHUNK", 12)
    numbers = [1, 127, 128, 300, -1, 2**63 - 1, -(2**63), 5, 2**40, 0] * 3
    made = model([helper.make_node("Identity", ["w"], ["y"])], {"x": normal(2)}, {}, ["y"])
    made.graph.initializer.append(TensorProto(name="w", data_type=7, dims=[30], int64_data=numbers))
    (parameter,) = import_onnx(saved(made, tmp_path)).parameters
    assert parameter.constant.array().tolist() == numbers


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ((field(4, b"a"), field(4, b"a")), "operands"),
        ((field(6, b"a"), field(6, b"a")), "attributes"),
        ((field(6, b"a"), field(11, b"\x0a\x01a\x18\x01")), "attributes"),
        ((field(11, b"\x0a\x01a\x18\x01"), field(11, b"\x0a\x01a\x18\x02")), "attributes"),
        ((field(9, b"\x10\x07"), field(9, b"\x10\x08")), "versions of an operator set"),
        ((field(9, b"\x10\x07"), field(9, b"\x0a\x07ai.onnx\x10\x08")), "versions of an operator set"),
    ],
)
def test_names_of_a_function_stand_once(fields: tuple[bytes, ...], what: str, tmp_path: Path) -> None:
    data = b"\x08\x0a\xca\x01"
    held = b"".join(fields)
    with pytest.raises(FormatError, match=f"has two {what} of one name"):
        read_model(written(data + bytes([len(held)]) + held, tmp_path))
