"""The operations of pickles, by their bytes (CPython's Lib/pickletools.py describes each)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import cast

from xir.errors import UnsafeError
from xir.frontends.torch.pickles._machine import (
    ITEM_BYTES,
    MAX_INTEGER_BYTES,
    OBJECT_BYTES,
    PAIR_BYTES,
    Machine,
    reading,
)
from xir.frontends.torch.pickles.objects import Buildable, as_tuple


def _protocol(machine: Machine) -> None:
    version = machine.number(1)
    if version > 5:
        raise machine.damaged(f"there is no protocol {version}")


def _frame(machine: Machine) -> None:
    length = machine.number(8)
    if length > len(machine.data) - machine.place:
        raise machine.damaged("a frame is longer than the file")


def _mark(machine: Machine) -> None:
    machine.charge(OBJECT_BYTES)
    machine.outer.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack or not machine.outer:
        machine.pop()
    else:
        machine.since_mark()


def _int(machine: Machine) -> None:
    """A number in digits; 00 and 01 are the truth values of protocol 0 and 1."""
    truth = {b"00\n": False, b"01\n": True}.get(bytes(machine.data[machine.place : machine.place + 3]))
    value = machine.digits()
    machine.push(value if truth is None else truth)


def _long(machine: Machine) -> None:
    line = machine.line().removesuffix(b"L")
    if len(line) > 2 * MAX_INTEGER_BYTES:
        raise machine.damaged(f"a number has {len(line)} digits")
    machine.push(int(line or b"0"))


def _long_bytes(width: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        length = machine.number(width, signed=width == 4)
        if not 0 <= length <= MAX_INTEGER_BYTES:
            raise UnsafeError(
                f"a whole number of the pickle has {length} bytes; at most {MAX_INTEGER_BYTES} are taken",
                number=806,
                file=machine.file,
                hint="the file is damaged or hostile",
            )
        machine.push(machine.number(length, signed=True))

    return operation


_ESCAPED = re.compile(rb"\\(x[0-9a-fA-F]{2}|[\s\S]|$)")
_ESCAPES = {b"\\": b"\\", b"'": b"'", b'"': b'"', b"n": b"\n", b"r": b"\r", b"t": b"\t"}
"""What Python 2 escapes in the repr of a string."""


def _string(machine: Machine) -> None:
    """A string as Python 2 prints it, in quotes."""
    line = machine.line()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise machine.damaged("a string lacks its quotes")

    def plain(found: re.Match[bytes]) -> bytes:
        word = found[1]
        return bytes((int(word[1:], 16),)) if len(word) == 3 else _ESCAPES.get(word, found[0])

    machine.push(_text(_ESCAPED.sub(plain, line[1:-1])))


def _text(raw: bytes) -> str | bytes:
    """A string of Python 2: text where it is UTF-8, else the bytes."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def _counted(width: int, decode: Callable[[bytes], object]) -> Callable[[Machine], None]:
    """The operation for a length of `width` bytes and as many bytes that follow."""

    def operation(machine: Machine) -> None:
        machine.push(decode(machine.take(machine.number(width))))

    return operation


def _unicode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _tuple(count: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        items = [machine.pop() for _ in range(count)]
        machine.push(tuple(reversed(items)))

    return operation


def _append(machine: Machine) -> None:
    _extend(machine, [machine.pop()])


def _extend(machine: Machine, items: list[object]) -> None:
    target = machine.top()
    if type(target) is not list:
        raise machine.wrong("APPENDS", target)
    machine.charge(len(items) * ITEM_BYTES)
    cast("list[object]", target).extend(items)


def _set_item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.add_pairs([key, value])


def _dict(machine: Machine) -> None:
    items = machine.since_mark()
    machine.push(dict[object, object]())
    machine.add_pairs(items)


def _add_items(machine: Machine) -> None:
    items = machine.since_mark()
    target = machine.top()
    if type(target) is not set:
        raise machine.wrong("ADDITEMS", target)
    machine.charge(len(items) * PAIR_BYTES)
    for item in items:
        machine.check_key(item)
        cast("set[object]", target).add(item)


def _frozenset(machine: Machine) -> None:
    items = machine.since_mark()
    for item in items:
        machine.check_key(item)
    machine.push(frozenset(items))


def _global(machine: Machine) -> None:
    module, name = machine.line(), machine.line()
    machine.find(_unicode(module), _unicode(name))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise machine.wrong("STACK_GLOBAL", name if isinstance(module, str) else module)
    machine.find(module, name)


def _instance(machine: Machine) -> None:
    module, name = _unicode(machine.line()), _unicode(machine.line())
    arguments = tuple(machine.since_mark())
    machine.find(module, name)
    machine.construct("INST", machine.pop(), arguments)


def _object(machine: Machine) -> None:
    function, *arguments = machine.since_mark() or [None]
    machine.construct("OBJ", function, tuple(arguments))


def _reduce(machine: Machine) -> None:
    arguments, function = machine.pop(), machine.pop()
    machine.construct("REDUCE", function, arguments)


def _new_object_with_names(machine: Machine) -> None:
    named, arguments, function = machine.pop(), machine.pop(), machine.pop()
    if named != {}:
        raise machine.wrong("NEWOBJ_EX (with named arguments)", function)
    machine.construct("NEWOBJ_EX", function, arguments)


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    if not isinstance(target, Buildable):
        raise machine.wrong("BUILD", target)
    machine.charge(sum(reading(part) for part in as_tuple(state) or (state,)))
    machine.made(lambda: target.build(state))
    machine.pop()


def _persistent(machine: Machine, identifier: object) -> None:
    load = machine.names.persistent
    if load is None:
        raise machine.damaged("it refers to objects outside of it")
    machine.made(lambda: load(identifier))


def _extension(width: int) -> Callable[[Machine], None]:
    def operation(machine: Machine) -> None:
        machine.find("copyreg extension", str(machine.number(width)))

    return operation


def _outside(machine: Machine) -> None:
    raise machine.damaged("it refers to buffers outside of it")


OPERATIONS: Mapping[int, Callable[[Machine], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): lambda machine: machine.since_mark().clear(),
    ord("2"): lambda machine: machine.again(machine.top()),
    ord("N"): lambda machine: machine.push(None),
    0x88: lambda machine: machine.push(True),
    0x89: lambda machine: machine.push(False),
    ord("I"): _int,
    ord("L"): _long,
    ord("J"): lambda machine: machine.push(machine.number(4, signed=True)),
    ord("K"): lambda machine: machine.push(machine.number(1)),
    ord("M"): lambda machine: machine.push(machine.number(2)),
    0x8A: _long_bytes(1),
    0x8B: _long_bytes(4),
    ord("F"): lambda machine: machine.push(float(machine.line())),
    ord("G"): lambda machine: machine.push(struct.unpack(">d", machine.take(8))[0]),
    ord("S"): _string,
    ord("T"): _counted(4, _text),
    ord("U"): _counted(1, _text),
    ord("V"): lambda machine: machine.push(str(machine.line(), "raw-unicode-escape")),
    0x8C: _counted(1, _unicode),
    ord("X"): _counted(4, _unicode),
    0x8D: _counted(8, _unicode),
    ord("C"): _counted(1, bytes),
    ord("B"): _counted(4, bytes),
    0x8E: _counted(8, bytes),
    0x96: _counted(8, bytearray),
    ord(")"): _tuple(0),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("t"): lambda machine: machine.push(tuple(machine.since_mark())),
    ord("]"): lambda machine: machine.push(list[object]()),
    ord("l"): lambda machine: machine.push(machine.since_mark()),
    ord("a"): _append,
    ord("e"): lambda machine: _extend(machine, machine.since_mark()),
    ord("}"): lambda machine: machine.push(dict[object, object]()),
    ord("d"): _dict,
    ord("s"): _set_item,
    ord("u"): lambda machine: machine.add_pairs(machine.since_mark()),
    0x8F: lambda machine: machine.push(set[object]()),
    0x90: _add_items,
    0x91: _frozenset,
    ord("p"): lambda machine: machine.remember(machine.digits()),
    ord("q"): lambda machine: machine.remember(machine.number(1)),
    ord("r"): lambda machine: machine.remember(machine.number(4)),
    0x94: lambda machine: machine.remember(len(machine.memo)),
    ord("g"): lambda machine: machine.recall(machine.digits()),
    ord("h"): lambda machine: machine.recall(machine.number(1)),
    ord("j"): lambda machine: machine.recall(machine.number(4)),
    ord("c"): _global,
    0x93: _stack_global,
    ord("i"): _instance,
    ord("o"): _object,
    ord("R"): _reduce,
    0x81: _reduce,
    0x92: _new_object_with_names,
    ord("b"): _build,
    ord("P"): lambda machine: _persistent(machine, _unicode(machine.line())),
    ord("Q"): lambda machine: _persistent(machine, machine.pop()),
    0x82: _extension(1),
    0x83: _extension(2),
    0x84: _extension(4),
    0x97: _outside,
    0x98: _outside,
}
"""Every operation of protocols 0 to 5 but STOP, by its byte."""
