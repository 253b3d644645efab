"""The tree of errors: codes, places, plain data."""

from __future__ import annotations

import json

import pytest

from xir import errors
from xir.errors import Location, Problem, UnsupportedError, XirError

EXIT_CODES = {
    "UsageError": 2,
    "FormatError": 3,
    "UnsupportedError": 4,
    "InvalidModelError": 5,
    "MismatchError": 6,
    "MissingExtraError": 7,
    "UnsafeError": 8,
    "FileError": 9,
}


@pytest.mark.parametrize("name", sorted(EXIT_CODES))
def test_exit_code_is_the_hundreds_digit(name):
    error = getattr(errors, name)("what")
    assert error.exit_code == EXIT_CODES[name]
    assert error.code == f"XIR-E{EXIT_CODES[name]}01"


def test_every_error_of_the_tree_has_an_exit_code():
    assert {kind.__name__ for kind in XirError.__subclasses__() if kind.__module__ == "xir.errors"} == set(EXIT_CODES)


def test_number_narrows_within_the_hundred():
    assert errors.FormatError("what", number=342).code == "XIR-E342"
    with pytest.raises(ValueError, match="hundred"):
        errors.FormatError("what", number=402)


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (Location(), ""),
        (Location("a.caffemodel"), "a.caffemodel"),
        (Location("a", "conv1"), "a: layer 'conv1'"),
        (Location("a", "conv1", "Convolution"), "a: layer 'conv1' (Convolution)"),
        (Location(None, "it's\n"), 'layer "it\'s\\n"'),
        (Location("a", None, "Convolution"), "a: Convolution"),
    ],
)
def test_location_in_words(location, text):
    assert str(location) == text


def test_located_fills_only_what_is_unknown():
    error = errors.InvalidModelError("bad", layer="conv1").located(Location("a.caffemodel", "conv2", "Convolution"))
    assert str(error) == "a.caffemodel: layer 'conv1' (Convolution): bad"


def test_message_without_location():
    assert str(errors.UsageError("bad", hint="do this")) == "bad"


def test_plain_data_goes_through_json():
    problem = Problem("Foo", ("a", "b"), "no such layer", "write a handler")
    error = UnsupportedError("2 of 3", problems=(problem,), file="a", hint="h")
    data = json.loads(json.dumps(error.to_dict()))
    assert data["code"] == "XIR-E401"
    assert data["problems"] == [
        {"kind": "Foo", "count": 2, "layers": ["a", "b"], "reason": "no such layer", "hint": "write a handler"}
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("a\x07\x00\x9b", "a\\x07\\x00\\x9b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udc80", "a\\udc80"),
        ("sch\u00f6n \u6f22", "sch\u00f6n \u6f22"),
    ],
)
def test_what_a_terminal_would_act_on_is_spelt_out(text, shown):
    error = errors.InvalidModelError(f"one\n{text}", file=text, kind=text)
    assert str(error) == f"{shown}: {shown}: one\n{shown}"
    assert str(Location(text, None, "a\nb")) == f"{shown}: a\\nb"
