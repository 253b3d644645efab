"""The fork that wrote a binary file, and what its numbers do not explain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.caffe.encoding import SCHEMA, encode_text, field_bytes, tag, varint, write
from xir.errors import FormatError
from xir.files import open_mapped
from xir.frontends.caffe.decode import Decoder
from xir.frontends.caffe.dialects import Choice, read_binary_net
from xir.frontends.caffe.reader import read_net
from xir.frontends.caffe.schema import Dialect
from xir.frontends.caffe.wire import Wire


def choose(folder: Path, content: bytes, dialect: Dialect | None = None) -> Choice:
    return read_binary_net(Wire(open_mapped(write(folder / "x.caffemodel", content))), SCHEMA, dialect)


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("bvlc", 'layer { type: "Input" input_param { shape { dim: 1 } } }'),
        ("bvlc", 'layer { type: "Clip" clip_param { min: 0 max: 6 } }'),
        ("bvlc", 'layer { type: "Swish" swish_param { beta: 2 } }'),
        ("bvlc", 'layer { type: "LSTM" recurrent_param { num_output: 3 } }'),
        ("ssd", 'layer { type: "PriorBox" prior_box_param { min_size: 30 aspect_ratio: 2 } }'),
        ("pspnet", 'layer { type: "Interp" interp_param { zoom_factor: 8 } }'),
        ("pspnet", 'layer { type: "BN" bn_param { eps: 0.001 } }'),
        ("yjxiong", 'layer { type: "BN" bn_param { eps: 0.001 frozen: true } }'),
        ("rfcn", 'layer { type: "ROIPooling" roi_pooling_param { pooled_h: 7 } }'),
        ("intel", 'layer { type: "ROIPooling" roi_pooling_param { pooled_h: 7 } }'),
        ("nvidia", 'layer { type: "LSTM" recurrent_param { num_output: 3 } forward_type: FLOAT16 }'),
    ],
)
def test_the_evidence_names_the_fork(tmp_path: Path, dialect: Dialect, text: str) -> None:
    choice = choose(tmp_path, encode_text(text, dialect=dialect))
    (layer,) = choice.message.messages("layer")
    assert choice.dialect == dialect
    assert set(layer.fields()) - {"type"} <= set(text.replace("{", " ").replace(":", " ").split())
    assert choice.findings == ()


def test_a_given_dialect_is_obeyed(tmp_path: Path) -> None:
    choice = choose(tmp_path, encode_text('layer { type: "Input" input_param { shape { dim: 1 } } }'), "pspnet")
    assert choice.message.messages("layer")[0].has("interp_param")


def test_open_choices_are_named_and_refused(tmp_path: Path) -> None:
    inner = field_bytes(106, tag(19, 0) + b"\x01")
    content = field_bytes(100, field_bytes(2, b"Convolution") + inner)
    choice = choose(tmp_path, content)
    assert (choice.dialect, choice.rivals) == ("intel", ("nvidia",))
    with pytest.raises(FormatError, match="intel, nvidia read its parameters differently") as caught:
        read_net(tmp_path / "x.caffemodel")
    assert "--prototxt" in str(caught.value.hint)
    assert read_net(tmp_path / "x.caffemodel", dialect="intel").layers[0].param("convolution_param").boolean("relu")


@pytest.mark.parametrize(
    ("layer", "reason", "detail"),
    [
        (field_bytes(9999, b""), "unknown field", ""),
        (tag(1, 0) + b"\x01", "wrong wire type", "name"),
        (tag(100, 0) + b"\x01", "wrong wire type", "transform_param"),
        (tag(10, 0) + b"\x09", "unknown enumeration value", "phase: 9"),
        (tag(11, 0) + b"\x07", "odd truth value", "propagate_down: 7"),
        (field_bytes(1, b"a") * 2, "repeated field", "name"),
        (field_bytes(148, b"") + field_bytes(2, b"Clip"), "missing field", "min"),
        (field_bytes(7, field_bytes(5, bytes(4)) + field_bytes(99, b"")), "unknown field", ""),
    ],
)
def test_findings_tell_what_a_dialect_does_not_explain(tmp_path: Path, layer: bytes, reason: str, detail: str) -> None:
    decoder = Decoder(Wire(open_mapped(write(tmp_path / "x", field_bytes(100, layer)))), SCHEMA, "bvlc")
    decoder.message("NetParameter", 0, decoder.wire.size)
    found = decoder.findings[0]
    assert (found.reason, found.detail) == (reason, detail)
    assert reason in str(found)


def test_findings_name_their_layer(tmp_path: Path) -> None:
    choice = choose(tmp_path, field_bytes(100, field_bytes(9999, b"") + field_bytes(1, b"conv1")))
    assert str(choice.findings[0]) == "layer 'conv1': unknown field LayerParameter.9999 at byte 3"


@pytest.mark.parametrize(
    ("number", "payload", "values"),
    [(4, varint(-1) + varint(3), (-1, 3)), (4, b"", ())],
)
def test_packed_integers(tmp_path: Path, number: int, payload: bytes, values: tuple[int, ...]) -> None:
    content = field_bytes(number, payload) + field_bytes(100, field_bytes(5, bytes(4) + b"\0\0\x80\x3f"))
    message = choose(tmp_path, content).message
    assert message.integers("input_dim") == values
    assert message.messages("layer")[0].numbers("loss_weight") == (0.0, 1.0)


def test_scalars_keep_the_bits_of_their_type(tmp_path: Path) -> None:
    text = """layer { type: "Data" data_param { batch_size: 4294967295 } transform_param { mean_value: 0.5 } }
              layer { type: "DummyData" dummy_data_param { num: 3 } } state { level: -5 stage: "s" }"""
    message = choose(tmp_path, encode_text(text)).message
    first, second = message.messages("layer")
    assert first.message("data_param").integer("batch_size") == 2**32 - 1
    assert second.message("dummy_data_param").integers("num") == (3,)
    assert message.message("state").integer("level") == -5


def test_strings_that_are_no_utf8_stay_readable(tmp_path: Path) -> None:
    message = choose(tmp_path, field_bytes(1, b"\xd6\xd0") + field_bytes(100, b"")).message
    assert message.text("name") == r"\xd6\xd0"
