"""Pickles as data: what is right is read, what runs code or costs too much is refused."""

from __future__ import annotations

import pickle
import struct
import sys
from collections import Counter, OrderedDict, defaultdict

import pytest

from tests.frontends.torch.pickles.written import (
    BUILD,
    EMPTY_DICT,
    EMPTY_LIST,
    MARK,
    NONE,
    REDUCE,
    call,
    name,
    running,
    text,
    whole,
    write,
)
from xir.errors import FormatError, InvalidModelError, UnsafeError, XirError
from xir.frontends.torch.pickles.objects import Constructor, Instance, Names, instance_of
from xir.frontends.torch.pickles.plain_names import plain_names
from xir.frontends.torch.pickles.unpickle import unpickle

TABLE = {
    **plain_names(),
    "torch.float32": "f32",
    "made.Thing": instance_of("made.Thing"),
}
NAMES = Names(TABLE.get, lambda identifier: ("stored", identifier))


def load(data: bytes, names: Names = NAMES) -> object:
    return unpickle(data, names, file="file.pt").value


VALUES = [
    None,
    True,
    False,
    0,
    255,
    256,
    -1,
    1 << 31,
    -(1 << 63),
    1 << 2000,
    1.5,
    float("-inf"),
    "",
    "text",
    "ünï €😀 \n ' \" \\",
    "\ud800",
    "long" * 100,
    b"",
    b"bytes\xff",
    b"long\xff" * 100,
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    [],
    [1, [2, (3, {"a": None})]],
    {"a": 1, 2: "b", ("c", "d"): 3.5},
    list(range(3000)),
]


@pytest.mark.parametrize("version", range(6))
def test_plain_data_of_every_protocol(version):
    data = pickle.dumps(VALUES, version)
    assert load(data) == VALUES


OTHERS = [{1, 2}, frozenset(("a", "b")), bytearray(b"abc\xff"), 1 + 2j, OrderedDict(a=1), Counter("aab")]


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("value", OTHERS, ids=[type(value).__name__ for value in OTHERS])
def test_other_data_of_every_protocol(value, version):
    assert load(pickle.dumps(value, version)) == value


@pytest.mark.parametrize("version", range(6))
def test_tables_of_defaults_are_tables(version):
    assert load(pickle.dumps(defaultdict(list, a=1), version)) == {"a": 1}


@pytest.mark.parametrize(
    "arguments",
    [("_codecs.encode", "x", "rot13"), ("_codecs.encode", "\u0100", "latin1"), ("builtins.complex", "1"),
     ("builtins.set", [[1]]), ("builtins.set", [(1, 2)]), ("builtins.bytearray", 1 << 40), ("builtins.bytes", 1 << 40),
     ("collections.OrderedDict", [([], 1)]), ("collections.OrderedDict", 1), ("collections.defaultdict", 1),
     ("builtins.list", "abc")],
)  # fmt: skip
def test_names_of_plain_data_check_what_they_are_given(arguments):
    module, _, attribute = arguments[0].rpartition(".")
    with pytest.raises((InvalidModelError, FormatError)):
        load(whole(call(module, attribute, *arguments[1:])))


def test_strings_of_python_2():
    assert load(b"S'a\\'b\\n\\x41\\\\'\n.") == "a'b\nA\\"
    assert load(b"U\x03abc.") == "abc"
    assert load(b"T\x02\x00\x00\x00\xff\xfe.") == b"\xff\xfe"


def test_what_is_shared_stays_shared():
    shared = [1]
    first, second = load(pickle.dumps((shared, shared), 2))
    assert first is second


def test_a_stream_of_pickles():
    data = pickle.dumps(1, 2) + pickle.dumps("b", 4) + b"rest"
    first = unpickle(data, NAMES, file="file.pt")
    second = unpickle(data, NAMES, file="file.pt", start=first.end)
    assert (first.value, second.value, data[second.end :]) == (1, "b", b"rest")


def test_allowed_names_are_values_or_called():
    made = load(whole((name("torch", "float32"), OrderedDict({"a": 1}), {"_metadata": {}}, BUILD)))
    assert isinstance(made, tuple)
    assert made[0] == "f32"
    assert (dict(made[1]), made[1].state) == ({"a": 1}, {"_metadata": {}})


@pytest.mark.parametrize(
    "data",
    [
        whole(name("made", "Thing"), (1,), REDUCE, {"x": 2}, BUILD),
        whole(name("made", "Thing"), (1,), b"\x81", {"x": 2}, BUILD),
        whole(name("made", "Thing"), (1,), {}, b"\x92", {"x": 2}, BUILD),
        whole(MARK, name("made", "Thing"), 1, b"o", {"x": 2}, BUILD),
        whole(MARK, 1, b"imade\nThing\n", {"x": 2}, BUILD),
        whole(text("made"), text("Thing"), b"\x93", (1,), REDUCE, {"x": 2}, BUILD),
    ],
)
def test_an_inert_object_is_its_parts(data):
    made = load(data)
    assert isinstance(made, Instance)
    assert (made.name, made.arguments, made.state) == ("made.Thing", (1,), {"x": 2})


def test_persistent_ids():
    assert load(whole(("storage", "0"), b"Q")) == ("stored", ("storage", "0"))
    assert load(b"P17\n.") == ("stored", "17")
    with pytest.raises(FormatError, match="objects outside of it"):
        load(whole(("storage", "0"), b"Q"), Names(TABLE.get))


@pytest.mark.parametrize(("title", "data"), list(running()), ids=[title for title, _ in running()])
def test_pickles_that_run_code_are_refused_by_name(title, data):
    with pytest.raises(UnsafeError) as raised:
        load(data)
    assert "nothing was run" in str(raised.value)
    assert raised.value.code == "XIR-E810"


def test_the_name_is_in_the_error():
    with pytest.raises(UnsafeError, match=r"names os\.system, which"):
        load(whole(call("os", "system", "x")))


def test_nothing_is_imported_opened_or_run():
    """The audit hook stays for the rest of the process, so it is told when to look."""
    seen: list[str] = []
    looking = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if looking:
            seen.append(event)

    for _, data in running():  # everything is imported and warmed up
        with pytest.raises(XirError):
            load(data)
    sys.addaudithook(hook)
    for _, data in running():
        with pytest.raises(XirError):
            load(data)
    looking = False
    assert [event for event in seen if event not in ("object.__getattr__",)] == []


def nested_tables(depth: int) -> bytes:
    return b"}" + b"K\x01}" * depth + b"s" * depth


WRONG = {
    "empty": (b"", FormatError),
    "no pickle": (b"no pickle", FormatError),
    "no operation": (b"\xff", FormatError),
    "protocol 6": (b"\x80\x06N.", FormatError),
    "no end": (NONE, FormatError),
    "nothing left": (b".", FormatError),
    "two left": (b"NN.", FormatError),
    "a mark left": (b"(N.", FormatError),
    "no mark": (b"Nt.", FormatError),
    "no operand": (b"R.", FormatError),
    "text that is none": (whole(b"X\x02\0\0\0\xff\xff"), FormatError),
    "string without quotes": (b"Sabc\n.", FormatError),
    "number that is none": (b"Iabc\n.", FormatError),
    "float that is none": (b"Fabc\n.", FormatError),
    "long that is none": (b"LabcL\n.", FormatError),
    "line without end": (b"I" + b"1" * (1 << 20), FormatError),
    "line with many digits": (b"L" + b"1" * 5000 + b"L\n.", FormatError),
    "unknown memo": (b"h\x05.", FormatError),
    "length past the end": (b"X\xff\xff\xff\x7fabc.", FormatError),
    "length of 2^64": (b"\x8e" + b"\xff" * 8 + b".", FormatError),
    "text of 2^64": (b"\x8d" + b"\xff" * 8 + b".", FormatError),
    "bytearray of 2^64": (b"\x96" + b"\xff" * 8 + b".", FormatError),
    "frame past the end": (b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + b"N.", FormatError),
    "buffer outside": (b"\x80\x05\x97.", FormatError),
    "LONG4 of 2 GiB": (b"\x8b" + struct.pack("<i", (1 << 31) - 1) + b".", UnsafeError),
    "LONG4 of -1": (b"\x8b" + struct.pack("<i", -1) + b".", UnsafeError),
    "LONG4 of a megabyte": (b"\x8b" + struct.pack("<i", 1 << 20) + bytes(1 << 20) + b".", UnsafeError),
    "nested lists": (b"]" * 5000 + b"a" * 4999 + b".", UnsafeError),
    "nested tuples": (NONE + b"\x85" * 20_000 + b".", UnsafeError),
    "nested tables": (nested_tables(5000) + b".", UnsafeError),
    "nested states": (whole(write(OrderedDict()) * 5000, BUILD * 4999), UnsafeError),
    "nested arguments": (whole((name("made", "Thing") + MARK) * 101, b"tR" * 101), UnsafeError),
    "a list in itself": (whole(EMPTY_LIST, b"q\0h\0a"), InvalidModelError),
    "a table in itself": (whole(EMPTY_DICT, b"q\0K\1h\0s"), InvalidModelError),
    "a list as a key": (whole(EMPTY_DICT, EMPTY_LIST, NONE, b"s"), InvalidModelError),
    "a nested tuple as a key": (whole(EMPTY_DICT, ((1,),), NONE, b"s"), InvalidModelError),
    "a number of one hash as a key": (whole(EMPTY_DICT, (1 << 61) - 1, NONE, b"s"), InvalidModelError),
    "a list in a set": (whole(b"\x8f(", EMPTY_LIST, b"\x90"), InvalidModelError),
    "a list in a frozenset": (whole(b"(", EMPTY_LIST, b"\x91"), InvalidModelError),
    "an odd number of items": (whole(EMPTY_DICT, b"(NNNu"), InvalidModelError),
    "an odd dict": (whole(b"(Nd"), InvalidModelError),
    "items of no list": (whole(NONE, NONE, b"a"), InvalidModelError),
    "items of a tuple": (whole(b")", NONE, b"a"), InvalidModelError),
    "pairs of a list": (whole(EMPTY_LIST, NONE, NONE, b"s"), InvalidModelError),
    "set items of a list": (whole(EMPTY_LIST, b"(N\x90"), InvalidModelError),
    "a call of a text": (whole("os.system", ("x",), REDUCE), InvalidModelError),
    "a call of a value": (whole(name("torch", "float32"), ("x",), REDUCE), InvalidModelError),
    "a call without a tuple": (whole(name("made", "Thing"), "x", REDUCE), InvalidModelError),
    "named arguments": (whole(name("made", "Thing"), (), {"a": 1}, b"\x92"), InvalidModelError),
    "an empty object": (whole(b"(o"), InvalidModelError),
    "a state of a list": (whole(EMPTY_LIST, NONE, BUILD), InvalidModelError),
    "a state of a name": (whole(name("made", "Thing"), NONE, BUILD), InvalidModelError),
    "a name of numbers": (whole(1, 2, b"\x93"), InvalidModelError),
    "operations without end": (b"N0" * 1_100_000 + b".", UnsafeError),
    "tuple keys without end": (
        whole(EMPTY_DICT, MARK, b"".join(integer + b"\x85N" for integer in map(write, range(5000))), b"u"),
        UnsafeError,
    ),
    "copies without end": (
        whole(
            text("x" * 1_000_000),
            b"q\0",
            (name("_codecs", "encode") + b"h\0" + text("latin1") + b"\x86R0") * 2000,
            NONE,
        ),
        UnsafeError,
    ),
    "sets of a long list of one item": (
        whole(EMPTY_LIST, MARK, NONE * 1_000_000, b"eq\0", (name("builtins", "set") + b"h\0\x85R0") * 99_000, NONE),
        UnsafeError,
    ),
}


@pytest.mark.parametrize("title", WRONG)
def test_wrong_pickles_are_refused(title):
    data, kind = WRONG[title]
    with pytest.raises(XirError) as raised:
        load(data)
    assert type(raised.value) is kind, raised.value


def test_sharing_costs_what_the_file_holds():
    """Thirty tuples of two of the one before: 2^30 leaves for whoever walks it, thirty objects here."""
    value = load(whole(NONE, b"2\x86" * 30))
    assert isinstance(value, tuple)


def test_errors_of_constructors_name_the_file():
    def refuse(arguments: tuple[object, ...]) -> object:
        raise InvalidModelError("the storage is too short")

    names = Names({"a.b": Constructor("a.b", refuse)}.get)
    with pytest.raises(InvalidModelError, match=r"file\.pt: the storage is too short"):
        load(whole(call("a", "b")), names)
