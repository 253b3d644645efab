"""Pickles written operation by operation: right ones, and those that would run code."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator

MARK, STOP, REDUCE, BUILD, NEWOBJ, OBJ = b"(", b".", b"R", b"b", b"\x81", b"o"
NONE, TUPLE, EMPTY_TUPLE, EMPTY_DICT, EMPTY_LIST = b"N", b"t", b")", b"}", b"]"


def proto(version: int) -> bytes:
    return bytes((0x80, version)) if version >= 2 else b""


def name(module: str, attribute: str) -> bytes:
    """GLOBAL."""
    return f"c{module}\n{attribute}\n".encode()


def stack_name(module: str, attribute: str) -> bytes:
    """STACK_GLOBAL."""
    return text(module) + text(attribute) + b"\x93"


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes((len(data),)) + data


def write(value: object) -> bytes:
    """The operations that make a value; `bytes` are operations already."""
    for kind, operations in WRITERS:
        if isinstance(value, kind):
            return operations(value)
    raise TypeError(f"no operations for {value!r}")


def pairs(value: dict) -> bytes:
    return MARK + b"".join(write(key) + write(held) for key, held in value.items()) + b"u"


WRITERS = (
    (bytes, bytes),
    (type(None), lambda value: NONE),
    (bool, lambda value: b"\x88" if value else b"\x89"),
    (int, integer),
    (float, lambda value: b"G" + struct.pack(">d", value)),
    (str, text),
    (tuple, lambda value: MARK + b"".join(map(write, value)) + TUPLE),
    (list, lambda value: EMPTY_LIST + MARK + b"".join(map(write, value)) + b"e"),
    (OrderedDict, lambda value: call("collections", "OrderedDict") + pairs(value)),
    (dict, lambda value: EMPTY_DICT + pairs(value)),
)


def call(module: str, attribute: str, *arguments: object) -> bytes:
    """A name, called."""
    return name(module, attribute) + write(tuple(arguments)) + REDUCE


def whole(*parts: object, version: int = 2) -> bytes:
    """A pickle of these operations and values."""
    return proto(version) + b"".join(map(write, parts)) + STOP


RUNS = ("os", "system", "echo run > /dev/null")
"""What the hostile pickles try."""


def running() -> Iterator[tuple[str, bytes]]:
    """Pickles that run code in an unpickler that looks names up, by every way there is."""
    module, attribute, argument = RUNS
    found = name(module, attribute)
    argument_line = f"S'{argument}'\n".encode()
    for version in range(6):
        yield f"protocol {version}", whole(found, (argument,), REDUCE, version=version)
    yield "protocol 0 in text", found + MARK + argument_line + b"tR."
    yield "INST", MARK + argument_line + f"i{module}\n{attribute}\n.".encode()
    yield "OBJ", whole(MARK, found, argument, OBJ)
    yield "NEWOBJ", whole(found, (argument,), NEWOBJ)
    yield "NEWOBJ_EX", whole(found, (argument,), {}, b"\x92")
    yield "STACK_GLOBAL", whole(stack_name(module, attribute), (argument,), REDUCE, version=4)
    yield "STACK_GLOBAL with a dotted name", whole(stack_name("xir", "api.os.system"), (argument,), REDUCE, version=4)
    yield (
        "STACK_GLOBAL from the memo",
        whole(text(module), b"\x94", text(attribute), b"\x94", b"00", b"h\0", b"h\1", b"\x93", (argument,), REDUCE),
    )
    yield "posix", whole(name("posix", "system"), (argument,), REDUCE)
    yield "builtins", whole(name("builtins", "eval"), ("1 + 1",), REDUCE)
    yield "__builtin__", whole(name("__builtin__", "exec"), ("pass",), REDUCE)
    yield "getattr", whole(name("builtins", "getattr"), (name("collections", "OrderedDict"), "__init__"), REDUCE)
    yield "a name alone", whole(found)
    yield "in a table", whole({"a": 1, "model": OrderedDict({"weight": found + write((argument,)) + REDUCE})})
    yield "as a key", whole(EMPTY_DICT, found, (argument,), REDUCE, 1, b"s")
    yield "in a state", whole(OrderedDict(), {"_metadata": found + write((argument,)) + REDUCE}, BUILD)
    yield "behind the object", whole(OrderedDict(), found, (argument,), REDUCE, b"0")
    yield "in an argument", whole(call("collections", "OrderedDict", found + write((argument,)) + REDUCE))
    yield "in a persistent id", whole(("storage", found, "0", "cpu", 1), b"Q")
    yield "copyreg", whole(name("copyreg", "_reconstructor"), (found, name("builtins", "object"), None), REDUCE)
    yield "torch.load", whole(name("torch.serialization", "load"), ("x",), REDUCE)
    yield "torch.storage", whole(name("torch.storage", "_load_from_bytes"), (write("x"),), REDUCE)
    yield "torch's own os", whole(name("torch.serialization", "os.system"), (argument,), REDUCE)
    yield "runpy", whole(name("runpy", "_run_code"), ("pass",), REDUCE)
    yield "dtype by getattr", whole(name("torch", "hub.load"), ("x",), REDUCE)
    for code, width in ((b"\x82", 1), (b"\x83", 2), (b"\x84", 4)):
        yield f"EXT{width}", whole(code + (1).to_bytes(width, "little"))
