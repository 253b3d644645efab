"""Typed access to messages, and what nobody has read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xir.errors import InvalidModelError
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.prototext import parse_text
from xir.frontends.caffe.schema import load_schema


def conv(text: str = "") -> Message:
    return parse_text(text, "ConvolutionParameter")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda m: m.boolean("bias_term"), True),
        (lambda m: m.integer("group"), 1),
        (lambda m: m.integer("axis"), 1),
        (lambda m: m.enum("engine"), "DEFAULT"),
        (lambda m: m.message("weight_filler").number("std"), 1.0),
        (lambda m: m.message("weight_filler").text("type"), "constant"),
        (lambda m: m.integers("pad"), ()),
        (lambda m: m.optional_integer("kernel_h"), None),
        (lambda m: m.optional_boolean("bias_term"), None),
        (lambda m: m.optional_enum("engine"), None),
        (lambda m: m.optional_message("weight_filler"), None),
        (lambda m: m.message("weight_filler").optional_number("std"), None),
        (lambda m: m.message("weight_filler").optional_text("type"), None),
        (lambda m: m.has("pad"), False),
    ],
)
def test_unset_fields_give_their_defaults(read: Callable[[Message], object], value: object) -> None:
    assert read(conv()) == value


def test_number_default_is_a_single() -> None:
    assert parse_text("", "BatchNormParameter").number("eps") == pytest.approx(1e-5, rel=1e-7)
    assert parse_text("", "DropoutParameter").number("dropout_ratio") == 0.5


def test_data_and_enums() -> None:
    datum = parse_text("", "Datum")
    assert datum.data("data") == b""
    assert parse_text("interp_mode: [LINEAR, CUBIC]", "ResizeParameter").enums("interp_mode") == ("LINEAR", "CUBIC")


def test_a_field_without_value_and_default_is_an_error() -> None:
    with pytest.raises(InvalidModelError, match=r"line 1.*does not set 'num_output'") as caught:
        conv().integer("num_output")
    assert "num_output" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda m: m.integer("no_such"), KeyError),
        (lambda m: m.number("group"), TypeError),
        (lambda m: m.integer("pad"), TypeError),
        (lambda m: m.has("no_such"), KeyError),
        (lambda m: m.ignore("no_such"), KeyError),
        (lambda m: m.edited({"no_such": [1]}), KeyError),
    ],
)
def test_mistakes_of_the_program(call: Callable[[Message], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        call(conv())


def test_unread_lists_what_nobody_asked_for() -> None:
    message = conv('num_output: 3 pad: 1 weight_filler { type: "msra" std: 2 } engine: CAFFE')
    assert message.unread() == ("engine", "num_output", "pad", "weight_filler")
    message.integer("num_output")
    message.has("pad")
    message.message("weight_filler").text("type")
    message.ignore("engine")
    assert message.unread() == ("pad", "weight_filler.std")


def test_unread_leaves_out_empty_messages() -> None:
    assert parse_text("relu_param { }", "LayerParameter").unread() == ()


def test_ignore_covers_what_is_inside() -> None:
    message = parse_text("include { phase: TEST } param { lr_mult: 1 }", "LayerParameter")
    message.ignore("include")
    message.messages("param")[0].ignore_all()
    assert message.unread() == ()


def test_edited_is_a_copy() -> None:
    first = conv("pad: 1 group: 2")
    second = first.edited({"pad": [3]}, drop=("group",))
    assert second.fields() == ("pad",)
    assert first.fields() == ("pad", "group")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("pad: 1", "pad: 1", True),
        ("pad: 1", "pad: 2", False),
        ("pad: 1", "pad: 1 pad: 1", False),
        ("pad: 1", "group: 1", False),
        ("weight_filler { std: nan }", "weight_filler { std: nan }", True),
        ("weight_filler { std: 1 }", "weight_filler { std: 2 }", False),
    ],
)
def test_same_compares_values(first: str, second: str, same: bool) -> None:
    assert conv(first).same(conv(second)) is same


def test_same_compares_types_and_blobs() -> None:
    one = parse_text("blobs { shape { dim: 1 } data: 1 }", "LayerParameter")
    two = parse_text("blobs { shape { dim: 2 } data: [1, 2] }", "LayerParameter")
    assert one.same(one)
    assert not one.same(two)
    assert not one.same(conv())


@pytest.mark.parametrize(("line", "offset", "where"), [(3, None, "line 3"), (None, 7, "byte 7"), (None, None, "")])
def test_where_in_words(line: int | None, offset: int | None, where: str) -> None:
    assert Message(load_schema(), "NetState", line=line, offset=offset).where == where


def test_repr_names_the_set_fields() -> None:
    assert repr(conv("pad: 1")) == "Message(ConvolutionParameter: pad)"
