"""The text format, right and wrong."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xir.errors import FormatError, InvalidModelError, UnsafeError, XirError
from xir.frontends.caffe import prototext
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.prototext import UnknownFieldError, parse_text


def layer(text: str) -> Message:
    return parse_text(f"layer {{ {text} }}").messages("layer")[0]


@pytest.mark.parametrize(
    "text",
    [
        'layer { name: "a" type: "b" }',
        "layer { name: 'a' type: 'b' }",
        'layer: { name: "a"; type: "b"; };',
        'layer < name: "a", type: "b" >,',
        'layer { name:"a"type:"b" } # comment { " ',
        '# comment\nlayer{# c\nname # c\n:# c\n"a" # c\n type: "b" # c\n}# c',
        'layer { name: "" "a" \'\' type: "\\142" }',
        'layer [ { name: "a" type: "b" } ]',
        'layer: [ < name: "a" type: "b" > ]',
        '\ufefflayer { name: "a" type: "b" }'.removeprefix("\ufeff"),
    ],
)
def test_parse_text_takes_every_way_to_write_a_message(text: str) -> None:
    (found,) = parse_text(text).messages("layer")
    assert (found.text("name"), found.text("type")) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("dim: 1 dim: 2", (1, 2)),
        ("dim: [1, 2]", (1, 2)),
        ("dim: [ ]", ()),
        ("dim: [1,2] dim: 3", (1, 2, 3)),
        ("dim: -1 dim: - 1", (-1, -1)),
        ("dim: 0x10 dim: 010 dim: 0 dim: -0XfF", (16, 8, 0, -255)),
        ("dim: 9223372036854775807", (2**63 - 1,)),
    ],
)
def test_parse_text_integers(text: str, values: tuple[int, ...]) -> None:
    assert parse_text(text, "BlobShape").integers("dim") == values


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1.5f", 1.5),
        ("2F", 2.0),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("-2.5e-1", -0.25),
        ("- 4", -4.0),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("Infinity", math.inf),
        ("1e50", math.inf),
        ("0.1", 0.10000000149011612),
    ],
)
def test_parse_text_numbers_are_singles(word: str, value: float) -> None:
    assert layer(f"loss_weight: {word}").numbers("loss_weight") == (value,)


def test_parse_text_nan() -> None:
    assert math.isnan(layer("loss_weight: -nan").numbers("loss_weight")[0])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True),
        ("True", True),
        ("t", True),
        ("1", True),
        ("false", False),
        ("False", False),
        ("f", False),
        ("0", False),
    ],
)
def test_parse_text_truth_values(word: str, value: bool) -> None:
    assert layer(f"propagate_down: {word}").booleans("propagate_down") == (value,)


@pytest.mark.parametrize(("word", "name"), [("AVE", "AVE"), ("1", "AVE"), ("0x2", "STOCHASTIC"), ("00", "MAX")])
def test_parse_text_enumerations_are_names(word: str, name: str) -> None:
    assert layer(f"pooling_param {{ pool: {word} }}").message("pooling_param").enum("pool") == name


@pytest.mark.parametrize(
    ("quoted", "value"),
    [
        (r'"a\n\r\t\a\b\f\v\\\'\"\?"', "a\n\r\t\a\b\f\v\\'\"?"),
        (r'"\101\x42\X43"', "ABC"),
        (r'"\u00e9\U0001F600"', "é😀"),
        (r'"\303\251"', "é"),
        ('"a" \'b\' # c\n "c"', "abc"),
        (r'"\377"', r"\xff"),
        ('"#{}"', "#{}"),
    ],
)
def test_parse_text_strings(quoted: str, value: str) -> None:
    assert layer(f"name: {quoted}").text("name") == value


def test_parse_text_keeps_bytes_that_are_no_utf8_readable() -> None:
    text = 'layer { name: "\udcd6" type: "a\\n" }'
    (found,) = parse_text(text).messages("layer")
    assert found.text("name") == r"\xd6"


def test_parse_text_bytes_field() -> None:
    assert parse_text('data: "\\001a"', "Datum").data("data") == b"\x01a"
    assert parse_text('data: "ab"', "Datum").data("data") == b"ab"


def test_parse_text_blob_becomes_weights() -> None:
    (blob,) = layer("blobs { shape { dim: 2 } data: 1 data: 2.5 }").blobs("blobs")
    np.testing.assert_array_equal(blob.array(), np.array([1, 2.5], dtype=np.float32))
    assert blob.line == 1


def test_parse_text_lines_are_those_of_the_file() -> None:
    first, second = parse_text("layer {\n}\n\nlayer { relu_param {\n} }").messages("layer")
    assert (first.line, second.line, second.message("relu_param").line) == (1, 4, 4)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('name: "a" name: "b"', "line 1, column 11: field 'name' of NetParameter stands twice"),
        ("state { } state { }", "field 'state' of NetParameter stands twice"),
        ("layer {", "the text ends inside LayerParameter, which opens in line 1; expected '}'"),
        ("layer [ {", "the text ends inside"),
        ("layer { >", "'>' stands where '}' must close LayerParameter of line 1"),
        ("}", "'}' closes nothing"),
        ("\n\n  ]", "line 3, column 3: expected a field name, got ']'"),
        ('name "a"', "expected ':' behind 'name', got '\"'"),
        ("name", "expected ':' behind 'name', got the end"),
        ("name:", "expected a value for 'name', got the end"),
        ("name: a", "takes a string in quotes, got a"),
        ("name: 'a", "a string is not closed on its line"),
        ("name: 'a\nb'", "a string is not closed on its line"),
        ('name: "a" "b', "a string is not closed"),
        (r'name: "\q"', "an escape that the text format does not know"),
        (r'name: "\ud800"', "an escape"),
        (r'name: "\777"', "an escape"),
        ("name: [1]", "takes one value, not a list"),
        ("layer: 3", "takes a message in braces, got 3"),
        ('layer: "a"', "is a message, not a string"),
        ("name { }", "field 'name' of NetParameter is a text, not a message"),
        ("input_dim: 3x", "takes a whole number, got '3x'"),
        ("input_dim: 1.5", "takes a whole number"),
        ("input_dim: 08", "takes a whole number"),
        ("input_dim: +1", "takes a whole number|expected a value"),
        ("input_dim: 2147483648", "takes -2147483648 to 2147483647"),
        ("input_dim: [1 2]", "expected ',' or ']'"),
        ("input_dim: [1,", "expected a value for 'input_dim', got the end"),
        ("layer [ 3 ]", "expected a message or ']'"),
        ("force_backward: 2", "takes true or false, got '2'"),
        ("layer { pooling_param { pool: AVG } }", "takes one of MAX, AVE, STOCHASTIC, got 'AVG'"),
        ("layer { pooling_param { pool: 7 } }", "takes one of"),
        ("layer { loss_weight: 1.2.3 }", "takes a number, got '1.2.3'"),
        ("layer { loss_weight: 0x10 }", "takes a number"),
        ("layer { clip_param { min: 0 } }", "ClipParameter must set 'max'"),
        ("[caffe.ext]: 3", "extensions and Any messages"),
        ("input_dim: " + "9" * 2000, "2000 characters for 'input_dim' is too long"),
    ],
)
def test_parse_text_refuses(text: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        parse_text(text, file="net.prototxt")
    assert caught.value.source.file == "net.prototxt"
    assert caught.value.message.startswith("line ")


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("layer {\n  convolution_param { kernal_size: 3 } }", "kernal_size", "did you mean 'kernel_size'?"),
        ("layer { num_output: 3 }", "num_output", "has a field of this name"),
        ("layer { zzzzzzzzzzz: 3 }", "zzzzzzzzzzz", "plugin"),
    ],
)
def test_parse_text_names_an_unknown_field_and_the_closest(text: str, name: str, hint: str) -> None:
    with pytest.raises(UnknownFieldError, match=f"has no field '{name}'") as caught:
        parse_text(text)
    assert hint in str(caught.value.hint)


def test_parse_text_refuses_a_blob_of_wrong_size() -> None:
    with pytest.raises(InvalidModelError, match="4 elements, but holds 1"):
        layer("blobs { num: 1 channels: 1 height: 2 width: 2 data: 1 }")


def test_parse_text_refuses_deep_nesting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.limits.MAX_NESTING", 1)
    with pytest.raises((UnsafeError, FormatError)):
        parse_text("layer { " * 200)


def test_parse_text_bounds_the_number_of_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototext, "MAX_VALUES", 10)
    with pytest.raises(UnsafeError, match="more than 10 fields"):
        parse_text("input_dim: 1 " * 11)


def test_parse_text_takes_all_published_prototxts(corpus: Path) -> None:
    parsed = 0
    with zipfile.ZipFile(corpus / "caffe_prototxts.zip") as archive:
        for name in archive.namelist():
            if not name.endswith(".prototxt"):
                continue
            text = archive.read(name).decode()
            message = "SolverParameter" if "solver" in Path(name).name else "NetParameter"
            assert parse_text(text, message).fields()
            parsed += 1
    assert parsed == 72


def exit_code_of(text: str) -> int:
    """0 where the text parses, else the exit code of the error; any other exception fails the test."""
    try:
        parse_text(text)
    except XirError as error:
        return error.exit_code
    return 0


TOKENS = st.sampled_from(
    [
        *"{}<>[]:;,-#\"'\\\n ",
        "layer",
        "name",
        "dim",
        "input_dim",
        "pooling_param",
        "pool",
        "MAX",
        "1",
        "0x1",
        "1.5",
        '"a"',
        "'b'",
    ]
)


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(TOKENS, max_size=30))
def test_any_text_parses_or_fails_with_one_error(pieces: list[str]) -> None:
    assert exit_code_of("".join(pieces)) in (0, 3, 5, 8)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_any_unicode_parses_or_fails_with_one_error(text: str) -> None:
    assert exit_code_of(text) in (0, 3, 5, 8)


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("layer { type: CONVOLUTION }", "takes a string in quotes", 'write type: "Convolution" in `layer { }`'),
        ("layer { type: SoftGate }", "takes a string in quotes", 'write type: "SoftGate" in `layer { }`'),
        ('layers { type: "Convolution" }', "is an enum, not a string", "write type: CONVOLUTION without quotes"),
        ("layers { type: CONVOLUTIONN }", "takes one of", "did you mean CONVOLUTION?"),
        ("layer { pooling_param { pool: AVG } }", "takes one of", "did you mean AVE?"),
        ("layer { name: a }", "takes a string in quotes", 'put it in quotes: name: "a"'),
        ("hello: 1", "NetParameter has no field", "is this a prototxt?"),
        ("layer { top: 'a' bottom { } }", "is a text, not a message", "correct the text"),
    ],
)
def test_a_mistake_comes_with_what_is_meant(text: str, words: str, hint: str) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        parse_text(text)
    assert hint in str(caught.value.hint)
